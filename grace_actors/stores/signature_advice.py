"""What happens when a signature comes again: which repair is applied, and why it is or is not automatic.

Pure; it only puts into words what standing says. Invariant: it names no repair that never worked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grace_actors.kernel import Data
from grace_actors.stores.confidence import Standing, why_not_automatic


def best_of(repairs: Sequence[Data]) -> Data | None:
    """The most trusted repair that ever worked; `repairs` has the most trusted first."""
    return next((repair for repair in repairs if repair["successes"]), None)


def next_time(repairs: Sequence[Data]) -> Data:
    """{repair, params, automatic, why} for the next time the specific hash is met."""
    best = best_of(repairs)
    if best is None:
        tried = f"none of {len(repairs)} known repairs ever worked" if repairs else "no repair is known"
        why = f"{tried}: the playbooks whose triggers match are tried, then a patch is ordered"
        return {"repair": None, "params": {}, "automatic": False, "why": why}
    standing = _standing(best)
    counts = f"{standing.successes} verified successes, confidence {standing.confidence / 100:.2f}"
    reason = why_not_automatic(standing)
    why = (
        f"an approval is asked for: {reason}" if reason else f"applied at once where the specific hash is met: {counts}"
    )
    return {"repair": best["playbook"], "params": best["params"], "automatic": not reason, "why": why}


def _standing(repair: Mapping[str, Any]) -> Standing:
    return Standing(repair["successes"], repair["failures"], repair["confidence"], repair["auto_apply"])
