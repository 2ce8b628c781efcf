"""How several values become one: the rules of `fuse`.

Pure: plain data in, plain data out; knows neither keys nor stores. Invariant: no rule changes its inputs, and every
rule applied to one value alone gives that value.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from grace_actors.errors import Refused


class Rule(StrEnum):
    """`first` and `last`: on conflict the value named first or last wins; `newest`: the one written last wins;
    `union`: lists are joined without repetition, conflicts are kept side by side in a list; `strict`: a conflict is
    refused. Mappings are always merged key by key."""

    FIRST = "first"
    LAST = "last"
    NEWEST = "newest"
    UNION = "union"
    STRICT = "strict"


def fuse(values: Sequence[Any], written_at: Sequence[float], rule: Rule) -> Any:
    """The one value. Raises Refused on a conflict under `strict`."""
    if rule is Rule.NEWEST:
        order = sorted(range(len(values)), key=lambda index: written_at[index])
        return fuse([values[index] for index in order], sorted(written_at), Rule.LAST)
    fused = values[0]
    for value in values[1:]:
        fused = _merge(fused, value, rule, "")
    return fused


def _merge(left: Any, right: Any, rule: Rule, path: str) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        both = {key: _merge(left[key], right[key], rule, f"{path}.{key}") for key in left if key in right}
        return left | right | both
    if left == right and type(left) is type(right):
        return left
    match rule:
        case Rule.FIRST:
            return left
        case Rule.LAST:
            return right
        case Rule.UNION:
            return _union(left, right)
    raise Refused(f"fuse: the values differ at {path or 'the top'}", hint="choose first, last, newest or union")


def _union(left: Any, right: Any) -> list[Any]:
    items = [*(left if isinstance(left, list) else [left]), *(right if isinstance(right, list) else [right])]
    kept: list[Any] = []
    for item in items:
        if not any(item == other and type(item) is type(other) for other in kept):
            kept.append(item)
    return kept
