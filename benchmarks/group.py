"""A one_for_all group of twenty: one is killed, all are stopped and started in order, until all answer."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from benchmarks.arena import Arena, arena, trivial
from benchmarks.figures import beside
from benchmarks.floor import Forked
from benchmarks.floor import group as floor_group
from supervisors.spec import Strategy

SIZE, ROUNDS, WARM_UP, LIMIT = 20, 20, 2, 4.0


def run() -> dict[str, Any]:
    """Grace and the floor by turns."""
    names = [f"member{number}" for number in range(SIZE)]
    with arena(*map(trivial, names), strategy=Strategy.ONE_FOR_ALL) as tree:
        outside = tree.outside()
        children, grace, floor = [Forked() for _ in names], [], []
        for number in range(ROUNDS + WARM_UP):
            grace_s = _one(tree, outside, names)
            children, floor_s = floor_group(children)
            if number >= WARM_UP:
                grace.append(grace_s)
                floor.append(floor_s)
        for child in children:
            child.end()
        outside.close()
    return beside("group", grace, floor, LIMIT, size=SIZE)


def _one(tree: Arena, outside: Any, names: list[str]) -> float:
    for name in names:
        outside.ask(name, "ping")
    paths = {name: str(outside._known.pop(name).addressDetails) for name in names}
    pid = int(paths[names[0]].rsplit("/", 1)[1].partition(".")[0])
    began = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    for name in reversed(names):  # the last to come back first: then the others are there
        outside._resolve(name, paths[name], time.monotonic() + 20)
        outside.ask(name, "ping")
    seconds = time.perf_counter() - began
    tree.drain()
    return seconds
