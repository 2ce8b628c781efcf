"""Tells the supervisor whom an actor waits for, once that has lasted a while.

One timer an actor, and only while an answer is awaited; an actor that gets its answers quickly says nothing. What it
says is food for policies; it decides nothing. Invariant: what was told last is what holds, up to SETTLE_S: a wait that
was told and is over is told to be over.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from grace_actors import wire

if TYPE_CHECKING:
    from grace_actors.actor import Actor
    from grace_actors.timers import ActorTimer

TELL_AFTER_S = 0.75
SETTLE_S = 0.1
"""What changes within this time is told together."""
MOST_WAITS, MOST_OWED = 20, 200
UNCOUNTED = frozenset({"registry", "status"})
"""Everybody asks these, and they ask nobody."""


class Asked(Protocol):
    """A request that waits for its answer."""

    @property
    def to(self) -> str: ...
    @property
    def verb(self) -> str: ...
    @property
    def since(self) -> float: ...


class Waiting:
    """One actor's notices. `asked` is its table of pending requests by number."""

    def __init__(self, actor: Actor, asked: Mapping[int, Asked]) -> None:
        self._actor, self._asked = actor, asked
        self._timer: ActorTimer | None = None
        self._is_settling = False
        self._told = wire.Waits("", 0)

    def began(self, to: str) -> None:
        """A request was sent."""
        if self._timer is None and to not in UNCOUNTED:
            self._timer = self._actor.after(TELL_AFTER_S, self._look)

    def ended(self, number: int) -> None:
        """A request got its answer, whatever it was."""
        if self._told.waits and any(wait.id == number for wait in self._told.waits):
            self._look_in(0.0)

    def changed(self) -> None:
        """What this actor owes others has changed, or its commands have ended."""
        if self._told.waits and not self._is_settling:
            self._look_in(SETTLE_S)

    def _look_in(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._is_settling = True
        self._timer = self._actor.after(delay_s, self._look)

    def _look(self) -> None:
        self._timer, self._is_settling = None, False
        now = time.monotonic()
        since = now - TELL_AFTER_S
        counted = {number: one for number, one in self._asked.items() if one.to not in UNCOUNTED}
        old = {number: one for number, one in counted.items() if one.since <= since}
        self._tell(old)
        young = [one.since for number, one in counted.items() if number not in old]
        if young:
            self._timer = self._actor.after(min(young) - since, self._look)

    def _tell(self, old: Mapping[int, Asked]) -> None:
        actor = self._actor
        told = wire.Waits(actor.name, actor.gen)
        if old:
            waits = tuple(wire.Wait(number, one.to, one.verb, one.since) for number, one in old.items())
            owes = tuple(_first(actor.owed(), MOST_OWED))
            told = wire.Waits(actor.name, actor.gen, waits[:MOST_WAITS], owes, actor.is_busy)
        if (told.waits, told.owes, told.is_busy) != (self._told.waits, self._told.owes, self._told.is_busy):
            self._told = told
            actor.send(actor.parent, told)


def _first(items: Iterable[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    return [item for item, _ in zip(items, range(most), strict=False)]
