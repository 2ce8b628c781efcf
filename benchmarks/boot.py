"""Twenty, a hundred, five hundred trivial children under a new supervisor until all answer a ping.

The runtime (admin, root, registry) runs already, as the measuring process of the floor does.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.arena import arena, branch_of, trivial
from benchmarks.figures import beside
from benchmarks.floor import boot as floor_boot

SIZES, ROUNDS, LIMIT = (20, 100, 500), {20: 7, 100: 5, 500: 3}, 4.0


def run() -> dict[str, Any]:
    """Grace and the floor by turns, for each size."""
    sizes = {}
    for size in SIZES:
        grace, floor = [], []
        for _ in range(ROUNDS[size]):
            grace.append(_one(size))
            floor.append(floor_boot(size))
        sizes[str(size)] = beside(f"boot {size}", grace, floor, LIMIT)
    return {"name": "boot", "sizes": sizes, "ok": all(found["ok"] for found in sizes.values())}


def _one(size: int) -> float:
    names = [f"child{number}" for number in range(size)]
    with arena() as tree:
        outside = tree.outside()
        outside.ask("bench", "ping")
        branch = branch_of(*map(trivial, names))
        began = time.perf_counter()
        outside.ask("bench", "call", {"op": "start_child", "spec": branch}, timeout_s=120.0)
        for name in names:
            outside.ask(name, "ping")
        seconds = time.perf_counter() - began
        outside.close()
    return seconds
