"""One timer for a policy that waits for the nearest of several moments.

It asks for a `Wake` only when that moment has moved, so that a policy may say after every event what it waits for.
Invariant: at most one timer with this key is wanted at a time, and never one for a moment that has passed.
"""

from __future__ import annotations

from supervisors.policy import Action, Seen, Unwake, Wake, Woken


class Alarm:
    """`set` after each event, `rung` before judging it."""

    __slots__ = ("_at", "_key")

    def __init__(self, key: str = "look") -> None:
        self._key = key
        self._at: float | None = None

    def rung(self, event: Seen) -> None:
        """Notice that the timer has run out."""
        if event == Woken(self._key):
            self._at = None

    def set(self, now: float, *moments: float | None) -> list[Action]:
        """Wake me at the first of these that is to come; at none of them if there is none."""
        at = min((moment for moment in moments if moment is not None and moment > now), default=None)
        if at == self._at:
            return []
        self._at = at
        return [Unwake(self._key)] if at is None else [Wake(self._key, at - now)]
