"""The files of the event log: `events-<first number>.jsonl`, each begun with a header line, the oldest retired.

Knows files and nothing of emitters' rules or readers. A write counts whole or not at all: what a full disk
took of it is cut off again. Invariant: lines of the newest file are only ever added behind a whole line.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from grace_actors.status.records import Record, Segment, decode_segment, encode_header


@dataclass(frozen=True, slots=True)
class Repair:
    """What had to be put right at open: bytes of an unfinished write, numbers that are unreadable."""

    segment: str
    torn_bytes: int
    unreadable: int


class Segments:
    """One writer in one directory. The constructor raises OSError when it can neither be read nor made."""

    def __init__(self, directory: Path, *, segment_bytes: int, keep: int) -> None:
        self.directory = directory
        self._segment_bytes, self._keep = segment_bytes, keep
        self._fd: int | None = None
        self._size = 0
        self._parsed: tuple[int, list[Record]] | None = None
        self.is_dirty = False
        directory.mkdir(parents=True, exist_ok=True)
        stems = (path.stem[7:] for path in directory.glob("events-*.jsonl"))
        self.firsts = sorted(int(stem) for stem in stems if stem.isdigit())
        """The first number of each file, oldest first."""

    def load(self, first: int) -> Segment:
        """Read one file whole. Raises OSError."""
        return decode_segment(first, self._path(first).read_bytes())

    def resume(self, newest: Segment) -> Repair | None:
        """Go on writing the newest file behind its last whole line. Raises OSError when the disk refuses;
        the next write then begins a file of its own."""
        path = self._path(self.firsts[-1])
        if newest.has_header:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                self._size = os.fstat(fd).st_size - newest.torn_bytes
                os.ftruncate(fd, self._size)
            except OSError:
                os.close(fd)
                raise
            self._fd = fd
        if newest.torn_bytes or newest.unreadable:
            return Repair(path.name, newest.torn_bytes, newest.unreadable)
        return None

    @property
    def is_full(self) -> bool:
        """Whether the next write has to be preceded by `begin`."""
        return self._fd is None or self._size >= self._segment_bytes

    @property
    def room(self) -> int:
        """How many bytes the current file takes before it is full."""
        return max(0, self._segment_bytes - self._size)

    def begin(self, first: int, emitters: dict[str, int]) -> None:
        """Begin the next file. Raises OSError and leaves no half file behind."""
        path = self._path(first)
        self.directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        header = encode_header(first, emitters)
        try:
            if os.write(fd, header) != len(header):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._leave()
        self._fd, self._size, self.is_dirty = fd, len(header), True
        if first not in self.firsts[-1:]:
            self.firsts.append(first)
        self._retire()
        self._sync_directory()

    def write(self, content: bytes) -> None:
        """Hand whole lines to the OS, all or nothing. Raises OSError."""
        assert self._fd is not None
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self._cut_back()
            raise
        self._size += len(content)
        self.is_dirty = True

    def sync(self) -> None:
        """Force what was written onto the disk. Raises OSError."""
        if self.is_dirty and self._fd is not None:
            os.fdatasync(self._fd)
            self.is_dirty = False

    def close(self) -> None:
        """Sync as far as the disk allows and release the file."""
        self._leave()

    def records(self, first: int) -> list[Record]:
        """The records of one file; empty when it cannot be read (just retired, or damaged beyond opening)."""
        if self._parsed and self._parsed[0] == first and first != self.firsts[-1]:
            return self._parsed[1]
        try:
            records = self.load(first).records
        except OSError:
            return []
        self._parsed = (first, records)
        return records

    def _cut_back(self) -> None:
        """Undo a partial write; where even that fails, leave this file for a new one."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            os.close(self._fd)
            self._fd = None

    def _leave(self) -> None:
        if self._fd is None:
            return
        with contextlib.suppress(OSError):  # nothing more can be done for a file that will not sync
            self.sync()
        os.close(self._fd)
        self._fd = None

    def _retire(self) -> None:
        while len(self.firsts) > self._keep:
            self._path(self.firsts.pop(0)).unlink(missing_ok=True)

    def _sync_directory(self) -> None:
        fd = os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _path(self, first: int) -> Path:
        return self.directory / f"events-{first:012d}.jsonl"
