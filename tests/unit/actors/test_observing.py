"""What a supervisor finds out for its policies, and that it finds out nothing for nobody."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from grace_actors import wire
from grace_actors.errors import Refused
from grace_actors.observing import HOST_EVERY_S, Observing, processor_s
from supervisors import PolicySpec
from supervisors import messages as m
from tests.unit.actors.test_names import At, FakeActor


@dataclass
class Boss(FakeActor):
    """A supervisor that only remembers what its core would be told."""

    policies: tuple[PolicySpec, ...] = ()
    fed: list[Any] = field(default_factory=list)
    living: dict[str, Any] = field(default_factory=dict)
    paused: dict[str, str] = field(default_factory=dict)
    above: str | None = "root"
    parent: At = field(default_factory=lambda: At("root"))

    @property
    def core(self) -> Any:
        return SimpleNamespace(spec=SimpleNamespace(policies=self.policies))

    @property
    def birth(self) -> Any:
        return SimpleNamespace(parent=self.above)

    def feed(self, event: Any) -> None:
        self.fed.append(event)


def inc(name: str = "anna", gen: int = 1) -> Any:
    return SimpleNamespace(name=name, gen=gen, shown_pid=os.getpid(), processor=None)


def boss(*policies: str) -> tuple[Boss, Observing]:
    found = Boss("top", policies=tuple(PolicySpec(name=name) for name in policies))
    observing = Observing(found)  # type: ignore[arg-type]
    observing.look()
    return found, observing


WAITS = wire.Waits("anna", 1, (wire.Wait(4, "ben", "debit", 0.0),), (("carl", 2),))


def test_without_policies_nothing_is_measured() -> None:
    top, observing = boss()
    observing.pulse(inc(), wire.Pulse("anna", 1, "", 3, 10.0))
    observing.progress(wire.Progress("anna", "exited", "crash"))
    assert (top.fed, top.timers.next_due) == ([], None)


def test_a_pulse_becomes_a_measurement_with_queue_gauges_and_processor_time() -> None:
    top, observing = boss("recycle")
    anna = inc()
    observing.pulse(anna, wire.Pulse("anna", 1, "", 3, 10.0, gauges={"failed_runs": 2.0}))
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    observing.pulse(anna, wire.Pulse("anna", 1, "", 4, 11.0))
    first, second = top.fed
    assert first == m.ChildMeasured("anna", 1, 10.0, 3, 0.0, {"failed_runs": 2.0})
    assert second.cpu_percent > 0
    assert (processor_s(os.getpid()) or 0) > 0
    assert processor_s(2**30) is None


def test_child_that_an_operator_had_paused_is_no_longer_restarted_for_its_long_queue() -> None:
    top, observing = boss("mutual_repair")
    top.paused["anna"] = "operator"
    observing.pulse(inc(), wire.Pulse("anna", 1, "", 400, 10.0))
    del top.paused["anna"]
    observing.pulse(inc(), wire.Pulse("anna", 1, "", 400, 10.0))
    assert [seen.queue for seen in top.fed] == [0, 400]


def test_the_host_is_looked_at_only_for_a_policy_that_lives_on_it() -> None:
    top, observing = boss("recycle")
    assert top.timers.next_due is None
    top.policies = (PolicySpec(name="load_shed"),)
    observing.look()
    top.timers.run_due(time.monotonic() + HOST_EVERY_S + 1)
    (seen,) = top.fed
    assert (seen.topic, set(seen.data)) == ("host.measured", {"cpu_percent", "own_percent", "memory_percent"})
    top.policies = ()
    observing.look()
    assert top.timers.next_due is None


def test_waits_of_a_living_child_are_told_and_passed_on_with_who_told_them() -> None:
    top, observing = boss("staggered_restart")
    observing.waits(WAITS)
    assert top.fed == [], "from somebody who is not there any more"
    top.living["anna"] = inc()
    observing.waits(WAITS)
    (seen,) = top.fed
    assert (seen.topic, seen.subject, seen.data["child"]) == ("wait.reported", "anna", "anna")
    assert seen.data["waits"][0] | {"for_s": 0} == {"to": "ben", "verb": "debit", "id": 4, "for_s": 0}
    assert seen.data["owes"] == [{"to": "carl", "id": 2}]
    (passed,) = top.to("root")
    assert (passed.name, passed.via) == ("anna", ("top",))


def test_waits_from_below_belong_to_the_branch_they_come_through() -> None:
    top, observing = boss("staggered_restart")
    top.living["left"] = inc("left", 9)
    observing.waits(wire.Waits("anna", 1, WAITS.waits, (), via=("left", "lower")))
    (seen,), (passed,) = top.fed, top.to("root")
    assert (seen.subject, seen.data["child"], seen.data["above"]) == ("anna", "left", ["left", "lower"])
    assert passed.via == ("top", "left", "lower")


def test_what_an_operator_holds_is_told_to_who_lives_on_it() -> None:
    top, observing = boss("load_shed")
    observing.held("anna", True)
    observing.held("anna", False)
    assert top.fed == [
        m.Observed("child.paused", "anna", {"by": "operator"}),
        m.Observed("child.resumed", "anna", {"by": "operator"}),
    ]


def test_what_is_not_an_observation_is_refused() -> None:
    top, observing = boss("emergency")
    observing.observed({"topic": "health.suspected", "subject": "anna", "data": {"level": 2}})
    assert top.fed == [m.Observed("health.suspected", "anna", {"level": 2})]
    for args in ({}, {"topic": 3}, {"topic": "a.b", "data": [1]}):
        with pytest.raises(Refused, match="observe"):
            observing.observed(args)
