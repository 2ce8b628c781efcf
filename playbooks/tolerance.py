"""Judges the value of a check against its tolerance.

The value is what the action handed over as `data`, or its `value` when that is a mapping. It knows no file.
Invariant: a value of the wrong kind is outside every tolerance, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from playbooks.spec import Tolerance

MAX_SEARCHED = 10_000


def pattern_problem(pattern: str) -> str | None:
    """Why a text is not a regular expression, or None."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    return None


def value_of(data: Any) -> Any:
    """The value of a result's data."""
    return data["value"] if isinstance(data, Mapping) and "value" in data else data


def within(tolerance: Tolerance, value: Any) -> bool:
    """Whether the value is inside."""
    if tolerance.values is not None:
        return any(_same(value, each) for each in tolerance.values)
    if tolerance.pattern is not None:
        return isinstance(value, str) and re.search(tolerance.pattern, value[:MAX_SEARCHED]) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    at_least = tolerance.least is None or value >= tolerance.least
    return at_least and (tolerance.most is None or value <= tolerance.most)


def described(tolerance: Tolerance) -> str:
    """The tolerance in words."""
    if tolerance.values is not None:
        return " or ".join(map(str, tolerance.values))
    if tolerance.pattern is not None:
        return f"a text with /{tolerance.pattern}/"
    bounds = (("at least", tolerance.least), ("at most", tolerance.most))
    return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def _same(value: Any, other: Any) -> bool:
    """Equal, and not merely because Python counts true as 1."""
    return isinstance(value, bool) is isinstance(other, bool) and bool(value == other)
