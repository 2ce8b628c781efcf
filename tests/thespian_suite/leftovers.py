"""What a test leaves behind: processes and socket files.

The test process adopts the orphans below it, so whatever was started by a test is found among its descendants,
also an admin that has made a session of its own. Invariant: after `clear` nothing of the test is left.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import psutil

GRACE_S = 10.0
"""Thespian may answer a shutdown before the last actor has gone."""

_STEP_S = 0.005


def clear(directories: list[Path], wait_s: float = GRACE_S) -> list[str]:
    """Wait for the end of all that was started, end the rest, remove the directories; say what was left."""
    excused = {os.getpid()}  # this process is an endpoint itself, for as long as it does not end the system
    deadline = time.monotonic() + wait_s
    while (alive := _descendants(excused)) and time.monotonic() < deadline:
        time.sleep(_STEP_S)
    left = [_describe(process) for process in alive]
    while alive:
        for process in alive:
            process.kill()
        alive = _descendants(excused)
    while directories:
        directory = directories.pop()
        left += [f"file {path}" for path in sorted(directory.iterdir()) if not _is_of(excused, path.name)]
        shutil.rmtree(directory)
    return left


def _descendants(killed: set[int]) -> list[psutil.Process]:
    """Everything below this process. What has ended is reaped on the way: an orphan that was killed with its
    parent could not remove its socket file, that is left to us who adopted it."""
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if os.WIFSIGNALED(ended[1]):
                killed.add(ended[0])
    except ChildProcessError:
        return []
    return psutil.Process().children(recursive=True)


def _is_of(pids: set[int], name: str) -> bool:
    pid = name.partition(".")[0]
    return pid.isdecimal() and int(pid) in pids


def _describe(process: psutil.Process) -> str:
    try:
        return f"process {process.pid} ({process.name()}: {' '.join(process.cmdline()).strip():.120})"
    except psutil.NoSuchProcess:
        return f"process {process.pid}, gone by now"
