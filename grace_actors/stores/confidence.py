"""How much a repair is trusted for a failure signature: the arithmetic of outcomes.

Pure. Confidence is a whole number of hundredths, because 0.8 - 0.1 - 0.1 is not 0.6 in binary fractions.
Invariant: `auto_apply` is never true below the threshold nor with fewer than two verified successes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FIRST = 80
"""Confidence of a repair after its first verified success."""
STEP = 10
MOST = 100
THRESHOLD = 60
SUCCESSES_FOR_AUTO = 2
HIGH = 80
"""Above it a repair counts as one of high confidence."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A repair's record. `confidence` in hundredths."""

    successes: int = 0
    failures: int = 0
    confidence: int = 0
    auto_apply: bool = False


def after(standing: Standing, *, ok: bool) -> Standing:
    """The standing after one verified outcome."""
    if ok:
        gained = FIRST if standing.successes == 0 else min(MOST, standing.confidence + STEP)
        return _judged(standing.successes + 1, standing.failures, gained, standing.auto_apply)
    lost = max(0, standing.confidence - STEP)
    return _judged(standing.successes, standing.failures + 1, lost, standing.auto_apply)


def folded(base: Standing, outcomes: Iterable[bool]) -> Standing:
    """The standing after a row of verified outcomes."""
    for ok in outcomes:
        base = after(base, ok=ok)
    return base


def united(one: Standing, other: Standing) -> Standing:
    """The standing of two records of one repair whose outcomes are not known one by one. Counts add up. Of two that
    worked the lower confidence holds; failures of one that never worked count as failures of the other."""
    if not one.successes or not other.successes:
        worked, failures = (other, one.failures) if not one.successes else (one, other.failures)
        confidence = max(0, worked.confidence - STEP * failures)
        return _judged(worked.successes, worked.failures + failures, confidence, worked.auto_apply)
    return _judged(
        one.successes + other.successes,
        one.failures + other.failures,
        min(one.confidence, other.confidence),
        one.auto_apply and other.auto_apply,
    )


def knows_more(given: Standing, known: Standing) -> bool:
    """Whether `given` may take the place of `known`: nothing of it is less."""
    return given != known and all(
        getattr(given, name) >= getattr(known, name) for name in ("successes", "failures", "confidence", "auto_apply")
    )


def why_not_automatic(standing: Standing) -> str:
    """Which condition of applying a repair by itself is not met; empty when all are."""
    if standing.auto_apply:
        return ""
    confidence = f"confidence {standing.confidence / 100:.2f}"
    if standing.confidence < THRESHOLD:
        return f"{confidence} is below {THRESHOLD / 100:.2f}"
    if standing.successes < SUCCESSES_FOR_AUTO:
        return f"verified successes: {standing.successes}, {SUCCESSES_FOR_AUTO} are needed"
    if standing.confidence == THRESHOLD:
        return f"{confidence} is not above {THRESHOLD / 100:.2f}, and it was not automatic before"
    return "it was imported as not automatic; its next verified success makes it so"


def _judged(successes: int, failures: int, confidence: int, was_auto: bool) -> Standing:
    """Above the threshold two verified successes decide; at exactly the threshold nothing changes; below it is off."""
    auto = was_auto if confidence == THRESHOLD else confidence > THRESHOLD and successes >= SUCCESSES_FOR_AUTO
    return Standing(successes, failures, confidence, auto)
