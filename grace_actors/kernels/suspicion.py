"""How strongly a missing answer suggests that somebody is gone: a level that rises with the wait.

Pure: times come in. The phi-accrual detector of Hayashibara et al. (2004), in the logistic form Akka uses, over
the answer times seen so far: level 1 means that one wait in ten as long as this one ends well, 2 one in a
hundred. So a kernel that is always slow is given more time than one that never was.
Invariant: with the same history, a longer wait never has a lower level.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

KEPT = 100
KEPT_PINGS = 20
SUSPECT_LEVEL = 8.0
LEAST_DEVIATION_S = 0.5
"""Answers that always took a millisecond must not make two seconds on a busy machine look like death."""
_FIRST_GUESS_S = 0.5
_MOST_LEVEL = 1000.0


def level(waited_s: float, mean_s: float, deviation_s: float) -> float:
    """-log10 of the chance that an answer still comes after `waited_s`; from 0 to 1000."""
    y = (waited_s - mean_s) / max(deviation_s, LEAST_DEVIATION_S)
    x = y * (1.5976 + 0.070566 * y * y)
    if x > _MOST_LEVEL * math.log(10):
        return _MOST_LEVEL
    softplus = x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))
    return min(softplus / math.log(10), _MOST_LEVEL)


@dataclass(slots=True)
class Ping:
    """One ping, with its Unix time; `answer_s` is None until it is answered, and for ever if it is not."""

    at: float
    answer_s: float | None = None


@dataclass(slots=True)
class Watched:
    """What is known of one incarnation: the answer times of its pings, and since when one is unanswered."""

    generation: int
    answer_times_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    asked_at: float | None = None
    heard_at: float | None = None
    pings: int = 0
    misses: int = 0
    history: deque[Ping] = field(default_factory=lambda: deque(maxlen=KEPT_PINGS))
    """The last pings, the newest at the end."""

    def asked(self, now: float, at: float = 0.0) -> Ping:
        """A ping goes out, at Unix time `at`; if an older one is unanswered, the wait has begun with that one."""
        self.pings += 1
        self.history.append(Ping(at))
        if self.asked_at is None:
            self.asked_at = now
        return self.history[-1]

    def answered(self, now: float, sent_at: float) -> None:
        """The answer to the ping sent at `sent_at`; a sign of life for every ping before it."""
        self.answer_times_s.append(max(0.0, now - sent_at))
        self.heard_at, self.asked_at = now, None

    def missed(self) -> None:
        self.misses += 1

    def level(self, now: float) -> float:
        """The suspicion now; 0 while nothing is unanswered."""
        if self.asked_at is None:
            return 0.0
        return level(now - self.asked_at, self.mean_s, self.deviation_s)

    @property
    def mean_s(self) -> float:
        times = self.answer_times_s
        return sum(times) / len(times) if times else _FIRST_GUESS_S

    @property
    def deviation_s(self) -> float:
        times = self.answer_times_s
        if len(times) < 2:
            return LEAST_DEVIATION_S
        mean = self.mean_s
        return math.sqrt(sum((each - mean) ** 2 for each in times) / (len(times) - 1))

    def slowest_s(self, share: float = 0.95) -> float | None:
        """The answer time that this share of the pings stayed below."""
        times = sorted(self.answer_times_s)
        return times[min(len(times) - 1, int(share * len(times)))] if times else None

    def recent_mean_s(self, count: int = 10) -> float | None:
        """The mean of the last answer times; None while there are not more than that many."""
        recent = list(self.answer_times_s)[-count:]
        return sum(recent) / count if len(self.answer_times_s) > count else None
