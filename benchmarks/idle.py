"""The whole built-in tree doing nothing: processor time and memory; and how long its boot took."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import psutil

from benchmarks.instance import instance

WATCH_S, SETTLE_S = 20.0, 10.0
CPU_LIMIT_PERCENT, PSS_LIMIT_MB, BOOT_LIMIT_S = 1.0, 200.0, 1.5


def run() -> dict[str, Any]:
    """One instance in a home of its own, watched for 20 s after it has settled."""
    with instance() as grace:
        time.sleep(SETTLE_S)
        used, pss, count = _watch(grace.pid)
        status = grace.status
    percent = 100 * used / WATCH_S
    boot_s = status["boot"]["ready_s"]
    return {
        "name": "idle",
        "seconds": WATCH_S,
        "processes": count,
        "cpu_percent_of_a_core": round(percent, 3),
        "cpu_limit": CPU_LIMIT_PERCENT,
        "pss_mb": round(pss, 1),
        "pss_limit": PSS_LIMIT_MB,
        "boot_ready_s": boot_s,
        "boot_limit_s": BOOT_LIMIT_S,
        "ok": percent <= CPU_LIMIT_PERCENT and pss <= PSS_LIMIT_MB and boot_s <= BOOT_LIMIT_S,
    }


def _watch(pid: int) -> tuple[float, float, int]:
    before = _cpu(pid)
    time.sleep(WATCH_S)
    after = _cpu(pid)
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    pss = sum(process.memory_full_info().pss for process in processes) / 1e6
    return sum(after[p] - before.get(p, 0.0) for p in after), pss, len(processes)


def _cpu(pid: int) -> dict[int, float]:
    found = {}
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found
