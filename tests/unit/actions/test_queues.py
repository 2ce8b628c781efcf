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


def test_access_is_changed_at_the_bus_and_seen_there(stage: Stage) -> None:
    stage.bench.add("message_bus", MessageBus)
    assert stage.perform("update_acl_config", sender="sandy", check=True).changed
    assert stage.ok("validate_acl_rules").data["blocked"] == {}
    assert list(stage.ok("update_acl_config", sender="sandy", for_s=86400.0).data["blocked"]) == ["sandy"]
    assert list(stage.ok("validate_acl_rules").data["blocked"]) == ["sandy"]
    stage.ok("update_acl_config", sender="sandy", change="unblock")
    assert not stage.ok("update_acl_config", sender="sandy", change="unblock").changed
    granted = stage.ok("update_acl_config", sender="sandy", change="allow", topic="kernel.code").data["granted"]
    assert granted == [{"topic": "kernel.code", "sender": "sandy"}]
    assert "may not change access" in stage.fails("update_acl_config", sender="sandy", by="librarian").message
    assert "without a topic" in stage.fails("update_acl_config", sender="sandy", change="allow").message


def test_a_bus_that_lets_strangers_in_has_no_valid_rules(stage: Stage) -> None:
    stage.bench.add("message_bus", Answering, acl={"blocked": {}, "granted": [], "loaded": False})
    assert "strangers may publish" in stage.fails("validate_acl_rules").message


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
