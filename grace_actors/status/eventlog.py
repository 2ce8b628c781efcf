"""The event log: numbered from 1 for ever, on disk in segments, the newest events also in memory.

What `flush` wrote has left this process and survives its death; `sync` makes it survive the machine's.
When the disk takes nothing more, events wait in memory, and if that room is too small the oldest waiting
ones are replaced by one record that counts them (`events.dropped`).
Invariant: every number ever given out belongs to a record until its segment is retired.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace_actors.status.records import Record, Segment, encode, lost, timestamp
from grace_actors.status.segments import Repair, Segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is kept. Segments bound the disk, `memory_*` the newest events at hand, `backlog_bytes`
    what waits for a full disk, `emitters` how many of them are told from a repetition."""

    segment_bytes: int = 2 * 1024 * 1024
    segments: int = 16
    memory_events: int = 10_000
    memory_bytes: int = 16 * 1024 * 1024
    backlog_bytes: int = 8 * 1024 * 1024
    emitters: int = 512


class EventLog:
    """One writer, in one directory. The constructor raises OSError when the directory can neither be read
    nor made; one that cannot be written to only fills the backlog."""

    def __init__(self, directory: Path, wall: Callable[[], float], limits: Limits | None = None) -> None:
        self._wall = wall
        self._limits = limits or Limits()
        self._segments = Segments(directory, segment_bytes=self._limits.segment_bytes, keep=self._limits.segments)
        self._recent: deque[Record] = deque()
        self._recent_bytes = 0
        self._emitters: OrderedDict[str, int] = OrderedDict()
        self._backlog: deque[tuple[Record, str, int]] = deque()
        self._backlog_bytes = 0
        self.problem = ""
        """Why the disk takes nothing at the moment; empty when it does."""
        self.dropped = 0
        self.last = 0
        self.repair: Repair | None = None
        self._open()

    # ---- writing --------------------------------------------------------------------------------

    def append(self, at: str, type: str, subject: str, data: Any, emitter: str = "", n: int = 0) -> Record | None:
        """Number an event and queue it for the disk; None if this emitter's `n` has been seen before."""
        if emitter and n <= self._emitters.get(emitter, 0):
            return None
        self.last += 1
        record = encode(self.last, at, type, subject, data, emitter=emitter, n=n)
        if emitter:
            self._know(emitter, n)
        self._backlog.append((record, emitter, n))
        self._backlog_bytes += len(record.line)
        self._remember(record)
        return record

    def seen(self, emitter: str) -> int:
        """The highest `n` taken from this emitter, on disk or waiting for it."""
        return self._emitters.get(emitter, 0)

    def flush(self) -> bool:
        """Hand everything that waits to the OS; False, with `problem` set, when the disk refuses."""
        try:
            while self._backlog:
                self._write_some()
        except OSError as error:
            self._failed(error)
            self._shed()
            return False
        self.problem = ""
        return True

    def sync(self) -> None:
        """Force what was flushed onto the disk. An error of the disk becomes `problem`."""
        try:
            self._segments.sync()
        except OSError as error:
            self._failed(error)

    @property
    def needs_sync(self) -> bool:
        return self._segments.is_dirty

    @property
    def waiting(self) -> int:
        """How many records wait for the disk."""
        return len(self._backlog)

    def is_consistent(self) -> bool:
        """Whether the newest file, read back, ends where the memory says it does."""
        on_disk = self._backlog[0][0].first - 1 if self._backlog else self.last
        firsts = self._segments.firsts
        return on_disk == 0 if not firsts else self._segments.load(firsts[-1]).next_seq - 1 == on_disk

    def close(self) -> None:
        """Flush, sync and release the files."""
        self.flush()
        self._segments.close()

    def _write_some(self) -> None:
        """Write as much of the backlog as one segment takes. Raises OSError; then nothing of it counts."""
        if self._segments.is_full:
            self._segments.begin(self._backlog[0][0].first, self._emitters_on_disk())
        lines: list[bytes] = []
        room = self._segments.room
        for record, _, _ in self._backlog:
            lines.append(record.line)
            room -= len(record.line)
            if room <= 0:
                break
        self._segments.write(b"".join(lines))
        for line in lines:
            self._backlog.popleft()
            self._backlog_bytes -= len(line)

    def _emitters_on_disk(self) -> dict[str, int]:
        """A header must not vouch for what still waits."""
        known = dict(self._emitters)
        for _, emitter, n in reversed(self._backlog):
            if emitter in known:
                known[emitter] = n - 1
        return known

    def _shed(self) -> None:
        """Keep the backlog within its bound: the older part of it becomes one record that counts it."""
        if self._backlog_bytes <= self._limits.backlog_bytes:
            return
        first = last = self._backlog[0][0].first
        while len(self._backlog) > 1 and self._backlog_bytes > self._limits.backlog_bytes // 2:
            record, _, _ = self._backlog.popleft()
            self._backlog_bytes -= len(record.line)
            self.dropped += record.first == record.seq
            last = record.seq
        data = {"first": first, "last": last, "count": last - first + 1, "reason": self.problem}
        record = encode(last, timestamp(self._wall()), "events.dropped", "status", data, first=first)
        self._backlog.appendleft((record, "", 0))
        self._backlog_bytes += len(record.line)

    def _failed(self, error: OSError) -> None:
        self.problem = f"{error.strerror or error} in {self._segments.directory}"

    # ---- reading --------------------------------------------------------------------------------

    @property
    def oldest(self) -> int:
        """The lowest number still readable; `last + 1` when there is none."""
        return min([*self._segments.firsts[:1], self._at_hand])

    @property
    def _at_hand(self) -> int:
        return self._recent[0].first if self._recent else self.last + 1

    def newest_first(self) -> Iterator[Record]:
        """The events in memory, newest first."""
        return reversed(self._recent)

    def after(self, since: int) -> Iterator[Record]:
        """The records above `since` in order, from the disk as far as they are not in memory. A segment
        is read when it is reached, so a reader that stops early costs little."""
        start = max(since + 1, self.oldest)
        for record in self._older(start):
            if record.seq >= start:
                yield record
                start = record.seq + 1
        yield from reversed(list(_until(reversed(self._recent), start)))

    def _older(self, start: int) -> Iterator[Record]:
        """What is not in memory: read from the segments, else still waiting for the disk."""
        end = self._at_hand
        firsts = [first for first in self._segments.firsts if first < end] if start < end else []
        reached = start
        for first in firsts[max(0, bisect_right(firsts, start) - 1) :]:
            if first > reached:
                yield lost(reached, first - 1)
            for record in self._segments.records(first):
                if record.first >= end:
                    return
                yield record
                reached = record.seq + 1
        for record, _, _ in list(self._backlog) if start < end else ():
            if record.first < end:
                yield record

    # ---- opening --------------------------------------------------------------------------------

    def _open(self) -> None:
        found: list[tuple[int, Segment]] = []
        count = 0
        for first in reversed(self._segments.firsts):
            found.append((first, self._segments.load(first)))
            count += len(found[-1][1].records)
            if count >= self._limits.memory_events:
                break
        if not found:
            return
        self.last = found[0][1].next_seq - 1
        self._take_in(list(reversed(found)))
        try:
            self.repair = self._segments.resume(found[0][1])
        except OSError as error:
            self._failed(error)

    def _take_in(self, found: list[tuple[int, Segment]]) -> None:
        expected = found[0][0]
        ends = [first for first, _ in found[1:]] + [self.last + 1]
        for (first, segment), end in zip(found, ends, strict=True):
            if first > expected:
                self._remember(lost(expected, first - 1))
            for record in segment.records:
                if record.seq < end:  # else a write that could not be cut back, repeated in the next file
                    self._remember(record)
            for emitter, n in segment.emitters.items():
                self._know(emitter, max(n, self._emitters.get(emitter, 0)))
            expected = segment.next_seq

    def _remember(self, record: Record) -> None:
        self._recent.append(record)
        self._recent_bytes += len(record.line)
        limits = self._limits
        while len(self._recent) > limits.memory_events or self._recent_bytes > limits.memory_bytes:
            self._recent_bytes -= len(self._recent.popleft().line)

    def _know(self, emitter: str, n: int) -> None:
        self._emitters[emitter] = n
        self._emitters.move_to_end(emitter)
        if len(self._emitters) > self._limits.emitters:
            self._emitters.popitem(last=False)


def _until(records: Iterator[Record], start: int) -> Iterator[Record]:
    """Records of a falling sequence, down to the number `start`."""
    for record in records:
        if record.seq < start:
            return
        yield record
