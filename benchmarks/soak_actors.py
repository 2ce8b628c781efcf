"""The workers of a soak: they write to each other, acknowledge what comes, and count.

Plain Thespian actors, nothing of Grace but its transport. Each counts on the board, whose memory the
measuring process made before it forked them. Invariant: no actor keeps anything a message, and a worker
that finds a fault writes it down at once, for it may be killed.
"""

from __future__ import annotations

import os
import random
import time
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

from thespian.actors import Actor, ActorExitRequest, PoisonMessage, WakeupMessage

from benchmarks.soak_ledger import (
    Board,
    Count,
    Fault,
    Incoming,
    Outgoing,
    Report,
    Settled,
    Who,
)
from benchmarks.soak_messages import (
    Ack,
    Begin,
    Collect,
    Flood,
    Hello,
    Joined,
    Mesh,
    Note,
    Quiet,
    Sleep,
)

WORKERS = 20
BOSS, LETTERS = WORKERS, WORKERS + 1  # their rows on the board
BIG, HUGE = 1024 * 1024, 8 * 1024 * 1024
board = Board(WORKERS + 2)
_SHIFTS = 256
_BLOCK = random.Random(1).randbytes(HUGE + _SHIFTS)  # every payload is a piece of this
_OUTSTANDING_MAX = 400  # a worker sends nothing but floods above this
_LATE = 2  # messages to one that is known to be dead
_TICK_S = 0.04
_FAULTS_MAX = 50


class Soaker(Actor):  # type: ignore[misc]
    """An exception in a handler ends the actor: Thespian would handle the message again."""

    row: memoryview
    faults_path = ""
    faults_told = 0
    exiting = False

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        try:
            self.exiting |= isinstance(message, ActorExitRequest)
            if isinstance(message, PoisonMessage):
                self.fault(f"poison: {str(message.details)[-500:]}")
            elif not self.exiting:
                self.handle(message, sender)
        except Exception:
            self.fault(traceback.format_exc())
            os._exit(70)

    def handle(self, message: Any, sender: Any) -> None:
        """What an actor does with a message."""
        raise TypeError(f"{type(self).__name__} got {message!r:.200}")

    def settle_in(self, row: int, faults: str) -> None:
        """Take a row of the board."""
        self.row, self.faults_path = board.row(row), faults
        self.row[Count.PID] = os.getpid()

    def fault(self, text: str) -> None:
        """Write it down where it survives this process."""
        self.faults_told += 1
        if self.faults_path and self.faults_told <= _FAULTS_MAX:
            with Path(self.faults_path).open("a") as out:
                out.write(f"{type(self).__name__} {os.getpid()}: {text}\n")


