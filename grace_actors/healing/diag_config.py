"""Which files configure an instance, what is in them without what looks like a secret, and how two texts differ.

The files are the tree file, those in `config/` (two levels) and the playbooks of the home. It must not know who used
them or when. Invariant: no text leaves here before what looks like a secret was taken out of all of it: of a diff
alone, the beginning of a key might not be in sight.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from grace_actors.clipping import clip_line, printable
from grace_actors.healing.diag_files import read_start
from grace_actors.home import Home
from grace_actors.kernels.masking import MASK, masked
from grace_actors.kernels.secrets.redaction import Redactor

FOLDERS = {"config": 2, "playbooks": 1}
"""Directories of the home, and how many levels of them."""
MAX_FILES = 200
MAX_ENTRIES = 1_000
HASHED_BYTES = 1024 * 1024
COMPARED_BYTES = 64 * 1024
COMPARED_LINES = 200
"""More lines than these, between the first and the last that differ, are counted and not compared."""
CONTEXT = 2
LINE_CHARS = 400
SECRETS_ALONE = "(nothing differs but values that look like secrets, or line ends)"
EMPTY = "(it is empty)"

Marks = Mapping[str, tuple[int, ...]]
"""File -> what `stat` says of it: while that stays, so does the file."""

_SHAPES = Redactor({})
_BLOCK = re.compile(
    r"(?im)^([ \t]{0,80})([^\n:]{0,80}(?:password|passwd|secret|token|key)[^\n:]{0,80}:[ \t]{0,80})"
    r"[|>][-+0-9]{0,2}[ \t]*\n"
    r"(?:\1[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)+"
)
"""A value over several lines, as YAML writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file at one moment. `digest` tells it from any other; `text` is None for what cannot be compared, `why` not."""

    digest: str
    text: str | None = None
    why: str = ""


def marks(home: Path) -> dict[str, tuple[int, ...]]:
    """The files that are there now."""
    found: dict[str, tuple[int, ...]] = {}
    for name in itertools.islice(_names(home), MAX_FILES):
        try:
            seen = (home / name).stat()
        except OSError:
            continue
        if stat.S_ISREG(seen.st_mode):
            found[name] = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


def _names(home: Path) -> Iterator[str]:
    """Relative to the home; the tree file, which may be anywhere, by its whole path."""
    instance = Home(home).read_instance()
    if instance is not None and instance.tree:
        yield str(Path(instance.tree).absolute())
    for folder, levels in FOLDERS.items():
        yield from _below(home / folder, folder, levels)


def _below(folder: Path, name: str, levels: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in itertools.islice(entries, MAX_ENTRIES))
    except OSError:
        return
    for entry, is_folder in found:
        if entry.startswith(".") or entry.endswith(("~", ".tmp")):
            continue  # drafts of editors and of ourselves
        if not is_folder:
            yield f"{name}/{entry}"
        elif levels > 1:
            yield from _below(folder / entry, f"{name}/{entry}", levels - 1)


def content(path: Path) -> Content:
    """What is in a file now."""
    try:
        piece = read_start(path, HASHED_BYTES)
    except OSError as error:
        why = f"it cannot be read: {error.strerror or error}"
        return Content(digest=_digest(why.encode()), why=why)
    if piece.size > len(piece.data):
        is_known_by = f"{piece.size} {piece.written_at}"
        return Content(digest=_digest(is_known_by.encode()), why=f"it is too large to compare: {piece.size} bytes")
    digest = _digest(piece.data)
    if b"\0" in piece.data:
        return Content(digest=digest, why="it is no text")
    if piece.size > COMPARED_BYTES:
        return Content(digest=digest, why=f"it is too large to compare: {piece.size} bytes")
    return Content(digest=digest, text=_without_secrets(piece.data.decode("utf-8", "replace")))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _without_secrets(text: str) -> str:
    blocks = _BLOCK.sub(rf"\1\2{MASK}\n", printable(text.replace("\r\n", "\n")))
    return masked(_SHAPES.redact(blocks)[0])


def diff(old: str, new: str) -> str:
    """The lines that differ, in the unified form."""
    before, after = old.split("\n"), new.split("\n")
    if before == after:
        return SECRETS_ALONE if old else EMPTY
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    gone, come = before[start : len(before) - end], after[start : len(after) - end]
    if max(len(gone), len(come)) > COMPARED_LINES:
        return f"(lines {start + 1} to {start + len(gone)} were replaced by {len(come)} lines)"
    first = max(0, start - CONTEXT)
    old_part, new_part = before[first : len(before) - end + CONTEXT], after[first : len(after) - end + CONTEXT]
    if end < CONTEXT:  # there is not that much behind it
        old_part, new_part = before[first:], after[first:]
    return "\n".join(_hunks(old_part, new_part, first))


def _common(one: list[str], other: list[str]) -> int:
    """How many lines are the same at the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def _hunks(old: list[str], new: list[str], first: int) -> Iterator[str]:
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT):
        (_, from_old, _, from_new, _), (_, _, to_old, _, to_new) = group[0], group[-1]
        sides = (first + from_old + 1, to_old - from_old, first + from_new + 1, to_new - from_new)
        yield "@@ -{},{} +{},{} @@".format(*sides)
        for tag, at, until, new_at, new_until in group:
            if tag == "equal":
                yield from (f" {clip_line(line, LINE_CHARS)}" for line in old[at:until])
                continue
            yield from (f"-{clip_line(line, LINE_CHARS)}" for line in old[at:until])
            yield from (f"+{clip_line(line, LINE_CHARS)}" for line in new[new_at:new_until])
