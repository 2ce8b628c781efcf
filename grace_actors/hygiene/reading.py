"""Reads files of a home that anybody may have put there: never through a link, never waiting, never more than is
allowed.

Knows descriptors and bytes; must not know what a file is for. Invariant: what is opened is a regular file at the very
path that was named, and a file that changes while it is read is seen as what it was at one of these moments.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from grace_actors.stores import manifest

PIECE_BYTES = 1 << 20
MOST_MANIFEST_BYTES = 64 << 20
MOST_FILES = 20_000
"""In one folder with all below it; what is beyond is named as left out."""


class NotRegular(OSError):
    """A link, a pipe, a socket, a device or a folder where a file was expected."""


def opened(path: Path) -> BufferedReader:
    """A regular file, for reading. Raises NotRegular, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotRegular(f"{path.name} is not a regular file")
    return os.fdopen(fd, "rb")


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a regular file. Raises NotRegular, OSError."""
    with opened(path) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def content(path: Path, *, most_bytes: int) -> bytes:
    """The whole file. Raises NotRegular, OSError; ValueError when it is larger than `most_bytes`."""
    with opened(path) as file:
        found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise ValueError(f"larger than {most_bytes} bytes")
    return found


def checksums(path: Path) -> dict[str, str]:
    """What a manifest says. Raises NotRegular, OSError; ValueError when it is too large, Refused when it is none."""
    return manifest.parse(content(path, most_bytes=MOST_MANIFEST_BYTES).decode(errors="replace"), str(path))


def files_below(root: Path, skipped: dict[str, str]) -> Iterator[Path]:
    """The regular files of a folder and the folders in it, by name. What is something else is noted in `skipped`, under
    its path; links are not followed, also not at `root` itself."""
    if root.is_symlink():
        skipped[str(root)] = "a link"
        return
    left = MOST_FILES
    waiting = [root] if root.is_dir() else []
    while waiting:
        folder = waiting.pop()
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                skipped[entry.path] = "a link" if entry.is_symlink() else "not a regular file"
            elif left:
                left -= 1
                yield Path(entry.path)
            else:
                skipped[entry.path] = f"more than {MOST_FILES} files"
                return


class Digests:
    """SHA-256 of files, each content read once: hard links and files that did not change are recognised."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], str] = {}

    def of(self, path: Path) -> str:
        """Raises NotRegular, OSError."""
        with opened(path) as file:
            info = os.fstat(file.fileno())
            key = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)
            if key not in self._known:
                self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()
            return self._known[key]

    def is_it(self, path: Path, sha256: str) -> bool:
        """Whether the file is there and has this content."""
        try:
            return bool(sha256) and self.of(path) == sha256
        except OSError:
            return False
