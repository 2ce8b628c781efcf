"""One connection to a peer, both ways: what waits to be written, what has been read in part.

Knows a stream socket (or anything that behaves like one) and frames, nothing of actors. Invariants: frames leave
in the order they were put; each is reported exactly once, as sent (handed to the kernel whole) or as not sent.
"""

from __future__ import annotations

import socket
from collections import deque
from typing import Any

from grace_actors.transport.frames import FrameReader, Lane
from grace_actors.transport.inbox import Source

_NOBODY = Source("")
_RECV_BYTES = 256 * 1024
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
_GATHER_FRAMES, _GATHER_BYTES = 256, 256 * 1024


class Outbox:
    """Buffers that wait to be written. A frame is one or more buffers, the last of them carries its receipt."""

    __slots__ = ("_queue", "bytes")

    def __init__(self) -> None:
        self._queue: deque[tuple[Any, Any]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, frame: tuple[bytes, ...], receipt: Any) -> None:
        """Queue a frame; `receipt` comes back from `written` or `abandon`."""
        if len(frame) > 1:
            for buffer in frame[:-1]:
                self._queue.append((buffer, None))
                self.bytes += len(buffer)
        self._queue.append((frame[-1], receipt))
        self.bytes += len(frame[-1])

    def gather(self) -> list[Any]:
        """The next buffers for one system call."""
        buffers, size = [], 0
        for buffer, _ in self._queue:
            buffers.append(buffer)
            size += len(buffer)
            if len(buffers) == _GATHER_FRAMES or size >= _GATHER_BYTES:
                break
        return buffers

    def written(self, count: int) -> list[Any]:
        """The kernel took `count` bytes; the receipts of the frames that left whole with them."""
        receipts = []
        self.bytes -= count
        while self._queue and count >= len(self._queue[0][0]):
            buffer, receipt = self._queue.popleft()
            count -= len(buffer)
            if receipt is not None:
                receipts.append(receipt)
        if count:
            buffer, receipt = self._queue[0]
            self._queue[0] = (memoryview(buffer)[count:], receipt)
        return receipts

    def abandon(self) -> list[Any]:
        """The receipts of what will never leave."""
        receipts = [receipt for _, receipt in self._queue if receipt is not None]
        self._queue.clear()
        self.bytes = 0
        return receipts


class Link:
    """A connection on one lane. `sock` is None until the peer's backlog lets us in."""

    __slots__ = (
        "connecting",
        "fd",
        "greeted",
        "is_collected",
        "is_full",
        "is_held",
        "lane",
        "out",
        "path",
        "reader",
        "sock",
        "source",
        "turn",
        "turn_sent",
    )

    def __init__(self, sock: socket.socket | None, path: str = "", lane: Lane = Lane.BULK) -> None:
        self.path, self.lane = path, lane
        self.source = _NOBODY
        self.out = Outbox()
        self.reader = FrameReader()
        self.greeted = False  # whether it may send us frames
        self.connecting = False
        self.is_full = False  # whether more can only leave when the kernel says so
        self.is_held = False  # whether what waits on the other lane to this peer goes first
        self.is_collected = False  # whether what waits leaves at the end of the turn
        self.turn = self.turn_sent = 0
        self.attach(sock)

    def attach(self, sock: socket.socket | None) -> None:
        """Here is the socket."""
        self.sock = sock
        self.fd = -1 if sock is None else sock.fileno()

    def write(self) -> tuple[list[Any], bool]:
        """Write what the kernel takes: the receipts of what left, and whether the peer still reads."""
        done: list[Any] = []
        if self.sock is None or self.connecting:
            return done, True
        while self.out:
            buffers = self.out.gather()
            try:
                if len(buffers) == 1:
                    sent = self.sock.send(buffers[0], _NO_SIGNAL)
                else:
                    sent = self.sock.sendmsg(buffers, (), _NO_SIGNAL)
            except BlockingIOError:
                self.is_full = True
                return done, True
            except OSError:
                return done, False
            done += self.out.written(sent)
        self.is_full = False
        return done, True

    def read(self) -> list[bytes] | None:
        """Bodies of the frames that one read completes; None at the end of the stream.
        Raises FrameTooLarge, and OSError when the connection broke."""
        assert self.sock is not None
        try:
            data = self.sock.recv(_RECV_BYTES)
        except BlockingIOError:
            return []
        return self.reader.feed(data) if data else None

    def close(self) -> list[Any]:
        """Close; the receipts of what was not sent."""
        if self.sock is not None:
            self.sock.close()
        self.attach(None)
        return self.out.abandon()
