"""Which of many equal lines are told: the first at once, then fewer and fewer, each with the number it stands for.

Pure: monotonic times come in. A line is never told later than it was written: what was folded is counted in the next
telling of its like, so whoever repairs hears of a failure only when there was one just now.
Invariant: the counts told and the counts held add up to the lines taken; memory is bounded.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field

LONGEST_FOLD_S = 300.0
RATE, RATE_WINDOW_S = 20, 60.0
MOST_KEYS = 5_000
_ECHOES = 100
_ECHO_CHARS = 20


@dataclass(slots=True)
class _Fold:
    until: float
    window_s: float
    held: int = 0


@dataclass(slots=True)
class Folds:
    """What was told lately. `first_s` is how long the like of a line is folded after it was told the first time."""

    first_s: float
    _folds: OrderedDict[Hashable, _Fold] = field(default_factory=OrderedDict)

    def take(self, key: Hashable, now: float) -> int | None:
        """How many lines a telling now stands for; None when this one is folded."""
        fold = self._folds.get(key)
        if fold is None:
            self._folds[key] = _Fold(now + self.first_s, self.first_s)
            if len(self._folds) > MOST_KEYS:
                self._folds.popitem(last=False)
            return 1
        self._folds.move_to_end(key)
        if now < fold.until:
            fold.held += 1
            return None
        is_calm = now >= fold.until + fold.window_s
        fold.window_s = self.first_s if is_calm else max(self.first_s, min(2 * fold.window_s, LONGEST_FOLD_S))
        count, fold.held, fold.until = fold.held + 1, 0, now + fold.window_s
        return count

    def give_back(self, key: Hashable, count: int) -> None:
        """What was taken could not be told: it is counted in the next telling."""
        if (fold := self._folds.get(key)) is not None:
            fold.held += count


@dataclass(slots=True)
class Rate:
    """At most RATE in RATE_WINDOW_S."""

    _passed: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> bool:
        while self._passed and self._passed[0] <= now - RATE_WINDOW_S:
            self._passed.popleft()
        if len(self._passed) >= RATE:
            return False
        self._passed.append(now)
        return True


@dataclass(slots=True)
class Echoes:
    """The lines told lately, to know the line of somebody who repeats what was told."""

    _told: deque[str] = field(default_factory=lambda: deque(maxlen=_ECHOES))

    def told(self, line: str) -> None:
        if len(line) >= _ECHO_CHARS:
            self._told.append(line)

    def is_one(self, line: str) -> bool:
        """Whether the line has something before a line that was told, which is what an account of it looks like."""
        return any(line.find(told) > 0 for told in self._told)
