"""The schedule of micro drills under every order of facts: never when it must not, in the end when it may."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors.messages import Observed, Report
from supervisors.policies.hours import parse_hours
from supervisors.policies.micro_chaos import MicroChaos
from supervisors.policy import Unwake, Wake, Woken
from tests.harness.examples import examples

HOUR_S = 3600.0
MONDAY_S = 4 * 86_400.0
"""The first Monday of 1970, at midnight."""
PARAMS = st.fixed_dictionaries(
    {
        "every_s": st.sampled_from([30.0, 300.0]),
        "jitter": st.sampled_from([0.0, 0.5]),
        "min_gap_s": st.sampled_from([0.0, 100.0]),
        "failures": st.integers(1, 3),
        "failures_within_s": st.sampled_from([60.0, 7200.0]),
        "windows": st.sampled_from([(), ("mon-fri 09:00-15:00",), ("sat,sun 22:00-04:00", "wed 00:00-24:00")]),
    }
)


class Schedule(RuleBasedStateMachine):
    """The world around one policy. What it must respect is kept here a second time, in the plainest way."""

    @initialize(params=PARAMS, draw=st.floats(0, 0.99))
    def begin(self, params: dict[str, Any], draw: float) -> None:
        assert MicroChaos.validate(params) == []
        self.params, self.draw, self.now = params, draw, 50.0
        self.policy = MicroChaos(params, SimpleNamespace(spec=SimpleNamespace(name="core")), lambda: draw)
        self.wake: float | None = None
        self.is_leashed, self.running, self.open = True, "", set[str]()
        self.failed: deque[float] = deque()
        self.last_at: float | None = None
        self.wall: tuple[float, float] | None = None
        self.due = 0
        self.said: list[str] = []

    # ---- the wire ----------------------------------------------------------------------------------------

    def tell(self, topic: str, subject: str = "", **data: Any) -> None:
        self.take(self.policy.handle(Observed(topic, subject, data), (), self.now))

    def take(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case Wake(_, delay_s):
                    assert delay_s > 0
                    self.wake = self.now + delay_s
                case Unwake():
                    self.wake = None
                case Report("drill.due"):
                    self.is_due()
                    self.said.clear()
                case Report("drill.withheld", _, data):
                    assert not self.said or self.said[-1] != data["reason"], "a reason is told once"
                    self.said.append(data["reason"])

    def is_due(self) -> None:
        params, now = self.params, self.now
        assert not self.is_leashed
        assert not self.running
        assert not self.open
        assert self.last_at is None or now - self.last_at >= params["min_gap_s"]
        assert len([at for at in self.failed if now - at < params["failures_within_s"]]) < params["failures"]
        assert self.in_window()
        self.last_at = now
        self.due += 1

    def in_window(self) -> bool:
        if not self.params["windows"]:
            return True
        return self.wall is not None and any(parse_hours(text).hold(self.wall_now()) for text in self.params["windows"])

    def wall_now(self) -> float:
        assert self.wall is not None
        return self.wall[0] + self.now - self.wall[1]

    # ---- the world ----------------------------------------------------------------------------------------

    @rule()
    def unleash(self) -> None:
        self.is_leashed = False
        self.tell("chaos.unleashed")

    @rule(by=st.sampled_from(["anna"]))
    def leash(self, by: str) -> None:
        self.is_leashed = True
        self.tell("chaos.leashed", by=by)
        assert self.wake is None

    @rule(hours=st.integers(0, 24 * 7))
    def clock(self, hours: int) -> None:
        self.wall = (MONDAY_S + hours * HOUR_S, self.now)
        self.tell("clock.told", wall_s=self.wall[0])

    @rule()
    def clock_and_all_is_well(self) -> None:
        """What was lost is told once more."""
        self.wall = (MONDAY_S + 10 * HOUR_S, self.now)
        self.open.clear()
        self.running = ""
        self.tell("clock.told", wall_s=self.wall[0], incidents=[], running="")

    @rule()
    def drill_starts(self) -> None:
        self.running, self.last_at = "KH002", self.now
        self.tell("drill.started", "KH002")

    @rule(passed=st.booleans())
    def drill_ends(self, passed: bool) -> None:
        if not passed:
            self.failed.append(self.now)
            self.tell("drill.deviated", "KH002")
        self.running, self.last_at = "", self.now
        self.tell("drill.ended", "KH002")

    @rule(id=st.sampled_from(["inc_1", "inc_2"]))
    def incident(self, id: str) -> None:
        self.open.add(id)
        self.tell("incident.opened", id)

    @rule(id=st.sampled_from(["inc_1", "inc_2"]))
    def incident_ends(self, id: str) -> None:
        self.open.discard(id)
        self.tell("incident.closed", id)

    @rule()
    def incident_fails(self) -> None:
        self.failed.append(self.now)
        self.tell("incident.failed", "inc_3")

    @precondition(lambda self: self.wake is not None)
    @rule()
    def time_passes(self) -> None:
        assert self.wake is not None
        self.now, self.wake = max(self.now, self.wake), None
        self.take(self.policy.handle(Woken("next"), (), self.now))

    @rule(seconds=st.sampled_from([1.0, 50.0, 5000.0]))
    def much_time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while self.wake is not None and self.wake <= until:
            self.time_passes()
        self.now = until

    @invariant()
    def it_plans_ahead_exactly_when_it_is_unleashed(self) -> None:
        if hasattr(self, "policy"):
            assert (self.wake is None) is self.is_leashed

    def teardown(self) -> None:
        """Unleashed and calm, a drill becomes due: at the latest in a week, when its hours have come."""
        if not hasattr(self, "policy"):
            return
        self.unleash()
        self.clock_and_all_is_well()
        self.tell("drill.ended")
        self.last_at = self.now
        due, began = self.due, self.now
        while self.due == due:
            self.time_passes()
            assert self.now - began < 8 * 86_400.0
        if not self.params["windows"]:
            longest = self.params["every_s"] * (1 + self.params["jitter"]) + self.params["min_gap_s"]
            assert self.now - began <= longest + self.params["failures_within_s"] + 15.0


Schedule.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
TestSchedule = Schedule.TestCase
