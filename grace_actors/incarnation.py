"""One living child of a supervisor: its process, its address, its last words.

Bridges Thespian's child processes and the supervisor: knows pids and pipes, decides nothing.
Invariant: a child counts as gone only when its process was reaped and nobody holds its pipe any more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from grace_actors.birth import LastWords
from grace_actors.transport import sockets
from grace_actors.wire import Pulse
from supervisors.messages import Exit, ExitKind

LINGER_S = 2.0
"""How long forks of a dead child may hold its pipe before the supervisor goes on without proof."""


@dataclass(slots=True)
class Incarnation:
    """Generation `gen` of child `name`."""

    name: str
    gen: int
    kind: str
    address: Any
    process: Any  # multiprocessing.Process
    words: LastWords
    started_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    shown_pid: int = 0
    group: int = 0
    socket_path: str = ""
    pulse: Pulse | None = None
    spoke_at: float | None = None
    reaped_at: float | None = None
    processor: tuple[float, float] | None = None
    """The processor seconds it had used when that was looked at last, and when."""

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def is_alive(self) -> bool:
        return bool(self.process.is_alive())

    def signal(self, signum: int) -> None:
        """Signal the actor's process; one that is dead already stays dead."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def signal_shown(self, signum: int) -> None:
        """Signal what an operator sees: the whole group of an OS process, else the actor."""
        if self.group and self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.group, signum)
            return
        self.signal(signum)

    def is_ending(self, now: float) -> bool:
        """Whether it lives but its end is to be expected: it has said its last words, or closed their pipe."""
        return self.spoke_at is not None and now - self.spoke_at < LINGER_S

    def gone(self, now: float) -> bool:
        """True once it is completely gone, or has lingered too long."""
        if self.is_alive:
            return False
        if self.reaped_at is None:
            self.reaped_at = now
        return self.words.everyone_gone() or now - self.reaped_at > LINGER_S

    def bury(self) -> Exit:
        """Release what belonged to it; the reason of its exit."""
        if self.group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, signal.SIGKILL)
        sockets.forget(self.socket_path)
        exit = self.words.report() or reason_of(self.process.exitcode)
        self.words.close()
        return exit


def reason_of(exitcode: int | None) -> Exit:
    """The reason when there was no report: a signal has its name, a status its number."""
    if exitcode is None or exitcode == 0:
        return Exit(ExitKind.NORMAL, "normal", "ended without a report")
    if exitcode > 0:
        return Exit(ExitKind.CRASH, f"exit {exitcode}", "ended without a report")
    with contextlib.suppress(ValueError):
        return Exit(ExitKind.KILLED, signal.Signals(-exitcode).name)
    return Exit(ExitKind.KILLED, f"signal {-exitcode}")
