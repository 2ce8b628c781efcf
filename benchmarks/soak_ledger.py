"""What a soak knows of its messages: who numbered what, what arrived, and what must follow from that.

Pure but for the board, a shared page of counters: what a killed actor had counted is still there. Every
sender numbers its messages to a receiver 1, 2, 3, ..., so that one number a pair says all.
Invariant: what is kept is bounded by the number of actors, never by the number of messages or kills.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum, auto
from typing import NamedTuple

Who = tuple[int, int]
"""An incarnation: its place among the actors, and its generation there."""

KEEP = 6
"""So many dead incarnations of a place are remembered: messages of older ones cannot still be under way."""

_MISSING_MAX = 100_000


class Count(IntEnum):
    """The columns of the board."""

    PID = 0
    GEN = auto()
    SENT = auto()
    SENT_BYTES = auto()
    DELIVERED = auto()
    ACKED = auto()
    OUTSTANDING = auto()  # to those believed alive, not yet acknowledged
    FLOODED = auto()
    DUPLICATES = auto()
    LATE = auto()  # overtaken by a later one
    SKIPPED = auto()  # overtaken, and not arrived since
    ACK_FAULTS = auto()
    FORGOTTEN = auto()  # from an incarnation that died long ago
    STRAYS = auto()  # meant for somebody else
    CORRUPT = auto()
    STARTS = auto()
    STARTING = auto()
    DEATHS = auto()
    NOTICES = auto()
    RETURNED = auto()
    RETURNED_ACKS = auto()
    RETURNED_OTHER = auto()
    LOST = auto()
    LOST_IN_BETWEEN = auto()
    UNSETTLED = auto()


class Board:
    """One row of counters an actor, in memory that its forks share. Each row has one writer at a time."""

    def __init__(self, rows: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, rows * len(Count) * 8)).cast("q")
        self._rows = rows

    def row(self, number: int) -> memoryview:
        return self._cells[number * len(Count) : (number + 1) * len(Count)]

    def total(self, count: Count) -> int:
        return sum(self.row(number)[count] for number in range(self._rows))


class Fault(StrEnum):
    """What can be wrong with a number that arrives."""

    GAP = "gap"
    LATE = "late"
    DUPLICATE = "duplicate"
    FORGOTTEN = "forgotten"
    NEVER_SENT = "never sent"


@dataclass(slots=True)
class Stream:
    """The numbers of one pair as they arrive."""

    last: int = 0
    missing: set[int] = field(default_factory=set)

    def take(self, number: int) -> Fault | None:
        """None for the one that is due."""
        if number == self.last + 1:
            self.last = number
            return None
        if number > self.last:
            if len(self.missing) < _MISSING_MAX:
                self.missing.update(range(self.last + 1, number))
            self.last = number
            return Fault.GAP
        if number in self.missing:
            self.missing.discard(number)
            return Fault.LATE
        return Fault.DUPLICATE


class Incoming:
    """What a receiver remembers: one stream for each of the latest incarnations of each place."""

    def __init__(self) -> None:
        self.streams: dict[Who, Stream] = {}
        self._floor: dict[int, int] = {}  # generations up to this one are forgotten

    def take(self, sender: Who, number: int) -> Fault | None:
        """Account for a message of `sender`."""
        stream = self.streams.get(sender)
        if stream is None:
            if sender[1] <= self._floor.get(sender[0], 0):
                return Fault.FORGOTTEN
            stream = self.streams[sender] = Stream()
            self._forget(sender[0])
        return stream.take(number)

    def _forget(self, place: int) -> None:
        known = sorted(who for who in self.streams if who[0] == place)
        for who in known[: -KEEP - 1]:
            self._floor[place] = who[1]
            del self.streams[who]


@dataclass(slots=True)
class Line:
    """What a sender knows of its messages to one incarnation."""

    sent: int = 0
    acks: Stream = field(default_factory=Stream)
    dead_after: int | None = None  # sent when its death became known

    @property
    def outstanding(self) -> int:
        return self.sent - self.acks.last + len(self.acks.missing)


class Settled(NamedTuple):
    """A sender's last word on its messages to a dead incarnation."""

    sender: Who
    receiver: Who
    sent: int
    acked: int
    dead_after: int


