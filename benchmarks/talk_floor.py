"""The floor of talking: two forked processes and one stream socket pair, msgpack in length-prefixed frames, blocking.

No actor, no queue, no event loop: what is left is the kernel's wake-ups and copies, and packing.
Invariant: both processes end with the one that forked them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgpack

from benchmarks.talk import TEXT, note
from grace_actors import lifeline

_LENGTH = struct.Struct("!I")
_READ_AHEAD = 65536


class Ended(Exception):
    """The other end is closed, or silent for too long."""


class Wire:
    """Frames over a stream socket: one write a frame, and no more reads than needed."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = sock.makefile("rb", buffering=_READ_AHEAD)

    def put(self, message: Any) -> None:
        body = msgpack.packb(message)
        self.sock.sendall(_LENGTH.pack(len(body)) + body)

    def get(self) -> Any:
        return msgpack.unpackb(self._exactly(_LENGTH.unpack(self._exactly(_LENGTH.size))[0]))

    def _exactly(self, size: int) -> bytes:
        found: bytes = self._reader.read(size)
        if len(found) < size:
            raise Ended
        return found


class Floor:
    """`travel` and `flood` as the actors do them."""

    def __init__(self) -> None:
        ours, first = socket.socketpair()
        left, right = socket.socketpair()
        self._orders = Wire(ours)
        self._pids = [_forked(lambda: _lead(Wire(first), Wire(left))), _forked(lambda: _follow(Wire(right)))]
        for sock in (first, left, right):
            sock.close()

    def travel(self, count: int, patience_s: float) -> float | None:
        """Seconds for `count` round trips."""
        return self._told(["travel", count, TEXT], patience_s)

    def flood(self, each: int, text: str | bytes, patience_s: float) -> float | None:
        """Seconds until the other end has read `each` notes."""
        return self._told(["flood", each, text], patience_s)

    def _told(self, order: list[Any], patience_s: float) -> float | None:
        self._orders.sock.settimeout(patience_s)
        self._orders.put(order)
        try:
            return float(self._orders.get())
        except (TimeoutError, Ended):
            return None

    def close(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._orders.sock.close()


def _forked(body: Callable[[], None]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        lifeline.arm(parent)
        with contextlib.suppress(Ended, OSError):
            body()
        os._exit(0)
    return pid


def _lead(orders: Wire, wire: Wire) -> None:
    while True:
        kind, count, text = orders.get()
        wire.put([kind, count])
        began = time.monotonic()
        if kind == "travel":
            for number in range(count):
                wire.put(note(0, 0, number, began, text))
                wire.get()
        else:
            for number in range(count):
                wire.put(note(0, 0, number, began, text))
            wire.get()
        orders.put(time.monotonic() - began)


def _follow(wire: Wire) -> None:
    while True:
        kind, count = wire.get()
        if kind == "travel":
            for _ in range(count):
                wire.put(wire.get())
        else:
            for _ in range(count):
                wire.get()
            wire.put("complete")
