"""Measures the memory of processes, within a bounded time for each answer.

A process's share is its PSS: pages it shares with its forked siblings are counted in proportion, so that the
shares of a tree add up to what the tree really takes. Knows psutil and nothing of the tree.
Invariant: a figure is at most `fresh_s` old, or it is None.
"""

from __future__ import annotations

from collections.abc import Callable

import psutil


class MemoryGauge:
    """Figures of the last few seconds, and the time that may be spent on new ones."""

    def __init__(self, now: Callable[[], float], *, budget_s: float = 0.1, fresh_s: float = 5.0) -> None:
        self._now = now
        self._budget_s, self._fresh_s = budget_s, fresh_s
        self._known: dict[int, tuple[float, float | None]] = {}

    def reader(self, *, may_measure: bool) -> Callable[[int], float | None]:
        """A function pid -> MB for one answer; once the budget is spent it gives only what is known. Without
        `may_measure` (nobody looks at it) it costs nothing."""
        start = self._now()
        self._known = {pid: known for pid, known in self._known.items() if start - known[0] < self._fresh_s}

        def read(pid: int) -> float | None:
            if may_measure and pid not in self._known and self._now() - start < self._budget_s:
                self._known[pid] = (self._now(), measure(pid))
            return self._known.get(pid, (0.0, None))[1]

        return read


def measure(pid: int) -> float | None:
    """Megabytes of one process now; None if it is gone or not ours to look at."""
    try:
        used = psutil.Process(pid).memory_full_info()
    except (psutil.Error, OSError):
        return None
    share = getattr(used, "pss", 0) or used.uss  # PSS is known on Linux only
    return round(share / 1e6, 1)
