"""The bytes of a hash-chained log: a segment header, then frames of length, record and SHA-256.

Pure: bytes in, bytes and verdicts out; knows no file. The hash of a frame covers the hash before it and the
record. Invariant: a record is reported as valid only if every record before it in the segment is valid too.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

MAGIC = b"GRACELOG"
VERSION = 1
HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)
"""What the first record of all is chained to."""
MAX_RECORD_BYTES = 1 << 20
_LENGTH = struct.Struct("!I")
_HEADER = struct.Struct(f"!8sBQ{HASH_BYTES}s")
HEADER_BYTES = _HEADER.size
_OVERHEAD = _LENGTH.size + HASH_BYTES
_RESYNC_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    """Start of a segment: the number of its first record and the hash that record is chained to."""

    first: int
    previous: bytes


@dataclass(frozen=True, slots=True)
class Walk:
    """A pass over frames: `spans` are (start, end) of the records, `end` and `last` are where the valid part stops
    and its last hash. `problem` is empty when all bytes were valid frames; `torn` tells an interrupted write at
    the end from damage with records behind it."""

    spans: list[tuple[int, int]]
    end: int
    last: bytes
    problem: str = ""
    torn: bool = False


def header(first: int, previous: bytes) -> bytes:
    """The bytes a segment starts with."""
    return _HEADER.pack(MAGIC, VERSION, first, previous)


def parse_header(data: bytes) -> Header:
    """Raises ValueError when `data` does not start with a segment header."""
    if len(data) < HEADER_BYTES:
        raise ValueError(f"the segment header has {len(data)} of {HEADER_BYTES} bytes")
    magic, version, first, previous = _HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"no segment header of version {VERSION}")
    return Header(first, previous)


def frame(previous: bytes, record: bytes) -> tuple[bytes, bytes]:
    """The frame of one record and its hash."""
    digest = hashlib.sha256(previous + record).digest()
    return _LENGTH.pack(len(record)) + record + digest, digest


def walk(data: bytes, start: int, previous: bytes, *, most: int = 1 << 62) -> Walk:
    """Check up to `most` frames from `start`, chained to `previous`."""
    spans: list[tuple[int, int]] = []
    size, at, last = len(data), start, previous
    sha256, unpack = hashlib.sha256, _LENGTH.unpack_from
    while at < size and len(spans) < most:
        if size - at < _OVERHEAD:
            return Walk(spans, at, last, f"{size - at} bytes of an incomplete record", torn=True)
        begin = at + _LENGTH.size
        stop = begin + unpack(data, at)[0]
        end = stop + HASH_BYTES
        if stop - begin > MAX_RECORD_BYTES or end > size:
            return Walk(spans, at, last, "a record longer than the rest", torn=not _resyncs(data, at))
        digest = sha256(last + data[begin:stop]).digest()
        if digest != data[stop:end]:
            torn = end == size or not _resyncs(data, at)
            return Walk(spans, at, last, "a record that does not match its hash", torn=torn)
        spans.append((begin, stop))
        at, last = end, digest
    return Walk(spans, at, last)


def _resyncs(data: bytes, bad: int) -> bool:
    """True if a frame that fits the hash stored before it is found behind the bad one: then whole records follow
    and the bad one is no interrupted write. The search is bounded, it costs one pass over what is damaged."""
    limit = min(len(data) - _OVERHEAD, bad + _RESYNC_BYTES)
    for at in range(bad + _OVERHEAD, limit):
        length = _LENGTH.unpack_from(data, at)[0]
        stop = at + _LENGTH.size + length
        if not 0 < length <= MAX_RECORD_BYTES or stop + HASH_BYTES > len(data):
            continue
        record = data[at + _LENGTH.size : stop]
        if hashlib.sha256(data[at - HASH_BYTES : at] + record).digest() == data[stop : stop + HASH_BYTES]:
            return True
    return False
