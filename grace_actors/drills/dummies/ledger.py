"""A ledger on disk: numbers, each written before it counts, that outlive a kill of whoever writes them.

Knows lines and a file; what is made of two ledgers is judged elsewhere (`chaos.kong.compare`). Invariant: `add` returns
only when the operating system has the numbers; a line that a kill has torn is cut off at the next opening, never read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from grace_actors.stores.files import write_all

FILE = "ledger"


class Ledger:
    """A ledger that is written. `session` tells its numbers from those of another ledger of the same name."""

    def __init__(self, path: Path, *, session: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        kept, numbers = read(path)
        os.ftruncate(self._fd, _whole_bytes(path))
        self.numbers = numbers
        self.session = kept or session or uuid4().hex[:8]
        if not kept:
            write_all(self._fd, f"session {self.session}\n".encode())

    def add(self, numbers: Iterable[int]) -> None:
        """Write them down. Raises OSError, and then nothing was added that `read` would show half."""
        new = list(numbers)
        if new:
            write_all(self._fd, b"".join(b"%d\n" % number for number in new))
            self.numbers += new

    def close(self) -> None:
        os.close(self._fd)


def read(path: Path) -> tuple[str, list[int]]:
    """Session and numbers of a ledger, in the order they were written; of one that is not there, none."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # what has no end of line was torn
    except FileNotFoundError:
        return "", []
    if not lines or not lines[0].startswith(b"session "):
        return "", []
    return lines[0].removeprefix(b"session ").decode(), [int(line) for line in lines[1:]]


def _whole_bytes(path: Path) -> int:
    """Up to and with the last end of line."""
    return path.read_bytes().rfind(b"\n") + 1
