"""Outgoing connections: one non-blocking stream socket for each peer written to, with its queue.

Knows sockets and frames, nothing of actors. Invariant: frames to one peer leave in the order they came,
each wholly or (when the peer is gone) reported as not delivered.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable

Done = Callable[[bool], None]
"""Called once: True when the frame was handed to the kernel, False when the peer is gone."""


class Busy(Exception):
    """The peer's backlog is full at this moment; try again soon."""


def connect(path: str) -> socket.socket | None:
    """A connected non-blocking socket, None when nobody listens there. Raises Busy on a full backlog."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(path)
    except (ConnectionRefusedError, FileNotFoundError):
        sock.close()
        return None
    except BlockingIOError:
        sock.close()
        raise Busy from None
    return sock


class Peer:
    """A connection for writing. `flush` sends what it can; `waiting` says whether more is queued."""

    __slots__ = ("_queue", "armed", "fd", "path", "sock")

    def __init__(self, path: str, sock: socket.socket) -> None:
        self.path = path
        self.sock = sock
        self.fd = sock.fileno()
        self.armed = False  # whether epoll watches for writability
        self._queue: deque[tuple[memoryview, Done]] = deque()

    def put(self, frame: bytes, done: Done) -> bool:
        """Queue and flush. False when the peer is gone (then `done` is not called: see `abandon`)."""
        self._queue.append((memoryview(frame), done))
        return len(self._queue) > 1 or self.flush()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def flush(self) -> bool:
        """Write until the kernel's buffer is full. False when the peer is gone."""
        while self._queue:
            view, done = self._queue[0]
            try:
                sent = self.sock.send(view, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if sent < len(view):
                self._queue[0] = (view[sent:], done)
                return True
            self._queue.popleft()
            done(True)
        return True

    def abandon(self) -> None:
        """Close; what was still queued is reported as not delivered."""
        self.sock.close()
        queue, self._queue = self._queue, deque()
        for _, done in queue:
            done(False)
