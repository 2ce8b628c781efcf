"""Passes over a chained log in slices: verification and search, so that the mailbox is served in between.

Yields after every slice; must not write, and does not know who drives it. What is appended during a pass is not
part of it. Invariant: one step touches at most one segment's bytes and SLICE records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from grace_actors.errors import GraceError
from grace_actors.kernel import Data
from grace_actors.kernels.log.record import unpack
from grace_actors.stores.chain import ChainLog, Segment, walk
from grace_actors.stores.chain.frames import HEADER_BYTES

SLICE = 1000
"""Records a step; about 2 ms of hashing or 10 ms of unpacking on the reference machine."""


@dataclass(slots=True)
class Verdict:
    """What a verification found so far. `gaps` are losses known since a repair; they do not make it invalid."""

    since: int
    checked: int = 0
    segments: int = 0
    problem: Data | None = None
    gaps: list[Data] = field(default_factory=list)

    def as_data(self) -> Data:
        return {
            "ok": self.problem is None,
            "from": self.since,
            "records_checked": self.checked,
            "segments_checked": self.segments,
            "problem": self.problem,
            "gaps": self.gaps,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a record must have to be found; empty texts and None ask for nothing. `action` may end in `*`."""

    actor: str = ""
    action: str = ""
    subsystem: str = ""
    since: float | None = None
    until: float | None = None
    limit: int = 100

    def wants(self, record: Data) -> bool:
        at = record.get("timestamp", 0.0)
        return (
            (not self.actor or record.get("actor") == self.actor)
            and (not self.subsystem or record.get("subsystem") == self.subsystem)
            and (not self.action or _fits(str(record.get("action", "")), self.action))
            and (self.since is None or at >= self.since)
            and (self.until is None or at <= self.until)
        )


def verifying(log: ChainLog, verdict: Verdict) -> Iterator[None]:
    """Fill the verdict. The segment that holds record `since` is checked from its start: a hash needs the one
    before it."""
    before: Segment | None = None
    for part in [part for part in log.segments() if part.first + part.count > verdict.since or not part.count]:
        if part.damage:
            verdict.gaps.append({"segment": part.name, "damage": part.damage, "after": part.first + part.count - 1})
        if before is not None and before.last != part.previous and not before.damage:
            verdict.problem = _problem(part, part.first, 0, "not chained to the segment before")
            return
        for _ in _verify_one(log, part, verdict):
            yield
        if verdict.problem is not None:
            return
        before = part
        verdict.segments += 1


def _verify_one(log: ChainLog, part: Segment, verdict: Verdict) -> Iterator[None]:
    try:
        data = log.data(part)
    except GraceError as error:
        verdict.problem = _problem(part, part.first, 0, error.message)
        return
    at, last, number = HEADER_BYTES, part.previous, part.first
    while at < part.size:
        found = walk(data, at, last, most=SLICE)
        number += len(found.spans)
        verdict.checked += len(found.spans)
        if found.problem or not found.spans:
            verdict.problem = _problem(part, number, found.end, found.problem or "records are missing")
            return
        at, last = found.end, found.last
        yield
    if last != part.last:
        verdict.problem = _problem(part, number, at, "the last hash is not the one that was stored")


def searching(log: ChainLog, query: Query, found: list[Data]) -> Iterator[None]:
    """Collect the newest records that fit, newest first, at most `query.limit`."""
    for part in reversed(log.segments()):
        if not part.count:
            continue
        matches: list[Data] = []
        for records in records_of(log, part):
            matches.extend(record for record in records if query.wants(record))
            yield
        found.extend(reversed(matches))
        if len(found) >= query.limit or (query.since is not None and _starts_before(log, part, query.since)):
            del found[query.limit :]
            return


def records_of(log: ChainLog, part: Segment) -> Iterator[list[Data]]:
    """The records of a segment, SLICE at a time. Bytes that are no record are skipped: verification names them."""
    data = log.data(part)
    at, last = HEADER_BYTES, part.previous
    while at < part.size:
        found = walk(data, at, last, most=SLICE)
        yield [record for begin, stop in found.spans if (record := _record(data[begin:stop])) is not None]
        if found.problem or not found.spans:
            return
        at, last = found.end, found.last


def newest(log: ChainLog, count: int) -> list[Data]:
    """The last records, oldest first; reads as many segments as it needs."""
    found: list[Data] = []
    for part in reversed(log.segments()):
        if len(found) >= count:
            break
        data = log.data(part)
        spans = walk(data, HEADER_BYTES, part.previous).spans[len(found) - count :] if part.count else []
        found = [record for begin, stop in spans if (record := _record(data[begin:stop])) is not None] + found
    return found[-count:]


def _starts_before(log: ChainLog, part: Segment, since: float) -> bool:
    """Whether older segments are out of the asked time."""
    first = walk(log.data(part), HEADER_BYTES, part.previous, most=1).spans
    record = _record(log.data(part)[first[0][0] : first[0][1]]) if first else None
    return record is not None and float(record.get("timestamp", 0.0)) < since


def _record(data: bytes) -> Data | None:
    try:
        return unpack(data)
    except ValueError:
        return None


def _fits(action: str, pattern: str) -> bool:
    return action.startswith(pattern[:-1]) if pattern.endswith("*") else action == pattern


def _problem(part: Segment, seq: int, at: int, reason: str) -> dict[str, Any]:
    return {"segment": part.name, "seq": seq, "at_byte": at, "reason": reason}
