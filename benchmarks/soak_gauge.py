"""Memory and descriptors of the processes that live through a whole soak, and whether they stayed flat.

Knows processes, nothing of messages. Invariant: what is judged was measured in one state: memory under the
same load early and late, descriptors after everybody has written to everybody.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import psutil

GROWTH, GROWTH_MB = 0.10, 2.0
JUDGED_S = 30.0  # a shorter storm has not filled its heaps yet
_FDS_A_PEER, _FDS_OWN = 4, 16
_SAME_S, _SETTLE_S = 1.0, 15.0
_STEP_S = 0.1


class Gauge:
    """The processes by name, each with so many peers."""

    def __init__(self, pids: dict[str, int], peers: int) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._max = _FDS_A_PEER * peers + _FDS_OWN
        self._slack = peers // 2  # two that connect to each other at once have two connections
        self._memory: dict[str, list[float]] = {name: [] for name in pids}
        self._descriptors: list[dict[str, int]] = []

    def weigh(self) -> None:
        """One sample of the memory that is each process's own."""
        for name, process in self._processes.items():
            self._memory[name].append(process.memory_full_info().uss / 1e6)

    def count_descriptors(self) -> None:
        """Once they no longer change."""
        now = time.monotonic()
        since, end, counts = now, now + _SETTLE_S, self._open()
        while now - since < _SAME_S and now < end:
            time.sleep(_STEP_S)
            now, latest = time.monotonic(), self._open()
            if latest != counts:
                since, counts = now, latest
        self._descriptors.append(counts)

    def _open(self) -> dict[str, int]:
        return {name: process.num_fds() for name, process in self._processes.items()}

    def memory(self, seconds: float) -> tuple[dict[str, Any], list[str]]:
        """Medians of the second and the last quarter, and what grew.

        An allocator gives back little of what one flood needed. So the last quarter is held against the
        upper quartile of the whole first half: what is in use has settled by then, a leak has not."""
        table, wrong = {}, []
        for name, samples in self._memory.items():
            if len(samples) < 4:
                continue
            quarter = len(samples) // 4
            first, last = statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])
            high = statistics.quantiles(samples[: 2 * quarter], n=4)[-1]
            table[name] = {
                "first": round(first, 1),
                "last": round(last, 1),
                "high": round(high, 1),
                "peak": round(max(samples), 1),
            }
            if seconds >= JUDGED_S and last > high * (1 + GROWTH) + GROWTH_MB:
                wrong.append(f"the memory of {name} grew from at most {high:.1f} to {last:.1f} MB")
        return table, wrong

    def descriptors(self) -> tuple[dict[str, Any], list[str]]:
        """Before and after; and what leaked: everybody has the same peers in both."""
        if len(self._descriptors) < 2:
            return {}, ["the descriptors were not counted twice"]
        first, last = self._descriptors[0], self._descriptors[-1]
        table = {name: {"first": first[name], "last": last[name]} for name in first}
        wrong = [
            f"{name} had {first[name]} descriptors, now {last[name]} (at most {self._max})"
            for name in first
            if last[name] > min(first[name] + self._slack, self._max)
        ]
        return table, wrong
