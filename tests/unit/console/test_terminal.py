"""Ctrl-C reaches the console alone while it has the foreground, and everybody afterwards."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
PROGRAM = """
import os
from grace_actors.console.terminal import foreground
before = os.getpgrp()
if (child := os.fork()) == 0:
    with foreground():
        inside = (os.getpgrp() == os.getpid(), os.tcgetpgrp(0) == os.getpid())
    print("child", inside, (os.getpgrp() == before, os.tcgetpgrp(0) == before), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


def test_foreground_is_taken_and_given_back() -> None:
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(CHECKOUT)
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
    text = b""
    try:
        while chunk := os.read(fd, 4096):
            text += chunk
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(fd)
    assert text.decode().strip() == "child (True, True) (True, True)"
