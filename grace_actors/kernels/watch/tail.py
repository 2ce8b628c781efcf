"""Follows the log files of one directory: what was written since the last look, in pieces of bounded size.

Costs one scandir and a stat of each file while nothing changes. Follows rotation by inode, finds truncation and reused
inodes by the bytes before its place, leaves out what grows faster than it may read and counts that. It opens only
regular files and does not know what lines mean. Invariant: a place moves only past what was returned or counted as
skipped, so whoever keeps the places misses nothing and repeats nothing.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PIECE_BYTES = 64 * 1024
ROUND_BYTES = 512 * 1024
MOST_BEHIND_BYTES = 4 * 1024 * 1024
MOST_FILES = 2_000
_KNOWN_BYTES = 24
_PATIENCE = 2
"""Looks that an unfinished line may stay as it is before it is taken for a whole one."""


@dataclass(slots=True)
class Place:
    """Up to where one log was read. `before` are the last bytes read; `is_inside` is in the midst of a line whose
    beginning was returned or skipped."""

    inode: int
    offset: int
    before: bytes = b""
    is_inside: bool = False
    unfinished: tuple[int, int] = (0, 0)  # the size at which a line without an end was seen, and how often

    def as_data(self) -> list[Any]:
        return [self.inode, self.offset, self.before, self.is_inside]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of one log; `skipped` bytes before them were left out."""

    name: str
    lines: list[str]
    skipped: int = 0


