"""Reads the text of Python tracebacks into exceptions, their frames and what led to what.

It knows the forms that `traceback.format_exception` prints from Python 3.11 on: chains, trees of exception groups,
carets, repeated lines, notes, syntax errors; and what logs do to them: words before each line, colours, a beginning
that was cut off. It must not judge what belongs to whom. Invariant: no text raises, and time grows linearly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

HEADER = "Traceback (most recent call last):"
GROUP_HEADER = f"Exception Group {HEADER}"
MAX_LEVEL = 40
"""Python prints groups ten deep; what is deeper is no traceback of its making."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r'  File "(.*)", line ([0-9]{1,9})(?:, in (.*))?$')
_REPEATED = re.compile(r"  \[Previous line repeated ([0-9]{1,9}) more times?\]$")
_ERROR = re.compile(r"([^\W\d][\w.<>]*)(?::(?: (.*))?)?$")
_MARGIN = re.compile(
    r"((?:  )+)(?:\| ?(?P<line>.*)|\+ (?P<head>.*)|(?P<first>\+-)?\+-{16} [0-9.]+ -{16}|(?P<end>\+-{36}))$"
)
_MARGINS = ("  + Exception Group ", "  | ")
_BARE_GROUP = re.compile(r"  \| [\w.]+: .*\([0-9]+ sub-exceptions?\)$")


class Relation(StrEnum):
    """What became of an exception: nobody caught it, another followed on it, or a group holds it."""

    RAISED = "raised"
    CAUSE = "direct cause"
    CONTEXT = "during handling"
    MEMBER = "member"


_JOINS = {
    "The above exception was the direct cause of the following exception:": Relation.CAUSE,
    "During handling of the above exception, another exception occurred:": Relation.CONTEXT,
}


class Frame(NamedTuple):
    """One call. `function` is empty for the place of a syntax error; `repeats` counts lines that were left out."""

    file: str
    line: int
    function: str
    source: str = ""
    repeats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One exception as printed. `message` has all its lines, notes included; `earlier` is what it followed on;
    `qualname` is empty where the end of the text was cut off."""

    qualname: str
    message: str = ""
    frames: tuple[Frame, ...] = ()
    relation: Relation = Relation.RAISED
    earlier: Raised | None = None
    members: tuple[Raised, ...] = ()

    def chain(self) -> Iterator[Raised]:
        """This exception, then what it followed on, back to the first."""
        one: Raised | None = self
        while one is not None:
            yield one
            one = one.earlier

    def everything(self) -> Iterator[Raised]:
        """Every exception that was printed, members of groups too, the last raised first."""
        waiting = [self]
        while waiting:
            for one in waiting.pop().chain():
                yield one
                waiting.extend(reversed(one.members))


def parse(text: str) -> tuple[Raised, ...]:
    """The exceptions that nothing followed on, in the order of the text; empty when it holds no traceback."""
    chains = [_Chain()]
    for level, line in _lines(text):
        keep = level if line is None else level + 1
        while len(chains) > keep:
            _close(chains)
        if line is None:
            chains.append(_Chain(owner=chains[-1].group()))
        else:
            chains[-1].take(line)
    while len(chains) > 1:
        _close(chains)
    return tuple(chains[0].finish(Relation.RAISED))


def error_line(line: str) -> tuple[str, str] | None:
    """Type and message of a line such as `ValueError: bad port`; None when it is no such line."""
    found = _ERROR.match(line)
    return (found[1].removeprefix("__main__."), found[2] or "") if found else None


@dataclass(slots=True)
class _Draft:
    """An exception that is still being read: frames first, then the line with its type, then more of the message."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)
    repeats: dict[int, int] = field(default_factory=dict)
    qualname: str | None = None
    message: list[str] = field(default_factory=list)
    members: list[Raised] = field(default_factory=list)
    odd: str = ""

    def take(self, line: str) -> None:
        if self.qualname is not None:
            self.message.append(line)
        elif line.startswith("    "):
            self.sources.setdefault(len(self.calls), line)
        elif found := _FRAME.match(line):
            self.calls.append((found[1], found[2], found[3] or ""))
        elif found := _REPEATED.match(line):
            self.repeats[len(self.calls)] = int(found[1])
        elif error := error_line(line):
            self.qualname, first = error
            self.message.append(first)
        else:  # a log wrote in between, or the type has an unusual name
            self.odd = self.odd or line

    def frames(self) -> tuple[Frame, ...]:
        source, repeats = self.sources.get, self.repeats.get
        return tuple(
            Frame(file, int(line), function, source(number, "").strip(), repeats(number, 0))
            for number, (file, line, function) in enumerate(self.calls, 1)
        )

    def raised(self, relation: Relation, earlier: Raised | None) -> Raised:
        name, message = self.qualname, "\n".join(self.message).rstrip()
        if name is None:
            name, _, message = self.odd.partition(": ")
        members, frames = tuple(self.members), self.frames()
        return Raised(
            qualname=name, message=message, frames=frames, relation=relation, earlier=earlier, members=members
        )

    @property
    def has_content(self) -> bool:
        return bool(self.calls or self.qualname is not None or self.members)


