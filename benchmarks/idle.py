"""The whole built-in tree doing nothing: processor time and memory; and how long its boot took."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from grace_actors.console.client import Client
from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed
from grace_actors.home import Home

WATCH_S, SETTLE_S = 20.0, 10.0
CPU_LIMIT_PERCENT, PSS_LIMIT_MB, BOOT_LIMIT_S = 1.0, 200.0, 1.5
RUN = Path(__file__).resolve().parents[1] / "run.py"


def run() -> dict[str, Any]:
    """One instance in a home of its own, watched for 20 s after it has settled."""
    with tempfile.TemporaryDirectory(prefix="grace-bench-") as directory:
        home = Home(Path(directory) / "home")
        process = subprocess.Popen(
            [sys.executable, str(RUN), "--headless", "--home", str(home.root)], stdout=subprocess.DEVNULL
        )
        try:
            status = _wait_running(home)
            time.sleep(SETTLE_S)
            used, pss, count = _watch(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
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


def _wait_running(home: Home) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(NotRunning, Interrupted, RemoteFailed, OSError):
            status: dict[str, Any] = Client(home).call("status")
            if status["state"] == "running":
                return status
        time.sleep(0.1)
    raise RuntimeError("the instance did not come up")


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
