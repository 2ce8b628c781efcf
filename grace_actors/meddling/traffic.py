"""What becomes of a message that arrives while faults of messages last: now, later, twice, after the next, never.

Pure: time and chance come as arguments, messages are opaque. It must not know actors, nor which messages are control:
those never come here. Invariant: what is held back comes out exactly once, in the order of its due times, unless the
process ends; only `drop` loses a message.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, Literal, TypeVar

MOST_HELD = 10_000
"""Above so many the first is let go early: a fault must not fill the memory with what it holds."""
SWAP_S = 1.0
"""A request waits so long for the next one, which it is to come after."""

Kind = Literal["drop", "delay", "duplicate", "reorder", "slow"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fault of messages. `slow` is about everything that arrives, the others about requests like this."""

    kind: Kind
    verb: str = "*"
    topic: str = "*"
    share: float = 1.0
    delay_s: float = 0.0

    def hits(self, verb: str | None, topic: str, draw: float) -> bool:
        """Is it about this message? `verb` is None for what is no request; `draw` is from 0 to below 1."""
        if self.kind == "slow":
            return True
        if verb is None or draw >= self.share:
            return False
        return fnmatchcase(verb, self.verb) and fnmatchcase(topic, self.topic)


class Traffic(Generic[T]):
    """The rules that last, and the messages they hold back."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._held: list[tuple[float, int, T]] = []
        self._order = itertools.count()
        self._swapped: T | None = None
        self._swap_until = 0.0
        self._served_at = 0.0

    @property
    def next_due(self) -> float | None:
        """When the next message that is held back is due."""
        times = [self._held[0][0]] if self._held else []
        return min([*times, self._swap_until] if self._swapped is not None else times, default=None)

    @property
    def held(self) -> int:
        """How many messages are held back."""
        return len(self._held) + (self._swapped is not None)

    def arrives(self, message: T, verb: str | None, topic: Any, now: float, draws: Iterable[float]) -> list[T]:
        """What is to be handled now, in order, when this message arrives; one draw for each rule. The first rule
        that is about the message decides, and a slow process is slow with what is left."""
        topic = topic if isinstance(topic, str) else ""
        hits = [rule for rule, draw in zip(self.rules, draws, strict=False) if rule.hits(verb, topic, draw)]
        rule = next((rule for rule in hits if rule.kind != "slow"), None)
        slow = next((rule for rule in hits if rule.kind == "slow"), None)
        kind = rule.kind if rule is not None else None
        if kind == "drop":
            return []
        if kind == "reorder" and self._swapped is None:
            self._swapped, self._swap_until = message, now + SWAP_S
            return []
        due = now + rule.delay_s if rule is not None and kind == "delay" else now
        out = [message, message] if kind == "duplicate" else [message]
        if self._swapped is not None:
            out.append(self._swapped)
            self._swapped = None
        return self._pass(out, due, slow, now)

    def _pass(self, messages: list[T], due: float, slow: Rule | None, now: float) -> list[T]:
        for message in messages:
            if slow is not None:  # one after the other, as a slow process works
                due = self._served_at = max(self._served_at, due) + slow.delay_s
            heapq.heappush(self._held, (due, next(self._order), message))
        return self.due(now)

    def due(self, now: float) -> list[T]:
        """What has been held back long enough."""
        found = []
        if self._swapped is not None and self._swap_until <= now:
            found, self._swapped = [self._swapped], None
        while self._held and (self._held[0][0] <= now or len(self._held) > MOST_HELD):
            found.append(heapq.heappop(self._held)[2])
        return found

    def end(self, rule: Rule) -> list[T]:
        """A rule ends: what it may have held back is to be handled now. What another one holds back is let go, too,
        since nothing tells them apart."""
        self.rules = [other for other in self.rules if other is not rule]
        return self.let_go() if rule.kind in ("delay", "reorder", "slow") else []

    def let_go(self) -> list[T]:
        """Everything that is held back, in order."""
        found = [message for _, _, message in sorted(self._held, key=lambda held: held[:2])]
        if self._swapped is not None:
            found.append(self._swapped)
        self._held, self._swapped, self._served_at = [], None, 0.0
        return found
