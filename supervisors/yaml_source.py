"""Reads YAML strictly and remembers where everything stood.

Builds a typed tree (`Node`) from PyYAML's parse events, because PyYAML's own constructors accept the mistakes
operators make: a duplicate key wins silently, `on` and `NO` become booleans, `12:30:45` and `0777` become
numbers. Scalars follow the YAML 1.2 core schema; anchors, aliases, tags and merge keys are refused.
It must not know what a file means: trees, playbooks and cards are read on top of it.
Invariant: any bytes give either a tree or faults with a place, never another exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: ten times slower, same events
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Scalar = str | int | float | bool | None

MAX_DEPTH = 40
"""Deeper nesting is refused: no tree needs it, and readers may then recurse without fear."""
MAX_BYTES = 4_000_000

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
"""Longer than 18 digits is not a count of anything, and no wire format carries it: it stays text."""
_BASED = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_WHOLE = r"(?:0|[1-9][0-9]*)"
_FLOAT = re.compile(rf"[-+]?(?:(?:\.[0-9]+|{_WHOLE}\.[0-9]*)(?:[eE][-+]?[0-9]+)?|{_WHOLE}[eE][-+]?[0-9]+)")
_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFault:
    """One mistake in a file: what was seen, what is allowed there, and what was probably meant."""

    place: Place
    message: str
    allowed: str = ""
    nearest: str | None = None

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.nearest:
            text += f"; did you mean {self.nearest!r}?"
        return text


class FileError(Exception):
    """A file that cannot be used. `faults` holds every mistake found, in the order of the file."""

    def __init__(self, faults: list[FileFault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.place))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value with its place. `value` is a scalar, a tuple of nodes or a mapping of nodes; `keys` gives the
    places of a mapping's keys; `text` is a scalar as it was written."""

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)
    text: str = ""

    @property
    def kind(self) -> str:
        """What it is, in words for an error message."""
        match self.value:
            case Mapping():
                return "a mapping"
            case tuple():
                return "a list"
            case None:
                return "nothing"
            case bool() | int() | float() | str():
                return f"{self.text[:60]!r}" if isinstance(self.value, str) else self.text[:60]

    def plain(self) -> Any:
        """The same data without places: dicts, lists and scalars."""
        match self.value:
            case Mapping() as entries:
                return {key: node.plain() for key, node in entries.items()}
            case tuple() as items:
                return [node.plain() for node in items]
            case scalar:
                return scalar


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read yet. `name` is the pending key of a mapping."""

    place: Place
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    name: str | None = None
    awaits_value: bool = False


class _Builder:
    """Turns parse events into nodes with a stack instead of recursion, so that no nesting can exhaust it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.faults: list[FileFault] = []
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.documents = 0

    def build(self) -> Node | None:
        try:
            for event in yaml.parse(self.text, Loader=_Loader):
                self.take(event)
                if len(self.stack) > MAX_DEPTH:
                    self.fault(self.stack[-1].place, f"nesting deeper than {MAX_DEPTH} levels")
                    return None
        except yaml.MarkedYAMLError as error:
            self.faults.append(self.syntax(error))
            return None
        except yaml.YAMLError as error:
            self.fault(_place_of_reader_error(self.file, self.text, error), f"not YAML: {_first_line(error)}")
            return None
        return self.root

    def fault(self, place: Place, message: str, allowed: str = "") -> None:
        self.faults.append(FileFault(place=place, message=message, allowed=allowed))

    def place(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def syntax(self, error: yaml.MarkedYAMLError) -> FileFault:
        mark = error.problem_mark or error.context_mark
        place = self.place(mark) if mark else Place(self.file, 1, 1)
        lines = self.text.splitlines()
        line = lines[place.line - 1] if place.line <= len(lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return FileFault(place=place, message="a tab in the indentation", allowed="spaces")
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        return FileFault(place=place, message=f"not YAML: {reason}")

    def take(self, event: Any) -> None:
        place = self.place(event.start_mark) if event.start_mark else Place(self.file, 1, 1)
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents == 2:
                    self.fault(place, "a second document", "one document in a file")
            case yaml.AliasEvent():
                self.fault(place, f"the alias *{event.anchor}", "values written out")
                self.put(Node(value=None, place=place))
            case yaml.ScalarEvent():
                self.check(event, place)
                self.scalar(event, place)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self.check(event, place)
                self.stack.append(_Open(place=place, is_mapping=isinstance(event, yaml.MappingStartEvent)))
            case yaml.MappingEndEvent():
                done = self.stack.pop()
                self.put(Node(value=done.entries, place=done.place, keys=done.keys))
            case yaml.SequenceEndEvent():
                done = self.stack.pop()
                self.put(Node(value=tuple(done.items), place=done.place))

    def check(self, event: Any, place: Place) -> None:
        if event.anchor:
            self.fault(place, f"the anchor &{event.anchor}", "values written out")
        if event.tag:
            self.fault(place, f"the tag {event.tag[:60]}", "plain values")

    def scalar(self, event: Any, place: Place) -> None:
        text: str = event.value
        top = self.stack[-1] if self.stack else None
        if top and top.is_mapping and not top.awaits_value:
            self.key(top, text, place)
            return
        value: Scalar = text
        if event.implicit[0]:  # unquoted
            value = plain_scalar(text)
        self.put(Node(value=value, place=place, text=text))

    def key(self, top: _Open, text: str, place: Place) -> None:
        if text == "<<":
            self.fault(place, "the merge key <<", "keys written out")
        if text in top.entries:
            self.fault(
                place, f"the key {text!r} for the second time, first at line {top.keys[text].line}", "each key once"
            )
        top.name, top.awaits_value = text, True
        top.keys.setdefault(text, place)

    def put(self, node: Node) -> None:
        if not self.stack:
            if self.documents == 1:
                self.root = node
            return
        top = self.stack[-1]
        if not top.is_mapping:
            top.items.append(node)
        elif not top.awaits_value:
            self.fault(node.place, f"{node.kind} as a key", "text")
            top.name, top.awaits_value = None, True
        else:
            if top.name is not None:
                top.entries.setdefault(top.name, node)
            top.awaits_value = False


def plain_scalar(text: str) -> Scalar:
    """What an unquoted scalar means by the YAML 1.2 core schema; whatever is not clearly a number stays text."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def parse_yaml(text: str, file: str) -> tuple[Node | None, list[FileFault]]:
    """The tree of one YAML text and its faults. The tree is None when the text cannot be read to its end,
    and usable for further checks otherwise, even with faults. An empty text is None without a fault."""
    builder = _Builder(file, text)
    return builder.build(), builder.faults


def read_text(path: Path) -> tuple[str | None, list[FileFault]]:
    """The text of a UTF-8 file, or why it cannot be had."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return None, [FileFault(place=Place(file, 1, 1), message=f"cannot be read: {error.strerror or error}")]
    except ValueError as error:  # a NUL in the path
        return None, [FileFault(place=Place(file, 1, 1), message=f"cannot be read: {error}")]
    if len(raw) > MAX_BYTES:
        message = f"more than {MAX_BYTES} bytes"
        return None, [FileFault(place=Place(file, 1, 1), message=message, allowed="a smaller file")]
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line_start = before.rfind(b"\n") + 1
        place = Place(file, before.count(b"\n") + 1, len(before[line_start:].decode("utf-8", "replace")) + 1)
        bad = error.object[error.start]
        return None, [FileFault(place=place, message=f"the byte 0x{bad:02x} is not UTF-8", allowed="UTF-8 text")]


def read_yaml(path: Path) -> Node:
    """The tree of a YAML file. Raises FileError with every fault; an empty file is one."""
    text, faults = read_text(path)
    node = None
    if text is not None:
        node, more = parse_yaml(text, str(path))
        faults += more
    if not faults and node is None:
        faults.append(FileFault(place=Place(str(path), 1, 1), message="an empty file"))
    if faults or node is None:
        raise FileError(faults)
    return node


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in the order of the file."""
    yield node
    children = node.value.values() if isinstance(node.value, Mapping) else node.value
    if isinstance(children, str | int | float | None):
        return
    for child in children:
        yield from walk(child)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _place_of_reader_error(file: str, text: str, error: yaml.YAMLError) -> Place:
    """The reader names an offset in characters, not a line."""
    position = getattr(error, "position", None)
    before = text[:position] if isinstance(position, int) else ""
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
