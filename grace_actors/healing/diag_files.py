"""Reads a bounded part of a regular file, whatever stands under its name.

A FIFO or a device is not waited for: it is opened without blocking and then refused. Knows nothing of what is in a
file. Invariant: no call reads more than it was told to, however large the file is.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a file: `offset` is where it begins, `size` that of the whole file."""

    data: bytes
    offset: int
    size: int
    written_at: float


def read_end(path: Path, most_bytes: int) -> Piece:
    """The last bytes. Raises OSError, also for what is no regular file."""
    return _read(path, most_bytes, from_end=True)


def read_start(path: Path, most_bytes: int) -> Piece:
    """The first bytes. Raises OSError, also for what is no regular file."""
    return _read(path, most_bytes, from_end=False)


def _read(path: Path, most_bytes: int, *, from_end: bool) -> Piece:
    fd = os.open(path, _FLAGS)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        offset = max(0, found.st_size - most_bytes) if from_end else 0
        data = b""
        while len(data) < most_bytes and (more := os.pread(fd, most_bytes - len(data), offset + len(data))):
            data += more
        return Piece(data=data, offset=offset, size=found.st_size, written_at=found.st_mtime)
    finally:
        os.close(fd)
