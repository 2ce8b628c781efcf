"""What the tree shows, given what supervisors said of themselves and of each other."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.errors import NotFound, Refused
from grace_actors.status.model import TreeModel, kernel_counts, walk


def child(id: str, kind: str = "kernel", **changes: Any) -> dict[str, Any]:
    return {
        "id": id, "kind": kind, "state": "running", "pid": 100 + len(id), "gen": 1, "restarts": 0,
        "started_at": 1000.0, "last_exit": None, "does": "works", "mailbox": 0, "critical": False, "tier": "core",
    } | changes  # fmt: skip


def supervisor(name: str, parent: str | None, *children: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "pid": 10, "gen": 1, "started_at": 900.0, "strategy": "one_for_one", "policies": ["repair"],
        "restarts": 0, "state": "running", "parent": parent, "children": list(children),
    } | changes  # fmt: skip


def model(*descriptions: dict[str, Any]) -> TreeModel:
    made = TreeModel()
    for description in descriptions:
        made.describe(description)
    return made


def shown(made: TreeModel, name: str) -> dict[str, Any]:
    return made.find(name, wall=1100.0)


CORE = child("core", "supervisor", pid=20)


def test_a_child_supervisor_shows_the_parents_counts_and_its_own_children() -> None:
    made = model(
        supervisor("grace", None, {**CORE, "restarts": 3, "last_exit": {"reason": "SIGKILL", "detail": "", "at": 5.0}}),
        supervisor("core", "grace", child("bus"), pid=20, strategy="rest_for_one"),
    )
    node = shown(made, "core")
    assert (node["restarts"], node["strategy"], node["pid"], node["state"]) == (3, "rest_for_one", 20, "running")
    assert node["last_exit"] == {"reason": "SIGKILL", "detail": "", "at": "1970-01-01T00:00:05.000Z"}
    assert [each["name"] for each in node["children"]] == ["bus"]
    assert node["uptime_s"] == 200.0


@pytest.mark.parametrize(
    ("parent_says", "below"),
    [("restarting", "restarting"), ("failed", "stopped"), ("quarantined", "stopped"), ("stopped", "stopped")],
)
def test_children_of_a_supervisor_that_is_not_running_are_never_shown_as_running(parent_says: str, below: str) -> None:
    made = model(
        supervisor("grace", None, CORE),
        supervisor("core", "grace", child("bus"), pid=20),
        supervisor("grace", None, {**CORE, "state": parent_says}),
    )
    assert shown(made, "core")["state"] == parent_says
    bus = shown(made, "bus")
    assert (bus["state"], bus["pid"], bus["uptime_s"], bus["mailbox"]) == (below, None, None, None)


def test_a_new_generation_that_has_not_described_itself_hides_the_old_ones_children() -> None:
    made = model(
        supervisor("grace", None, CORE),
        supervisor("core", "grace", child("bus"), pid=20),
        supervisor("grace", None, {**CORE, "gen": 2, "pid": 21}),
    )
    assert shown(made, "core")["state"] == "running"
    assert shown(made, "bus")["state"] == "stopped"
    assert made.pending("running") == {"core": "unknown", "bus": "stopped"}


@pytest.mark.parametrize(
    "state", ["running", "stopped", "waiting", "quarantined", "awaiting_repair", "failed", "paused"]
)
def test_a_state_that_lasts_is_settled(state: str) -> None:
    assert model(supervisor("grace", None, child("bus", state=state))).pending("settled") == {}


@pytest.mark.parametrize("state", ["starting", "restarting", "stopping"])
def test_a_state_on_the_way_to_another_is_not_settled(state: str) -> None:
    assert model(supervisor("grace", None, child("bus", state=state))).pending("settled") == {"bus": state}


def test_a_supervisor_that_has_not_described_itself_is_not_settled() -> None:
    assert model(supervisor("grace", None, CORE)).pending("settled") == {"core": "unknown"}


def test_a_child_that_waits_makes_the_whole_degraded() -> None:
    assert model(supervisor("grace", None, child("bus", state="waiting", pid=None))).overall() == "degraded"


def test_a_description_that_arrives_before_the_parents_news_is_believed() -> None:
    made = model(
        supervisor("grace", None, CORE),
        supervisor("core", "grace", child("bus"), pid=20),
        supervisor("grace", None, {**CORE, "state": "restarting", "pid": None}),
        supervisor("core", "grace", child("bus", pid=77), pid=21, gen=2),
    )
    assert shown(made, "core")["pid"] == 21
    assert shown(made, "bus")["pid"] == 77


def test_a_late_description_by_a_dead_incarnation_is_not_believed() -> None:
    made = model(
        supervisor("grace", None, CORE),
        supervisor("grace", None, {**CORE, "state": "restarting", "pid": None}),
        supervisor("core", "grace", child("bus"), pid=20),
    )
    assert shown(made, "core")["state"] == "restarting"
    assert shown(made, "bus")["state"] == "restarting"


def test_generations_that_begin_anew_under_a_restarted_parent_do_not_revive_the_old_child() -> None:
    inner = child("inner", "supervisor", pid=30, gen=3)
    made = model(
        supervisor("grace", None, CORE),
        supervisor("core", "grace", inner, pid=20),
        supervisor("inner", "core", child("bus"), pid=30, gen=3),
        supervisor("grace", None, {**CORE, "gen": 2, "pid": 21}),
        supervisor("core", "grace", {**inner, "gen": 1, "pid": None, "state": "starting"}, pid=21, gen=2),
    )
    assert shown(made, "inner")["state"] == "starting"
    assert shown(made, "bus")["state"] == "restarting"


def test_a_reused_pid_counts_as_alive_once_the_parent_says_so() -> None:
    made = model(
        supervisor("grace", None, CORE),
        supervisor("grace", None, {**CORE, "state": "restarting", "pid": None}),
        supervisor("grace", None, {**CORE, "gen": 2, "pid": 20}),
        supervisor("core", "grace", child("bus"), pid=20, gen=2),
    )
    assert shown(made, "bus")["state"] == "running"


def test_a_removed_supervisor_leaves_nothing_behind() -> None:
    made = model(
        supervisor("grace", None, CORE), supervisor("core", "grace", child("bus"), pid=20), supervisor("grace", None)
    )
    assert [node["name"] for node in walk(made.tree(0.0))] == ["grace"]
    assert made.view("core") is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [("running", "running"), ("starting", "degraded"), ("failed", "degraded"), ("paused", "degraded")],
)
def test_the_tree_is_running_only_when_every_node_is(state: str, expected: str) -> None:
    assert model(supervisor("grace", None, child("bus", state=state))).overall() == expected


def test_a_finished_job_does_not_degrade_the_tree() -> None:
    finished = {"reason": "normal", "detail": "", "at": 1.0}
    assert model(supervisor("grace", None, child("job", state="stopped", last_exit=finished))).overall() == "running"
    finished["reason"] = "shutdown"
    assert model(supervisor("grace", None, child("job", state="stopped", last_exit=finished))).overall() == "degraded"


def test_a_tree_without_its_root_is_booting_and_shows_nothing() -> None:
    made = model(supervisor("core", "grace", child("bus")))
    assert (made.tree(0.0), made.overall()) == (None, "booting")


@pytest.mark.parametrize(("state", "overall"), [("starting", "booting"), ("stopping", "stopping")])
def test_the_root_decides_on_booting_and_stopping(state: str, overall: str) -> None:
    assert model(supervisor("grace", None, child("bus"), state=state)).overall() == overall


def test_kernels_are_counted_by_what_they_do_now() -> None:
    made = model(
        supervisor(
            "grace", None, child("a"), child("b", degraded=["no disk"]), child("c", state="quarantined"),
            child("d", state="restarting"), child("p", "process"),
        )
    )  # fmt: skip
    assert kernel_counts(made.tree(0.0)) == {"total": 4, "running": 2, "degraded": 1, "failed": 1}


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(NotFound) as caught:
        shown(model(supervisor("grace", None, child("message_bus"))), "mesage_bus")
    assert caught.value.hint == "did you mean 'message_bus'?"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": "dancing"}, "unknown state 'dancing'"),
        ({"children": [child("a", kind="daemon")]}, "a has kind 'daemon'"),
        ({"children": [child("a", pid="7")]}, "pid must be int or null, not '7'"),
        ({"children": ["a"]}, "a child must be a mapping, not str"),
        ({"children": None}, "children must be list, not None"),
        ({"gen": True}, "gen must be int, not True"),
        ({"started_at": float("nan")}, "started_at is nan"),
        ({"parent": 5}, "parent must be str or null, not 5"),
    ],
)
def test_a_malformed_description_is_refused_and_changes_nothing(change: dict[str, Any], message: str) -> None:
    made = model(supervisor("grace", None, child("bus")))
    before = made.tree(0.0)
    with pytest.raises(Refused, match=message):
        made.describe(supervisor("grace", None) | change)
    assert made.tree(0.0) == before


def test_supervisors_that_name_each_other_as_parent_do_not_hang_the_answer() -> None:
    a, b = child("a", "supervisor", state="restarting"), child("b", "supervisor", state="restarting")
    made = model(supervisor("grace", None, a, b), supervisor("a", "b", b), supervisor("b", "a", a))
    assert [node["name"] for node in walk(made.tree(0.0))] == ["grace", "a", "b"]


@pytest.mark.parametrize("state", ["awaiting_repair", "quarantined", "failed"])
def test_a_held_child_shows_why_and_what_to_do_and_only_while_it_is_held(state: str) -> None:
    words = {"cause": "restart budget spent", "next_step": "see why bus; then: start bus"}
    made = model(supervisor("grace", None, child("bus", state=state, pid=None, **words)))
    assert shown(made, "bus").items() >= words.items()
    made.describe(supervisor("grace", None, child("bus", **words)))
    assert (shown(made, "bus")["cause"], shown(made, "bus")["next_step"]) == (None, None)
