"""Who gets the terminal's Ctrl-C: the console alone while somebody types, the whole program otherwise.

The guard and the console share a terminal. A Ctrl-C that ends `events --follow` must not reach the guard,
which would stop the tree; so the console takes the foreground for itself and gives it back.
Invariant: after the block the process group and the terminal's foreground are what they were before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def foreground() -> Iterator[None]:
    """Have keyboard signals go to this process alone; nothing changes where there is no terminal of ours."""
    fd, before = 0, os.getpgrp()
    if not _owns(fd, before) or os.getpid() in (before, os.getsid(0)):
        yield
        return
    try:
        os.setpgid(0, 0)
        _give(fd, os.getpgrp())
        # Nobody would wake a stopped console: the shell waits for the guard's group.
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    except OSError:
        pass  # a terminal that knows no jobs: keyboard signals then reach everybody
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            _give(fd, before)
            os.setpgid(0, before)


def _owns(fd: int, group: int) -> bool:
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(fd) == group
    except OSError:
        return False


def _give(fd: int, group: int) -> None:
    """Make a group the foreground one; the background may not do that without this guard."""
    previous = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(fd, group)
    finally:
        signal.signal(signal.SIGTTOU, previous)
