"""What the host and Grace's own processes use, read once through psutil, and whether that is too much.

Reading and judging are apart: `read_host` and `read_processes` look at the world, `pressures` is pure. It must not
know about kernels or events. Invariant: a percentage that cannot be known yet is None, never 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

CPU_LIMIT = 90.0
MEMORY_LIMIT = 85.0
MEMORY_CRITICAL = 90.0
DISK_LIMIT = 90.0

_MARKS = ("grace:", "grace_actors", "run.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSample:
    """The host at one moment; `at` is Unix time. CPU is the mean since the sample before, None for the first."""

    at: float
    cpu_percent: float | None
    memory_percent: float
    memory_free_mb: float
    swap_percent: float
    disk_percent: float
    disk_free_mb: float
    load_1m: float
    descriptors: int | None

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSample:
    """One process of the tree. `cpu_percent` is of one core since the sample before, None for a new process."""

    pid: int
    title: str
    cpu_percent: float | None
    memory_mb: float
    descriptors: int | None
    threads: int
    age_s: float

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """One resource above its limit."""

    resource: str
    value: float
    limit: float
    severity: str

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def read_host(at: float, disk: Path, *, first: bool) -> HostSample:
    """Read the host now. psutil's first CPU figure is meaningless, so `first` leaves it out."""
    cpu = psutil.cpu_percent(interval=None)
    memory, swap, used = psutil.virtual_memory(), psutil.swap_memory(), psutil.disk_usage(str(disk))
    return HostSample(
        at=at,
        cpu_percent=None if first else cpu,
        memory_percent=memory.percent,
        memory_free_mb=round(memory.available / 1e6, 1),
        swap_percent=swap.percent,
        disk_percent=used.percent,
        disk_free_mb=round(used.free / 1e6, 1),
        load_1m=round(os.getloadavg()[0], 2),
        descriptors=_host_descriptors(),
    )


def host_facts() -> dict[str, Any]:
    """What does not change while the host is up."""
    system = os.uname()
    return {
        "host": system.nodename,
        "system": f"{system.sysname} {system.release}",
        "machine": system.machine,
        "cores": psutil.cpu_count() or 1,
        "memory_mb": round(psutil.virtual_memory().total / 1e6, 1),
        "booted_at": psutil.boot_time(),
    }


def tree_root() -> psutil.Process:
    """The topmost ancestor of this process that belongs to the same instance; this process if none does."""
    top = current = psutil.Process()
    while (parent := _parent_of(current)) is not None and any(mark in _title(parent) for mark in _MARKS):
        top = current = parent
    return top


class CpuMeter:
    """Turns CPU seconds of processes into percentages between two looks.

    A process is known by pid and start time, so a reused pid never inherits the figures of another.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[int, float], tuple[float, float]] = {}

    def percentages(self, used_s: Mapping[tuple[int, float], float], now: float) -> dict[tuple[int, float], float]:
        """Per cent of one core for each process seen before; forgets the processes that are gone."""
        result = {}
        for key, seconds in used_s.items():
            before = self._before.get(key)
            if before is not None and now > before[1]:
                result[key] = round(max(0.0, 100.0 * (seconds - before[0]) / (now - before[1])), 2)
        self._before = {key: (seconds, now) for key, seconds in used_s.items()}
        return result


class OwnCpu:
    """Measures which part of the host's CPU this instance takes, between two looks."""

    def __init__(self) -> None:
        self._meter = CpuMeter()

    def percent(self, now: float) -> float | None:
        """Per cent of all cores since the look before; None at the first one."""
        used = {}
        for process in _members(tree_root()):
            try:
                times = process.cpu_times()
                used[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        shares = self._meter.percentages(used, now)
        return round(sum(shares.values()) / (psutil.cpu_count() or 1), 1) if shares else None


def read_processes(root: psutil.Process, meter: CpuMeter, *, now: float, wall: float) -> list[ProcessSample]:
    """The processes of the tree, largest first. One that ends meanwhile is left out."""
    found: dict[tuple[int, float], tuple[psutil.Process, float, float, int | None, int]] = {}
    for process in _members(root):
        try:
            with process.oneshot():
                times, key = process.cpu_times(), (process.pid, process.create_time())
                found[key] = (
                    process,
                    times.user + times.system,
                    process.memory_info().rss / 1e6,
                    _descriptors(process),
                    process.num_threads(),
                )
        except psutil.Error:
            continue
    shares = meter.percentages({key: entry[1] for key, entry in found.items()}, now)
    samples = [
        ProcessSample(
            pid=key[0],
            title=_title(process),
            cpu_percent=shares.get(key),
            memory_mb=round(memory, 1),
            descriptors=fds,
            threads=threads,
            age_s=round(max(0.0, wall - key[1]), 1),
        )
        for key, (process, _, memory, fds, threads) in found.items()
    ]
    return sorted(samples, key=lambda sample: -sample.memory_mb)


def pressures(sample: HostSample) -> list[Pressure]:
    """Resources above their limits: CPU 90 %, memory 85 % (critical above 90 %), disk 90 %."""
    found = []
    if sample.cpu_percent is not None and sample.cpu_percent > CPU_LIMIT:
        found.append(Pressure(resource="cpu", value=sample.cpu_percent, limit=CPU_LIMIT, severity="high"))
    if sample.memory_percent > MEMORY_LIMIT:
        severity = "critical" if sample.memory_percent > MEMORY_CRITICAL else "high"
        found.append(Pressure(resource="memory", value=sample.memory_percent, limit=MEMORY_LIMIT, severity=severity))
    if sample.disk_percent > DISK_LIMIT:
        found.append(Pressure(resource="disk", value=sample.disk_percent, limit=DISK_LIMIT, severity="high"))
    return found


def _members(root: psutil.Process) -> Iterable[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return [psutil.Process()]


def _parent_of(process: psutil.Process) -> psutil.Process | None:
    try:
        return process.parent()
    except psutil.Error:
        return None


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:120].strip() or process.name()
    except psutil.Error:
        return ""


def _descriptors(process: psutil.Process) -> int | None:
    try:
        return process.num_fds()
    except psutil.AccessDenied:
        return None


def _host_descriptors() -> int | None:
    """Open file handles of the host, where the kernel tells."""
    try:
        return int(Path("/proc/sys/fs/file-nr").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