@dataclass(slots=True)
class _Chain:
    """What is printed one below the other at one level; `owner` is the group it belongs to."""

    owner: _Draft | None = None
    draft: _Draft | None = None
    earlier: Raised | None = None
    found: list[Raised] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    """The last paragraph outside a traceback: an exception without frames is all there is of it."""

    def take(self, line: str) -> None:
        if line.startswith("  ") and self.draft is not None and self.draft.qualname is None:
            self.draft.take(line)  # by far the most lines
        elif line in (HEADER, GROUP_HEADER):
            self._end()
            self.draft = _Draft()
        elif line in _JOINS:
            self._join(_JOINS[line])
        elif self.draft is not None:
            if not self.draft.members:  # behind the members of a group comes nothing of its own
                self.draft.take(line)
        elif _FRAME.match(line):  # the beginning was cut off, or a syntax error has no traceback
            self.draft = _Draft()
            self.draft.take(line)
        else:
            self._outside(line)

    def _outside(self, line: str) -> None:
        if (self.owner is not None or self.earlier is not None) and error_line(line):
            self.draft = _Draft()
            self.draft.take(line)
            return
        if self.before and not self.before[-1]:
            self.before.clear()
        self.before.append(line.strip())

    def group(self) -> _Draft:
        """The exception whose members begin now."""
        if self.draft is None:
            self.draft = _Draft()
        return self.draft

    def _join(self, relation: Relation) -> None:
        if self.draft is None:
            at = next((n for n, line in enumerate(self.before) if error_line(line)), None)
            for line in self.before[at:] if at is not None else ():
                self.group().take(line)
        self.before.clear()
        if self.draft is not None and self.draft.has_content:
            self.earlier = self.draft.raised(relation, self.earlier)
        self.draft = None

    def _end(self, relation: Relation = Relation.RAISED) -> None:
        if self.draft is not None and self.draft.has_content:
            self.found.append(self.draft.raised(relation, self.earlier))
            self.earlier = None
        self.draft = None
        self.before.clear()

    def finish(self, relation: Relation) -> list[Raised]:
        self._end(relation)
        if self.earlier is not None:  # the text ends where the next exception was announced
            self.found.append(self.earlier)
        return self.found


def _close(chains: list[_Chain]) -> None:
    chain = chains.pop()
    if chain.owner is not None:
        chain.owner.members.extend(chain.finish(Relation.MEMBER))


def _lines(text: str) -> Iterator[tuple[int, str | None]]:
    """Lines without margins and what a log put before them, each with its level of groups; None where a member
    begins. The header of the outermost group stands inside its own margin, so margin 1 is still level 0."""
    before: re.Pattern[str] | None = None
    is_group = False
    plain = _COLOUR.sub("", text) if "\x1b" in text else text
    for line in plain.replace("\r\n", "\n").split("\n"):
        is_stripped = False
        if before is not None and (found := before.match(line)):
            line, is_stripped = line[found.end() :], True
        if is_group or (line.startswith(_MARGINS) and (line.endswith(HEADER) or _BARE_GROUP.match(line))):
            margin = _MARGIN.match(line)
            is_group = margin is not None
            if margin is not None:
                yield from _in_group(margin)
                continue
        if line.endswith(HEADER) and not is_stripped and line != HEADER:
            lead, is_group, line = _split(line)
            before = re.compile(_any_digits(lead)) if lead else None
        yield 0, line


def _in_group(margin: re.Match[str]) -> Iterator[tuple[int, str | None]]:
    level = min(len(margin[1]) // 2, MAX_LEVEL)
    content = margin["line"] if margin["line"] is not None else margin["head"]
    if content is not None:
        yield level - 1, content
    elif margin["end"] is None:
        yield (level if margin["first"] else level - 1), None


def _split(line: str) -> tuple[str, bool, str]:
    """What stands before the header, whether a group begins, and the header."""
    lead = line.removesuffix(HEADER)
    if lead.endswith("  + Exception Group "):
        return lead.removesuffix("  + Exception Group "), True, GROUP_HEADER
    return lead, False, HEADER


def _any_digits(lead: str) -> str:
    """Each line has its own time and number before it, in as many digits."""
    return re.sub(r"[0-9]", "[0-9]", re.escape(lead))
