"""The actors that talk, and what they are told: the same for every system base.

A note carries who sent it, its number and when its sender began; so the one who receives can say how fast
notes came, which are missing and which came twice or out of order. All clocks are the machine's monotonic one.
Knows Thespian's `Actor`, nothing of system bases. Invariant: notes of an earlier run are never counted in a later one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from thespian.actors import Actor

TEXT = "x" * 54
"""Fills a note up to about 100 bytes (exactly that as msgpack)."""


def note(run: int, sender: int, number: int, began: float, text: str | bytes = TEXT) -> dict[str, Any]:
    """What is sent from actor to actor."""
    return {"run": run, "sender": sender, "number": number, "began": began, "text": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Travel:
    """To a talker: make `count` round trips to `to`. It answers `Travelled`."""

    run: int
    count: int
    to: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelled:
    run: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """To a listener: `each` notes from each of `senders` will come. It answers `Watching`, and `Seen` once all are
    there."""

    run: int
    senders: int
    each: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """To a listener: answer `Seen` now."""

    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came in a run. `late` counts, over all runs, what came when its run was over."""

    run: int
    expected: int
    received: int
    duplicated: int
    disordered: int
    late: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """To a talker: from the time `at` on, send `each` notes to `to`. It answers `Arrived` when its note was the last
    one missing there."""

    run: int
    sender: int
    each: int
    to: Any
    at: float
    bulk_bytes: int = 0  # 0: notes of about 100 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """From the listener to the talker whose note was the last one missing."""

    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    run: int
    seconds: float


class Talker(Actor):  # type: ignore[misc]
    """Makes round trips and sends floods."""

    def __init__(self) -> None:
        super().__init__()
        self._asker: Any = None
        self._run = self._left = 0
        self._began = 0.0

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        match message:
            case dict():
                self._returned(message, sender)
            case Travel(run=run, count=count, to=to):
                self._run, self._left, self._asker = run, count, sender
                self._began = time.monotonic()
                self.send(to, note(run, 0, count, self._began))
            case Flood():
                self._run, self._asker = message.run, sender
                self._flood(message)
            case Complete(run=run) if run == self._run:
                self.send(self._asker, Arrived(run=run, seconds=time.monotonic() - self._began))

    def _returned(self, returned: dict[str, Any], echo: Any) -> None:
        if returned["run"] != self._run:
            return
        self._left -= 1
        if self._left:
            self.send(echo, note(self._run, 0, self._left, self._began))
        else:
            self.send(self._asker, Travelled(run=self._run, seconds=time.monotonic() - self._began))

    def _flood(self, flood: Flood) -> None:
        text = bytes(flood.bulk_bytes) or TEXT
        time.sleep(max(0.0, flood.at - time.monotonic()))
        began = self._began = time.monotonic()
        for number in range(flood.each):
            self.send(flood.to, note(flood.run, flood.sender, number, began, text))


class Echo(Actor):  # type: ignore[misc]
    """Sends every note back."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        if isinstance(message, dict):
            self.send(sender, message)


class Listener(Actor):  # type: ignore[misc]
    """Counts what comes: what is missing, came twice, or came after a later one of the same sender."""

    def __init__(self) -> None:
        super().__init__()
        self._asker: Any = None
        self._watch = Watch(run=0, senders=0, each=0)
        self._late = 0
        self._reset()

    def _reset(self) -> None:
        self._seen = [bytearray(self._watch.each) for _ in range(self._watch.senders)]
        self._highest = [-1] * self._watch.senders
        self._missing = self._watch.senders * self._watch.each
        self._duplicated = self._disordered = 0
        self._began = self._last = 0.0

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        match message:
            case dict():
                self._take(message, sender)
            case Watch():
                self._watch, self._asker = message, sender
                self._reset()
                self.send(sender, Watching(run=message.run))
            case Tell():
                self.send(sender, self._answer())

    def _take(self, taken: dict[str, Any], talker: Any) -> None:
        if taken["run"] != self._watch.run or not self._missing:
            self._late += 1
            return
        sender, number = taken["sender"], taken["number"]
        self._last = time.monotonic()
        self._began = min(self._began or taken["began"], taken["began"])
        if self._seen[sender][number]:
            self._duplicated += 1
            return
        self._seen[sender][number] = 1
        if number < self._highest[sender]:
            self._disordered += 1
        else:
            self._highest[sender] = number
        self._missing -= 1
        if not self._missing:
            self.send(self._asker, self._answer())
            self.send(talker, Complete(run=self._watch.run))

    def _answer(self) -> Seen:
        expected = self._watch.senders * self._watch.each
        return Seen(
            run=self._watch.run,
            expected=expected,
            received=expected - self._missing,
            duplicated=self._duplicated,
            disordered=self._disordered,
            late=self._late,
            seconds=self._last - self._began,
        )
