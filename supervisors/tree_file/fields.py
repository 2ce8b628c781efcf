"""Reads typed values from nodes; a mistake becomes a fault and the value its default.

`Faults` collects, `Fields` reads one mapping by its key table. They know no key by name: which key takes what
is decided by the caller. Invariant: reading never raises and reports each mistake once, at its own place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from supervisors.durations import DURATION_FORMS, nearest_match, parse_duration
from supervisors.yaml_source import FileFault, Node, Place

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

MAX_COUNT = 1_000_000


class Faults:
    """The list of mistakes found so far."""

    def __init__(self, found: Iterable[FileFault] = ()) -> None:
        self.found: dict[FileFault, None] = dict.fromkeys(found)

    def add(self, place: Place, message: str, allowed: str = "", nearest: str | None = None) -> None:
        """Note one mistake; the same one again (a default read for many children) changes nothing."""
        self.found[FileFault(place=place, message=message, allowed=allowed, nearest=nearest)] = None

    def any_at(self, place: Place) -> bool:
        """Whether a mistake at this place is known."""
        return any(fault.place == place for fault in self.found)

    def wrong(self, node: Node, what: str, allowed: str) -> None:
        """Note a value of the wrong kind: `what` names the key. A value refused already (an alias, a tag) is not
        judged again."""
        if not self.any_at(node.place):
            self.add(node.place, f"{what} is {node.kind}", allowed)

    def not_one_of(self, node: Node, what: str, word: str, allowed: Iterable[str]) -> None:
        """Note a word that is not in a closed list."""
        words = [str(choice) for choice in allowed]
        if not self.any_at(node.place):
            self.add(node.place, f"{what} is {word[:60]!r}", ", ".join(words), nearest_match(word, words))


NONE = "none"


class Fields:
    """One mapping of the file. Each reader returns None (or the default) for a key that is absent or wrong."""

    def __init__(self, node: Node, what: str, faults: Faults) -> None:
        self.node = node
        self.what = what
        self.faults = faults
        self.entries: Mapping[str, Node] = node.value if isinstance(node.value, Mapping) else {}
        if not isinstance(node.value, Mapping):
            faults.wrong(node, what, "a mapping")

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def __getitem__(self, key: str) -> Node:
        return self.entries[key]

    def place(self, key: str) -> Place:
        """Where the key stands, or where the mapping starts."""
        return self.node.keys.get(key, self.node.place)

    def only(self, allowed: Collection[str]) -> None:
        """Refuse every key outside `allowed`."""
        for key in self.entries:
            if key not in allowed:
                message = f"unknown key {key[:60]!r} in {self.what}"
                self.faults.add(self.place(key), message, ", ".join(allowed), nearest_match(key, allowed))

    def text(self, key: str) -> str | None:
        """A text that is not empty."""
        node = self.entries.get(key)
        if node is None:
            return None
        if not isinstance(node.value, str) or not node.value or "\0" in node.value:
            self.faults.wrong(node, key, "text")
            return None
        return node.value

    def count(self, key: str, least: int = 0) -> int | None:
        """A whole number from `least` up."""
        node = self.entries.get(key)
        if node is None:
            return None
        if isinstance(node.value, bool) or not isinstance(node.value, int) or not least <= node.value <= MAX_COUNT:
            self.faults.wrong(node, key, f"a whole number from {least} to {MAX_COUNT}")
            return None
        return node.value

    def number(self, key: str, least: float, most: float) -> float | None:
        """A number between two bounds."""
        node = self.entries.get(key)
        if node is None:
            return None
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            limit = f"a number from {least:g} to {most:g}" if math.isfinite(most) else f"a number from {least:g}"
            self.faults.wrong(node, key, limit)
            return None
        return float(value)

    def flag(self, key: str) -> bool | None:
        """`true` or `false`."""
        node = self.entries.get(key)
        if node is None:
            return None
        if not isinstance(node.value, bool):
            self.faults.wrong(node, key, "true or false")
            return None
        return node.value

    def duration(self, key: str, *, positive: bool = True) -> float | None:
        """Seconds; above zero unless `positive` is off."""
        node = self.entries.get(key)
        return None if node is None else duration_of(node, key, self.faults, positive=positive)

    def choice(self, key: str, choices: type[E], default: E) -> E:
        """A member of a StrEnum."""
        node = self.entries.get(key)
        if node is None:
            return default
        if isinstance(node.value, str) and node.value in list(choices):
            return choices(node.value)
        word = node.value if isinstance(node.value, str) else node.text or node.kind
        self.faults.not_one_of(node, key, word, list(choices))
        return default

    def items(self, key: str) -> tuple[Node, ...]:
        """The nodes of a list."""
        node = self.entries.get(key)
        if node is None:
            return ()
        if not isinstance(node.value, tuple):
            self.faults.wrong(node, key, "a list, such as [a, b]")
            return ()
        return node.value

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        found = []
        for item in self.items(key):
            if isinstance(item.value, str) and item.value:
                found.append(item.value)
            else:
                self.faults.wrong(item, f"an entry of {key}", "text")
        return tuple(found)

    def is_none(self, key: str) -> bool:
        """Whether the word `none` stands there: no value, not even a default."""
        return key in self.entries and self.entries[key].value == NONE

    def section(self, key: str, allowed: Collection[str], read: Callable[[Fields], T | None]) -> T | None:
        """A mapping below `key`, read by `read` once its keys are known to be allowed."""
        node = self.entries.get(key)
        if node is None:
            return None
        if not isinstance(node.value, Mapping):
            self.faults.wrong(node, key, f"a mapping of {', '.join(allowed)}")
            return None
        fields = Fields(node, key, self.faults)
        fields.only(allowed)
        return read(fields)

    def needs(self, key: str, value: T | None) -> T | None:
        """The value read for a key that must be there; its absence is a fault of the whole mapping."""
        if key not in self.entries:
            self.faults.add(self.node.place, f"{self.what} without {key}", f"{key}: ...")
        return value


def duration_of(node: Node, what: str, faults: Faults, *, positive: bool) -> float | None:
    """Seconds of one node, or None and a fault."""
    try:
        seconds = parse_duration(node.value if not isinstance(node.value, Mapping | tuple) else None)
    except ValueError:
        faults.wrong(node, what, DURATION_FORMS)
        return None
    if positive and seconds <= 0:
        faults.wrong(node, what, "a duration above zero")
        return None
    return seconds
