"""One event as a line of text, and a segment of lines as a list of events again.

Pure: bytes in, records out; files and clocks are elsewhere. A line is a JSON object whose last key is the
CRC-32 of everything before it, so a damaged line is told from an intact one and its neighbours survive it.
Invariant: the records of a segment cover its sequence numbers without a gap; what is unreadable is
covered by a record that says so and counts it.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX_DATA_BYTES = 256 * 1024
_HEAD_CHARS = 4_000
_MAX_DEPTH = 50
_CRC = b',"crc":'


@dataclass(frozen=True, slots=True)
class Record:
    """An event in its encoded form. It stands for the sequence numbers `first`..`seq`: one for an event,
    several for the record of a loss (`events.dropped`, `events.unreadable`)."""

    first: int
    seq: int
    type: str
    subject: str
    line: bytes

    def event(self) -> dict[str, Any]:
        """What readers get: seq, at, type, subject, data."""
        body = json.loads(self.line)
        return {key: body[key] for key in ("seq", "at", "type", "subject", "data")}


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment file was found to hold. `torn_bytes` at its end are an unfinished write."""

    records: list[Record]
    emitters: dict[str, int]
    next_seq: int
    torn_bytes: int
    unreadable: int
    has_header: bool


@dataclass(slots=True)
class _Reading:
    expected: int
    records: list[Record] = field(default_factory=list)
    emitters: dict[str, int] = field(default_factory=dict)
    bad: int = 0
    unreadable: int = 0


def timestamp(at: float) -> str:
    """RFC 3339 in UTC with milliseconds. Raises ValueError for what is not a time of this era."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, OSError) as error:
        raise ValueError(f"{at!r} is not a Unix time") from error


def encode(
    seq: int, at: str, type: str, subject: str, data: Any, *, first: int = 0, emitter: str = "", n: int = 0
) -> Record:
    """The record of one event. Data that JSON cannot carry, or too much of it, is replaced by what can be
    said about it; the event itself is never refused."""
    head: dict[str, Any] = {"seq": seq, "at": at, "type": type, "subject": subject}
    if first and first != seq:
        head["first"] = first
    if emitter:
        head["from"] = [emitter, n]
    body = json.dumps(head, separators=(",", ":"))[:-1] + ',"data":' + data_text(data)
    return Record(first or seq, seq, type, subject, _seal(body.encode("ascii")))


def lost(first: int, last: int) -> Record:
    """The record that stands for events that were written once and cannot be read any more. Its time is
    that of the epoch: when they happened is not known."""
    data = {"first": first, "last": last, "count": last - first + 1}
    return encode(last, timestamp(0), "events.unreadable", "status", data, first=first)


def encode_header(first: int, emitters: dict[str, int]) -> bytes:
    """The first line of a segment: the last `n` of the emitters known when it was begun."""
    body = json.dumps({"segment": first, "emitters": emitters}, separators=(",", ":"))[:-1]
    return _seal(body.encode("ascii"))


def data_text(data: Any) -> str:
    """`data` as ASCII JSON of at most MAX_DATA_BYTES."""
    if _is_deeper(data, _MAX_DEPTH):
        return json.dumps({"unencodable": f"nested more than {_MAX_DEPTH} levels deep"})
    try:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        return json.dumps({"unencodable": f"{type(error).__name__}: {error}"[:500], "seen": repr(data)[:_HEAD_CHARS]})
    if len(text) > MAX_DATA_BYTES:
        return json.dumps({"truncated": True, "bytes": len(text), "head": text[:_HEAD_CHARS]})
    return text


def decode_segment(first: int, content: bytes) -> Segment:
    """Read a segment whose first event has the number `first`. Never raises: damage is recorded."""
    end = content.rfind(b"\n") + 1
    lines = content[:end].split(b"\n")[:-1]
    reading = _Reading(first)
    has_header = bool(lines) and _read_header(lines[0], reading)
    for line in lines[1:] if has_header else lines:
        _read_line(line, reading)
    if reading.bad:
        _cover(reading, reading.expected + reading.bad)
    return Segment(
        reading.records, reading.emitters, reading.expected, len(content) - end, reading.unreadable, has_header
    )


def _read_header(line: bytes, reading: _Reading) -> bool:
    body = _open(line)
    if body is None or not isinstance(body.get("emitters"), dict):
        return False
    reading.emitters.update(body["emitters"])
    return True


def _read_line(line: bytes, reading: _Reading) -> None:
    body = _open(line)
    if body is None or "seq" not in body or body["seq"] < reading.expected:
        reading.bad += 1
        return
    first = body.get("first", body["seq"])
    if first > reading.expected:
        _cover(reading, first)
    reading.bad = 0
    reading.records.append(Record(first, body["seq"], body["type"], body["subject"], line + b"\n"))
    reading.expected = body["seq"] + 1
    if "from" in body:
        emitter, n = body["from"]
        reading.emitters[emitter] = max(n, reading.emitters.get(emitter, 0))


def _cover(reading: _Reading, until: int) -> None:
    """Stand one record in for the numbers from the expected one up to `until`, exclusive."""
    reading.records.append(lost(reading.expected, until - 1))
    reading.unreadable += until - reading.expected
    reading.expected = until
    reading.bad = 0


def _seal(body: bytes) -> bytes:
    return body + _CRC + str(zlib.crc32(body)).encode("ascii") + b"}\n"


def _open(line: bytes) -> dict[str, Any] | None:
    """The object of an intact line, None of a damaged one."""
    body, mark, crc = line.rpartition(_CRC)
    if not mark or crc != str(zlib.crc32(body)).encode("ascii") + b"}":
        return None
    value: dict[str, Any] = json.loads(line)
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(levels == 0 or _is_deeper(v, levels - 1) for v in inner)