class Outgoing:
    """What a sender remembers: one line for each receiver, living or lately dead."""

    def __init__(self, me: Who) -> None:
        self.me = me
        self.lines: dict[Who, Line] = {}
        self.outstanding = 0

    def number(self, receiver: Who) -> int:
        """The number of the next message to it."""
        line = self.lines.setdefault(receiver, Line())
        line.sent += 1
        self.outstanding += line.dead_after is None
        return line.sent

    def acked(self, receiver: Who, number: int) -> Fault | None:
        """Account for an acknowledgement."""
        line = self.lines.get(receiver)
        if line is None:
            return Fault.FORGOTTEN
        if number > line.sent:
            return Fault.NEVER_SENT
        before = line.outstanding
        fault = line.acks.take(number)
        if line.dead_after is None:
            self.outstanding -= before - line.outstanding
        return fault

    def retire(self, receiver: Who) -> list[Settled]:
        """It is known to be dead; what is settled with those that are forgotten for it."""
        line = self.lines.setdefault(receiver, Line())
        if line.dead_after is None:
            line.dead_after = line.sent
            self.outstanding -= line.outstanding
        dead = sorted(who for who in self._dead() if who[0] == receiver[0])
        return self._settle(dead[:-KEEP])

    def settle_all(self) -> list[Settled]:
        """The end: the last word on every dead one."""
        return self._settle(self._dead())

    def _dead(self) -> list[Who]:
        return [who for who, line in self.lines.items() if line.dead_after is not None]

    def _settle(self, dead: Iterable[Who]) -> list[Settled]:
        settled = []
        for who in dead:
            line = self.lines.pop(who)
            settled.append(Settled(self.me, who, line.sent, line.acks.last, line.dead_after or 0))
        return settled


@dataclass(slots=True)
class Returned:
    """The numbers of one pair that came back as dead letters."""

    count: int = 0
    low: int = 0
    high: int = 0
    run: int = 0  # all from this one to `high` came back
    again: int = 0  # twice, or after a later one

    def add(self, number: int) -> None:
        if self.count and number <= self.high:
            self.again += 1
            return
        if not self.count:
            self.low = number
        if number != self.high + 1:
            self.run = number
        self.high = number
        self.count += 1


def is_settled(word: Settled, back: Returned) -> bool:
    """True once everything came back that was sent when the death was known."""
    return back.high == word.sent and back.run <= word.dead_after + 1


def faults_of(word: Settled, back: Returned) -> list[str]:
    """What is wrong with a settled pair: a living sender's messages to a dead receiver."""
    wrong = []
    pair = f"{word.sender} to the dead {word.receiver}"
    if back.again:
        wrong.append(f"{pair}: {back.again} came back twice, or after a later one")
    if back.low <= word.acked:
        wrong.append(f"{pair}: number {back.low} came back, {word.acked} had been acknowledged")
    return wrong


def lost_of(word: Settled, back: Returned) -> tuple[int, int]:
    """How many were lost with the kill, neither acknowledged nor returned: in all, and after the first came back.

    The latter are written to a connection that a dying process's listener had still let in."""
    return word.sent - word.acked - back.count, back.high - back.low + 1 - back.count


class Report(NamedTuple):
    """What a living actor knows at the end."""

    who: Who
    sending: dict[Who, tuple[int, int]]  # receiver: sent, acknowledged
    receiving: dict[Who, tuple[int, int]]  # sender: last, missing


def compare(reports: list[Report]) -> tuple[dict[str, int], list[str]]:
    """Between two that both lived on, what was sent was delivered and acknowledged. Totals and faults."""
    total, wrong = {"pairs": 0, "sent": 0, "delivered": 0, "acknowledged": 0}, []
    for sender in reports:
        for receiver in reports:
            if sender is receiver:
                continue
            sent, acked = sender.sending.get(receiver.who, (0, 0))
            last, missing = receiver.receiving.get(sender.who, (0, 0))
            delivered = last - missing
            for key, value in zip(total, (1, sent, delivered, acked), strict=True):
                total[key] += value
            if not sent == delivered == acked:
                wrong.append(
                    f"{sender.who} to {receiver.who}: {sent} sent, {delivered} delivered, {acked} acknowledged"
                )
    return total, wrong
