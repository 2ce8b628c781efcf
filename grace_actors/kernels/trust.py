"""The trust score of a component: what its outcomes say about how far it may be relied on.

A score is a whole number of points from 0 to 100. A success adds 5, a failure takes 10, both clipped; a component
nobody knows yet stands at 50. So trust is lost twice as fast as it is won, and ten outcomes tell the story.
Whole points, because 0.8 - 0.1 - 0.1 is not 0.6. Pure. Invariant: 0 <= score <= 100 whatever is recorded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

START, SUCCESS, FAILURE, LOWEST, HIGHEST = 50, 5, -10, 0, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is known of one component; `at` is the Unix time of the last outcome."""

    component: str
    score: int = START
    successes: int = 0
    failures: int = 0
    at: float = 0.0

    def after(self, *, ok: bool, at: float) -> Trust:
        """The trust after one more outcome."""
        score = min(HIGHEST, max(LOWEST, self.score + (SUCCESS if ok else FAILURE)))
        return replace(self, score=score, successes=self.successes + ok, failures=self.failures + (not ok), at=at)

    @property
    def is_valid(self) -> bool:
        """The score lies in its range and agrees with the counts about whether anything happened."""
        counted = self.successes + self.failures
        return LOWEST <= self.score <= HIGHEST and counted >= 0 and (counted > 0 or self.score == START)

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def trust_of(data: Any) -> Trust:
    """Read back what `as_data` gave. Raises ValueError for anything else."""
    try:
        trust = Trust(
            component=str(data["component"]),
            score=int(data["score"]),
            successes=int(data["successes"]),
            failures=int(data["failures"]),
            at=float(data["at"]),
        )
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"not a trust record: {data!r:.100}") from error
    if not trust.is_valid:
        raise ValueError(f"{trust.component}: score {trust.score} with {trust.successes + trust.failures} outcomes")
    return trust
