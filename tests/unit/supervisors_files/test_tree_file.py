"""A tree file becomes specs, or every mistake in it is told with its place."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from supervisors.loader import Tree, TreeFileError, class_resolver, load_tree, with_runtime
from supervisors.spec import (
    AutoShutdown,
    Backoff,
    Budget,
    ChildSpec,
    ChildType,
    Heartbeat,
    KernelStart,
    OnExhausted,
    PolicySpec,
    ProcessStart,
    Readiness,
    Restart,
    Startup,
    Strategy,
    SupervisorSpec,
)
from supervisors.validate import validate

FIXTURES = Path(__file__).parents[2] / "fixtures" / "trees"
MESSAGES = (FIXTURES / "messages.txt").read_text(encoding="utf-8").splitlines()
HEAD = "schema: grace.tree/1\nname: shop\n"


def tree_of(tmp_path: Path, text: str) -> Tree:
    path = tmp_path / "tree.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return load_tree(path)


def child_of(tree: Tree, name: str) -> ChildSpec:
    return next(child for child in tree.children() if child.id == name)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_the_message_that_helps(path: Path) -> None:
    expected = [line.partition(": ")[2] for line in MESSAGES if line.startswith(f"{path.stem}: ")]
    assert expected, f"messages.txt says nothing about {path.stem}"
    with pytest.raises(TreeFileError) as caught:
        load_tree(path)
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == expected


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TreeFileError, match="cannot be read: No such file"):
        load_tree(tmp_path / "none.yaml")


FULL = """\
    schema: grace.tree/1
    name: shop
    strategy: rest_for_one
    intensity: 5
    period: 60s
    startup: parallel
    auto_shutdown: any_significant
    defaults:
      heartbeat: {interval: 5s, misses: 2}
      backoff: {min: 100ms, max: 5s, jitter: 0.2, reset_after: 1m}
      start_timeout: 10s
      shutdown: 5s
      tier: front
      stop_signal: SIGINT
    policies:
      - recycle: {max_memory_mb: 500, max_age: 1h, except: [web]}
      - watchdog
    children:
      - supervisor: core
        strategy: one_for_all
        shutdown: 30s
        children:
          - id: prices
            kernel: shop.prices:Prices
            with: {limits: {low: 1}, on: true}
            restart: transient
            shutdown: brutal_kill
            critical: true
            tier: core
            start_timeout: none
            heartbeat: none
            budget: {intensity: 3, period: 60s}
            on_exhausted: quarantine
            permanent_failure: [ValueError, exit 78]
            clean_exits: [exit 3]
      - id: web
        command: [python3, -m, http.server, 8099]
        env: {PORT: 8099, MODE: on}
        cwd: www
        ready: {tcp: "127.0.0.1:8099"}
        log: {max_size: 10MB, keep: 0}
        restart: temporary
        significant: true
        depends_on: [prices]
