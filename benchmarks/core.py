"""Measures the supervision core alone: events a second for exit/ready cycles, and how that grows with the children.

One event is one `handle` call, building the event included. The sizes are measured in turn within one run, so that a
slow moment of the machine hits both; the figure of a size is the median of its rounds.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from supervisors import ChildSpec, Restart, Supervisor, SupervisorSpec
from supervisors.messages import ChildExited, ChildReady, Exit, ExitKind, Start

SIZES = (10, 10_000)
ROUNDS = 21
CYCLES = 2_000  # exit and ready are two events
LEAST_EVENTS_PER_S = 100_000
MOST_RATIO = 2.0
_CRASH = Exit(ExitKind.CRASH, "RuntimeError: benchmark")


class _Tree:
    """A started one_for_one supervisor; cycles go over its children in turn."""

    def __init__(self, size: int) -> None:
        children = tuple(ChildSpec(id=f"c{n}", start="none", restart=Restart.PERMANENT) for n in range(size))
        self.core = Supervisor(SupervisorSpec(name="bench", intensity=1_000, period_s=1.0, children=children))
        self.gens = dict.fromkeys((child.id for child in children), 1)
        self.now = 0.0
        self.core.handle(Start(), 0.0)
        for id in self.gens:
            self.core.handle(ChildReady(id, 1), 0.0)
        self.ids = [child.id for child in children]
        self.at = 0

    def cycles(self, count: int) -> float:
        """Seconds for this many crashes and restarts."""
        handle, gens, ids, at, now = self.core.handle, self.gens, self.ids, self.at, self.now
        begin = time.perf_counter()
        for _ in range(count):
            id = ids[at]
            at = (at + 1) % len(ids)
            gen = gens[id]
            now += 0.01
            handle(ChildExited(id, gen, _CRASH), now)
            gens[id] = gen + 1
            handle(ChildReady(id, gen + 1), now)
        took = time.perf_counter() - begin
        self.at, self.now = at, now
        self.core.take_changed()
        assert not self.core.is_gone
        return took


def run() -> dict[str, Any]:
    """Keys: name, events_per_s (10 children), per_event_us for each size, ratio of the sizes, n (rounds), ok."""
    trees = {size: _Tree(size) for size in SIZES}
    for tree in trees.values():
        tree.cycles(CYCLES)
    took: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size, tree in trees.items():
            took[size].append(tree.cycles(CYCLES))
    per_event_us = {size: statistics.median(times) / (2 * CYCLES) * 1e6 for size, times in took.items()}
    small, large = (per_event_us[size] for size in SIZES)
    return {
        "name": "core",
        "events_per_s": round(1e6 / small),
        "per_event_us": {str(size): round(value, 2) for size, value in per_event_us.items()},
        "ratio": round(large / small, 2),
        "n": ROUNDS,
        "limits": {"events_per_s": LEAST_EVENTS_PER_S, "ratio": MOST_RATIO},
        "ok": 1e6 / small >= LEAST_EVENTS_PER_S and large / small <= MOST_RATIO,
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
