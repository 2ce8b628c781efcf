"""A small tree around the trigger mesh: somebody who answers for those whose figures it asks for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from grace_actors.kernel import Kernel, Request
from grace_actors.kernels.host_sample import HostSample
from grace_actors.kernels.trigger_mesh import TriggerMesh
from grace_actors.kernels.watch import figures, own_code
from grace_actors.status import Status
from tests.harness.kernels import Bench
from tests.unit.status.test_model import child, supervisor

CALM = HostSample(
    at=0.0, cpu_percent=5.0, memory_percent=30.0, memory_free_mb=1.0, swap_percent=0.0, disk_percent=10.0,
    disk_free_mb=1.0, load_1m=0.1, descriptors=None,
)  # fmt: skip
_numbers = itertools.count(1)


class Figures(Kernel):
    """Answers for the health monitor and the learner."""

    waiting_s: float | None = None
    risk = 0.1

    def do_suspicion(self, request: Request) -> Any:
        return {"names": [{"name": "bus", "waiting_s": self.waiting_s, "recent_mean_ms": 3.0}]}

    def do_top(self, request: Request) -> Any:
        return {"kernels": [{"name": "bus", "risk": self.risk}]}


def small_tree(home: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A calm host, a status actor that knows one child, and the figures; the mesh is not there yet."""
    monkeypatch.setattr(figures, "read_host", lambda at, disk, first: CALM)
    monkeypatch.setattr(figures.known_good, "BINARIES", ())
    monkeypatch.setattr(own_code, "PROGRAM", home.parent / "program")
    made = Bench(home=home)
    made.add("status", Status)
    made.add("health_monitor", Figures)
    made.add("learning_integration", Figures)
    made.ask("status", "describe", **supervisor("grace", None, child("bus")))
    return made


def record(bench: Bench, type: str, subject: str, data: dict[str, Any]) -> None:
    """An event of the tree, as the status actor tells it."""
    bench.ask("status", "record", emitter="s", n=next(_numbers), type=type, subject=subject, data=data, at=0)


def again(bench: Bench, **config: Any) -> None:
    """The mesh dies without a word and is started anew."""
    bench.crash("trigger_mesh")
    bench.add("trigger_mesh", TriggerMesh, **config)
