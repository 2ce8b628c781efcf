"""The trigger mesh with real figures of a small tree, under a virtual clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernel import Answer, Kernel, Request
from grace_actors.kernels import trigger_mesh
from grace_actors.kernels.host_sample import HostSample
from grace_actors.kernels.trigger_mesh import TriggerMesh
from grace_actors.status import Status
from tests.harness.kernels import Bench
from tests.unit.status.test_model import child, supervisor

CALM = HostSample(
    at=0.0, cpu_percent=5.0, memory_percent=30.0, memory_free_mb=1.0, swap_percent=0.0, disk_percent=10.0,
    disk_free_mb=1.0, load_1m=0.1, descriptors=None,
)  # fmt: skip


class Figures(Kernel):
    """Answers for the health monitor and the learner."""

    waiting_s: float | None = None

    def do_suspicion(self, request: Request) -> Any:
        return {"names": [{"name": "bus", "waiting_s": self.waiting_s, "recent_mean_ms": 3.0}]}

    def do_top(self, request: Request) -> Any:
        return {"kernels": [{"name": "bus", "risk": 0.1}]}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(trigger_mesh, "read_host", lambda at, disk, first: CALM)
    monkeypatch.setattr(trigger_mesh.known_good, "BINARIES", ())
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "policy.yaml").write_text("a: 1")
    made = Bench(home=tmp_path)
    made.add("status", Status)
    made.add("health_monitor", Figures)
    made.add("learning_integration", Figures)
    made.ask("status", "describe", **supervisor("grace", None, child("bus")))
    made.add("trigger_mesh", TriggerMesh)
    return made


def fired(bench: Bench) -> list[tuple[str, str, str]]:
    return [(data["issue"], subject, data["severity"]) for type, subject, data in bench.events if "fired" in type]


def row(bench: Bench, name: str) -> Any:
    return next(each for each in bench.ask("trigger_mesh", "triggers")["triggers"] if each["name"] == name)


def test_a_calm_tree_fires_nothing_and_every_measurable_trigger_is_evaluated(bench: Bench) -> None:
    bench.advance(61)
    assert fired(bench) == []
    table = bench.ask("trigger_mesh", "triggers")["triggers"]
    assert {each["name"]: each["runs"] for each in table if each["available"]} == dict.fromkeys(
        ["health_signal_gap", "latency_queue_spike", "config_secret_drift", "dependency_regression",
         "resource_pressure", "live_error_feed", "predictive_failure"], 2,
    )  # fmt: skip
    assert all(each["reason"] for each in table if not each["available"])


def test_a_silent_kernel_fires_once_and_again_only_when_it_gets_worse(bench: Bench) -> None:
    monitor = bench.kernels["health_monitor"]
    monitor.waiting_s = 31.0  # type: ignore[attr-defined]
    bench.advance(91)
    assert fired(bench) == [("heartbeat_gap", "bus", "medium")]
    monitor.waiting_s = 95.0  # type: ignore[attr-defined]
    bench.advance(31)
    assert fired(bench)[1:] == [("heartbeat_gap", "bus", "high")]
    told = [args for _, to, verb, args in bench.sent if (to, verb) == ("self_healing", "event")]
    assert [event["data"]["action"] for event in told] == ["restart_kernel", "restart_kernel"]
    assert row(bench, "health_signal_gap")["suppressed"] >= 2


def test_a_figure_that_cannot_be_taken_is_reported_and_not_taken_for_calm(bench: Bench) -> None:
    bench.crash("health_monitor")
    bench.advance(41)
    found = row(bench, "health_signal_gap")
    assert (found["available"], found["reason"], found["runs"]) == (False, "not measured: silent_s", 0)
    assert row(bench, "resource_pressure")["runs"] == 1


def test_a_changed_configuration_fires_until_it_is_accepted(bench: Bench) -> None:
    (bench.home / "config" / "policy.yaml").write_text("a: 2")
    bench.advance(31)
    assert fired(bench) == [("config_drift", "policy.yaml", "critical")]
    bench.ask("trigger_mesh", "accept", what="config")
    bench.advance(1000)
    assert len(fired(bench)) == 1


def test_a_drift_is_found_also_after_a_restart(bench: Bench) -> None:
    bench.crash("trigger_mesh")
    (bench.home / "config" / "policy.yaml").unlink()
    bench.add("trigger_mesh", TriggerMesh)
    bench.advance(31)
    assert fired(bench) == [("config_drift", "policy.yaml", "critical")]


def test_the_same_exit_five_times_asks_for_a_fix(bench: Bench) -> None:
    for n in range(1, 6):
        data = {"kind": "crash", "reason": f"ValueError: bad port\nline {n}", "detail": ""}
        bench.ask("status", "record", emitter="s", n=n, type="child.exited", subject="core/bus", data=data, at=0)
    bench.advance(31)
    assert fired(bench) == [("repeated_error", "bus", "high")]
    assert [to for _, to, verb, _ in bench.sent if verb == "event" and to == "coding_agent"] == ["coding_agent"]


def test_errors_of_long_ago_do_not_count(bench: Bench) -> None:
    for n in range(1, 6):
        data = {"kind": "crash", "reason": "ValueError", "detail": ""}
        bench.ask("status", "record", emitter="s", n=n, type="child.exited", subject="bus", data=data, at=0)
        bench.advance(200)
    assert fired(bench) == []


def test_evaluating_on_demand_answers_with_what_fired(bench: Bench) -> None:
    (bench.home / "config" / "new.yaml").write_text("")
    got: list[Answer] = []
    bench.post("test", "trigger_mesh", "evaluate", {}, got.append)
    assert [event["subject"] for event in got[0].value["fired"]] == ["new.yaml"]
    assert bench.ask("trigger_mesh", "fired")["fired"][0]["data"]["issue"] == "config_drift"


def test_events_are_told_to_those_whose_pattern_matches(bench: Bench) -> None:
    bench.ask("trigger_mesh", "subscribe", sender="desk", pattern="error.*")
    assert bench.ask("trigger_mesh", "match", type="error.io") == {"names": ["desk"]}
    assert bench.ask("trigger_mesh", "route", type="error.io", subject="x") == {"told": ["desk"]}
    assert bench.ask("trigger_mesh", "route", type="job.done", subject="x") == {"told": []}
    bench.ask("status", "record", emitter="s", n=1, type="error.disk", subject="y", data={}, at=0)
    assert [args["type"] for _, to, verb, args in bench.sent if to == "desk"] == ["error.io", "error.disk"]
    bench.ask("trigger_mesh", "unsubscribe", sender="desk")
    assert bench.ask("trigger_mesh", "match", type="error.io") == {"names": []}


def test_routes_survive_a_crash(bench: Bench) -> None:
    bench.ask("trigger_mesh", "subscribe", sender="desk", pattern="error.*")
    bench.crash("trigger_mesh")
    bench.add("trigger_mesh", TriggerMesh)
    assert bench.ask("trigger_mesh", "match", type="error.io") == {"names": ["desk"]}


def test_a_flood_of_events_is_not_passed_on_and_is_announced_once(bench: Bench) -> None:
    bench.ask("trigger_mesh", "subscribe", sender="desk", pattern="*")
    for n in range(1_000):
        bench.ask("trigger_mesh", "route", type=f"noise.{n}", subject="x")
    assert sum(to == "desk" for _, to, _, _ in bench.sent) == 500
    assert bench.types().count("storm.began") == 1
    bench.advance(120)
    assert bench.ask("trigger_mesh", "route", type="calm.again", subject="x") == {"told": ["desk"]}
    assert bench.types().count("storm.ended") == 1


@pytest.mark.parametrize(
    ("verb", "args"),
    [("accept", {"what": "everything"}), ("subscribe", {}), ("route", {"type": ""}), ("fired", {"limit": 0})],
)
def test_bad_requests_are_refused(bench: Bench, verb: str, args: dict[str, Any]) -> None:
    with pytest.raises(GraceError, match="refused"):
        bench.ask("trigger_mesh", verb, **args)
