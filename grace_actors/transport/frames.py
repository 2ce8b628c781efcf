"""Length-prefixed frames on a byte stream: what is received, cut into messages.

Pure: bytes in, frames out; knows no socket. Invariant: a frame is handed out whole or not at all, and
nothing is allocated for bytes that have not arrived.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("!I")
MAX_FRAME_BYTES = 64 * 1024 * 1024


class FrameTooLarge(ValueError):
    """A frame is larger than MAX_FRAME_BYTES."""


def encode(payload: bytes) -> bytes:
    """One frame. Raises FrameTooLarge in the sender, before anything is sent."""
    if len(payload) > MAX_FRAME_BYTES:
        raise FrameTooLarge(
            f"a message of {len(payload)} bytes is over the limit of {MAX_FRAME_BYTES}: send a file path instead"
        )
    return HEADER.pack(len(payload)) + payload


class FrameReader:
    """Collects a stream and yields whole frames. Raises FrameTooLarge on a header that is out of bounds."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add what arrived; return the frames it completed, in order."""
        if not self._buffer and len(data) >= 4 and HEADER.unpack_from(data)[0] == len(data) - 4:
            return [data[4:]]  # the common case: exactly one frame, no copy into the buffer
        self._buffer += data
        return self._cut()

    def _cut(self) -> list[bytes]:
        frames: list[bytes] = []
        start, size = 0, len(self._buffer)
        while size - start >= 4:
            (length,) = HEADER.unpack_from(self._buffer, start)
            if length > MAX_FRAME_BYTES:
                raise FrameTooLarge(f"a peer announced a frame of {length} bytes")
            if size - start - 4 < length:
                break
            frames.append(bytes(self._buffer[start + 4 : start + 4 + length]))
            start += 4 + length
        if start:
            del self._buffer[:start]
        return frames

    @property
    def pending_bytes(self) -> int:
        """Bytes of an incomplete frame held now."""
        return len(self._buffer)
