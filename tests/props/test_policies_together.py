"""Random lives under the policies of Grace's own branch `repair` together: they do not fight over a child."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from supervisors import SupervisorSpec
from supervisors import messages as m
from supervisors.loader import BUILT_IN, load_tree
from supervisors.messages import ExitKind, OpKind
from supervisors.slots import HELD, OPERATOR, SlotState
from tests.harness.examples import examples
from tests.unit.supervisors.driver import Driver

PAIR = ("self_healing", "coding_agent")
SOME = st.sampled_from(PAIR)
(BRANCH,) = (child.start for child in load_tree(BUILT_IN).root.children if child.id == "repair")
assert isinstance(BRANCH, SupervisorSpec)
CHILDREN = tuple(replace(child, heartbeat=None) for child in BRANCH.children)
"""Without pings: hangs are told, and minutes pass quickly."""
HANDS_BACK = (OpKind.RESTART_CHILD, OpKind.RECYCLE, OpKind.RESET, OpKind.HOLD)
"""What an operator asks for to have a stopped child run again, at once or when it is repaired."""
HAND_OPS = [OpKind.TERMINATE_CHILD, *HANDS_BACK]
ROUNDS = 22
"""Measurements in a row; the tree file's criteria want twenty."""


class Repairers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.d = Driver(CHILDREN, intensity=BRANCH.intensity, period_s=BRANCH.period_s, policies=BRANCH.policies)
        self.seen = len(self.d.commands)
        self.stopped: set[str] = set()
        self.handed_back: dict[int, str] = {}
        """By the number of the call, which may have to wait."""

    @property
    def is_over(self) -> bool:
        return self.d.exit is not None

    # ---- the world ----------------------------------------------------------------------------------

    @rule(id=SOME, kind=st.sampled_from([ExitKind.CRASH, ExitKind.KILLED, ExitKind.HUNG]))
    def dies(self, id: str, kind: ExitKind) -> None:
        if id in self.d.alive:
            self.d.do(self.d.end(id, kind, "boom"))

    @rule(id=SOME, times=st.integers(0, 6))
    def starts_will_fail(self, id: str, times: int) -> None:
        self.d.fails[id] = times

    @rule(ids=st.sets(SOME))
    def stops_slowly_or_at_once(self, ids: set[str]) -> None:
        self.d.stubborn = set(ids)

    @rule(ids=st.sets(SOME), figure=st.sampled_from(["queue", "cpu_percent", "memory_mb", "failed_runs"]))
    def is_ill(self, ids: set[str], figure: str) -> None:
        for _ in range(ROUNDS):
            for id in PAIR:
                self.measured(id, figure, 900.0 if id in ids else 1.0)

    def measured(self, id: str, figure: str, value: float) -> None:
        if self.is_over or id not in self.d.alive:
            return
        figures = {"gauges": {figure: value}} if figure == "failed_runs" else {figure: value}
        self.d.do(m.ChildMeasured(id, self.d.alive[id], **{"memory_mb": 10.0, **figures}))

    @rule(id=SOME)
    def is_suspected(self, id: str) -> None:
        for _ in range(ROUNDS):
            if not self.is_over:
                self.d.do(m.Observed("health.suspected", id, {"level": 20.0}))

    @rule()
    def they_wait_for_each_other(self) -> None:
        for who, other in (PAIR, PAIR[::-1]):
            waits = {"waits": [{"to": other, "verb": "v", "id": 1, "for_s": 3.0}], "owes": [{"to": other, "id": 1}]}
            if not self.is_over:
                self.d.do(m.Observed("wait.reported", who, {"child": who, **waits}))

    @rule(id=SOME, kind=st.sampled_from(HAND_OPS))
    def operates(self, id: str, kind: OpKind) -> None:
        if self.is_over:
            return
        number = self.d.post(kind, id)
        if kind in HANDS_BACK:
            self.handed_back[number] = id

    @rule(seconds=st.sampled_from([0.5, 3.0, 12.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        if not self.is_over:
            self.d.advance(seconds)

    # ---- what always holds --------------------------------------------------------------------------

    @invariant()
    def nobody_but_an_operator_starts_what_an_operator_stopped(self) -> None:
        commands, self.seen = self.d.commands[self.seen :], len(self.d.commands)
        started = {command.child for command in commands if isinstance(command, m.StartChild)}
        assert not started & (self.stopped - set(self.handed_back.values()))
        self.stopped = {view.id for view in self.d.core.view() if view.stopped_by == OPERATOR}
        self.handed_back = {number: id for number, id in self.handed_back.items() if number not in self.d.replies}

    def teardown(self) -> None:
        """Left alone and able to start, each runs, or is held for a person, or was stopped by hand."""
        if self.is_over:
            return
        self.d.fails, self.d.stubborn = {}, set()
        for _ in range(60):
            self.d.advance(10.0)
        assert self.d.exit is None
        for view in self.d.core.view():
            is_meant = view.stopped_by == OPERATOR or view.state in HELD
            assert view.state is SlotState.RUNNING or is_meant, (view.id, view.state, view.stopped_by)
        commands = len(self.d.commands)
        self.d.advance(100.0)
        late = [c for c in self.d.commands[commands:] if isinstance(c, m.StartChild | m.StopChild)]
        assert late == [], "and it comes to rest"


TestRepairers = Repairers.TestCase
TestRepairers.settings = settings(
    max_examples=examples(30), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
