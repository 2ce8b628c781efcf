"""Learns from outcomes, one at a time, how likely each kernel is to fail soon and how far it may be relied on.

Failures and time both fade with a half-life of one hour. Let F be the faded count of failures and E the faded seconds
of observation; the failure rate is (1 + F) / (86400 + E), a Gamma-Poisson estimate whose prior is one failure a day,
and the risk is the chance of at least one failure in the next ten minutes, 1 - exp(-rate * 600). Confidence is
Laplace's (1 + S) / (2 + S + F) over faded successes and failures. Pure: the time comes in.
Invariant: risk and confidence lie strictly between 0 and 1, a failure never lowers the one nor raises the other.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

HALF_LIFE_S = 3600.0
HORIZON_S = 600.0
PRIOR_FAILURES, PRIOR_SECONDS = 1.0, 86_400.0
_FADE = math.log(2.0) / HALF_LIFE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one kernel at `at` (Unix seconds): faded counts, faded seconds, and totals that never fade."""

    name: str
    at: float
    failures: float = 0.0
    successes: float = 0.0
    seconds: float = 0.0
    total_failures: int = 0
    total_successes: int = 0

    def at_time(self, now: float) -> Record:
        """The same knowledge, faded to `now`. A clock set back changes nothing."""
        passed = now - self.at
        if passed <= 0:
            return self
        kept = math.exp(-_FADE * passed)
        return replace(
            self,
            at=now,
            failures=self.failures * kept,
            successes=self.successes * kept,
            seconds=self.seconds * kept + (1.0 - kept) / _FADE,
        )

    def after(self, *, ok: bool, now: float, weight: float = 1.0) -> Record:
        """The knowledge after one more outcome; `weight` says how much it counts."""
        faded = self.at_time(now)
        if ok:
            return replace(faded, successes=faded.successes + weight, total_successes=self.total_successes + 1)
        return replace(faded, failures=faded.failures + weight, total_failures=self.total_failures + 1)

    def risk(self, now: float, horizon_s: float = HORIZON_S) -> float:
        """The chance of at least one failure within the horizon."""
        faded = self.at_time(now)
        rate = (PRIOR_FAILURES + faded.failures) / (PRIOR_SECONDS + faded.seconds)
        return -math.expm1(-rate * horizon_s)

    def confidence(self, now: float) -> float:
        """The chance that the next outcome is a success."""
        faded = self.at_time(now)
        return (1.0 + faded.successes) / (2.0 + faded.successes + faded.failures)

    def evidence(self, now: float) -> float:
        """How many recent outcomes the figures rest on."""
        faded = self.at_time(now)
        return faded.successes + faded.failures

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def record_of(data: Any) -> Record:
    """Read back what `as_data` gave. Raises ValueError for anything else."""
    try:
        record = Record(
            name=str(data["name"]),
            at=float(data["at"]),
            failures=float(data["failures"]),
            successes=float(data["successes"]),
            seconds=float(data["seconds"]),
            total_failures=int(data["total_failures"]),
            total_successes=int(data["total_successes"]),
        )
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"not a risk record: {data!r:.100}") from error
    numbers = (record.at, record.failures, record.successes, record.seconds)
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(f"{record.name}: counts must be finite and not negative: {data!r:.100}")
    return record