"""


def test_every_key_of_a_supervisor_reaches_its_spec(tmp_path: Path) -> None:
    root = tree_of(tmp_path, FULL).root
    assert root.name == "shop"
    assert root.strategy is Strategy.REST_FOR_ONE
    assert (root.intensity, root.period_s) == (5, 60.0)
    assert root.startup is Startup.PARALLEL
    assert root.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT
    assert root.policies == (
        PolicySpec(name="recycle", params={"max_age_s": 3600.0, "max_memory_mb": 500.0, "except": ("web",)}),
        PolicySpec(name="watchdog"),
    )
    assert [child.id for child in root.children] == ["core", "web"]


def test_every_key_of_a_kernel_reaches_its_spec(tmp_path: Path) -> None:
    assert child_of(tree_of(tmp_path, FULL), "prices") == ChildSpec(
        id="prices",
        start=KernelStart(path="shop.prices:Prices", config={"limits": {"low": 1}, "on": True}),
        restart=Restart.TRANSIENT,
        shutdown_s="brutal_kill",
        critical=True,
        tier="core",
        backoff=Backoff(min_s=0.1, max_s=5.0, jitter=0.2, reset_after_s=60.0),
        budget=Budget(intensity=3, period_s=60.0),
        on_exhausted=OnExhausted.QUARANTINE,
        permanent_failure=("ValueError", "exit 78"),
        clean_exits=("exit 3",),
    )


def test_every_key_of_a_command_reaches_its_spec(tmp_path: Path) -> None:
    assert child_of(tree_of(tmp_path, FULL), "web") == ChildSpec(
        id="web",
        start=ProcessStart(
            command=("python3", "-m", "http.server", "8099"),
            env={"PORT": "8099", "MODE": "on"},
            cwd=str(tmp_path / "www"),
            stop_signal="SIGINT",
            ready=Readiness(tcp="127.0.0.1:8099"),
            log_max_bytes=10_000_000,
            log_keep=0,
        ),
        restart=Restart.TEMPORARY,
        significant=True,
        shutdown_s=5.0,
        start_timeout_s=10.0,
        heartbeat=Heartbeat(interval_s=5.0, misses=2),
        backoff=Backoff(min_s=0.1, max_s=5.0, jitter=0.2, reset_after_s=60.0),
        depends_on=("core",),
        tier="front",
    )


def test_a_nested_supervisor_is_a_child_that_takes_heartbeat_and_tier_of_the_defaults_only(tmp_path: Path) -> None:
    core = child_of(tree_of(tmp_path, FULL), "core")
    assert core.type is ChildType.SUPERVISOR
    assert core.shutdown == 30.0
    assert core.heartbeat == Heartbeat(interval_s=5.0, misses=2)
    assert core.tier == "front"
    assert (core.start_timeout_s, core.backoff) == (None, None)
    assert isinstance(core.start, SupervisorSpec)
    assert core.start.strategy is Strategy.ONE_FOR_ALL


def test_what_the_file_leaves_out_is_as_in_otp(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, HEAD + "children:\n  - {id: web, kernel: 'shop.web:Web'}\n")
    assert tree.root == SupervisorSpec(
        name="shop", children=(ChildSpec(id="web", start=KernelStart(path="shop.web:Web")),)
    )


def test_the_nearest_defaults_win(tmp_path: Path) -> None:
    text = """\
        schema: grace.tree/1
        name: shop
        defaults: {shutdown: 1s, tier: outer}
        children:
          - supervisor: back
            defaults: {shutdown: 2s}
            children:
              - {id: a, kernel: "m:A"}
              - {id: b, kernel: "m:B", shutdown: 3s}
          - {id: c, kernel: "m:C"}
    """
    tree = tree_of(tmp_path, text)
    assert [child_of(tree, name).shutdown_s for name in "abc"] == [2.0, 3.0, 1.0]
    assert {child_of(tree, name).tier for name in "abc"} == {"outer"}


def test_the_classes_are_listed_once_each_and_names_have_places(tmp_path: Path) -> None:
    text = HEAD + "children:\n  - {id: a, kernel: 'm:A'}\n  - {id: b, kernel: 'm:A'}\n  - actor: registry\n"
    tree = tree_of(tmp_path, text)
    assert tree.kernels == ("grace_actors.registry:Registry", "m:A")
    assert (tree.places[("b",)].line, tree.places[("b", "kernel")].column) == (5, 21)


def test_a_command_runs_in_the_folder_of_the_tree_file_unless_it_says_otherwise(tmp_path: Path) -> None:
    rows = ["{id: a, command: [ls]}", "{id: b, command: [ls], cwd: ../x}", "{id: c, command: [ls], cwd: /srv}"]
    tree = tree_of(tmp_path, HEAD + "children:\n" + "".join(f"  - {row}\n" for row in rows))
    folders = [child.start.cwd for child in tree.children()]
    assert folders == [str(tmp_path), f"{tmp_path}/../x", "/srv"]


LIFTED = """\
    schema: grace.tree/1
    name: shop
    startup: parallel
    children:
      - supervisor: front
        children:
          - supervisor: pages
            children:
              - {id: web, kernel: "m:A", depends_on: [prices, session]}
          - {id: session, kernel: "m:A"}
      - supervisor: back
        children:
          - {id: prices, kernel: "m:A"}
          - {id: orders, kernel: "m:A", depends_on: [prices]}
      - {id: mail, kernel: "m:A", depends_on: [orders, back]}
