"""Timers of one actor: a heap of calls with deadlines. Pure but for the time it is given.

Invariant: a cancelled timer is never called.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class ActorTimer:
    """One pending call."""

    __slots__ = ("call", "cancelled", "due")

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """`add`, then `run_due(now)`; `next_due` tells when to look again."""

    __slots__ = ("_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ActorTimer]] = []
        self._order = itertools.count()

    def add(self, due: float, call: Callable[[], None]) -> ActorTimer:
        timer = ActorTimer(due, call)
        heapq.heappush(self._heap, (due, next(self._order), timer))
        return timer

    @property
    def next_due(self) -> float | None:
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_due(self, now: float) -> None:
        """Call everything due, in order; what these calls add for now waits for the next round."""
        due: list[ActorTimer] = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        for timer in due:
            if not timer.cancelled:
                timer.call()
