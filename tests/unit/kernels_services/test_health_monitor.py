"""Pings, suspicion and tiers of the health monitor, under a virtual clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernel import LATER, Kernel, Request
from grace_actors.kernels.health_monitor import HealthMonitor
from grace_actors.kernels.suspicion import SUSPECT_LEVEL
from grace_actors.status import Status
from tests.harness.kernels import Bench
from tests.unit.status.test_model import child, supervisor


class Answering(Kernel):
    """Answers pings until it hangs."""

    hangs = False

    def do_ping(self, request: Request) -> Any:
        return LATER if self.hangs else {"pong": True}


def describe(bench: Bench, **changes: dict[str, Any]) -> None:
    names = {"bus": {"tier": "core"}, "voice": {"tier": "agentic"}}
    children = [child(name, **{**given, **changes.get(name, {})}) for name, given in names.items()]
    bench.ask("status", "describe", **supervisor("grace", None, *children, child("health_monitor", tier="services")))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(home=tmp_path)
    made.add("status", Status)
    for name in ("bus", "voice"):
        made.add(name, Answering)
    describe(made)
    made.add("health_monitor", HealthMonitor)
    return made


def hang(bench: Bench, name: str, *, hangs: bool = True) -> None:
    bench.kernels[name].hangs = hangs  # type: ignore[attr-defined]


def health(bench: Bench, name: str) -> Any:
    return bench.ask("health_monitor", "health", name=name)


def test_an_answering_kernel_is_healthy(bench: Bench) -> None:
    bench.advance(30)
    found = health(bench, "bus")
    assert (found["healthy"], found["level"], found["misses"]) == (True, 0.0, 0)
    assert found["pings"] >= 3
    assert found["heard_s_ago"] <= 10


def test_a_kernel_that_stops_answering_is_suspected_and_recovers_with_its_next_answer(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "bus")
    bench.advance(20)
    (event,) = [e for e in bench.events if e[0] == "health.suspected"]
    assert (event[1], event[2]["tier"]) == ("bus", "core")
    assert not health(bench, "bus")["healthy"]
    assert health(bench, "voice")["healthy"]
    hang(bench, "bus", hangs=False)
    bench.advance(15)
    assert health(bench, "bus")["healthy"]
    assert [(e[1], e[2]["how"]) for e in bench.events if e[0] == "health.recovered"] == [("bus", "answered")]


def test_suspicion_no_longer_stays_unknown_to_the_policies_of_its_supervisor(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "bus")
    bench.advance(20)
    hang(bench, "bus", hangs=False)
    bench.advance(15)
    told = [(to, args["topic"], args["subject"]) for _, to, verb, args in bench.sent if verb == "observe"]
    levels = [args["data"]["level"] for _, _, verb, args in bench.sent if verb == "observe" and "level" in args["data"]]
    assert len(levels) >= 10, "every second while it lasts"
    assert levels == sorted(levels)
    assert levels[0] >= SUSPECT_LEVEL
    assert told == [*[("grace", "health.suspected", "bus")] * len(levels), ("grace", "health.recovered", "bus")]


def test_a_kernel_that_is_not_said_to_run_is_not_suspected(bench: Bench) -> None:
    describe(bench, bus={"state": "restarting", "pid": None})
    hang(bench, "bus")
    bench.advance(60)
    assert "health.suspected" not in bench.types()
    found = health(bench, "bus")
    assert (found["healthy"], found["level"]) == (False, None)


def test_a_new_generation_starts_without_suspicion_or_history(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "bus")
    bench.advance(20)
    hang(bench, "bus", hangs=False)
    describe(bench, bus={"gen": 2, "pid": 999})
    bench.advance(10)
    assert [(e[1], e[2]["how"]) for e in bench.events if e[0] == "health.recovered"] == [("bus", "replaced")]
    assert health(bench, "bus")["misses"] == 0


def test_an_exit_ends_a_suspicion_at_once(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "bus")
    bench.advance(20)
    bench.ask("status", "record", emitter="s", n=1, type="child.exited", subject="bus", data={}, at=0)
    assert bench.types()[-1] == "health.recovered"


def test_tiers_say_what_keeps_them_from_healthy(bench: Bench) -> None:
    describe(bench, voice={"state": "failed", "pid": None})
    bench.advance(30)
    hang(bench, "bus")
    bench.advance(20)
    tiers = bench.ask("health_monitor", "tiers")["tiers"]
    assert (tiers["core"]["state"], tiers["core"]["suspected"]) == ("impaired", ["bus"])
    assert (tiers["agentic"]["state"], tiers["agentic"]["down"]) == ("down", ["voice"])
    assert tiers["governance"]["state"] == "empty"


def test_suspicion_is_listed_highest_first(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "voice")
    bench.advance(20)
    names = bench.ask("health_monitor", "suspicion")["names"]
    assert [each["name"] for each in names] == ["voice", "bus"]


def test_without_the_status_actor_the_known_kernels_are_still_pinged(bench: Bench) -> None:
    bench.advance(30)
    bench.crash("status")
    hang(bench, "bus")
    bench.advance(30)
    assert bench.kernels["health_monitor"].degraded[0].startswith("the tree is not known")
    assert not health(bench, "bus")["healthy"]
    assert bench.ask("health_monitor", "health")["age_s"] >= 20


def test_every_kernel_has_its_turn(bench: Bench) -> None:
    many = [child(f"k{n}") for n in range(25)]
    for each in many:
        bench.add(each["id"], Answering)
    bench.ask("status", "describe", **supervisor("grace", None, *many))
    bench.advance(40)
    assert all(health(bench, f"k{n}")["pings"] > 0 for n in range(25))


def test_an_unknown_name_is_refused_with_the_nearest(bench: Bench) -> None:
    with pytest.raises(GraceError, match="did you mean 'voice'"):
        health(bench, "voic")


def test_a_kernel_is_measured_often_enough_to_be_judged_when_somebody_asks(bench: Bench) -> None:
    assert bench.ask("health_monitor", "measure", name="bus", times=12)["pings"] >= 12
    assert health(bench, "bus")["answer_p95_ms"] == 0.0
    assert bench.ask("health_monitor", "suspicion")["names"][0]["recent_mean_ms"] is not None


def test_the_measure_of_a_kernel_that_hangs_ends_with_what_it_waited_for(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "voice")
    answers: list[Any] = []
    bench.post("test", "health_monitor", "measure", {"name": "voice", "times": 2}, answers.append)
    bench.advance(30)
    assert answers[0].value["misses"] >= 2


def test_measurements_of_whoever_asked_again_and_again_went_on_side_by_side_without_end(bench: Bench) -> None:
    bench.advance(30)
    hang(bench, "voice")
    answers: list[Any] = []
    for _ in range(12):
        bench.post("test", "health_monitor", "measure", {"name": "voice", "times": 2}, answers.append)
    assert [answer.error["code"] for answer in answers] == ["refused"] * 2
    bench.advance(30)
    assert len(answers) == 12, "each was answered"
    assert bench.ask("health_monitor", "measure", name="bus", times=1)["pings"] >= 1, "there is room again"


@pytest.mark.parametrize("args", [{"name": "nobody"}, {"name": "bus", "times": 0}, {"name": "bus", "times": 101}, {}])
def test_a_measure_that_makes_no_sense_is_refused(bench: Bench, args: dict[str, Any]) -> None:
    with pytest.raises(GraceError):
        bench.ask("health_monitor", "measure", **args)
