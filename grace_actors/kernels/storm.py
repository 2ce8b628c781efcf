"""Keeps many triggers and events at once from becoming the next failure.

Pure: times come in, verdicts go out. Three protections: the same finding is told once in a while, findings are
told at a bounded rate, and a flood of events opens a circuit until it has passed.
Invariant: whatever comes in, at most RATE findings leave in RATE_WINDOW_S, and every refusal is counted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum

REPEAT_AFTER_S = 900.0
RATE, RATE_WINDOW_S = 20, 60.0
TYPE_LIMIT, TYPE_WINDOW_S = 100, 1.0
FLOOD_LIMIT, FLOOD_WINDOW_S = 500, 10.0
OPEN_S = 60.0
_MOST_KEYS = 10_000


class Verdict(StrEnum):
    """Whether something passes, and if not, why."""

    PASS = "pass"  # noqa: S105 - a word, not a secret
    REPEATED = "repeated"
    TOO_MANY = "too_many"
    FLOOD = "flood"


@dataclass(slots=True)
class Storm:
    """The memory of what passed. `refused` counts what did not, by verdict."""

    refused: Counter[Verdict] = field(default_factory=Counter)
    _told: dict[Hashable, tuple[float, int]] = field(default_factory=dict)
    _passed: deque[float] = field(default_factory=deque)
    _events: deque[float] = field(default_factory=deque)
    _by_type: dict[str, deque[float]] = field(default_factory=dict)
    _open_until: float | None = None

    def is_open(self, now: float) -> bool:
        """Whether the circuit is open: events are not passed on."""
        return self._open_until is not None and now < self._open_until

    def finding(self, key: Hashable, weight: int, now: float) -> Verdict:
        """May this finding be told? One that was told lately may only if it weighs more than it did then."""
        told_at, told_weight = self._told.get(key, (float("-inf"), -1))
        if now - told_at < REPEAT_AFTER_S and weight <= told_weight:
            return self._refuse(Verdict.REPEATED)
        _forget_before(self._passed, now - RATE_WINDOW_S)
        if len(self._passed) >= RATE:
            return self._refuse(Verdict.TOO_MANY)
        self._passed.append(now)
        self._told[key] = (now, weight)
        if len(self._told) > _MOST_KEYS:
            self._told = {k: told for k, told in self._told.items() if now - told[0] < REPEAT_AFTER_S}
        return Verdict.PASS

    def event(self, type: str, now: float) -> Verdict:
        """May this event be passed on? Each one counts, also those that may not."""
        of_type = self._by_type.setdefault(type, deque())
        for times, window_s in ((of_type, TYPE_WINDOW_S), (self._events, FLOOD_WINDOW_S)):
            _forget_before(times, now - window_s)
        of_type.append(now)
        self._events.append(now)
        if len(self._by_type) > _MOST_KEYS:
            self._by_type = {t: times for t, times in self._by_type.items() if times[-1] > now - TYPE_WINDOW_S}
        if not self.is_open(now) and len(self._events) > FLOOD_LIMIT:
            self._open_until = now + OPEN_S
        while len(self._events) > FLOOD_LIMIT + 1:
            self._events.popleft()
        if self.is_open(now):
            return self._refuse(Verdict.FLOOD)
        if len(of_type) > TYPE_LIMIT:
            of_type.popleft()
            return self._refuse(Verdict.TOO_MANY)
        return Verdict.PASS

    def _refuse(self, verdict: Verdict) -> Verdict:
        self.refused[verdict] += 1
        return verdict


def _forget_before(times: deque[float], start: float) -> None:
    while times and times[0] <= start:
        times.popleft()
