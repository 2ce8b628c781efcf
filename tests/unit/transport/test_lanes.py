"""Which messages overtake the others."""

from __future__ import annotations

from typing import Any

import pytest
from thespian.actors import ActorExitRequest, ChildActorExited, DeadEnvelope, PoisonMessage

from grace_actors import wire
from grace_actors.transport.frames import Lane
from grace_actors.transport.lanes import lane_of


@pytest.mark.parametrize(
    "message",
    [ActorExitRequest(), ChildActorExited(None), wire.Stop("x"), wire.Heartbeat(1), wire.Ready("a", 1, 2)],
    ids=lambda message: type(message).__name__,
)
def test_orders_to_end_notices_of_an_end_and_signs_of_life_are_control(message: Any) -> None:
    assert lane_of(message) is Lane.CONTROL


@pytest.mark.parametrize(
    "message",
    [{"a": 1}, "text", None, wire.Ask(1, "verb"), DeadEnvelope(None, "m"), PoisonMessage("m")],
    ids=lambda message: type(message).__name__,
)
def test_work_and_what_carries_the_work_of_others_is_bulk(message: Any) -> None:
    assert lane_of(message) is Lane.BULK


def test_a_class_that_has_some_attribute_of_that_name_is_not_control_by_accident() -> None:
    class Odd:
        is_control = "yes"

    assert lane_of(Odd()) is Lane.BULK
