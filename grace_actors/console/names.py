"""Names as people type them: whole, or as a prefix that only one name has.

Must not know verbs. Invariant: a word never stands for two things; if it could, it is an error that
lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.errors import RemoteFailed, Unknown, UsageError, nearest


def known_names(client: Client, *, timeout_s: float | None = None) -> list[str]:
    """Every name the instance knows. Raises what `Client.call` raises."""
    return read_names(client.call("names", timeout_s=timeout_s))


def read_names(value: Any) -> list[str]:
    """The answer of `names`: texts, or objects that have a name."""
    found = value.get("names", []) if isinstance(value, dict) else value
    items = found if isinstance(found, list) else []
    return [str(item.get("name")) if isinstance(item, dict) else str(item) for item in items]


def complete_name(client: Client, word: str) -> str:
    """The name meant by a word. Raises UsageError with the candidates, or Unknown with the nearest matches."""
    try:
        known = known_names(client)
    except RemoteFailed:
        return word  # the instance cannot list its names now; it will judge the word itself
    return pick(word, known, "name", unknown=Unknown) if known else word


def pick(word: str, known: Sequence[str], what: str, *, unknown: type[UsageError] = UsageError) -> str:
    """The one entry equal to `word` or beginning with it. Raises UsageError, or `unknown` when there is none."""
    if word in known:
        return word
    matches = [name for name in known if name.startswith(word)] if word else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(
            f"{what} {word!r} is ambiguous", allowed=matches, hint="type enough letters to tell them apart"
        )
    raise unknown(f"unknown {what} {word!r}", allowed=sorted(known), near=nearest(word, known))
