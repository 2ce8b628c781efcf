"""Watches what the host and Grace's own processes use: CPU, memory, disk, load, descriptors.

A sample is taken every 30 s and on demand, kept for an hour, and compared with limits; crossing a limit in either
direction is an event. It must not act on pressure: shedding load belongs to a supervisor's policy. It also hosts the
keeper of snapshot sets, for it is there in every tree that is worth keeping.
Invariant: every figure it answers was measured, and carries the time of its measurement.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import psutil

from grace_actors.hygiene.keeper import EVENTS, Keeper
from grace_actors.kernel import Check, Context, Data, Kernel, Request
from grace_actors.kernels.arguments import whole_or
from grace_actors.kernels.host_sample import (
    CpuMeter,
    HostSample,
    OwnCpu,
    Pressure,
    ProcessSample,
    host_facts,
    pressures,
    read_host,
    read_processes,
    tree_root,
)

SAMPLE_S = 30.0
PRESSED_S = 5.0
"""So often it is looked whether a pressure goes on: somebody is paused for as long."""
WHOSE_S = 2.0
"""Whose a saturated CPU is takes two looks; the second comes so soon."""
OWN_PERCENT = 10.0
"""With less of the host's CPU than this, it is not us who saturate it."""
RELIEVED_S = 4.0
"""A pressure is over when nothing was above its limit for so long: a pause of a second is none."""
KEPT = 120
SHORTEST_GAP_S = 1.0
"""Below this a CPU percentage is noise: `sample` answers the last one again."""


