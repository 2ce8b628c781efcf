"""Overrides change what actors start with; what means nothing is named with its place and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_actors.errors import Refused
from grace_actors.kernels import known_good
from grace_actors.kernels.overrides import FILE, add_override, configured, set_override, supervised
from supervisors.spec import Backoff, ChildSpec, Heartbeat, KernelStart, SupervisorSpec


def written(home: Path, *lines: str) -> Path:
    path = home / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("version: 1\noverrides:\n" + "".join(f"- {line}\n" for line in lines))
    return path


def child(name: str) -> ChildSpec:
    return ChildSpec(
        id=name,
        start=KernelStart(path="a:B"),
        heartbeat=Heartbeat(interval_s=1.0, misses=3),
        backoff=Backoff(min_s=1.0, max_s=1.5),
        start_timeout_s=10.0,
    )


SPEC = SupervisorSpec(name="branch", children=(child("librarian"), ChildSpec(id="bare", start=None)))


def test_without_a_file_everything_is_as_the_tree_file_says(tmp_path: Path) -> None:
    assert configured(tmp_path, "librarian", {"max_bytes": 1}) == ({"max_bytes": 1}, [])
    assert supervised(tmp_path, SPEC) == (SPEC, [])


def test_a_setting_is_changed_for_its_kernel_alone(tmp_path: Path) -> None:
    written(tmp_path, "{child: librarian, setting: with.max_bytes, change: {to: 7}}")
    assert configured(tmp_path, "librarian", {"max_bytes": 1, "other": 2}) == ({"max_bytes": 7, "other": 2}, [])
    assert configured(tmp_path, "scheduler", {"max_bytes": 1}) == ({"max_bytes": 1}, [])


def test_changes_of_one_setting_follow_each_other(tmp_path: Path) -> None:
    row = "{{child: librarian, setting: with.n, change: {}}}"
    written(tmp_path, row.format("{times: 2}"), row.format("{plus: 1}"))
    assert configured(tmp_path, "librarian", {"n": 10}) == ({"n": 21}, [])


def test_approved_thresholds_reach_the_supervision_of_the_child(tmp_path: Path) -> None:
    written(
        tmp_path,
        "{child: librarian, setting: heartbeat.misses, change: {plus: 1.0}}",
        "{child: librarian, setting: backoff.min, change: {times: 2.0}}",
        "{child: librarian, setting: start_timeout, change: {times: 1.5}}",
    )
    spec, problems = supervised(tmp_path, SPEC)
    after = spec.children[0]
    assert problems == []
    assert after.heartbeat == Heartbeat(interval_s=1.0, misses=4)
    assert after.backoff == Backoff(min_s=2.0, max_s=2.0)
    assert after.start_timeout_s == 15.0
    assert spec.children[1] is SPEC.children[1]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("7", "an override names a `child`"),
        ("{child: librarian, setting: backoff.min}", "allowed: one of"),
        ("{child: librarian, setting: backoff.min, change: {to: 1, plus: 2}}", "allowed: one of"),
        ("{child: librarian, setting: backoff.mni, change: {to: 1}}", "unknown setting 'backoff.mni'"),
        ("{child: librarian, setting: backoff.min, change: {to: 0}}", "allowed: a number above 0"),
        ("{child: librarian, setting: backoff.min, change: {plus: x}}", "needs a number"),
        ("{child: bare, setting: backoff.min, change: {times: 2}}", "gives bare no backoff.min"),
    ],
)
def test_an_entry_that_means_nothing_is_named_and_the_others_count(tmp_path: Path, line: str, told: str) -> None:
    path = written(tmp_path, line, "{child: librarian, setting: start_timeout, change: {to: 60}}")
    spec, (problem,) = supervised(tmp_path, SPEC)
    assert problem.startswith(f"{path}:3:3: ")
    assert told in problem
    assert spec.children[0].start_timeout_s == 60.0


def test_a_sum_without_a_number_leaves_the_setting_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "{child: librarian, setting: with.words, change: {times: 2}}")
    after, (problem,) = configured(tmp_path, "librarian", {"words": "ab"})
    assert (after, problem.startswith(f"{path}:3:3: ")) == ({"words": "ab"}, True)


@pytest.mark.parametrize("text", ["overrides: [\n", "[]\n", "", "overrides: 7\n", "\x00"])
def test_a_broken_file_changes_nothing_and_is_never_overwritten(tmp_path: Path, text: str) -> None:
    path = written(tmp_path)
    path.write_text(text)
    assert configured(tmp_path, "librarian", {"n": 1})[0] == {"n": 1}
    spec, problems = supervised(tmp_path, SPEC)
    assert spec is SPEC
    assert problems
    assert all(problem.startswith(f"{path}:") for problem in problems)
    for write in (add_override, set_override):
        with pytest.raises(Refused):
            write(path, {"child": "a", "setting": "with.n", "proposal": "p"})
    assert path.read_text() == text


def test_a_value_that_is_set_stands_in_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / FILE
    for value in (1, 2):
        set_override(path, {"child": "a", "setting": "with.n", "change": {"to": value}})
    add_override(path, {"child": "a", "setting": "start_timeout", "change": {"times": 2.0}, "proposal": "p1"})
    assert configured(tmp_path, "a", {}) == ({"n": 2}, [])
    assert path.read_text().count("child: a") == 2


def test_a_change_of_ours_is_no_drift_of_the_configuration(tmp_path: Path) -> None:
    path = written(tmp_path, "{child: a, setting: with.n, change: {to: 1}}")
    (path.parent / "governance.yaml").write_text("x: 1")
    assert set(known_good.config_digests(path.parent)) == {"governance.yaml"}
