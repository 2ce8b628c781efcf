"""Processes of faults, found by a mark in their environment, so that nobody has to remember pids.

The mark is written into the record before the process exists. Invariant: only processes that carry the mark of this
one fault are ended; when `end` returns, none of them runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "GRACE_FAULT"
"""Environment variable of every process that a fault started: the id of its record."""
_PASSES_S = 1.0
_PAUSE_S = 0.005


class StillThere(OSError):
    """Processes that do not end."""


def find(id: str) -> list[int]:
    """The living processes of a fault."""
    mark = f"{MARK}={id}".encode()
    own = os.getpid()
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - one name a process
    return [pid for pid in pids if pid != own and _carries(pid, mark)]


def _carries(pid: int, mark: bytes) -> bool:
    with contextlib.suppress(OSError, IndexError):
        process = Path(f"/proc/{pid}")
        if mark in (process / "environ").read_bytes().split(b"\0"):
            return (process / "stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    return False


def end(id: str) -> str:
    """Kill the processes of a fault until none is left; what was found, in words. Raises StillThere."""
    deadline, killed = time.monotonic() + _PASSES_S, set[int]()
    while found := find(id):
        if time.monotonic() > deadline:
            raise StillThere(0, f"{len(found)} processes do not end: {', '.join(map(str, found))}")
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(_PAUSE_S)
    return f"{len(killed)} processes ended" if killed else "its processes have ended"
