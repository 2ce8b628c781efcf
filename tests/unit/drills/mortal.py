"""A process that can die between any two changes of the disk, played in one process.

Every call that changes a file counts; the one that is fatal is not made, or half of it if it writes. For tests only.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from grace_actors.drills.faults import Faults, Injection, Undone
from tests.harness.kernels import Bench, BenchContext

CHANGES = ("write", "pwrite", "replace", "link", "unlink", "truncate", "mkdir", "rmdir")


class Dead(BaseException):
    """The process is gone: no handler for errors runs to its end."""


@contextlib.contextmanager
def mortal(dies_at: int | None) -> Iterator[list[str]]:
    """Within the block the change number `dies_at` is fatal. The list tells what was changed."""
    made: list[str] = []

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **more: Any) -> Any:
            if dies_at is not None and len(made) >= dies_at:
                if len(made) == dies_at and name in ("write", "pwrite"):
                    call(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
                made.append(name)
                raise Dead
            made.append(name)
            return call(*args, **more)

        return change

    with contextlib.ExitStack() as stack:
        for name in CHANGES:
            stack.enter_context(mock.patch.object(os, name, wrapped(name, getattr(os, name))))
        stack.enter_context(mock.patch.object(os, "fsync", lambda fd: None))
        yield made


class Stage:
    """A home with files, and the faults of it."""

    def __init__(self, home: Path) -> None:
        self.bench = Bench(home)
        (home / "data" / "chaos_runner").mkdir(parents=True, exist_ok=True)
        for folder in ("logs", "config"):
            (home / folder).mkdir(exist_ok=True)
        self.home = home
        self.ctx = BenchContext(self.bench, "chaos_runner", home, home / "data" / "chaos_runner", {})
        self.faults = Faults(self.ctx)

    def begin(self, fault: str, target: str = "home", **params: Any) -> list[Injection]:
        """Inject; the outcomes so far."""
        found: list[Injection] = []
        self.faults.inject(fault, target, params, by="test", done=found.append)
        self.bench.advance(0.0)
        return found

    def inject(self, fault: str, target: str = "home", **params: Any) -> Injection:
        """Inject and wait for what has to be waited for."""
        found = self.begin(fault, target, **params)
        for _ in range(200):
            if found:
                return found[0]
            self.bench.poll(0.1)
            self.bench.advance(0.0)
        raise AssertionError(f"{fault} was never told")

    def undo(self, record: str) -> Undone:
        found: list[Undone] = []
        self.faults.undo(record, found.append)
        self.bench.advance(1.0)
        return found[0]

    def undo_all(self, by: str | None = None) -> list[Undone]:
        found: list[list[Undone]] = []
        self.faults.undo_all(by, found.append)
        self.bench.advance(0.99)
        return found[0]

    def state(self, record: str) -> str:
        return next(data["state"] for data in self.faults.records() if data["id"] == record)
