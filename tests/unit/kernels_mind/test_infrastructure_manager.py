"""infrastructure_manager: what the host and the tree use."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels import infrastructure_manager
from grace_actors.kernels.host_sample import CpuMeter, HostSample, pressures
from grace_actors.kernels.infrastructure_manager import InfrastructureManager
from tests.harness.kernels import Bench

CALM = HostSample(
    at=1.0,
    cpu_percent=10.0,
    memory_percent=20.0,
    memory_free_mb=100.0,
    swap_percent=0.0,
    disk_percent=30.0,
    disk_free_mb=100.0,
    load_1m=0.1,
    descriptors=100,
)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(infrastructure_manager.OwnCpu, "percent", lambda self, now: 50.0)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "some.yaml").write_text("kept: true\n")  # for the snapshot sets
    bench = Bench(tmp_path)
    bench.add("infrastructure_manager", InfrastructureManager)
    return bench


def ask(bench, verb, **args):
    return bench.ask("infrastructure_manager", verb, **args)


def test_the_first_cpu_figure_is_unknown_and_not_zero(bench):
    assert ask(bench, "history")["samples"][0]["cpu_percent"] is None
    bench.advance(30)
    assert ask(bench, "history")["samples"][1]["cpu_percent"] is not None


def test_a_sample_is_taken_every_thirty_seconds_and_an_hour_is_kept(bench, monkeypatch):
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda at, *_, **__: replace(CALM, at=at))
    bench.advance(30 * 130)
    samples = ask(bench, "history", limit=120)["samples"]
    assert len(samples) == 120
    assert {b["at"] - a["at"] for a, b in itertools.pairwise(samples)} == {30.0}


def test_samples_less_than_a_second_apart_are_the_same_sample(bench):
    bench.advance(5)
    first = ask(bench, "sample")
    bench.advance(0.5)
    assert ask(bench, "sample") == first
    bench.advance(1)
    assert ask(bench, "sample")["at"] > first["at"]


def test_its_own_process_is_among_the_processes_of_the_tree(bench):
    bench.advance(30)
    shown = ask(bench, "processes")
    mine = [process for process in shown["processes"] if process["pid"] == os.getpid()]
    assert mine[0]["memory_mb"] > 1
    assert shown["memory_mb"] >= mine[0]["memory_mb"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("cpu_percent", 90.0, []),
        ("cpu_percent", 90.1, [("cpu", "high")]),
        ("cpu_percent", None, []),
        ("memory_percent", 85.0, []),
        ("memory_percent", 85.1, [("memory", "high")]),
        ("memory_percent", 90.1, [("memory", "critical")]),
        ("disk_percent", 90.1, [("disk", "high")]),
    ],
)
def test_pressure_begins_above_its_limit(field, value, expected):
    found = pressures(replace(CALM, **{field: value}))
    assert [(pressure.resource, pressure.severity) for pressure in found] == expected


def test_pressure_is_told_when_it_begins_and_when_it_ends(bench, monkeypatch):
    samples = [CALM, replace(CALM, memory_percent=95.0), replace(CALM, memory_percent=96.0)]
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda *_, **__: samples.pop(0) if samples else CALM)
    bench.advance(30 * 4)
    assert [type for type in bench.types() if type.startswith("host.")] == ["host.pressured", "host.relieved"]


HOT = replace(CALM, cpu_percent=99.0)


def told(bench):
    return [type for type in bench.types() if type.startswith("host.")]


def test_the_end_of_a_pressure_was_noticed_half_a_minute_late_and_a_gap_of_a_second_was_one(bench, monkeypatch):
    host = [HOT]
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda *_, **__: host[0])
    bench.advance(31)
    host[0] = CALM
    bench.ask("infrastructure_manager", "sample")
    host[0] = HOT
    bench.advance(20)
    assert told(bench) == ["host.pressured"]
    host[0] = CALM
    bench.advance(11)
    assert told(bench) == ["host.pressured", "host.relieved"]


def test_kernels_stayed_paused_for_a_host_that_others_saturate(bench, monkeypatch):
    own = [50.0]
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda *_, **__: HOT)
    monkeypatch.setattr(infrastructure_manager.OwnCpu, "percent", lambda self, now: own[0])
    bench.advance(31)
    assert ask(bench, "pressure")["pressed"]
    own[0] = 3.0
    bench.advance(15)
    assert told(bench) == ["host.pressured", "host.relieved"]
    assert not ask(bench, "pressure")["pressed"]


def test_the_first_hot_sample_was_told_as_pressure_although_others_caused_it(bench, monkeypatch):
    own = [None, 3.0]
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda *_, **__: HOT)
    monkeypatch.setattr(infrastructure_manager.OwnCpu, "percent", lambda self, now: own.pop(0) if own[1:] else own[0])
    bench.advance(31)
    assert not ask(bench, "pressure")["pressed"]
    bench.advance(120)
    assert told(bench) == []


def test_a_cpu_that_is_saturated_by_us_is_told_as_soon_as_that_is_known(bench, monkeypatch):
    own = [None, 50.0]
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda *_, **__: HOT)
    monkeypatch.setattr(infrastructure_manager.OwnCpu, "percent", lambda self, now: own.pop(0) if own[1:] else own[0])
    bench.advance(30.5)
    assert told(bench) == []
    bench.advance(infrastructure_manager.WHOSE_S)
    assert told(bench) == ["host.pressured"]


def test_a_pressure_that_goes_on_is_not_over_while_it_is_not_known_whose_it_is(bench, monkeypatch):
    host, own = [HOT], [50.0]
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda *_, **__: host[0])
    monkeypatch.setattr(infrastructure_manager.OwnCpu, "percent", lambda self, now: own[0])
    bench.advance(31)
    host[0] = CALM
    ask(bench, "sample")
    host[0], own[0] = HOT, None
    bench.advance(20)
    assert told(bench) == ["host.pressured"]


def test_a_pressure_that_ended_while_it_was_restarted_was_never_told_to_be_over(bench, monkeypatch):
    host = [HOT]
    monkeypatch.setattr(infrastructure_manager, "read_host", lambda *_, **__: host[0])
    bench.advance(31)
    host[0] = CALM
    bench.crash("infrastructure_manager")
    bench.add("infrastructure_manager", InfrastructureManager)
    bench.advance(15)
    assert told(bench) == ["host.pressured", "host.relieved"]


def test_cpu_of_a_process_is_unknown_at_first_and_a_reused_pid_starts_anew():
    meter = CpuMeter()
    assert meter.percentages({(1, 0.0): 5.0}, 0.0) == {}
    assert meter.percentages({(1, 0.0): 6.0, (1, 9.0): 50.0}, 10.0) == {(1, 0.0): 10.0}


def test_bad_input_is_refused(bench):
    for args in ({"limit": 0}, {"limit": "many"}, {"limit": True}, {"limit": 10**9}):
        with pytest.raises(GraceError):
            ask(bench, "history", **args)