class InfrastructureManager(Kernel):
    """Config: snapshot_interval, snapshot_keep, snapshot_max_age, snapshot_min_free_mb. Verbs: sample, history,
    processes, host, pressure; snapshot_sets, take_snapshot_set, verify_snapshot_set, restore_part,
    accept_artefacts."""

    emits = ("host.pressured", "host.relieved", *EVENTS)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._pressed: dict[str, float | None] = {}
        """What is short, and since when it has looked relieved."""
        self._is_looking = False
        self._own = OwnCpu()
        self._is_ours: bool | None = None
        """Whether it is us who saturate the CPU; None while it is not saturated or not known yet."""

    def setup(self) -> None:
        self.samples: deque[HostSample] = deque(maxlen=KEPT)
        self.processes: list[ProcessSample] = []
        self._meter = CpuMeter()
        self._taken_at = float("-inf")
        self._root = tree_root()
        self._take_host()
        self.ctx.every(SAMPLE_S, self._take)
        self._keeper = Keeper(self.ctx, self._note_keeper)

    def snapshot(self) -> Data | None:
        return {"pressed": sorted(self._pressed)}

    def restore(self, state: Data) -> None:
        """What was short before a restart is so until it is seen to be over: whoever was paused for it waits for that.
        Raises ValueError."""
        pressed = state.get("pressed")
        if not isinstance(pressed, list) or not all(isinstance(each, str) for each in pressed):
            raise ValueError(f"pressed must be a list of resources, not {pressed!r:.200}")
        self._pressed = dict.fromkeys(pressed)

    def ready(self) -> list[Check]:
        last = self.samples[-1]
        sane = 0 <= last.memory_percent <= 100 and 0 <= last.disk_percent <= 100
        detail = f"memory {last.memory_percent} %, disk {last.disk_percent} %"
        alive = psutil.pid_exists(self._root.pid)
        return [
            Check(name="host_readable", ok=sane, detail=detail),
            Check(name="tree_visible", ok=alive, detail=f"root process {self._root.pid}"),
        ]

    def do_sample(self, request: Request) -> Any:
        """Measure now and answer the sample (the last one when it is younger than a second)."""
        if self.ctx.now() - self._taken_at >= SHORTEST_GAP_S:
            self._take()
        return self.samples[-1].as_data()

    def do_history(self, request: Request) -> Any:
        """The last `limit` samples, oldest first."""
        limit = whole_or(request, "limit", 20, low=1, high=KEPT)
        return {"interval_s": SAMPLE_S, "samples": [sample.as_data() for sample in list(self.samples)[-limit:]]}

    def do_processes(self, request: Request) -> Any:
        """Grace's own processes, measured now, largest first."""
        limit = whole_or(request, "limit", 100, low=1, high=1000)
        if not self.processes or self.ctx.now() - self._taken_at >= SHORTEST_GAP_S:
            self._take()
        total = round(sum(process.memory_mb for process in self.processes), 1)
        shown = [process.as_data() for process in self.processes[:limit]]
        return {"at": self.samples[-1].at, "count": len(self.processes), "memory_mb": total, "processes": shown}

    def do_host(self, request: Request) -> Any:
        """What does not change while the host is up, and the last sample."""
        return host_facts() | {"last": self.samples[-1].as_data()}

    def do_pressure(self, request: Request) -> Any:
        """Resources above their limits in the last sample."""
        last = self.samples[-1]
        found = [pressure.as_data() for pressure in self._pressures(last)]
        return {"at": last.at, "pressed": bool(found), "resources": found}

    # ---- snapshot sets ------------------------------------------------------------------------------

    def do_snapshot_sets(self, request: Request) -> Any:
        """The sets of snapshots, newest first: validity, age, size and parts."""
        return self._keeper.list_sets(request)

    def do_take_snapshot_set(self, request: Request) -> Any:
        """Take a set now."""
        return self._keeper.take(request)

    def do_verify_snapshot_set(self, request: Request) -> Any:
        """Read the set `id` back and compare every checksum."""
        return self._keeper.verify(request)

    def do_restore_part(self, request: Request) -> Any:
        """Put the `part` of a `set` back; `force`: also what is sound in a log."""
        return self._keeper.restore(request)

    def do_accept_artefacts(self, request: Request) -> Any:
        """Take what is in `artefacts` now as good: writes its manifest and keeps copies."""
        return self._keeper.accept(request)

    def do_event(self, request: Request) -> None:
        """Take an event: the end of the boot is when the first set is taken."""
        self._keeper.event(str(request.args.get("type", "")))

    def _note_keeper(self) -> None:
        self.degraded = list(self._keeper.degraded)

    # ---- figures ------------------------------------------------------------------------------------

    def metrics(self) -> dict[str, float]:
        last = self.samples[-1]
        figures = {"host_memory_percent": last.memory_percent, "host_disk_percent": last.disk_percent}
        if last.cpu_percent is not None:
            figures["host_cpu_percent"] = last.cpu_percent
        if self.processes:
            figures["tree_processes"] = float(len(self.processes))
            figures["tree_memory_mb"] = round(sum(process.memory_mb for process in self.processes), 1)
        return figures | self._keeper.metrics()

    def _take_host(self) -> None:
        first = not self.samples
        self.samples.append(read_host(self.ctx.wall(), self.ctx.home, first=first))
        self._taken_at = self.ctx.now()
        self._look_whose(self.samples[-1])
        self._report_pressure(self.samples[-1])

    def _take(self) -> None:
        """The processes are left out of the first sample: walking them costs more than a start may."""
        self._take_host()
        self.processes = read_processes(self._root, self._meter, now=self.ctx.now(), wall=self.ctx.wall())
        last = self.samples[-1]
        cpu = "?" if last.cpu_percent is None else f"{last.cpu_percent:.0f}"
        self.did = (
            f"measured {len(self.processes)} processes; host CPU {cpu} %, memory {last.memory_percent:.0f} %, "
            f"disk {last.disk_percent:.0f} %"
        )

    def _report_pressure(self, sample: HostSample) -> None:
        found, now, before = {one.resource: one for one in self._pressures(sample)}, self.ctx.now(), set(self._pressed)
        for resource, pressure in found.items():
            if resource not in self._pressed:
                self.ctx.emit("host.pressured", resource, pressure.as_data())
            self._pressed[resource] = None
        for resource, low_since in list(self._pressed.items()):
            if resource in found or (resource == "cpu" and self._is_cpu_unknown(sample)):
                continue
            if low_since is None:
                self._pressed[resource] = now
            elif now - low_since >= RELIEVED_S:
                del self._pressed[resource]
                self.ctx.emit("host.relieved", resource, {"at": sample.at})
        if set(self._pressed) != before:
            self.ctx.save()
        if self._pressed:
            self._look_soon(PRESSED_S)

    def _is_cpu_unknown(self, sample: HostSample) -> bool:
        is_hot = any(one.resource == "cpu" for one in pressures(sample))
        return sample.cpu_percent is None or (is_hot and self._is_ours is None)

    def _look_soon(self, delay_s: float) -> None:
        if not self._is_looking:
            self._is_looking = True
            self.ctx.after(delay_s, self._look_again)

    def _look_again(self) -> None:
        self._is_looking = False
        if self.ctx.now() - self._taken_at >= SHORTEST_GAP_S:
            self._take_host()
        else:
            self._report_pressure(self.samples[-1])

    def _pressures(self, sample: HostSample) -> list[Pressure]:
        """What is short, but for a CPU of which it is not known that we saturate it: that of others is not ours to
        relieve, and nobody is paused for it."""
        found = pressures(sample)
        return found if self._is_ours else [one for one in found if one.resource != "cpu"]

    def _look_whose(self, sample: HostSample) -> None:
        if all(one.resource != "cpu" for one in pressures(sample)):
            self._own, self._is_ours = OwnCpu(), None
            return
        own = self._own.percent(self.ctx.now())
        self._is_ours = None if own is None else own >= OWN_PERCENT
        if own is None:
            self._look_soon(WHOSE_S)
