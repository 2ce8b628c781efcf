"""The output of a command, line by line into a file that is rotated at a size.

A log is the lesser good: what the disk refuses is lost and counted, and the service goes on. Knows files and
text, nothing of processes. Invariant: the files of one log together hold at most `keep + 1` times its size (plus
a line each), and writing never raises.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class LineLog:
    """`path`, and with rotation `path.1` (newer) to `path.<keep>`. With `keep` 0 the file starts anew instead."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._path, self._max_bytes, self._keep = path, max_bytes, keep
        self._fd = -1
        self._size = 0
        self.lost = 0
        """Lines the disk refused."""

    def write(self, text: str) -> None:
        """Append one line."""
        data = text.encode(errors="replace") + b"\n"
        try:
            self._open_for(len(data))
            written = os.write(self._fd, data)
            self._size += written
            self.lost += written < len(data)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        """Release the file; the next write opens it again."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)

    def _open_for(self, more: int) -> None:
        if self._fd < 0:
            self._open()
        if self._size and self._size + more > self._max_bytes:
            self.close()
            self._rotate()
            self._open()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        if self._keep < 1:
            os.truncate(self._path, 0)
            return
        for number in range(self._keep, 0, -1):
            older = self._path if number == 1 else self._numbered(number - 1)
            with contextlib.suppress(FileNotFoundError):
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
