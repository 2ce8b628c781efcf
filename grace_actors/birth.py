"""What a parent leaves for the child it is about to fork: its name, spec and the pipe of its last words.

A forked child starts with its parent's memory, so the birth is a module variable set just before the
fork: no message, no file. Invariant: the parent's ends of the pipes are closed in the child.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from supervisors.messages import Exit, ExitKind

MAX_REPORT_BYTES = 60_000
"""A report must fit a pipe's buffer: nobody reads before the writer is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """Everything a child knows before its first message."""

    name: str
    gen: int
    kind: str  # supervisor | kernel | actor | process
    parent: str | None
    start: Any  # KernelStart | ProcessStart | SupervisorSpec
    home: Path
    instance: str
    registry: Any
    last_words_fd: int
    mode: str = ""
    """`safe`: with the settings of the tree file alone."""


_next: Birth | None = None
_parents_ends: set[int] = set()


def prepare(birth: Birth) -> None:
    """Parent: the next fork is this child."""
    global _next
    _next = birth


def taken() -> Birth:
    """Child: who am I. Closes the pipe ends that belong to the parent."""
    if _next is None:
        raise RuntimeError("this actor was not started by a Grace supervisor")
    for fd in _parents_ends:  # as many as the parent has children: one call each, nothing around it
        try:
            os.close(fd)
        except OSError:
            continue
    _parents_ends.clear()
    return _next


class LastWords:
    """Parent's end of a child's pipe: its exit report, and the proof that it and its forks are gone."""

    __slots__ = ("_data", "fd", "write_fd")

    def __init__(self) -> None:
        self.fd, self.write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._data = b""
        _parents_ends.add(self.fd)

    def forked(self) -> None:
        """The child exists: only it (and what it forks) holds the writing end now."""
        os.close(self.write_fd)

    def everyone_gone(self) -> bool:
        """True once no process holds the writing end any more; collects the report meanwhile."""
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return False
            if not data:
                return True
            self._data += data

    def report(self) -> Exit | None:
        """What the child said of its own exit; None if it had no time to."""
        if not self._data:
            return None
        try:
            kind, reason, detail = msgpack.unpackb(self._data)
            return Exit(ExitKind(kind), reason, detail)
        except (ValueError, TypeError, msgpack.UnpackException):
            return Exit(ExitKind.CRASH, "unreadable exit report", repr(self._data[:200]))

    def close(self) -> None:
        _parents_ends.discard(self.fd)
        os.close(self.fd)


def write_report(fd: int, exit: Exit) -> None:
    """Child: the last words. A torn or missing report is the parent's `killed`."""
    detail = exit.detail.encode(errors="replace")[-MAX_REPORT_BYTES:].decode(errors="replace")
    with contextlib.suppress(OSError):
        os.write(fd, msgpack.packb((exit.kind.value, exit.reason[:2000], detail)))
