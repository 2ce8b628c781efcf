"""What the host has left at the moment of a failure, and what the running incarnation of an actor uses.

It judges nothing. A process that ends while it is looked at is no error. Invariant: a figure that could not be
measured is None.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable
from pathlib import Path

import psutil

from grace_actors.kernel import Context, Data
from grace_actors.kernels.host_sample import read_host

RENEW_S = 30.0
SHORTEST_S = 1.0
"""A percentage of the processor over less than this is noise: the one before it is told."""


class HostGauge:
    """Reads the host; looks at its processor time every half minute, so that a figure is never the mean of a day."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._cpu: float | None = None
        self._since = ctx.now()
        self._over_s: float | None = None
        psutil.cpu_percent(interval=None)
        ctx.every(RENEW_S, self._renew)

    def _renew(self) -> None:
        self._note(psutil.cpu_percent(interval=None))

    def _note(self, cpu: float) -> None:
        now = self._ctx.now()
        self._cpu, self._over_s, self._since = cpu, round(now - self._since, 1), now

    def read(self) -> Data:
        """The host now. Raises OSError when the home cannot be looked at."""
        is_due = self._ctx.now() - self._since >= SHORTEST_S
        sample = read_host(self._ctx.wall(), self._ctx.home, first=not is_due)
        if is_due and sample.cpu_percent is not None:
            self._note(sample.cpu_percent)
        found = sample.as_data() | {"cpu_percent": self._cpu, "cpu_over_s": self._over_s}
        return {key: round(value, 2) if isinstance(value, float) else value for key, value in found.items()} | {
            "at": sample.at,
            "descriptors_limit": _descriptors_limit(),
            "cores": psutil.cpu_count(),
            "limits": limits(),
        }


def limits() -> Data:
    """The soft limits of this process, which every actor inherits; None is no limit."""
    kinds = {
        "open_files": resource.RLIMIT_NOFILE,
        "processes": resource.RLIMIT_NPROC,
        "memory_bytes": resource.RLIMIT_AS,
        "file_bytes": resource.RLIMIT_FSIZE,
    }
    found = {name: resource.getrlimit(kind)[0] for name, kind in kinds.items()}
    return {name: None if value == resource.RLIM_INFINITY else value for name, value in found.items()}


def process_part(pid: int) -> Data | None:
    """What one process uses now; None when it is gone."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
            found: Data = {
                "pid": pid,
                "status": process.status(),
                "started_at": process.create_time(),
                "memory_mb": round(memory.rss / 1e6, 1),
                "cpu_s": round(times.user + times.system, 2),
                "threads": process.num_threads(),
            }
    except (psutil.Error, OSError):
        return None
    return found | {
        "descriptors": _measured(process.num_fds),
        "descriptors_limit": _measured(lambda: process.rlimit(psutil.RLIMIT_NOFILE)[0]),
    }


def _measured(look: Callable[[], int]) -> int | None:
    with contextlib.suppress(psutil.Error, OSError):
        return look()
    return None


def _descriptors_limit() -> int | None:
    """How many files the whole host may have open, where the kernel tells."""
    try:
        return int(Path("/proc/sys/fs/file-nr").read_text().split()[2])
    except (OSError, ValueError, IndexError):
        return None
