"""Figures and states of drills in words, as the page shows them.

Takes whatever an answer holds and never fails on it. Invariant: what nobody measured is told as such, never as 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

GATES = {
    "trigger": "trigger: the failure was noticed",
    "playbook": "playbook: the repair ran",
    "work_order": "work order: one was made, or none where none is due",
    "slo": "slo: within its limits, and all well again",
}
"""The gates in the order in which they are judged, and what each asks."""
KONG = "KONG"
"""What stands in place of a drill's id in a run of Chaos Kong."""
NONE = "\N{EN DASH}"
_LATEST = 253402300799  # the last second of the year 9999, which is as far as dates go


def number(value: Any) -> float | None:
    """A finite number, or None for whatever else is there."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def seconds(value: Any) -> str:
    """A length of time: 0.25 s, 12.3 s, 2 min 5 s, 3.2 d."""
    found = number(value)
    if found is None:
        return NONE
    if abs(found) < 60:
        return f"{found:.2f} s" if abs(found) < 10 else f"{found:.1f} s"
    if abs(found) < 3600:
        return f"{int(found // 60)} min {int(found % 60)} s"
    return f"{found / 3600:.1f} h" if abs(found) < 86400 else f"{found / 86400:.1f} d"


def moment(value: Any) -> str:
    """A time (Unix seconds) as date and time of UTC."""
    found = number(value)
    if found is None or not 0 <= found <= _LATEST:
        return NONE
    return datetime.fromtimestamp(found, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def text(value: Any) -> str:
    """Anything as text; what is missing as a dash."""
    if value is None or value == "":
        return NONE
    return value if isinstance(value, str) else str(value)


def title_of(each: Mapping[str, Any]) -> str:
    """The title of a drill. Cards begin theirs with the id, which stands beside it anyway."""
    return str(each.get("title") or "").removeprefix(text(each.get("id"))).lstrip(" -:")


def verdict(run: Mapping[str, Any]) -> str:
    """How a run ended: passed, deviated, failed, aborted, interrupted; or running."""
    status = text(run.get("status"))
    if run.get("passed") is True:
        return "passed"
    return status if status in ("running", "failed", "aborted", "interrupted") else "deviated"


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list; a single mapping counts as a list of one."""
    if isinstance(value, Mapping):
        return [value] if value else []
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping; whatever else is there counts as an empty one."""
    return value if isinstance(value, Mapping) else {}


def words(value: Any) -> list[str]:
    """The entries of a list as text."""
    return [text(each) for each in value] if isinstance(value, list | tuple) else []


def plain(value: Any) -> str:
    """Plain data in a line: `a 1, b x`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{text(key).replace('_', ' ')} {plain(part)}" for key, part in value.items()) or NONE
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else text(value)


def worst(runs: Iterable[Mapping[str, Any]], key: str) -> tuple[float, Mapping[str, Any]] | None:
    """The largest figure of this name, and the run it is of."""
    known = [(found, run) for run in runs if (found := number(run.get(key))) is not None]
    return max(known, key=lambda each: each[0], default=None)
