"""Keeps many triggers and events at once from becoming the next failure.

Pure: monotonic times come in, verdicts go out. Three protections: the same finding is told once in a while, findings
are told at a bounded rate, and a flood of events opens a circuit until it has passed. Each call costs the same, however
many came before.
Invariant: whatever comes in, at most RATE findings leave in RATE_WINDOW_S, and every refusal is counted.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

REPEAT_AFTER_S = 900.0
AGAIN_AFTER_S = 60.0
"""A finding that was over and is back is news, but not every few seconds."""
RATE, RATE_WINDOW_S = 20, 60.0
TYPE_LIMIT, TYPE_WINDOW_S = 100, 1.0
FLOOD_LIMIT, FLOOD_WINDOW_S = 500, 10.0
OPEN_S = 60.0
QUIET_S = 10.0
"""A storm is over when nothing was refused for so long, unless it is of something that comes more rarely."""
_MOST_KEYS = 10_000


class Verdict(StrEnum):
    """Whether something passes, and if not, why."""

    PASS = "pass"  # noqa: S105 - a word, not a secret
    REPEATED = "repeated"
    TOO_MANY = "too_many"
    FLOOD = "flood"


@dataclass(slots=True)
class Spell:
    """One storm after the other: from the first refusal until nothing was refused for a while."""

    quiet_s: float = QUIET_S
    began_at: float | None = None
    last_at: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)

    def refuse(self, why: str, now: float) -> bool:
        """Count a refusal; True if a storm begins with it."""
        is_new = self.began_at is None
        if is_new:
            self.began_at, self.refused = now, Counter()
        self.last_at = now
        self.refused[why] += 1
        return is_new

    def ended(self, now: float, *, is_held: bool = False) -> dict[str, Any] | None:
        """What was refused and for how long, once it is over; `is_held` says that it goes on. None otherwise."""
        if self.began_at is None or is_held or now - self.last_at < self.quiet_s:
            return None
        told = {"refused": dict(self.refused), "seconds": round(self.last_at - self.began_at, 3)}
        self.began_at = None
        return told


@dataclass(slots=True)
class Storm:
    """The memory of what passed. `refused` counts what did not, by verdict."""

    repeat_after_s: float = REPEAT_AFTER_S
    refused: Counter[Verdict] = field(default_factory=Counter)
    _told: OrderedDict[Hashable, tuple[float, int]] = field(default_factory=OrderedDict)
    _over: set[Hashable] = field(default_factory=set)
    _passed: deque[float] = field(default_factory=deque)
    _events: deque[float] = field(default_factory=deque)
    _by_type: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _open_until: float | None = None

    def is_open(self, now: float) -> bool:
        """Whether the circuit is open: events are not passed on."""
        return self._open_until is not None and now < self._open_until

    def finding(self, key: Hashable, weight: int, now: float) -> Verdict:
        """May this finding be told? One that was told lately may only if it weighs more than it did then, or was over
        meanwhile."""
        told_at, told_weight = self._told.get(key, (float("-inf"), -1))
        pause_s = min(AGAIN_AFTER_S, self.repeat_after_s) if key in self._over else self.repeat_after_s
        if now - told_at < pause_s and weight <= told_weight:
            return self._refuse(Verdict.REPEATED)
        _forget_before(self._passed, now - RATE_WINDOW_S)
        if len(self._passed) >= RATE:
            return self._refuse(Verdict.TOO_MANY)
        self._passed.append(now)
        self._over.discard(key)
        self._told[key] = (now, weight)
        self._told.move_to_end(key)
        if len(self._told) > _MOST_KEYS:
            self._over.discard(self._told.popitem(last=False)[0])
        return Verdict.PASS

    def over(self, key: Hashable) -> None:
        """What was found is no longer so: should it come back, that is news."""
        if key in self._told:
            self._over.add(key)

    def memory(self, now: float) -> list[tuple[Hashable, float, int, bool]]:
        """Which findings were told so lately that it counts: key, how long ago, weight, whether it is over."""
        kept = [(key, now - at, weight) for key, (at, weight) in self._told.items() if now - at < self.repeat_after_s]
        return [(key, age_s, weight, key in self._over) for key, age_s, weight in kept]

    def remember(self, key: Hashable, age_s: float, weight: int, is_over: bool, now: float) -> None:
        """Take back one entry of `memory`."""
        self._told[key] = (now - age_s, weight)
        if is_over:
            self._over.add(key)

    def event(self, type: str, now: float) -> Verdict:
        """May this event be passed on? Each one counts, also those that may not."""
        of_type = self._by_type.setdefault(type, deque())
        self._by_type.move_to_end(type)
        for times, window_s in ((of_type, TYPE_WINDOW_S), (self._events, FLOOD_WINDOW_S)):
            _forget_before(times, now - window_s)
        of_type.append(now)
        self._events.append(now)
        if len(self._by_type) > _MOST_KEYS:
            self._by_type.popitem(last=False)
        if not self.is_open(now) and len(self._events) > FLOOD_LIMIT:
            self._open_until = now + OPEN_S
        while len(self._events) > FLOOD_LIMIT + 1:
            self._events.popleft()
        if len(of_type) > TYPE_LIMIT:
            of_type.popleft()
            return self._refuse(Verdict.FLOOD if self.is_open(now) else Verdict.TOO_MANY)
        return self._refuse(Verdict.FLOOD) if self.is_open(now) else Verdict.PASS

    def _refuse(self, verdict: Verdict) -> Verdict:
        self.refused[verdict] += 1
        return verdict


def _forget_before(times: deque[float], start: float) -> None:
    while times and times[0] <= start:
        times.popleft()
