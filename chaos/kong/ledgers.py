"""Holds what was acknowledged against what was delivered.

Pure. Invariant: every number that was acknowledged and never delivered is counted as lost, however often others came.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SHOWN = 20


def compare(acknowledged: Iterable[int], delivered: Iterable[int]) -> dict[str, Any]:
    """How many there were of each, how many are `lost`, how many came again (`duplicates`), and the first lost ones
    (`missing`). What was delivered and never acknowledged is no fault: the answer of the bus may have been lost."""
    wanted, came = set(acknowledged), list(delivered)
    seen = set(came)
    missing = sorted(wanted - seen)
    return {
        "acknowledged": len(wanted),
        "delivered": len(seen),
        "lost": len(missing),
        "missing": missing[:SHOWN],
        "duplicates": len(came) - len(seen),
    }
