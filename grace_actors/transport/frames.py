"""What travels on a connection: a greeting, then length-prefixed frames.

    stream   = greeting, { frame }
    frame    = length (4 bytes, big-endian), body
    greeting = the frame whose body is: magic (2), lane (1), token (32), address of the connecting endpoint
    body     = pickle                 on the lane for bulk
             = position (8), pickle   on the lane for control: how many bulk frames were sent before it

Pure: bytes in, frames out; knows no socket. Invariants: a frame is handed out whole or not at all; nothing is
allocated for bytes that have not arrived; nothing is unpickled here.
"""

from __future__ import annotations

import hmac
import struct
from enum import IntEnum

HEADER = struct.Struct("!I")
POSITION = struct.Struct("!Q")
MAX_FRAME_BYTES = 64 * 1024 * 1024
TOKEN_BYTES = 32
NO_TOKEN = bytes(TOKEN_BYTES)
_MAGIC = b"G\x01"
_GREETING = struct.Struct(f"!2sB{TOKEN_BYTES}s")
_GREETING_MOST = _GREETING.size + 1024
_JOIN_BELOW = 16 * 1024


class Lane(IntEnum):
    """Two connections at most between two endpoints: control traffic overtakes bulk."""

    BULK = 0
    CONTROL = 1


class FrameTooLarge(ValueError):
    """A frame is larger than MAX_FRAME_BYTES."""


class NotOurs(ValueError):
    """A connection did not begin with the greeting of an endpoint of this actor system."""


def encode(payload: bytes, prefix: bytes = b"") -> tuple[bytes, ...]:
    """One frame as buffers to be written one after another; large payloads are not copied.
    Raises FrameTooLarge in the sender, before anything is sent."""
    size = len(prefix) + len(payload)
    if size > MAX_FRAME_BYTES:
        raise FrameTooLarge(
            f"a message of {size} bytes is over the limit of {MAX_FRAME_BYTES} (64 MiB): send a path instead"
        )
    if size < _JOIN_BELOW:
        return (HEADER.pack(size) + prefix + payload,)
    return HEADER.pack(size) + prefix, payload


def greeting(lane: Lane, token: bytes, path: str) -> bytes:
    """The first frame of a connection."""
    body = _GREETING.pack(_MAGIC, lane, token) + path.encode()
    return HEADER.pack(len(body)) + body


def read_greeting(body: bytes, token: bytes) -> tuple[Lane, str]:
    """Who connects, and for which lane. Raises NotOurs."""
    try:
        magic, lane, theirs = _GREETING.unpack_from(body)
        if magic != _MAGIC or not hmac.compare_digest(theirs, token):
            raise NotOurs("it did not greet as an endpoint of this actor system does")
        return Lane(lane), body[_GREETING.size :].decode()
    except (struct.error, ValueError) as error:
        raise NotOurs(str(error)) from None


class FrameReader:
    """Collects a stream and yields the bodies of whole frames. The first one must be as short as a greeting."""

    __slots__ = ("_have", "_limit", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have = 0
        self._limit = _GREETING_MOST

    def expect_no_greeting(self) -> None:
        """We chose whom to call: the first frame may be large, too."""
        self._limit = MAX_FRAME_BYTES

    def feed(self, data: bytes) -> list[bytes]:
        """Add what arrived; return the bodies it completed, in order.
        Raises FrameTooLarge on a length that is out of bounds."""
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < 4:
                return []
            if len(self._parts[0]) < 4:
                self._parts = [b"".join(self._parts)]
            if self._have < 4 + self._length(self._parts[0], 0):
                return []  # collected in pieces: joined once, when it is whole
            data = b"".join(self._parts)
        return self._cut(data)

    def _length(self, data: bytes, at: int) -> int:
        length: int = HEADER.unpack_from(data, at)[0]
        if length > self._limit:
            raise FrameTooLarge(f"a peer announced a frame of {length} bytes")
        return length

    def _cut(self, data: bytes) -> list[bytes]:
        bodies: list[bytes] = []
        start, size = 0, len(data)
        while size - start >= 4:
            end = start + 4 + self._length(data, start)
            if end > size:
                break
            bodies.append(data[start + 4 : end])
            start, self._limit = end, MAX_FRAME_BYTES
        rest = data[start:]
        self._parts = [rest] if rest else []
        self._have = len(rest)
        return bodies

    @property
    def pending_bytes(self) -> int:
        """Bytes of an incomplete frame held now."""
        return self._have
