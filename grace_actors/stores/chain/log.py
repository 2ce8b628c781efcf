"""The chained log on disk: appends in groups, rotation, a running copy, and repair of what it finds at open.

Deals in byte records; must not know what is in them. Every group is on the disk before `append` returns, then it is
added to the copy under `mirror`, from which damaged or deleted segments are restored.
Invariant: after a failed append the file ends with the last acknowledged record and the next append may succeed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grace_actors.errors import StoreFailed
from grace_actors.stores.chain import frames, segment
from grace_actors.stores.chain.repair import Repairer
from grace_actors.stores.chain.segment import Segment
from grace_actors.stores.files import failed, sync_directory, write_all


@dataclass(frozen=True, slots=True)
class Note:
    """Something the log did by itself that its owner should report: `event` is the event type."""

    event: str
    subject: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a log lives: its segments, their copies, and the home whose quarantine takes what was damaged."""

    directory: Path
    mirror: Path
    home: Path
    name: str


class ChainLog:
    """One writer. Raises StoreFailed from the constructor when the directory cannot be read or written."""

    def __init__(self, places: Places, *, segment_bytes: int, wall: Callable[[], float]) -> None:
        self.places, self._segment_bytes = places, segment_bytes
        self._repairer = Repairer(places.directory, places.mirror, places.home, places.name, wall)
        self.notes: list[Note] = []
        """What happened since the owner last looked; the owner empties it."""
        self.sealed: list[Segment] = []
        self.mirror_problem = ""
        self._fd: int | None = None
        self._inode = 0
        self._mirrored = 0
        self.active = self._open()

    # ---- writing ------------------------------------------------------------------------------------

    @property
    def next(self) -> int:
        """The number the next record gets; the first of all is 1."""
        return self.active.first + self.active.count

    @property
    def last(self) -> bytes:
        """The hash of the newest record."""
        return self.active.last

    def append(self, records: Sequence[bytes]) -> None:
        """Write all records durably. Raises StoreFailed; then none of them is in the log."""
        self.settle()
        last, parts = self.active.last, []
        for record in records:
            part, last = frames.frame(last, record)
            parts.append(part)
        data = b"".join(parts)
        self._write(data)
        size, count = self.active.size + len(data), self.active.count + len(records)
        self.active = replace(self.active, size=size, count=count, last=last)
        self._mirror()

    def rotate(self) -> Segment | None:
        """Seal the active segment and begin another; None when it has no records. Raises StoreFailed."""
        if not self.active.count:
            return None
        data = self._read_active()
        _, found = segment.examine(self.active.path, data)
        if found.end != self.active.size or found.last != self.active.last:
            self.reopen()
            return self.rotate()
        sealed = segment.seal(self.active, data)
        self._copy_sealed(sealed)
        following = self._create(self.next, sealed.last)
        self._close_active()
        self.sealed.append(sealed)
        self._adopt(following, copied=0)
        return sealed

    def close(self) -> None:
        """Release the files; everything acknowledged is on the disk already. Idempotent."""
        self._close_active()

    # ---- reading and checking -----------------------------------------------------------------------

    def segments(self) -> list[Segment]:
        """All segments, oldest first; the last one is being written."""
        return [*self.sealed, self.active]

    def data(self, part: Segment) -> bytes:
        """The unpacked bytes of a segment. Raises StoreFailed when the file is gone or unreadable."""
        now = next((one for one in self.segments() if one.first == part.first), part)  # it may be packed by now
        try:
            return segment.content(now.path)[: part.size]
        except OSError as error:
            raise StoreFailed(f"segment {part.name} cannot be read: {error.strerror}", hint="run verify") from error

    def inspect_sealed(self, index: int) -> bool:
        """Compare a sealed segment with its seal and repair it from its copy when it differs; True if it was
        sound. Raises StoreFailed when it cannot be repaired now."""
        part = self.sealed[index]
        with contextlib.suppress(OSError):
            if segment.matches(part, segment.content(part.path)):
                return True
        self.sealed[index] = self._repair_sealed(part.path, part)
        return False

    def pack(self, index: int) -> Segment:
        """Compress a sealed segment and its copy. Raises StoreFailed."""
        part = self.sealed[index]
        if part.packed:
            return part
        packed = segment.pack(part)
        self.sealed[index] = packed
        self._repairer.mirror_file(packed.path)
        with contextlib.suppress(OSError):
            (self.places.mirror / part.path.name).unlink(missing_ok=True)
        return packed

    def problem(self) -> str:
        """What is wrong with the file now, by its name and size; empty when nothing is."""
        try:
            found = self.active.path.stat()
        except OSError as error:
            return f"{self.active.path.name}: {error.strerror}"
        if found.st_ino != self._inode:
            return f"{self.active.path.name} was exchanged"
        if found.st_size != self.active.size:
            return f"{self.active.path.name} has {found.st_size} bytes, written were {self.active.size}"
        return ""

    def settle(self) -> None:
        """Make the next append possible: repair a file somebody removed, cut or extended (what is written on top
        of that would be lost or invalid), and begin a new segment when this one is full. Raises StoreFailed."""
        if self._fd is None or self.problem():
            self.reopen()
        if self.active.count and self.active.size >= self._segment_bytes:
            self.rotate()

    def reopen(self) -> None:
        """Look at the disk again as at start: repair what changed under us. Raises StoreFailed."""
        self._close_active()
        self.active = self._open()

    # ---- opening ------------------------------------------------------------------------------------

    def _open(self) -> Segment:
        try:
            self.places.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._note(self._repairer.bring_back_missing())
            paths = segment.files(self.places.directory)
        except OSError as error:
            raise failed(self.places.directory, error) from error
        if paths and paths[-1].name.endswith(segment.PACKED):
            self.sealed = [self._open_sealed(path) for path in paths]
            return self._adopt(self._follow_up(), copied=0)
        self.sealed = [self._open_sealed(path) for path in paths[:-1]]
        if not paths:
            return self._adopt(self._create(1, frames.GENESIS), copied=0)
        return self._open_active(paths[-1])

    def _open_sealed(self, path: Path) -> Segment:
        return segment.read_seal(path) or self._repair_sealed(path, None)

    def _repair_sealed(self, path: Path, sealed: Segment | None) -> Segment:
        repaired = self._repairer.sealed(path, sealed)
        self._note(repaired.notes)
        self._copy_sealed(repaired.segment)
        return repaired.segment

    def _open_active(self, path: Path) -> Segment:
        repaired = self._repairer.active(path)
        self._note(repaired.notes)
        if not repaired.damaged:
            return self._adopt(repaired.segment, copied=repaired.copied)
        if repaired.segment.count:
            sealed = segment.seal(repaired.segment, segment.content(path))
            self._copy_sealed(sealed)
            self.sealed.append(sealed)
        return self._adopt(self._follow_up(), copied=0)

    def _follow_up(self) -> Segment:
        """A new segment behind the sealed ones."""
        if not self.sealed:
            return self._create(1, frames.GENESIS)
        last = self.sealed[-1]
        return self._create(last.first + last.count, last.last)

    def _create(self, first: int, previous: bytes) -> Segment:
        path = self.places.directory / segment.file_name(first)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                write_all(fd, frames.header(first, previous))
                os.fsync(fd)
            finally:
                os.close(fd)
            sync_directory(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise failed(path, error) from error
        return Segment(path, first, previous, 0, frames.HEADER_BYTES, previous)

    def _adopt(self, active: Segment, *, copied: int) -> Segment:
        """Write to this segment from now on; `copied` bytes of its copy are right."""
        try:
            self._fd = os.open(active.path, os.O_RDWR | os.O_CLOEXEC)
            self._inode = os.fstat(self._fd).st_ino
        except OSError as error:
            raise failed(active.path, error) from error
        self.active, self._mirrored = active, copied
        self._mirror()
        return active

    def _close_active(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    # ---- the active file ----------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        assert self._fd is not None
        try:
            os.lseek(self._fd, self.active.size, os.SEEK_SET)
            write_all(self._fd, data)
            os.fdatasync(self._fd)
        except OSError as error:
            self._take_back()
            raise failed(self.active.path, error) from error

    def _take_back(self) -> None:
        """Cut off what a failed write left. If even that fails, the next append opens the file anew."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, self.active.size)
        except OSError:
            self._close_active()

    def _read_active(self) -> bytes:
        assert self._fd is not None
        try:
            return os.pread(self._fd, self.active.size, 0)
        except OSError as error:
            raise failed(self.active.path, error) from error

    def _mirror(self) -> None:
        """Bring the copy up to date. A copy that cannot be written degrades the log and is made up for later."""
        assert self._fd is not None
        target = self.places.mirror / self.active.path.name
        try:
            if not self._mirrored:
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._mirrored = min(self._mirrored, os.fstat(fd).st_size)
                os.lseek(fd, self._mirrored, os.SEEK_SET)
                write_all(fd, os.pread(self._fd, self.active.size - self._mirrored, self._mirrored))
                os.ftruncate(fd, self.active.size)
            finally:
                os.close(fd)
        except OSError as error:
            self.mirror_problem = f"the copy {target} cannot be written: {error.strerror}"
            return
        self._mirrored, self.mirror_problem = self.active.size, ""

    def _copy_sealed(self, sealed: Segment) -> None:
        """The copy of a sealed segment must be complete and on the disk: nobody appends to it any more."""
        try:
            self._repairer.mirror_file(sealed.path)
        except StoreFailed as error:
            self.mirror_problem = error.message

    def _note(self, found: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        self.notes.extend(Note(*one) for one in found)
