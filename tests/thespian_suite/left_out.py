"""The tests of Thespian's suite that are not run, by name, each with the reason.

Read from `left_out.toml`, which groups the names by reason. Invariant: a name that the suite no longer has, or
that is listed twice, is an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path

TABLE = Path(__file__).with_name("left_out.toml")


class BadTable(ValueError):
    """The table says something that is not true of the suite."""


def read(text: str) -> dict[str, str]:
    """The reason for every name. Raises BadTable on a name listed twice and on a group without a reason."""
    reasons: dict[str, str] = {}
    for group, entry in tomllib.loads(text).items():
        reason = " ".join(entry.get("reason", "").split())
        if not reason or not entry.get("tests"):
            raise BadTable(f"[{group}] needs a reason and tests")
        for name in entry["tests"]:
            if name in reasons:
                raise BadTable(f"{name} is listed twice")
            reasons[name] = reason
    return reasons


def check(reasons: Collection[str], suite: Collection[str]) -> None:
    """Raises BadTable when a name that is left out is not in the suite."""
    unknown = sorted(set(reasons) - set(suite))
    if unknown:
        raise BadTable(f"left out, but not in the suite of this Thespian: {', '.join(unknown)}")
