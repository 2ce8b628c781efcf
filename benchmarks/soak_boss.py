"""The actors of a soak that are never killed: the boss that starts the workers, and the dead letters.

Invariant: the boss has one child a place, and tells everybody of each new incarnation; of dead letters only
those are remembered that a living sender has not settled yet.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from thespian.actors import ChildActorExited, DeadEnvelope, WakeupMessage

from benchmarks.soak_actors import BOSS, LETTERS, WORKERS, Soaker, Worker
from benchmarks.soak_ledger import Count, Report, Returned, Settled, Who, faults_of, is_settled, lost_of
from benchmarks.soak_messages import (
    Ack,
    Begin,
    Collect,
    Died,
    DoMesh,
    Hello,
    Joined,
    Mesh,
    Note,
    Quiet,
    Relay,
    Start,
)

_BOSS_TICK_S = 0.25


class DeadLetters(Soaker):
    """Counts what came back, and settles it with what the senders know."""

    def handle(self, message: Any, sender: Any) -> None:
        match message:
            case DeadEnvelope():
                self._on_dead(message.deadMessage)
            case Settled(sender, receiver):
                if not self._is_dead(sender):
                    self.words[sender, receiver] = message
                    self._try(sender, receiver)
            case Died(who):
                self._on_died(who)
            case Begin():
                self.settle_in(LETTERS, message.faults)
                self.back: dict[tuple[Who, Who], Returned] = {}
                self.words: dict[tuple[Who, Who], Settled] = {}
                self.dead: dict[int, int] = {}
                self.handleDeadLetters()
                self.send(sender, Hello(message.who, os.getpid()))
            case Hello():
                pass  # of a worker
            case Collect():
                for pair in self.back.keys() | self.words.keys():
                    self.fault(f"unsettled: {pair}, {self.words.get(pair)}, {self.back.get(pair)}")
            case _:
                super().handle(message, sender)
        self.row[Count.UNSETTLED] = len(self.back.keys() | self.words.keys())

    def _on_dead(self, letter: Any) -> None:
        match letter:
            case Note(sender, to, number):
                self.row[Count.RETURNED] += 1
                if not self._is_dead(sender):
                    self.back.setdefault((sender, to), Returned()).add(number)
                    self._try(sender, to)
            case Ack():
                self.row[Count.RETURNED_ACKS] += 1
            case _:
                self.row[Count.RETURNED_OTHER] += 1

    def _is_dead(self, sender: Who) -> bool:
        """Nobody is left to settle with."""
        return sender[1] <= self.dead.get(sender[0], 0)

    def _on_died(self, who: Who) -> None:
        self.dead[who[0]] = who[1]
        for pair in [pair for pair in self.back.keys() | self.words.keys() if pair[0] == who]:
            self.back.pop(pair, None)
            self.words.pop(pair, None)

    def _try(self, sender: Who, receiver: Who) -> None:
        word, back = self.words.get((sender, receiver)), self.back.get((sender, receiver))
        if word is None or back is None or not is_settled(word, back):
            return
        del self.words[sender, receiver], self.back[sender, receiver]
        lost, in_between = lost_of(word, back)
        self.row[Count.LOST] += lost
        self.row[Count.LOST_IN_BETWEEN] += in_between
        for wrong in faults_of(word, back):
            self.fault(wrong)


class _Child:
    """A worker as its boss knows it."""

    def __init__(self, who: Who, handle: Any) -> None:
        self.who, self.handle = who, handle
        self.address: Any = None
        self.pid = 0


class Boss(Soaker):
    """Starts the workers, starts them again when they died, and tells the others."""

    def handle(self, message: Any, sender: Any) -> None:
        match message:
            case Hello(who, pid):
                self._on_hello(who, pid, sender)
            case WakeupMessage():
                self._bury()
                self.wakeupAfter(timedelta(seconds=_BOSS_TICK_S))
            case ChildActorExited():
                self.row[Count.NOTICES] += 1
                self._bury()
            case Relay(place, relayed):
                self._relay(place, relayed)
            case DoMesh():
                self._tell_all(Mesh(*self.last_dead))
            case Collect():
                self.asker, self.reports = sender, []
                self._tell_all(message)
            case Report():
                self.reports.append(message)
                if len(self.reports) == WORKERS:
                    self.send(self.asker, self.reports)
            case Start():
                self._start(message)
            case _:
                super().handle(message, sender)

    def _start(self, start: Start) -> None:
        self.settle_in(BOSS, start.faults)
        self.plan, self.quiet = start, False
        self.letters: Any = None
        self.last_dead: tuple[Who, Any]
        self.children: dict[int, _Child] = {}
        self.send(self.createActor(DeadLetters), Begin((LETTERS, 1), None, start.faults, start.seed, False))

    def _on_hello(self, who: Who, pid: int, sender: Any) -> None:
        if who[0] == LETTERS:
            self.letters = sender
            for place in range(WORKERS):
                self._create((place, 1))
            self.wakeupAfter(timedelta(seconds=_BOSS_TICK_S))
            return
        child = self.children[who[0]]
        child.pid, child.address = pid, sender
        self.row[Count.STARTING] -= 1
        self._tell_all(Joined(who, sender))
        for other in self.children.values():
            if other.address is not None:
                self.send(sender, Joined(other.who, other.address))
        self.send(sender, Quiet(self.quiet))  # it may have changed since it was created

    def _create(self, who: Who) -> None:
        self.row[Count.STARTS] += 1
        self.row[Count.STARTING] += 1
        child = self.children[who[0]] = _Child(who, self.createActor(Worker))
        self.send(child.handle, Begin(who, self.letters, self.plan.faults, self.plan.seed, self.quiet))

    def _bury(self) -> None:
        """Those whose process is gone. Not only those Thespian tells of: it drops the notice of one that dies
        while the exit of another is being handled."""
        for child in list(self.children.values()):
            if not child.pid or Path(f"/proc/{child.pid}").exists():
                continue
            self.last_dead = (child.who, child.address)
            self.send(self.letters, Died(child.who))
            self.row[Count.DEATHS] += 1
            self._create((child.who[0], child.who[1] + 1))

    def _relay(self, place: int | None, message: Any) -> None:
        if isinstance(message, Quiet):
            self.quiet = message.on
        if place is None:
            self._tell_all(message)
        elif place == LETTERS:
            self.send(self.letters, message)
        elif self.children[place].address is not None:
            self.send(self.children[place].address, message)

    def _tell_all(self, message: Any) -> None:
        for child in self.children.values():
            if child.address is not None:
                self.send(child.address, message)
