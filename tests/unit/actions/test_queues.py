"""The queues of a real message bus are looked at; a bus that is silent is no healthy one."""

from __future__ import annotations

import pytest

from grace_actors.kernel import LATER, Kernel, Request
from grace_actors.kernels.message_bus import MessageBus
from tests.unit.actions.stage import Answering, Stage


class Deaf(Kernel):
    """Never acknowledges what is delivered to it."""

    def do_deliver(self, request: Request) -> object:
        return LATER


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    """Durable messages wait for a subscriber that acknowledges none."""
    stage.bench.add("message_bus", MessageBus)
    stage.bench.add("deaf", Deaf)
    stage.bench.ask("message_bus", "subscribe", "deaf", topic="task.enqueue", durable=True)
    for number in range(5):
        stage.bench.post("x", "message_bus", "publish", {"topic": "task.enqueue", "payload": number}, None)
    stage.bench.advance(1.0)
    return stage


def test_a_queue_within_bounds_is_healthy_and_one_beyond_names_the_subscriber(waiting: Stage) -> None:
    assert waiting.ok("verify_queue_health", max_waiting=5).data["value"] == 5
    assert "deaf: 5" in waiting.fails("verify_queue_health", max_waiting=4).message


def test_a_queue_that_does_not_drain_is_a_failure(waiting: Stage) -> None:
    assert waiting.fails("drain_queue", wait_s=1.0).data["value"] > 0


def test_an_empty_queue_is_drained(stage: Stage) -> None:
    stage.bench.add("message_bus", MessageBus)
    assert stage.ok("drain_queue").data["value"] == 0


def test_a_violation_within_the_window_names_who_did_it(stage: Stage) -> None:
    stage.bench.add("message_bus", MessageBus)
    forbidden = {"topic": "kernel.code", "payload": 1}
    stage.bench.post("sandy", "message_bus", "publish", forbidden, None)
    assert stage.ok("verify_no_acl_violations", window_s=5.0).data["by"] == {}
    stage.bench.at(2.0, lambda: stage.bench.post("sandy", "message_bus", "publish", forbidden, None) and None, "test")
    assert stage.fails("verify_no_acl_violations", window_s=5.0).data["by"] == {"sandy": 1}


def test_a_bus_that_counts_from_zero_again_hides_no_violation(stage: Stage) -> None:
    counts = iter(({"sandy": {"violations": 9}}, {"sandy": {"violations": 3}, "eve": {"violations": 2}}))
    stage.bench.add("message_bus", Answering, stats=lambda request: {"violations": next(counts)})
    assert stage.fails("verify_no_acl_violations", window_s=1.0).data["by"] == {"sandy": 3, "eve": 2}


@pytest.mark.parametrize("name", ["verify_queue_health", "drain_queue", "verify_no_acl_violations"])
def test_a_bus_that_is_not_there_is_a_failure(stage: Stage, name: str) -> None:
    assert "message_bus did not answer" in stage.fails(name).message
