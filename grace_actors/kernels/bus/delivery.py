"""Brings the messages of one queue to one subscriber: in order, acknowledged, repeated with back-off.

Knows its queue and a link to the world; must not know topics, access or storage. Invariant: a message leaves the
delivery only by an acknowledgement or as a dead letter, and while one is being repeated none overtakes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Protocol

from grace_actors.errors import StoreFailed
from grace_actors.kernel import Answer, Data
from grace_actors.kernels.bus.message import Message, Queue

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
ATTEMPTS_MOST = 5
_REJECTIONS = frozenset({"refused", "not_found"})


class Link(Protocol):
    """What a delivery may use of the bus."""

    def deliver(self, to: str, data: Data, on_answer: Callable[[Answer], None]) -> None:
        """Ask the subscriber; `on_answer` is called once."""

    def after(self, delay_s: float, call: Callable[[], None]) -> object: ...

    def acknowledged(self, delivery: Delivery, message: Message) -> None: ...

    def died(self, delivery: Delivery, message: Message, reason: str) -> None:
        """Take a dead letter. Raises StoreFailed when it cannot be kept now; then it is delivered again."""


class Delivery:
    """`window` messages are on their way at once; 1 keeps the order even where a subscriber fails in the middle.
    `patient` repeats for ever what got no answer (durable); a message the subscriber itself rejects is a dead letter
    after ATTEMPTS_MOST attempts when patient, at once otherwise."""

    def __init__(self, subscriber: str, queue: Queue, link: Link, *, window: int, patient: bool) -> None:
        self.subscriber, self.queue, self._link = subscriber, queue, link
        self._window, self._patient = window, patient
        self._number = 0
        self._on_way: dict[int, Message] = {}
        self._attempts: dict[str, int] = {}
        self._failures = 0
        self._is_paused = self._is_pumping = self._is_closed = False

    def __len__(self) -> int:
        return len(self.queue) + len(self._on_way)

    @property
    def on_way(self) -> list[Message]:
        """Sent and not answered yet, in order."""
        return list(self._on_way.values())

    @property
    def failures(self) -> int:
        """Failed attempts in a row."""
        return self._failures

    def pump(self) -> None:
        """Send what may be sent. An answer that comes inside the call is met by the loop, not by recursion."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while not self._is_paused and not self._is_closed and len(self._on_way) < self._room():
                message = self.queue.pop()
                if message is None:
                    return
                self._send(message)
        except StoreFailed:
            self._pause()  # a durable queue reads from the disk
        finally:
            self._is_pumping = False

    def close(self) -> None:
        """Send nothing any more; what is on its way is forgotten."""
        self._is_closed = True
        self._on_way.clear()

    def _room(self) -> int:
        return 1 if self._failures else self._window

    def _send(self, message: Message) -> None:
        self._number += 1
        self._on_way[self._number] = message
        attempt = self._attempts.get(message.id, 0) + 1
        data = message.as_data() | {"attempt": attempt, "redelivered": attempt > 1}
        self._link.deliver(self.subscriber, data, partial(self._answered, self._number))

    def _answered(self, number: int, answer: Answer) -> None:
        message = self._on_way.pop(number, None)
        if message is None or self._is_closed:
            return  # put back meanwhile: it is sent again, with the same id
        if answer.ok:
            self._failures = 0
            self._attempts.pop(message.id, None)
            self._link.acknowledged(self, message)
        else:
            self._failed(message, dict(answer.error or {}))
        self.pump()

    def _failed(self, message: Message, error: dict[str, str]) -> None:
        attempts = self._attempts[message.id] = self._attempts.get(message.id, 0) + 1
        rejected = error.get("code") in _REJECTIONS
        spent = attempts >= ATTEMPTS_MOST
        is_dead = (rejected or spent) if not self._patient else (rejected and spent)
        if is_dead and self._buried(message, error.get("message", "no answer")):
            return
        self.queue.put_back([message, *self._on_way.values()])
        self._on_way.clear()
        self._pause()

    def _buried(self, message: Message, reason: str) -> bool:
        with contextlib.suppress(StoreFailed):
            self._link.died(self, message, reason)
            self._attempts.pop(message.id, None)
            return True
        return False

    def _pause(self) -> None:
        self._is_paused = True
        delay = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._failures)
        self._failures = min(self._failures + 1, 30)
        self._link.after(delay, self._resume)

    def _resume(self) -> None:
        self._is_paused = False
        self.pump()