class Worker(Soaker):
    """Writes to random others, acknowledges what it gets, floods when told to."""

    def handle(self, message: Any, sender: Any) -> None:
        match message:
            case Note():
                self._on_note(message, sender)
            case Ack():
                self._on_ack(message)
            case WakeupMessage():
                self._tick()
            case Flood(place, many, size):
                self._flood(place, many, size)
            case Sleep(seconds):
                time.sleep(seconds)
            case Joined(who, address):
                self._on_joined(who, address)
            case Quiet(on):
                self.quiet = on
            case Mesh(dead, address):
                self._mesh(dead, address)
            case Begin():
                self._begin(message, sender)
            case Collect():
                self._report(sender)
            case _:
                super().handle(message, sender)

    def _begin(self, begin: Begin, boss: Any) -> None:
        self.who, self.quiet, self.letters = begin.who, begin.quiet, begin.letters
        self.peers: dict[Who, Any] = {}
        self.random = random.Random(repr((begin.seed, begin.who)))
        self.outgoing, self.incoming = Outgoing(self.who), Incoming()
        self.row = board.row(self.who[0])
        self.row[Count.OUTSTANDING] = 0
        self.row[Count.GEN] = self.who[1]
        self.settle_in(self.who[0], begin.faults)
        for everlasting in (boss, self.letters):  # also to have written to both early
            self.send(everlasting, Hello(self.who, os.getpid()))
        self._tick()

    # ---- sending --------------------------------------------------------------------------------

    def _tick(self) -> None:
        if not self.quiet and self.peers and self.outgoing.outstanding < _OUTSTANDING_MAX:
            for _ in range(self.random.randint(1, 4)):
                who = self.random.choice(list(self.peers))
                self._note(who, self.peers[who], self._size())
        self.wakeupAfter(timedelta(seconds=_TICK_S * self.random.uniform(0.5, 1.5)))

    def _size(self) -> int:
        """Mostly small, sometimes 1 MiB, now and then 8 MiB."""
        chance = self.random.random()
        if chance < 1 / 4000:
            return HUGE
        if chance < 1 / 400:
            return BIG
        if chance < 1 / 20:
            return self.random.randint(16_000, 64_000)
        return self.random.randint(20, 4000 if chance < 1 / 3 else 200)

    def _note(self, who: Who, address: Any, size: int) -> None:
        number = self.outgoing.number(who)
        start = number % _SHIFTS
        self.row[Count.SENT] += 1
        self.row[Count.SENT_BYTES] += size
        self.row[Count.OUTSTANDING] = self.outgoing.outstanding
        self.send(address, Note(self.who, who, number, _BLOCK[start : start + size]))

    def _flood(self, place: int | None, many: int, size: int) -> None:
        targets = [(who, address) for who, address in self.peers.items() if place in (None, who[0])]
        for number in range(many if targets else 0):
            who, address = targets[number % len(targets)]
            self.row[Count.FLOODED] += 1
            self._note(who, address, size or (64_000 if number % 500 == 499 else self.random.randint(20, 100)))

    def _mesh(self, dead: Who, address: Any) -> None:
        for who, living in self.peers.items():
            self._note(who, living, 20)
        self._settle(self.outgoing.retire(dead))
        self._note(dead, address, 20)

    def _on_joined(self, who: Who, address: Any) -> None:
        for old in [known for known in self.peers if known[0] == who[0] and known != who]:
            gone = self.peers.pop(old)
            self._settle(self.outgoing.retire(old))
            for _ in range(_LATE):
                self._note(old, gone, 20)
        if who != self.who:
            self.peers[who] = address
        self.row[Count.OUTSTANDING] = self.outgoing.outstanding

    # ---- receiving ------------------------------------------------------------------------------

    def _on_note(self, note: Note, sender: Any) -> None:
        self.row[Count.DELIVERED] += 1
        if note.to != self.who:
            self.row[Count.STRAYS] += 1
            self.fault(f"a note for {note.to} came to {self.who}")
            return
        if not _BLOCK.startswith(note.payload, note.number % _SHIFTS):
            self.row[Count.CORRUPT] += 1
            self.fault(f"number {note.number} of {note.sender} is not what was sent, {len(note.payload)} bytes")
        stream = self.incoming.streams.get(note.sender)
        last = stream.last if stream else 0
        fault = self.incoming.take(note.sender, note.number)
        if fault is not None:
            self._on_fault(fault, note.number - last - 1)
            self.fault(f"{fault}: {note.sender} to {self.who}, number {note.number} after {last}")
        self.send(sender, Ack(self.who, note.sender, note.number))

    def _on_fault(self, fault: Fault, skipped: int) -> None:
        match fault:
            case Fault.GAP:
                self.row[Count.SKIPPED] += skipped
            case Fault.LATE:
                self.row[Count.SKIPPED] -= 1
                self.row[Count.LATE] += 1
            case Fault.DUPLICATE:
                self.row[Count.DUPLICATES] += 1
            case _:
                self.row[Count.FORGOTTEN] += 1

    def _on_ack(self, ack: Ack) -> None:
        if ack.to != self.who:
            self.row[Count.STRAYS] += 1
            self.fault(f"an acknowledgement for {ack.to} came to {self.who}")
            return
        fault = self.outgoing.acked(ack.sender, ack.number)
        if fault is not None:
            self.row[Count.ACK_FAULTS] += 1
            self.fault(f"{fault} acknowledgement: {ack.sender} to {self.who}, number {ack.number}")
        self.row[Count.ACKED] += 1
        self.row[Count.OUTSTANDING] = self.outgoing.outstanding

    # ---- the end --------------------------------------------------------------------------------

    def _settle(self, words: list[Settled]) -> None:
        for word in words:
            self.send(self.letters, word)

    def _report(self, boss: Any) -> None:
        self._settle(self.outgoing.settle_all())
        sending = {
            who: (line.sent, line.acks.last - len(line.acks.missing)) for who, line in self.outgoing.lines.items()
        }
        receiving = {who: (stream.last, len(stream.missing)) for who, stream in self.incoming.streams.items()}
        self.send(boss, Report(self.who, sending, receiving))