"""


def test_a_dependency_across_branches_is_lifted_to_the_branches(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, LIFTED.replace("- supervisor: front", "- supervisor: front\n        startup: parallel"))
    needs = {child.id: child.depends_on for child in tree.children()}
    assert needs == {
        "front": ("back",),
        "pages": ("session",),
        "web": (),
        "session": (),
        "back": (),
        "prices": (),
        "orders": ("prices",),
        "mail": ("back",),
    }
    assert "start order: front -> back (web needs prices)" in tree.infos


def test_a_lifted_dependency_obeys_an_ordered_startup_too(tmp_path: Path) -> None:
    with pytest.raises(TreeFileError) as caught:
        tree_of(tmp_path, LIFTED)
    assert [fault.message for fault in caught.value.faults] == [
        "pages -> session (web needs session), but 'session' starts later: the startup of 'front' is ordered"
    ]


def test_a_chain_of_thousands_of_dependencies_is_no_problem(tmp_path: Path) -> None:
    rows = ["{id: a0, kernel: 'm:A'}"] + [
        f"{{id: a{i}, kernel: 'm:A', depends_on: [a{i - 1}]}}" for i in range(1, 3000)
    ]
    tree = tree_of(tmp_path, HEAD + "children:\n" + "".join(f"  - {row}\n" for row in rows))
    assert child_of(tree, "a2999").depends_on == ("a2998",)


def test_a_limit_that_delays_make_unreachable_is_a_remark_with_its_place(tmp_path: Path) -> None:
    text = HEAD + "intensity: 9\nperiod: 1s\nchildren:\n  - id: a\n    kernel: m:A\n    backoff: {min: 1s, max: 9s}\n"
    (remark,) = [info for info in tree_of(tmp_path, text).infos if "never gives up" in info]
    assert remark.startswith(f"{tmp_path}/tree.yaml:8:14: ")


# ---- classes


class Base:
    """Stands for the base class of kernels."""


class Good(Base):
    """A kernel."""


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (f"{__name__}:Good", None),
        ("no_such_module_at_all:Good", "no module named 'no_such_module_at_all'"),
        (f"{__name__}:Missing", f"{__name__} has no class 'Missing'"),
        (f"{__name__}:HEAD", f"{__name__}:HEAD is not a subclass of {__name__}.Base"),
        ("pathlib:Path", f"pathlib:Path is not a subclass of {__name__}.Base"),
    ],
)
def test_a_class_must_be_importable_and_a_kernel(path: str, problem: str | None) -> None:
    assert class_resolver(Base)(path) == problem


@pytest.mark.parametrize("body", ["raise ValueError('bad port')", "import sys; sys.exit(3)", "1 +"])
def test_a_module_that_fails_on_import_is_told_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    (tmp_path / "failing_module.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    problem = class_resolver(Base)("failing_module:Good")
    assert problem is not None
    assert problem.startswith("importing failing_module raised ")


def test_a_class_that_cannot_be_used_is_a_fault_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tree.yaml"
    path.write_text(HEAD + "children:\n  - {id: a, kernel: 'm:A'}\n  - {id: b, kernel: 'm:A'}\n  - actor: registry\n")
    with pytest.raises(TreeFileError) as caught:
        load_tree(path, resolve=lambda path: f"{path} is broken")
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == [
        "4:21: m:A is broken; allowed: package.module:Class, importable from here"
    ]
    assert load_tree(path, imports=False, resolve=lambda path: "never asked").root.name == "shop"


# ---- the built-in actors of a user's tree


def test_a_tree_without_built_in_actors_gets_them_before_its_own_root(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, FULL.replace("    auto_shutdown: any_significant\n", "").replace("significant: true", ""))
    whole = with_runtime(tree)
    assert whole.root.strategy is Strategy.REST_FOR_ONE
    assert [child.id for child in whole.root.children] == ["runtime", "shop"]
    assert [child.id for child in whole.root.children[0].start.children] == ["registry", "signature", "status"]
    assert whole.root.children[1].start is tree.root
    assert whole.root.children[1].restart is Restart.TRANSIENT
    assert whole.kernels[:1] == ("grace_actors.registry:Registry",)
    assert whole.kernels[-1] == "shop.prices:Prices"
    assert with_runtime(whole) is whole
    assert validate(whole.root) == []


def test_only_the_built_in_actors_that_are_missing_are_added(tmp_path: Path) -> None:
    tree = with_runtime(tree_of(tmp_path, HEAD + "children:\n  - actor: registry\n"))
    assert [child.id for child in tree.children()] == ["runtime", "signature", "status", "shop", "registry"]


def test_a_root_that_ends_by_itself_ends_the_whole_and_one_that_is_killed_comes_back(tmp_path: Path) -> None:
    """A root at its restart limit used to be started again, twenty times, instead of ending the program."""
    tree = with_runtime(tree_of(tmp_path, HEAD + "children:\n  - {id: a, kernel: 'm:A'}\n"))
    assert tree.root.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT
    assert tree.root.children[1].significant
    assert tree.root.children[1].restart is Restart.TRANSIENT
    assert validate(tree.root) == []


def test_the_new_root_takes_a_name_that_is_free(tmp_path: Path) -> None:
    text = "schema: grace.tree/1\nname: grace\nchildren:\n  - {id: root, kernel: 'm:A'}\n"
    tree = with_runtime(tree_of(tmp_path, text))
    names = [tree.root.name, *(child.id for child in tree.children())]
    assert len(names) == len(set(names))


def test_criteria_of_health_are_read_with_their_durations(tmp_path: Path) -> None:
    text = f"""{HEAD}policies:
  - mutual_repair:
      pair: [a, b]
      deadline: 1m
      criteria: [{{down: 2s, child: a}}, {{measure: queue, above: 100, times: 3, mode: safe}}]
children: [{{id: a, command: [sleep, "9"]}}, {{id: b, command: [sleep, "9"]}}]
"""
    (policy,) = tree_of(tmp_path, text).root.policies
    assert policy.params == {
        "pair": ("a", "b"),
        "deadline_s": 60.0,
        "criteria": ({"down_s": 2.0, "child": "a"}, {"measure": "queue", "above": 100.0, "times": 3, "mode": "safe"}),
    }


def test_a_policy_that_names_a_child_that_is_not_there_is_told_at_its_place(tmp_path: Path) -> None:
    text = f"{HEAD}policies: [{{mutual_repair: {{pair: [a, bb]}}}}]\nchildren: [{{id: a, command: [sleep, '9']}}]\n"
    with pytest.raises(TreeFileError, match="'bb' in pair is not a child of this supervisor") as caught:
        tree_of(tmp_path, text)
    assert "allowed: a" in str(caught.value)
