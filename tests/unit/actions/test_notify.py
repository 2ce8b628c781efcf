"""Alerts reach the event log and the bus, work orders the coding agent's queue."""

from __future__ import annotations

import pytest

from grace_actors.kernel import Kernel, Request
from grace_actors.kernels.coding_agent import CodingAgent
from grace_actors.kernels.message_bus import MessageBus
from grace_actors.programs import PROGRAM
from tests.unit.actions.stage import PERFORMER, Answering, Stage

SMALL = [str(PROGRAM / "grace_actors/version.py")]
"""What coding_agent scans every hour of the virtual clock."""


class Listener(Kernel):
    """Keeps what is delivered to it."""

    def setup(self) -> None:
        self.got: list[tuple[str, dict[str, object]]] = []

    def do_deliver(self, request: Request) -> bool:
        self.got.append((request.args["topic"], request.args["payload"]))
        return True


def test_an_alert_is_an_event_and_a_message_to_who_listens(stage: Stage) -> None:
    stage.bench.add("message_bus", MessageBus)
    listener = stage.bench.add("listener", Listener)
    stage.bench.ask("message_bus", "subscribe", "listener", topic="alert.#")
    assert stage.ok("alert", message="disk is full", severity="critical").data["value"] == 1
    assert ("alert.raised", PERFORMER, {"message": "disk is full", "severity": "critical"}) in stage.bench.events
    ((topic, payload),) = listener.got  # type: ignore[attr-defined]
    assert (topic, payload["message"], payload["subject"]) == ("alert.critical", "disk is full", PERFORMER)


def test_an_alert_the_bus_did_not_take_is_an_event_and_a_failure(stage: Stage) -> None:
    result = stage.fails("alert", message="disk is full", subject="librarian")
    assert result.changed
    assert [event[:2] for event in stage.bench.events] == [("alert.raised", "librarian")]


def test_a_severity_that_does_not_exist_is_refused(stage: Stage) -> None:
    assert "low, medium, high, critical" in stage.fails("alert", message="x", severity="awful").message
    assert stage.bench.events == []


def test_a_work_order_is_queued_with_what_it_is_for(stage: Stage) -> None:
    stage.bench.add("coding_agent", CodingAgent, scan=SMALL)
    data = stage.ok("create_work_order", description="fix it", incident="INC-1", context={"file": "a.py"}).data
    order = stage.bench.ask("coding_agent", "show", id=data["work_order"])
    assert (order["status"], order["incident"], order["context"]) == ("queued", "INC-1", {"file": "a.py"})
    assert (order["type"], order["priority"]) == ("fix_bug", "high")


def test_only_an_order_that_is_waited_for_holds_up_the_run(stage: Stage) -> None:
    stage.bench.add("coding_agent", CodingAgent, scan=SMALL)
    waited = stage.ok("create_work_order", description="fix it").data
    assert waited["work_order"] == waited["order"]
    let_go = stage.ok("create_work_order", description="fix it", wait=False).data
    assert stage.bench.ask("coding_agent", "show", id=let_go["order"])["status"] == "queued"
    assert "work_order" not in let_go


@pytest.mark.parametrize("params", [{"type": "syntax_scan"}, {"priority": "soon"}])
def test_a_kind_of_work_that_does_not_exist_is_refused(stage: Stage, params: dict[str, str]) -> None:
    assert "allowed: " in stage.fails("create_work_order", description="x", **params).message


def test_what_the_coding_agent_refuses_or_forgets_is_a_failure(stage: Stage) -> None:
    stage.bench.add("coding_agent", CodingAgent, scan=SMALL)
    assert "description is empty" in stage.fails("create_work_order", description=" ").message
    stage.bench.crash("coding_agent")
    stage.bench.add("coding_agent", Answering, create={"id": "wo-1"}, show={"id": "wo-2", "status": "queued"})
    assert "shows wo-2 for wo-1" in stage.fails("create_work_order", description="x").message


def test_a_step_that_is_tried_again_means_the_same_order(stage: Stage) -> None:
    stage.bench.add("coding_agent", CodingAgent, scan=SMALL)
    first, again = (stage.ok("create_work_order", description="fix it", run="r1").data["order"] for _ in range(2))
    other = stage.ok("create_work_order", description="fix another", run="r1").data["order"]
    assert (first == again, first == other) == (True, False)


def test_the_coding_agent_does_what_it_is_given_to_try(stage: Stage) -> None:
    stage.bench.add("coding_agent", CodingAgent, scan=SMALL)
    data = stage.ok("submit_test_task").data
    order = stage.bench.ask("coding_agent", "show", id=data["order"])
    assert (order["status"], order["patch_result"]["files"]) == ("completed", 1)


def test_a_task_that_is_under_way_is_let_end_first(stage: Stage) -> None:
    stage.bench.add("coding_agent", CodingAgent, scan=SMALL)
    stage.bench.ask("coding_agent", "scan", paths=SMALL)
    assert stage.ok("submit_test_task").data["value"] == "completed"
    assert stage.bench.ask("coding_agent", "list", type="syntax_scan", status="completed")["count"] == 2


def test_a_coding_agent_that_does_nothing_has_not_passed(stage: Stage) -> None:
    order = {"id": "wo-1", "status": "in_progress"}
    stage.bench.add("coding_agent", Answering, scan=order, show=order)
    assert "wo-1 is in_progress after 5 s" in stage.fails("submit_test_task", wait_s=5.0).message
    assert "no file of this installation" in stage.fails("submit_test_task", path="../../etc").message
