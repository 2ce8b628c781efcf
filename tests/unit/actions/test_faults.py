"""Faults on purpose: through the supervisor, as an event, and of the audit log only what can be repaired."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.kernel import Kernel, Request
from grace_actors.kernels.immutable_log import ImmutableLog
from tests.unit.actions.stage import PERFORMER, Stage
from tests.unit.actions.test_indexes import write


@pytest.fixture
def injected(stage: Stage) -> list[Any]:
    """What the supervisor is asked to break."""
    asked: list[Any] = []

    class Breaking(Kernel):
        def do_inject(self, request: Request) -> None:
            asked.append(request.args)

    stage.bench.add("branch", Breaking)
    stage.world.add("librarian")
    return asked


def test_a_fault_is_caused_by_the_supervisor_with_all_its_parameters(stage: Stage, injected: list[Any]) -> None:
    assert stage.perform("inject_fault", kernel="librarian", fault="hang", check=True).changed
    assert injected == []
    stage.ok("inject_fault", kernel="librarian", fault="hang")
    stage.ok("inject_fault", kernel="librarian", fault="hang", params={"seconds": 5})
    assert [one["params"] for one in injected] == [{"seconds": 60.0}, {"seconds": 5}]


def test_a_fault_that_makes_no_sense_reaches_nobody(stage: Stage, injected: list[Any]) -> None:
    stage.world.add("window", kind="process")
    assert "parameters" in stage.fails("inject_fault", kernel="librarian", params={"x": 1}).message
    assert "works on actors" in stage.fails("inject_fault", kernel="window", fault="crash").message
    assert "performs this action" in stage.fails("inject_fault", kernel=PERFORMER).message
    assert "has no store" in stage.fails("inject_fault", kernel="librarian", fault="corrupt").message
    assert injected == []


def test_a_store_is_damaged_while_its_kernel_stands_still_and_the_kernel_killed(
    stage: Stage, injected: list[Any]
) -> None:
    write(stage.home / "data/librarian/library.db", *("oak " * 20 for _ in range(9)))
    stage.ok("inject_fault", kernel="librarian", fault="corrupt", params={"bytes": 100})
    assert [one["fault"] for one in injected] == ["hold", "corrupt"]
    assert injected[1]["params"]["where"] == "search index notes_fts"
    assert not stage.perform("verify_kernel_store", kernel="librarian").ok


def test_a_kernel_whose_store_could_not_be_damaged_goes_on(stage: Stage, injected: list[Any]) -> None:
    (stage.home / "data/librarian").mkdir()
    (stage.home / "data/librarian/library.db").touch()
    stage.fails("inject_fault", kernel="librarian", fault="corrupt")
    assert [one["fault"] for one in injected] == ["hold", "release"]


def test_a_damaged_entry_of_the_audit_log_is_restored_from_its_copy(stage: Stage) -> None:
    stage.world.add("immutable_log")
    log = stage.bench.add("immutable_log", ImmutableLog)
    for n in range(5):
        stage.bench.post("x", "immutable_log", "append", {"action": f"act.{n}"}, None)
    stage.bench.advance(1.0)
    assert "no closed segment" in stage.fails("corrupt_log_entry").message
    stage.ok("archive_audit_log", keep=1)
    assert stage.perform("corrupt_log_entry", check=True).changed
    stage.ok("verify_log_integrity")
    log.ctx.every = lambda *_: None  # type: ignore[method-assign,assignment]
    stage.bench._due.clear()  # the log does not look meanwhile
    stage.ok("corrupt_log_entry")
    stage.fails("verify_log_integrity")
    assert "fault.injected" in stage.bench.types()
    for _ in range(3):
        log._check_some()  # type: ignore[attr-defined]
    assert "log.restored" in stage.bench.types()
    stage.ok("verify_log_integrity")
    log.stop("done")


def test_what_no_supervisor_can_cause_is_asked_of_the_runner(stage: Stage) -> None:
    asked: list[Any] = []

    class Runner(Kernel):
        def do_inject(self, request: Request) -> Any:
            asked.append(request.args)
            return {"record": "r1"}

    burn = {"kernel": "host", "fault": "burn", "params": {"cores": 1}}
    stage.world.add("librarian")
    assert "not in the tree" in stage.fails("inject_fault", **burn).message
    stage.bench.add("chaos_runner", Runner)
    stage.world.add("chaos_runner")
    assert stage.perform("inject_fault", check=True, **burn).changed
    assert "its target is: host" in stage.fails("inject_fault", **{**burn, "kernel": "librarian"}).message
    assert asked == []
    stage.ok("inject_fault", **burn)
    params = {"cores": 1, "seconds": 60.0}
    assert asked == [{"fault": "burn", "target": "host", "params": params, "by": PERFORMER}]


def test_what_lasts_is_ended_by_a_pardon(stage: Stage, injected: list[Any]) -> None:
    stage.ok("inject_fault", kernel="librarian", fault="mute")
    stage.ok("inject_fault", kernel="librarian", fault="pardon")
    assert [one["fault"] for one in injected] == ["mute", "pardon"]
