"""Tells the supervisor whom an actor waits for, once that has lasted a while.

One timer an actor, and only while an answer is awaited; an actor that gets its answers quickly says nothing. What it
says is food for policies; it decides nothing. Invariants: what was told last is what holds, up to SETTLE_S: a wait that
was told and is over is told to be over; it looks ten times a second at most, however many requests wait.
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
"""What changes within this time is told together, and found by one look: a look costs more the more requests wait."""
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
        self._looked_at = -SETTLE_S
        self._told = wire.Waits("", 0)

    def began(self, to: str) -> None:
        """A request was sent."""
        if self._timer is None and to not in UNCOUNTED:
            self._timer = self._actor.after(TELL_AFTER_S, self._look)

    def ended(self, number: int) -> None:
        """A request got its answer, whatever it was."""
        if any(wait.id == number for wait in self._told.waits):
            self._look_in(max(0.0, self._looked_at + SETTLE_S - time.monotonic()))

    def changed(self) -> None:
        """What this actor owes others has changed, or its commands have ended."""
        if self._told.waits:
            self._look_in(SETTLE_S)

    def _look_in(self, delay_s: float) -> None:
        """Unless that is about to be done."""
        if self._is_settling:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._is_settling = True
        self._timer = self._actor.after(delay_s, self._look)

    def _look(self) -> None:
        self._timer, self._is_settling = None, False
        self._looked_at = now = time.monotonic()
        since = now - TELL_AFTER_S
        old: list[wire.Wait] = []
        next_since: float | None = None
        for number, one in self._asked.items():  # in the order in which they were sent
            if one.to in UNCOUNTED:
                continue
            if one.since > since:
                next_since = one.since
                break
            if len(old) < MOST_WAITS:
                old.append(wire.Wait(number, one.to, one.verb, one.since))
        self._tell(tuple(old))
        if next_since is not None:
            self._timer = self._actor.after(max(next_since - since, SETTLE_S), self._look)

    def _tell(self, waits: tuple[wire.Wait, ...]) -> None:
        actor = self._actor
        told = wire.Waits(actor.name, actor.gen)
        if waits:
            owes = tuple(_first(actor.owed(), MOST_OWED))
            told = wire.Waits(actor.name, actor.gen, waits, owes, actor.is_busy)
        if (told.waits, told.owes, told.is_busy) != (self._told.waits, self._told.owes, self._told.is_busy):
            self._told = told
            actor.send(actor.parent, told)


def _first(items: Iterable[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    return [item for item, _ in zip(items, range(most), strict=False)]
