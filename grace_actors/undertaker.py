"""Buries what a killed guard leaves behind that no parent-death signal reaches.

A process beside the guard that sleeps until the guard is gone. Then it kills the session of the actors (a stopped
one does not run the handler that would end its command) and every command that carries the instance's mark, also
those that made sessions of their own. Invariant: it touches only processes of the one instance it was made for.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path

import setproctitle

from grace_actors import lifeline
from grace_actors.home import MARK

_PASSES_S = 5.0
_PAUSE_S = 0.01
_QUIET_PASSES = 3


def fork(guard: int, session: int, home: Path) -> int:
    """Start one; its pid. `session` is that of every actor, led by the admin of the actor system."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    pid = os.fork()
    if pid:
        return pid
    try:
        lifeline.outlive_parent()
        _settle(home)
        select.select([os.pidfd_open(guard)], [], [])
        bury(session, mark)
    finally:
        os._exit(0)


def _settle(home: Path) -> None:
    signal.set_wakeup_fd(-1)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - it holds nothing open that others wait for
        with contextlib.suppress(OSError):
            os.close(int(entry))
    setproctitle.setproctitle(f"grace: undertaker [{home}]")


def bury(session: int, mark: bytes) -> None:
    """Kill until nothing is found for a while: a fork may slip through one pass."""
    deadline, quiet = time.monotonic() + _PASSES_S, 0
    while quiet < _QUIET_PASSES and time.monotonic() < deadline:
        found = [pid for pid in _others() if _belongs(pid, session, mark)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        time.sleep(_PAUSE_S)


def _others() -> list[int]:
    own = os.getpid()
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != own]  # noqa: PTH208


def _belongs(pid: int, session: int, mark: bytes) -> bool:
    """Whether a living process is in the session or carries the mark; one that cannot be read is not ours."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        if stat[0] in (b"Z", b"X"):
            return False
        return int(stat[3]) == session or mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False