@dataclass(slots=True)
class LogTail:
    """`is_wanted` says of a log, by the name of its actor, whether it is followed."""

    directory: Path
    is_wanted: Callable[[str], bool]
    places: dict[str, Place] = field(default_factory=dict)
    from_end: bool = True
    """Whether files found at the first look are followed from their ends: there is nothing to go on from."""
    problem: str = ""
    _queue: deque[str] = field(default_factory=deque)
    _files: dict[str, list[tuple[int, int, Path]]] = field(default_factory=dict)
    _rotating: set[str] = field(default_factory=set)
    """Logs of which only rotated files were there at the last look: the next one is being made."""
    _left: int = 0

    def look(self) -> bool:
        """See what changed; True if there is something to read."""
        try:
            self.problem = ""
            self._files = self._scan()
        except OSError as error:
            self.problem = f"{self.directory} cannot be read: {error.strerror}"
            return False
        for name in self.places.keys() - self._files.keys() - self._rotating:
            del self.places[name]
        self._queue = deque(name for name in self._files if self._has_changed(name))
        self._left = ROUND_BYTES
        self.from_end = False
        return bool(self._queue)

    def read(self) -> Piece | None:
        """The next piece; None when this round is over."""
        while self._queue and self._left > 0:
            name = self._queue.popleft()
            try:
                piece = self._read(name)
            except OSError as error:  # gone or forbidden meanwhile: the next look sees what is there
                self.problem = f"{name}.log cannot be read: {error.strerror}"
                continue
            if piece is not None:
                self._queue.append(name)
                return piece
        return None

    # ---- looking ----------------------------------------------------------------------------------

    def _scan(self) -> dict[str, list[tuple[int, int, Path]]]:
        """Name -> (inode, size, path) of its files, the oldest first, the one that is written to last."""
        found: dict[str, list[tuple[int, int, Path]]] = {}
        rotated: dict[str, list[tuple[int, os.DirEntry[str]]]] = {}
        with os.scandir(self.directory) as entries:
            for entry in entries:
                name, dot, rest = entry.name.rpartition(".log")
                if not dot or not name:
                    continue
                if rest:
                    if rest[1:].isdecimal():
                        rotated.setdefault(name, []).append((int(rest[1:]), entry))
                elif len(found) >= MOST_FILES:
                    self.problem = f"there are more than {MOST_FILES} logs; the others are not followed"
                elif self.is_wanted(name):
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode):
                        found[name] = [(info.st_ino, info.st_size, Path(entry.path))]
        self._rotating = rotated.keys() - found.keys()
        for name, files in found.items():
            place = self.places.get(name)
            if name not in rotated or (place is None and self.from_end):
                continue
            if place is None:  # it came and was rotated since the last look: all of it is new
                oldest = max(rotated[name], key=lambda each: each[0])[1].inode()
                files[:0] = _chain(rotated[name], oldest)
            elif place.inode != files[0][0]:
                files[:0] = _chain(rotated[name], place.inode)
        return found

    def _has_changed(self, name: str) -> bool:
        inode, size, path = self._files[name][-1]
        place = self.places.get(name)
        if place is None:
            self.places[name] = place = Place(self._files[name][0][0], 0)
            if self.from_end and size:
                with _opened(path) as (fd, _):
                    place.offset, place.before = size, os.pread(fd, _KNOWN_BYTES, max(0, size - _KNOWN_BYTES))
                place.is_inside = not place.before.endswith(b"\n")
        if place.inode != inode:
            return True
        if size == place.offset:
            return False
        seen, times = place.unfinished
        place.unfinished = (seen, times + 1) if seen == size else (0, 0)
        return seen != size or times + 1 == _PATIENCE

    # ---- reading ----------------------------------------------------------------------------------

    def _read(self, name: str) -> Piece | None:
        place, chain = self.places[name], self._files[name]
        at = next((n for n, (inode, _, _) in enumerate(chain) if inode == place.inode), None)
        if at is None:  # its file is gone: the one there now is new, unless it is a copy of it
            at = len(chain) - 1
            place.inode = chain[at][0]
        is_last = at == len(chain) - 1
        with _opened(chain[at][2]) as (fd, info):
            if info.st_ino != place.inode:
                return None  # rotated since the look
            if not _is_same(fd, place):
                place.offset, place.before, place.is_inside = 0, b"", False
            skipped = self._skip(place, info.st_size)
            data = os.pread(fd, min(PIECE_BYTES, max(0, info.st_size - place.offset)), place.offset)
        is_whole = not is_last or place.unfinished[1] >= _PATIENCE
        is_end = place.offset + len(data) >= info.st_size
        taken, lines = self._cut(place, data, is_whole=is_whole and is_end)
        self._left -= max(1, len(data))
        place.offset += taken
        place.before = (place.before + data[:taken])[-_KNOWN_BYTES:]
        if taken or skipped:
            place.unfinished = (0, 0)
            return Piece(name, lines, skipped)
        if not is_last:  # read to its end: on with the next newer one
            self.places[name] = Place(chain[at + 1][0], 0)
            return Piece(name, [])
        place.unfinished = (info.st_size, place.unfinished[1])
        return None

    def _skip(self, place: Place, size: int) -> int:
        """Leave out what there is no time for; how many bytes."""
        behind = size - place.offset
        if behind <= MOST_BEHIND_BYTES:
            return 0
        place.offset, place.before, place.is_inside = size - PIECE_BYTES, b"", True
        return behind - PIECE_BYTES

    def _cut(self, place: Place, data: bytes, *, is_whole: bool) -> tuple[int, list[str]]:
        """How much of the data is taken, and its lines. A line longer than a piece is cut; its rest is dropped."""
        end = data.rfind(b"\n") + 1
        if is_whole or (not end and len(data) >= PIECE_BYTES):
            end = len(data)
        taken = data[:end]
        if not taken:
            return 0, []
        texts = taken.decode(errors="replace").split("\n")
        if taken.endswith(b"\n"):
            texts.pop()
        if place.is_inside:
            texts.pop(0)
        place.is_inside = not taken.endswith(b"\n") and not is_whole
        return end, [text.rstrip("\r") for text in texts]

    # ---- keeping ----------------------------------------------------------------------------------

    def as_data(self) -> dict[str, list[Any]]:
        """The places as plain data."""
        return {name: place.as_data() for name, place in self.places.items()}

    def restore(self, data: Any) -> None:
        """Take back what `as_data` gave. Raises ValueError for anything else."""
        try:
            self.places = {
                str(name): Place(int(inode), int(offset), bytes(before), bool(is_inside))
                for name, (inode, offset, before, is_inside) in dict(data).items()
            }
        except (TypeError, ValueError) as error:
            raise ValueError(f"places in logs must be name -> inode, offset, bytes, flag: {error}") from None
        self.from_end = False


def _chain(rotated: list[tuple[int, os.DirEntry[str]]], inode: int) -> list[tuple[int, int, Path]]:
    """The rotated files from the one with this inode on to the newest; empty when it is not among them."""
    newest_first = sorted(rotated, key=lambda each: each[0])
    at = next((n for n, (_, entry) in enumerate(newest_first) if entry.inode() == inode), None)
    if at is None:
        return []
    wanted = [entry for _, entry in reversed(newest_first[: at + 1]) if entry.is_file(follow_symlinks=False)]
    return [(entry.inode(), 0, Path(entry.path)) for entry in wanted]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """The file for reading, with its present facts. Raises OSError, also for what is no regular file any more."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(0, "no regular file")
        yield fd, info
    finally:
        os.close(fd)


def _is_same(fd: int, place: Place) -> bool:
    """Whether the bytes before the place are those that were read there."""
    start = place.offset - len(place.before)
    return start >= 0 and os.pread(fd, len(place.before), start) == place.before
