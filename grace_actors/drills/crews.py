"""The processes of one fault while they run: heard until they are ready, watched until they end, ended as a whole.

Drives what `burners` starts from a kernel's mailbox; blocks for nothing but the reaping of what it has killed. It must
not know records. Invariant: of `on_ready`, `on_failed` and `on_over` at most one is called before `end`; after `end`
none of the processes is left and nothing is called.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from grace_actors.drills import burners
from grace_actors.kernel import Context, Timer

READY_S = 15.0
"""A process that has not begun by then is given up: this machine is too busy for more of that."""


@dataclass(slots=True)
class _One:
    process: subprocess.Popen[bytes]
    is_ready: bool
    watches: list[Timer] = field(default_factory=list)
    pidfd: int = -1
    said: bytes = b""


class Crew:
    """Some processes. `on_over` is called when the last one has ended by itself."""

    def __init__(
        self,
        ctx: Context,
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
        on_over: Callable[[], None],
    ) -> None:
        self._ctx, self._on_ready, self._on_failed, self._on_over = ctx, on_ready, on_failed, on_over
        self._all: list[_One] = []
        self._is_up = self._is_ended = False
        self._late: Timer | None = None

    def add(self, process: subprocess.Popen[bytes], *, says_ready: bool) -> None:
        """Take charge of a process that was just started."""
        one = _One(process, is_ready=not says_ready)
        self._all.append(one)
        one.pidfd = os.pidfd_open(process.pid)
        one.watches.append(self._ctx.watch(one.pidfd, lambda: self._exited(one)))
        assert process.stdout is not None
        if says_ready:
            out = process.stdout.fileno()
            one.watches.append(self._ctx.watch(out, lambda: self._readable(one, out)))

    def listen(self) -> None:
        """All were added: say when they have begun."""
        self._late = self._ctx.after(READY_S, lambda: self._fail(f"not ready within {READY_S:g} s"))
        self._ctx.after(0.0, self._look)

    def _readable(self, one: _One, out: int) -> None:
        if self._is_ended or one.is_ready:
            return
        one.said += (data := os.read(out, 4096))
        one.is_ready = burners.READY in one.said
        if one.is_ready or not data:
            one.watches.pop().cancel()
        self._look()

    def _look(self) -> None:
        if not self._is_ended and not self._is_up and all(one.is_ready for one in self._all):
            self._is_up = True
            if self._late is not None:
                self._late.cancel()
            self._on_ready()

    def _exited(self, one: _One) -> None:
        if self._is_ended or one.process.poll() is None:
            return
        self._let_go(one)
        self._all.remove(one)
        if not self._is_up:
            self._fail(f"a process ended with status {one.process.returncode} before it had begun")
        elif not self._all:
            self._is_ended = True
            self._on_over()

    def _fail(self, why: str) -> None:
        if not self._is_up and not self._is_ended:
            self.end()
            self._on_failed(why)

    def hang_up(self, first: Callable[[], None]) -> bool:
        """Ask those that listen to finish what they are about, after `first`; False when none listens."""
        pipes = [one.process.stdin for one in self._all if one.process.stdin is not None]
        if pipes and self._is_up:
            first()
            self._is_ended = True  # their ends are expected now
            for watch in (watch for one in self._all for watch in one.watches):
                watch.cancel()
            for pipe in pipes:
                pipe.close()
        return bool(pipes and self._is_up)

    def end(self) -> None:
        """End them all now."""
        self._is_ended = True
        if self._late is not None:
            self._late.cancel()
        for one in self._all:
            self._let_go(one)
        self._all.clear()

    def _let_go(self, one: _One) -> None:
        for watch in one.watches:
            watch.cancel()
        burners.kill(one.process)
        if one.pidfd >= 0:
            os.close(one.pidfd)
            one.pidfd = -1
