"""The pings of an actor, also after it died."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels import health_monitor
from tests.harness.kernels import Bench
from tests.unit.kernels_services.test_health_monitor import bench, describe, hang

__all__ = ["bench"]


def history(bench: Bench, name: str = "bus") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.ask("health_monitor", "history", name=name)["incarnations"]
    return found


def die(bench: Bench, gen: int) -> None:
    bench.ask("status", "record", emitter="s", n=gen, type="child.exited", subject="bus", data={}, at=0)
    describe(bench, bus={"gen": gen + 1, "pid": 900 + gen})


def test_pings_are_told_with_their_times_and_answers(bench: Bench) -> None:
    bench.advance(35)
    (running,) = history(bench)
    first, second = running["pings"][:2]
    assert second["at"] - first["at"] == 10.0
    assert first["answer_ms"] == 0.0
    assert (running["generation"], running["ended_at"], running["level"]) == (1, None, 0.0)


def test_a_ping_without_an_answer_is_null_and_raises_the_level(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "bus")
    bench.advance(20)
    (running,) = history(bench)
    assert running["pings"][-1]["answer_ms"] is None
    assert running["suspected"] and running["level"] > 8


def test_at_most_twenty_pings_are_kept(bench: Bench) -> None:
    bench.advance(500)
    assert len(history(bench)[0]["pings"]) == 20


def test_the_history_of_a_dead_incarnation_stays_beside_that_of_the_next(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "bus")
    bench.advance(20)
    die(bench, 1)
    (dead,) = history(bench)
    assert (dead["generation"], dead["suspected"]) == (1, True)
    assert dead["level"] > 8 and dead["ended_at"] is not None
    hang(bench, "bus", hangs=False)
    bench.advance(25)
    running, former = history(bench)
    assert (running["generation"], running["suspected"], former["generation"]) == (2, False, 1)
    assert former == dead


def test_only_the_last_incarnation_before_is_kept(bench: Bench) -> None:
    for gen in (1, 2, 3):
        bench.advance(25)
        die(bench, gen)
    bench.advance(25)
    assert [each["generation"] for each in history(bench)] == [4, 3]


def test_one_that_was_never_pinged_has_no_incarnations(bench: Bench) -> None:
    describe(bench, bus={"state": "restarting", "pid": None})
    bench.crash("health_monitor")
    bench.add("health_monitor", health_monitor.HealthMonitor)
    assert history(bench) == []


def test_an_unknown_name_is_refused_with_the_nearest(bench: Bench) -> None:
    with pytest.raises(GraceError, match=r"history: .buss. is not watched.*did you mean .bus."):
        history(bench, "buss")


def test_what_is_remembered_of_the_dead_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_monitor, "MOST_FORMER", 1)
    made = bench.__wrapped__(tmp_path)  # type: ignore[attr-defined]
    made.advance(30)
    for name, gen in (("bus", 1), ("voice", 2)):
        made.ask("status", "record", emitter="s", n=gen, type="child.exited", subject=name, data={}, at=0)
    assert len(history(made, "voice")) == 1
    assert history(made, "bus") == []
