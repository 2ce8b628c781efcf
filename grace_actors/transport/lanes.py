"""Which messages overtake the others.

Control is what keeps an actor under its parent's hand: orders to end, notices of an end, signs of life, and the
talk of the actor system itself. All else is bulk. Pure.
"""

from __future__ import annotations

from typing import Any

from thespian.actors import ActorSystemMessage, DeadEnvelope, PoisonMessage

from grace_actors.transport.frames import Lane

_ORDINARY = (DeadEnvelope, PoisonMessage)  # they carry a message of somebody and wait in line as it would have
_known: dict[type, Lane] = {}


def lane_of(message: Any) -> Lane:
    """The lane of a message, by its class: a class of the runtime says it with a true `is_control`."""
    kind = type(message)
    lane = _known.get(kind)
    if lane is None:
        system = issubclass(kind, ActorSystemMessage) and not issubclass(kind, _ORDINARY)
        lane = _known[kind] = Lane.CONTROL if system or getattr(kind, "is_control", False) is True else Lane.BULK
    return lane
