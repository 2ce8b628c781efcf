"""Reads a section of a playbook file by its table: kinds of values are judged here, their meaning is not.

Expressions, templates and tolerances stay nodes, because the variables they may use are known only later.
Invariant: every key of the table is in the result, with its default when it is absent or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

from playbooks.file.keys import NAME, NAME_FORM, SECTIONS, TITLES, Key, Table, Takes
from supervisors.tree_file.fields import Faults, Fields
from supervisors.yaml_source import Node, Place


class Section:
    """One mapping of the file with its values read; `section["steps"]` is what stands there, or the default. Another
    format gives its own tables in a subclass."""

    tables: ClassVar[Mapping[str, Table]] = SECTIONS
    titles: ClassVar[Mapping[str, str]] = TITLES

    def __init__(self, node: Node, name: str, faults: Faults, what: str = "") -> None:
        self.node = node
        self.name = name
        self.faults = faults
        self.fields = Fields(node, what or self.titles.get(name, f"the {name}"), faults)
        table = self.tables[name]
        if isinstance(node.value, Mapping):
            self.fields.only(table)
            for key, entry in table.items():
                if entry.required:
                    self.fields.needs(key, None)
        self.values: dict[str, Any] = {key: self._read(key, entry) for key, entry in table.items()}

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def at(self, key: str) -> Node:
        """The node of a key that is there."""
        return self.fields[key]

    def place(self, key: str) -> Place:
        """Where the value stands, or where the section begins."""
        return self.fields[key].place if key in self.fields else self.node.place

    def _read(self, key: str, entry: Key) -> Any:
        found = _READERS[entry.takes](self, key, entry) if key in self.fields else None
        if found is None:
            return {} if entry.takes is Takes.NAMED else () if entry.takes is Takes.ENTRIES else entry.default
        return found

    def _name(self, key: str, entry: Key) -> str | None:
        text = self.fields.text(key)
        if text is not None and not re.fullmatch(NAME, text):
            self.faults.add(self.place(key), f"{key} is {text[:80]!r}", NAME_FORM)
            return None
        return text

    def _count(self, key: str, entry: Key) -> int | None:
        return self.fields.count(key, entry.least)

    def _duration(self, key: str, entry: Key) -> float | None:
        return self.fields.duration(key, positive=entry.least > 0)

    def _choice(self, key: str, entry: Key) -> StrEnum | None:
        assert entry.choices is not None
        choice: StrEnum = self.fields.choice(key, entry.choices, entry.default)
        return choice

    def _section(self, key: str, entry: Key) -> Section | None:
        node = self.fields[key]
        if not isinstance(node.value, Mapping):
            self.faults.wrong(node, key, f"a mapping of {', '.join(self.tables[entry.section])}")
            return None
        return type(self)(node, entry.section, self.faults, key)

    def _entries(self, key: str, entry: Key) -> tuple[Section, ...]:
        items = self.fields.items(key)
        if isinstance(self.fields[key].value, tuple) and len(items) < entry.least:
            self.faults.add(self.fields[key].place, f"{key} is an empty list", "at least one entry")
        return tuple(
            type(self)(item, entry.section, self.faults, f"an entry of {key}")
            for item in items
            if self._is_mapping(item, f"an entry of {key}")
        )

    def _named(self, key: str, entry: Key) -> dict[str, Section]:
        if not self._is_mapping(self.fields[key], key):
            return {}
        below = Fields(self.fields[key], key, self.faults)
        for name in below.entries:
            if not re.fullmatch(NAME, name):
                self.faults.add(below.place(name), f"the {entry.section} {name[:80]!r}", NAME_FORM)
        return {
            name: type(self)(node, entry.section, self.faults, f"the {entry.section} {name}")
            for name, node in below.entries.items()
            if self._is_mapping(node, f"the {entry.section} {name}")
        }

    def _templates(self, key: str, entry: Key) -> Node | None:
        return self.fields[key] if self._is_mapping(self.fields[key], key) else None

    def _is_mapping(self, node: Node, what: str) -> bool:
        if not isinstance(node.value, Mapping):
            self.faults.wrong(node, what, "a mapping")
        return isinstance(node.value, Mapping)

    def _values(self, key: str, entry: Key) -> tuple[Any, ...]:
        return tuple(item.plain() for item in self.fields.items(key))

    def _text(self, key: str, entry: Key) -> str | None:
        return self.fields.text(key)

    def _words(self, key: str, entry: Key) -> tuple[str, ...]:
        return self.fields.words(key)

    def _flag(self, key: str, entry: Key) -> bool | None:
        return self.fields.flag(key)

    def _node(self, key: str, entry: Key) -> Node:
        return self.fields[key]

    def _plain(self, key: str, entry: Key) -> Any:
        return self.fields[key].plain()


_READERS: Mapping[Takes, Callable[[Section, str, Key], Any]] = {
    Takes.SCHEMA: Section._plain,
    Takes.TEXT: Section._text,
    Takes.NAME: Section._name,
    Takes.WORDS: Section._words,
    Takes.FLAG: Section._flag,
    Takes.COUNT: Section._count,
    Takes.DURATION: Section._duration,
    Takes.CHOICE: Section._choice,
    Takes.EXPRESSION: Section._node,
    Takes.CONDITIONS: Section._node,
    Takes.VALUE: Section._plain,
    Takes.VALUES: Section._values,
    Takes.TEMPLATES: Section._templates,
    Takes.TOLERANCE: Section._node,
    Takes.SECTION: Section._section,
    Takes.ENTRIES: Section._entries,
    Takes.NAMED: Section._named,
}
