"""SIGKILL of a kernel until its replacement answers a ping found through the registry."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from benchmarks.arena import Arena, arena, trivial
from benchmarks.figures import beside
from benchmarks.floor import Forked
from benchmarks.floor import restart as floor_restart

ROUNDS, WARM_UP, LIMIT = 60, 5, 2.5


def run() -> dict[str, Any]:
    """Grace and the floor by turns."""
    with arena(trivial("victim")) as tree:
        outside = tree.outside()
        outside.ask("victim", "ping")
        child, grace, floor = Forked(), [], []
        for number in range(ROUNDS + WARM_UP):
            grace_s = _one(tree, outside)
            child, floor_s = floor_restart(child)
            if number >= WARM_UP:
                grace.append(grace_s)
                floor.append(floor_s)
        child.end()
        outside.close()
    return beside("restart", grace, floor, LIMIT)


def _one(tree: Arena, outside: Any) -> float:
    address = outside._known["victim"]
    path = str(address.addressDetails)
    pid = int(path.rsplit("/", 1)[1].partition(".")[0])
    began = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    del outside._known["victim"]
    outside._resolve("victim", path, time.monotonic() + 10)
    outside.ask("victim", "ping")
    seconds = time.perf_counter() - began
    tree.drain()
    return seconds
