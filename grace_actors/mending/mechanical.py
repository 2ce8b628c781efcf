"""Mends a text file whose mistake is one of spelling: a tab, a missing space after a colon, a quote that is not closed.

Pure: a text and a judge in, a mended text out. It must not know what the file is for: `judge` says what a text means,
or where it stops making sense. Invariant: what comes out is accepted by the judge, differs from what came in only at
the edits that are told, each of which was needed or concerns bytes that mean nothing (a byte order mark, line ends),
and no other reading was acceptable: two of them are none.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 256 * 1024
"""A longer file is nobody's playbook."""
MOST_EDITS = 5
MOST_JUDGED = 40
MOST_JUDGED_BYTES = 1024 * 1024
"""Texts that are looked at for one file, and all of them together: it is mended within a moment or not at all."""
TAB_WIDTHS = (2, 4, 8)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_INDENT = re.compile(r"^[ \t]*\t[ \t]*", re.MULTILINE)
_TAB_AFTER_COLON = re.compile(r"^([ ]*(?:- )?[\w.-]+:)[ ]*\t[ \t]*(?=\S)")
_NO_SPACE = re.compile(r"^([ ]*(?:- )*[A-Za-z_][\w-]*):(?=[^\s:/\\])")
_DASH = re.compile(r"^([ ]*)-(?=[A-Za-z_{\[\"'])")
_COLON_FORGOTTEN = re.compile(r"^([ ]*(?:- )?[A-Za-z_]\w*)[ ]*$")


@dataclass(frozen=True, slots=True)
class Sound:
    """A text that can be used; `meaning` is what it says, to compare readings by."""

    meaning: Any


@dataclass(frozen=True, slots=True)
class Faulty:
    """A text that cannot: the line of its first mistake, how many there are, and whether it can be read to its end."""

    line: int
    count: int
    is_readable: bool = False


Judge = Callable[[str], Sound | Faulty]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change. `line` counts from 1; 0 is the whole file."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}" if self.line else self.what


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """The text that is sound, and what was changed for it."""

    text: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class _Try:
    text: str
    edit: Edit


def mend(raw: bytes, judge: Judge) -> Mended | None:
    """The one mended text of a file, or None when there is none, or more than one."""
    if len(raw) > MOST_BYTES or (read := _decoded(raw)) is None:
        return None
    text, edits = read
    looked = _Looked(judge, min(MOST_JUDGED, MOST_JUDGED_BYTES // max(len(text), 1)))
    verdict = looked.at(text)
    while isinstance(verdict, Faulty):
        if len(edits) >= MOST_EDITS:
            return None
        step = _step(text, verdict, looked)
        if step is None:
            return None
        text, edits = step.text, [*edits, step.edit]
        verdict = looked.at(text)
    return Mended(text=text, edits=tuple(edits)) if edits else None


class _Looked:
    """The judge, with an end to how often it is asked."""

    def __init__(self, judge: Judge, most: int) -> None:
        self._judge, self._left = judge, most

    def at(self, text: str) -> Sound | Faulty:
        if self._left <= 0:
            return Faulty(0, 1_000_000)
        self._left -= 1
        return self._judge(text)


def _decoded(raw: bytes) -> tuple[str, list[Edit]] | None:
    """The text without what a foreign editor put around it: byte order marks and line ends. None if it is no text."""
    edits: list[Edit] = []
    encoding = "utf-8"
    for mark, name in _BOMS:
        if raw.startswith(mark):
            raw, encoding = raw[len(mark) :], name
            edits.append(Edit(line=0, what=f"the byte order mark of {name} taken out"))
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        edits.append(Edit(line=0, what="line ends written as \\n"))
    return text, edits


def _step(text: str, fault: Faulty, looked: _Looked) -> _Try | None:
    """The one edit that mends the text; else the one that brings it furthest. None when two readings are possible, or
    nothing helps."""
    best: list[tuple[tuple[int, int, int], _Try]] = []
    sound: list[tuple[Any, _Try]] = []
    for each in _tries(text, fault):
        match looked.at(each.text):
            case Sound(meaning):
                sound.append((meaning, each))
            case Faulty() as after if _is_nearer(after, fault):
                best.append(((after.is_readable, after.line, -after.count), each))
    if sound:
        meanings = [meaning for meaning, _ in sound]
        return sound[0][1] if all(meaning == meanings[0] for meaning in meanings) else None
    if not best:
        return None
    best.sort(key=lambda one: one[0], reverse=True)
    is_clear = len(best) == 1 or best[0][0] > best[1][0]
    return best[0][1] if is_clear else None


def _is_nearer(after: Faulty, before: Faulty) -> bool:
    """Whether a mistake is gone: it stops later, or there are fewer of them in what can be read."""
    if after.is_readable != before.is_readable:
        return after.is_readable
    return after.count < before.count or (not after.is_readable and after.line > before.line)


def _tries(text: str, fault: Faulty) -> Iterator[_Try]:
    """Every single edit that could be the right one, those near the mistake first."""
    if _INDENT.search(text):
        for width in TAB_WIDTHS:
            changed = _INDENT.sub(lambda found, width=width: found[0].expandtabs(width), text)  # type: ignore[misc]
            first = text[: _INDENT.search(text).start()].count("\n") + 1  # type: ignore[union-attr]
            yield _Try(changed, Edit(line=first, what="tabs in the indentation written as spaces"))
        return  # while there are tabs every other message is about them
    lines = text.split("\n")
    for number in _near(fault.line, len(lines)):
        for line, what in _edits_of(lines[number - 1]):
            changed_lines = [*lines[: number - 1], line, *lines[number:]]
            yield _Try("\n".join(changed_lines), Edit(line=number, what=what))


def _near(line: int, count: int) -> Iterator[int]:
    """A reader stops at the mistake or behind it; a quote that is not closed lets it run on for long."""
    line = min(max(line, 1), count)
    yield from range(line, max(line - 20, 0), -1)
    if line < count:
        yield line + 1


def _edits_of(line: str) -> Iterator[tuple[str, str]]:
    """The line as it may have been meant, and what is different."""
    for pattern, into, what in (
        (_TAB_AFTER_COLON, r"\1 ", "a tab after the colon written as a space"),
        (_NO_SPACE, r"\1: ", "a space put after the colon"),
        (_DASH, r"\1- ", "a space put after the dash"),
        (_COLON_FORGOTTEN, r"\1:", "a colon put at its end"),
    ):
        changed = pattern.sub(into, line, count=1)
        if changed != line:
            yield changed, what
    for quote in "\"'":
        if _is_open(line, quote):
            yield line.rstrip() + quote, f"the quote {quote} closed at its end"


def _is_open(line: str, quote: str) -> bool:
    """Whether a value of the line begins with this quote and does not end."""
    if not re.search(rf"(?:^|[:\-\[,{{]\s+|\[|\{{){quote}", line):
        return False
    bare = line.replace("\\\\", "").replace(f"\\{quote}", "") if quote == '"' else line.replace("''", "")
    return bare.count(quote) % 2 == 1
