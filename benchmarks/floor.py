"""The floor: what forking, killing and waiting cost in this very process, without any runtime.

Each child is an `os.fork` that reports one byte when it runs and answers bytes on a socket pair; deaths
are seen through pidfds.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time


class Forked:
    """One child: `ping` is a round trip, `end` a confirmed death."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._ours.close()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            theirs.send(b"r")
            while data := theirs.recv(64):
                theirs.send(data)
            os._exit(0)
        theirs.close()
        self._pidfd = os.pidfd_open(self.pid)
        self._ours.recv(1)

    def ping(self) -> None:
        self._ours.send(b"p")
        self._ours.recv(1)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def wait(self) -> None:
        """Until its death is seen; then it is reaped."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.poll()
        os.waitpid(self.pid, 0)
        os.close(self._pidfd)
        self._ours.close()

    def end(self, number: int = signal.SIGKILL) -> None:
        self.kill(number)
        self.wait()


def restart(child: Forked) -> tuple[Forked, float]:
    """Kill, see it, fork again, hear from it; and the seconds that took."""
    began = time.perf_counter()
    child.end()
    replacement = Forked()
    replacement.ping()
    return replacement, time.perf_counter() - began


def group(children: list[Forked]) -> tuple[list[Forked], float]:
    """One is killed, the others are ended in reverse order, all are forked again in order."""
    began = time.perf_counter()
    children[0].end()
    for child in reversed(children[1:]):
        child.end(signal.SIGTERM)
    replaced = [Forked() for _ in children]
    for child in replaced:
        child.ping()
    return replaced, time.perf_counter() - began


def boot(count: int) -> float:
    """Fork so many, one after another, until all have answered; in seconds."""
    began = time.perf_counter()
    children = [Forked() for _ in range(count)]
    for child in children:
        child.ping()
    seconds = time.perf_counter() - began
    for child in children:
        child.end()
    return seconds
