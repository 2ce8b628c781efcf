"""How much a repair is trusted for a failure signature: the arithmetic of outcomes.

Pure. Confidence is a whole number of hundredths, because 0.8 - 0.1 - 0.1 is not 0.6 in binary fractions.
Invariant: `auto_apply` is never true below the threshold nor with fewer than two verified successes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 80
"""Confidence of a repair after its first verified success."""
STEP = 10
MOST = 100
THRESHOLD = 60
SUCCESSES_FOR_AUTO = 2


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
        changed = replace(standing, successes=standing.successes + 1, confidence=gained)
    else:
        lost = max(0, standing.confidence - STEP)
        changed = replace(standing, failures=standing.failures + 1, confidence=lost)
    return replace(changed, auto_apply=_may_apply(changed))


def _may_apply(standing: Standing) -> bool:
    """Above the threshold two verified successes decide; at exactly the threshold nothing changes; below it is off."""
    if standing.confidence == THRESHOLD:
        return standing.auto_apply
    return standing.confidence > THRESHOLD and standing.successes >= SUCCESSES_FOR_AUTO
