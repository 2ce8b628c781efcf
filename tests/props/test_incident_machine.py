"""A case under every order of events: it waits for something, learns once, and asks before what is not automatic."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from playbooks.incidents import Candidate, Case, CaseState, How, Knowledge, Phase, Record
from playbooks.incidents import messages as m
from playbooks.incidents.messages import Clock
from playbooks.incidents.state import record_of
from tests.harness.examples import examples

NAMES = ("one", "two", "three")
CANDIDATES = st.builds(
    Candidate,
    playbook=st.sampled_from(NAMES),
    asks=st.booleans(),
    severity=st.integers(0, 3),
    successes=st.integers(0, 3),
    failures=st.integers(0, 3),
)
KNOWLEDGE = st.builds(
    Knowledge,
    known=st.none() | CANDIDATES,
    is_auto=st.booleans(),
    is_specific=st.booleans(),
    confidence=st.integers(0, 100),
    matched=st.lists(CANDIDATES, max_size=3, unique_by=lambda one: one.playbook).map(tuple),
)


class Incident(RuleBasedStateMachine):
    """The world around one case. What a case asked for and has not got yet is in `awaited`."""

    @initialize(decide=st.booleans(), lived_s=st.none() | st.floats(0, 100))
    def begin(self, decide: bool, lived_s: float | None) -> None:
        record = Record(id="inc_1", kernel="k", specific="s", signature="k_E_s", failed_at=0.0, lived_s=lived_s)
        self.case = Case(record)
        self.now = 0.0
        self.clocks: set[Clock] = set()
        self.awaited: set[str] = set()
        self.learned: list[tuple[str, str]] = []
        self.started: list[tuple[str, How]] = []
        self.knowledge: Knowledge | None = None
        self.runs = 0
        self.ends = 0
        self.feed(m.Opened(decide))

    @property
    def record(self) -> Record:
        return self.case.record

    def feed(self, event: m.Event) -> None:
        self.now += 0.1
        before = self.record.phase
        commands = self.case.handle(event, self.now)
        for command in commands:
            self.perform(command)
        if before is Phase.OVER and self.record.phase is Phase.OVER:
            assert commands == [] or isinstance(event, m.Closed)
        copy = record_of(json.loads(json.dumps(self.record.to_data())))
        assert copy == self.record

    def perform(self, command: m.Command) -> None:
        match command:
            case m.SetClock(clock, delay_s):
                assert 0 < delay_s <= 60
                self.clocks.add(clock)
            case m.StopClock(clock):
                self.clocks.discard(clock)
            case m.LookUp(tried):
                assert set(tried) == set(self.record.tried)
                self.awaited = {"lookup"}
            case m.StartRun(playbook, _, how, approved_by):
                self.awaited = {"run"}
                self.started.append((playbook, how))
                self.allowed(playbook, how, approved_by)
            case m.AskApproval():
                self.awaited = {"approval"}
            case m.MakeOrder():
                self.awaited = {"order"}
            case m.AwaitOrder():
                self.awaited = {"patch"}
            case m.CheckReady() | m.StartKernel():
                self.awaited.add("check")
            case m.Learn(playbook, _, run, _):
                self.learned.append((playbook, run))
            case m.Tell("incident.healed" | "incident.failed" | "incident.quarantined"):
                self.ends += 1

    def allowed(self, playbook: str, how: How, approved_by: str) -> None:
        assert playbook not in self.record.tried
        knowledge = self.knowledge
        assert knowledge is not None
        if how is How.AUTO:
            assert knowledge.is_auto
            assert knowledge.is_specific
        elif knowledge.known is not None and playbook == knowledge.known.playbook:
            assert approved_by or knowledge.known.asks or playbook in [one.playbook for one in knowledge.matched]

    # ---- what happens -----------------------------------------------------------------------------------

    @rule(lived_s=st.none() | st.floats(0, 100))
    def recurs(self, lived_s: float | None) -> None:
        self.feed(m.Recurred(self.now, lived_s))

    @rule()
    def is_no_longer_found(self) -> None:
        self.feed(m.Cleared())
        if self.record.decide and not self.record.is_held:
            assert self.record.phase in (Phase.OVER, Phase.RUN, Phase.VERIFY)

    @rule(state=st.sampled_from(["awaiting_repair", "quarantined", "failed"]))
    def is_held(self, state: str) -> None:
        if self.record.phase is not Phase.OVER:
            self.feed(m.Held(state, "because"))

    @rule()
    def comes_up(self) -> None:
        if self.record.phase is not Phase.OVER:
            self.feed(m.Up())

    @rule(knowledge=KNOWLEDGE)
    def is_looked_up(self, knowledge: Knowledge) -> None:
        if self.record.phase is Phase.LOOKUP:
            self.knowledge = knowledge
        self.feed(m.Looked(knowledge))

    @rule()
    def another_is_repaired(self) -> None:
        self.feed(m.Busy("inc_2"))

    @rule()
    def that_is_over(self) -> None:
        self.feed(m.Released())

    @rule(yes=st.booleans())
    def is_decided(self, yes: bool) -> None:
        self.feed(m.Approved("ana") if yes else m.NotApproved("no"))

    @precondition(lambda self: self.record.phase is Phase.RUN)
    @rule(is_possible=st.booleans())
    def run_begins(self, is_possible: bool) -> None:
        attempt: Any = self.record.attempt
        if not attempt.run:
            self.runs += 1
            self.feed(m.RunBegan(f"run_{self.runs}") if is_possible else m.RunBegan(problem="no inputs"))

    @rule(waits_for=st.sampled_from(["approval", "patch"]))
    def run_pauses(self, waits_for: str) -> None:
        self.feed(m.RunPaused(f"run_{self.runs}", waits_for, "wo_9"))

    @rule()
    def run_goes_on(self) -> None:
        self.feed(m.RunResumed(f"run_{self.runs}"))

    @rule(ok=st.booleans(), is_decision=st.booleans(), is_refused=st.booleans())
    def run_ends(self, ok: bool, is_decision: bool, is_refused: bool) -> None:
        self.feed(m.RunEnded(f"run_{self.runs}", ok, "message", is_decision, is_refused))

    @rule(problem=st.sampled_from(["", "refused"]))
    def is_ordered(self, problem: str) -> None:
        self.feed(m.OrderMade("" if problem else "wo_1", problem))

    @rule(ok=st.booleans())
    def order_is_done(self, ok: bool) -> None:
        if self.record.phase is not Phase.OVER:
            self.feed(m.OrderDone(self.record.work_order, ok, "done"))

    @rule(ok=st.booleans(), state=st.sampled_from(["running", "restarting", "awaiting_repair", "stopped", ""]))
    def is_checked(self, ok: bool, state: str) -> None:
        if "check" in self.awaited:
            self.awaited.discard("check")
            self.feed(m.Checked(ok, "why", state))

    @precondition(lambda self: self.clocks)
    @rule(data=st.data())
    def a_clock_rings(self, data: st.DataObject) -> None:
        clock = data.draw(st.sampled_from(sorted(self.clocks)))
        self.clocks.discard(clock)
        self.feed(m.ClockRang(clock))

    @rule()
    def everything_is_restarted(self) -> None:
        """Clocks, questions and answers under way are lost; the record is not."""
        self.clocks, self.awaited = set(), set()
        self.case = Case(record_of(json.loads(json.dumps(self.record.to_data()))))
        self.started = []
        self.feed(m.Restored())

    @rule()
    def is_closed_by_hand(self) -> None:
        if self.record.phase is not Phase.OVER:
            self.feed(m.Closed("ana"))
            assert self.record.state is CaseState.HEALED

    # ---- what holds -------------------------------------------------------------------------------------

    @invariant()
    def it_waits_for_something_or_for_a_person(self) -> None:
        match self.record.phase:
            case Phase.WATCH:
                assert Clock.WATCH in self.clocks or "check" in self.awaited
            case Phase.VERIFY:
                assert self.clocks & {Clock.SETTLE, Clock.PATIENCE} or "check" in self.awaited
            case Phase.LOOKUP:
                assert "lookup" in self.awaited
            case Phase.RUN:
                attempt = self.record.attempt
                assert "run" in self.awaited or (attempt is not None and attempt.run)
            case Phase.REST:
                assert self.record.state is CaseState.QUARANTINED
                assert self.record.next_step
            case Phase.OVER:
                assert self.record.state in (CaseState.HEALED, CaseState.FAILED)
                assert not self.clocks

    @invariant()
    def what_is_shown_fits_what_it_waits_for(self) -> None:
        record = self.record
        if record.phase is Phase.APPROVAL:
            assert record.state is CaseState.AWAITING_APPROVAL
        if record.state is CaseState.HEALED:
            assert record.phase is Phase.OVER
            assert record.healed_at is not None
            assert record.repair
        if record.state in (CaseState.FAILED, CaseState.QUARANTINED):
            assert record.cause
            assert record.next_step

    @invariant()
    def each_run_is_learned_from_once_and_nothing_is_tried_twice(self) -> None:
        assert len(set(self.learned)) == len(self.learned)
        assert len(set(self.record.tried)) == len(self.record.tried)


TestIncident = Incident.TestCase
TestIncident.settings = settings(max_examples=examples(100), stateful_step_count=40, deadline=None)
