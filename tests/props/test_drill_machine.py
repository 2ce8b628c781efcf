"""Random lives of a drill: whatever answers, fails, falls silent, is halted or breaks elsewhere, its promises hold.

The machine is the host: it answers commands late, twice or never, lets events of the log come before, during and
after the injection, and lets time pass. It knows what it has really injected, so it can tell what would be left
behind.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chaos.card import Activity, Card, Cure, Expect, Kind, TriggerRule
from chaos.drill import messages as m
from chaos.drill.core import Drill
from chaos.drill.journal import journal
from chaos.drill.messages import Phase, Status
from playbooks.spec import Tolerance
from tests.harness.examples import examples

KERNELS = ("librarian", "message_bus")
SECONDS = st.sampled_from([0.0, 0.5, 2.0])


@st.composite
def activities(draw: Any, prefix: str, kind: Kind, least: int = 0) -> tuple[Activity, ...]:
    names = {Kind.FAULT: ["kill"], Kind.STEP: ["ensure_running", "ask", "act"], Kind.PROBE: ["kernel_state"]}[kind]
    return tuple(
        Activity(
            name=f"{prefix}{number}",
            kind=kind,
            module={Kind.FAULT: "chaos.faults.process", Kind.STEP: "chaos.steps", Kind.PROBE: "chaos.probes"}[kind],
            func=draw(st.sampled_from(names)),
            arguments={"kernel": "librarian"},
            tolerance=Tolerance(values=("running",)) if kind is Kind.PROBE else None,
            timeout_s=draw(st.sampled_from([3.0, 30.0])),
            pause_before_s=draw(SECONDS),
            pause_after_s=draw(SECONDS),
        )
        for number in range(draw(st.integers(least, 2)))
    )


@st.composite
def cards(draw: Any) -> Card:
    method = (
        *draw(activities("s", Kind.STEP)),
        *draw(activities("f", Kind.FAULT, 1)),
        *draw(activities("t", Kind.STEP)),
    )
    return Card(
        id="T1",
        title="t",
        expect=Expect(
            trigger=TriggerRule(type="child.exited", subject="librarian"),
            playbook=draw(st.sampled_from(["restart", "restart", "restart", "none", "mend"])),
            work_orders=draw(st.sampled_from([0, 0, 1])),
            detect_within_s=draw(st.sampled_from([1.0, 20.0])),
            heal_within_s=draw(st.sampled_from([5.0, 40.0])),
        ),
        approves=draw(st.booleans()),
        cure=draw(st.sampled_from(Cure)),
        timeout_s=draw(st.sampled_from([10.0, 90.0, 90.0])),
        probes=draw(activities("p", Kind.PROBE, 1)),
        method=tuple(draw(st.permutations(method))),
        rollbacks=draw(activities("r", Kind.STEP)),
        experiment={"title": "t"},
    )


EVENTS = st.sampled_from(
    [
        ("child.exited", "librarian", {}),
        ("child.started", "librarian", {}),
        ("incident.opened", "inc_1", {"kernel": "librarian"}),
        ("incident.healed", "inc_1", {"kernel": "librarian", "repair": "restart"}),
        ("incident.healed", "inc_1", {"kernel": "librarian", "repair": "mend"}),
        ("incident.failed", "inc_1", {"kernel": "librarian"}),
        ("run.requested", "run_1", {"playbook": "mend", "incident": "inc_1"}),
        ("run.ended", "run_1", {"playbook": "mend", "status": "succeeded"}),
        ("coding_agent.work_order_created", "wo_1", {"run": "run_1", "incident": None}),
        ("coding_agent.work_order_updated", "wo_1", {"ok": True}),
        ("approval.requested", "apr_1", {"subject": "inc_1"}),
        ("incident.opened", "inc_2", {"kernel": "message_bus"}),
        ("incident.healed", "inc_2", {"kernel": "message_bus", "repair": "restart"}),
    ]
)


RECOVERY = [
    ("child.exited", "librarian", {}),
    ("incident.opened", "inc_1", {"kernel": "librarian"}),
    ("child.started", "librarian", {}),
    ("incident.healed", "inc_1", {"kernel": "librarian", "repair": "restart"}),
]


class DrillLife(RuleBasedStateMachine):
    """The host of one drill."""

    @initialize(card=cards())
    def begin(self, card: Card) -> None:
        self.card, self.drill = card, Drill(card, "r1", "t")
        self.now, self.seq = 1_000.0, 11
        self.timers: dict[str, float] = {}
        self.used: set[str] = set()
        self.open: dict[str, m.RunProbe | m.RunAction] = {}
        self.undos: list[str] = []
        self.live: set[str] = set()
        """Faults that are injected and that no undoing has ended."""
        self.injected_seq: int | None = None
        self.acted: list[str] = []
        self.verdicts: list[m.Verdict] = []
        self.halted = self.outside = False
        self.abandoned: set[str] = set()
        self.send(m.Begin(self.seq))

    # ---- the wire ----------------------------------------------------------------------------------------

    def send(self, happening: m.Event) -> None:
        was_over = bool(self.verdicts)
        commands = self.drill.handle(happening, self.now)
        assert not (was_over and commands), "a judged drill says nothing more"
        for command in commands:
            assert not self.verdicts, "nothing follows the verdict"
            self.take(command)

    def take(self, command: m.Command) -> None:
        match command:
            case m.SetTimer(key, delay_s):
                self.fresh(key)
                assert delay_s >= 0
                self.timers[key] = self.now + delay_s
            case m.CancelTimer(key):
                self.timers.pop(key)
            case m.RunProbe(key, activity) | m.RunAction(key, activity):
                self.fresh(key)
                self.commanded(key, activity, command)
            case m.UndoAll(key):
                self.fresh(key)
                assert self.acted, "what was not begun needs no undoing"
                self.undos.append(key)
                self.live.clear()  # all that was injected so far
            case m.CompleteOrder():
                assert self.undos, "an order is completed only when the fault is undone"
            case m.Judged(verdict):
                self.judged(verdict)

    def fresh(self, key: str) -> None:
        assert key not in self.used, "a key is used once"
        self.used.add(key)

    def commanded(self, key: str, activity: Activity, command: m.RunProbe | m.RunAction) -> None:
        """One activity at a time; the method in its order."""
        if isinstance(command, m.RunAction):
            under_way = {key for key, one in self.open.items() if isinstance(one, m.RunAction)} - self.abandoned
            assert not under_way, "one action at a time"
            in_method = [each.name for each in self.card.method]
            if activity.name in in_method:
                assert self.drill.phase is Phase.INJECTING
                self.acted.append(activity.name)
                assert self.acted == in_method[: len(self.acted)], "the method is carried out in its order, once"
            else:
                assert self.drill.phase is Phase.ROLLING_BACK
        if isinstance(command, m.RunAction) and command.counts:
            assert self.injected_seq is None, "events count from one number on"
            self.injected_seq = self.seq  # should nobody say better
        self.open[key] = command

    def judged(self, verdict: m.Verdict) -> None:
        self.verdicts.append(verdict)
        began = any(name.startswith("f") for name in self.acted)
        assert bool(self.undos) or not began, "whatever may be injected is undone before the verdict"
        assert not self.live, "nothing stays injected"
        assert (verdict.passed is None) is (verdict.status is not Status.COMPLETED)
        assert verdict.passed is not True or (all(verdict.gates.values()) and not verdict.problems)
        if self.halted:
            assert verdict.status is not Status.COMPLETED
        journal(self.drill)

    # ---- the world ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.open)
    @rule()
    def answer_well(self) -> None:
        self.reply(next(iter(self.open)), True, "running", 0)

    @precondition(lambda self: self.open)
    @rule()
    def answer_well_again(self) -> None:
        """Rules are drawn alike: most answers are to be good ones, or no drill gets far."""
        self.answer_well()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), ok=st.booleans(), value=st.sampled_from(["running", "stopped"]), lag=st.integers(-3, 3))
    def answer(self, data: st.DataObject, ok: bool, value: str, lag: int) -> None:
        self.reply(data.draw(st.sampled_from(sorted(self.open))), ok or lag < 2, value, lag)

    def reply(self, key: str, ok: bool, value: str, lag: int) -> None:
        command = self.open.pop(key)
        if isinstance(command, m.RunProbe):
            self.send(m.ProbeDone(key, ok, value))
            return
        if command.activity.kind is Kind.FAULT and not self.verdicts:
            self.live.add(key)  # a fault that failed may have been injected by half
        seq = max(0, self.seq - lag)
        if command.counts and key not in self.abandoned:
            self.injected_seq = seq
        self.abandoned.discard(key)
        self.send(m.ActionDone(key, ok, "rec", seq))

    @precondition(lambda self: self.undos)
    @rule(ok=st.sampled_from([True, True, False]), newest=st.sampled_from([True, True, False]))
    def undone(self, ok: bool, newest: bool) -> None:
        self.send(m.Undone(self.undos[-1 if newest else 0], ok, () if ok else ("stuck",)))

    @rule(what=EVENTS, ago=st.sampled_from([0.0, 1.0]))
    def happen(self, what: tuple[str, str, dict[str, Any]], ago: float) -> None:
        self.seq += 1
        self.send(m.Seen(self.seq, *what, self.now - ago))

    @rule(heals=st.booleans())
    def recover(self, heals: bool) -> None:
        """What the tree tells when a killed kernel comes back."""
        for number in (0, 1, 2, *((3,) if heals else ())):
            self.happen(RECOVERY[number], 0.0)

    @precondition(lambda self: self.timers and not self.open)
    @rule()
    def wait(self) -> None:
        self.next_timer()

    @precondition(lambda self: self.timers and self.seq % 10 == 0)
    @rule()
    def fall_silent(self) -> None:
        self.next_timer()

    def next_timer(self) -> None:
        """Time passes until the next timer rings. What it was the time of has not answered."""
        key, at = min(self.timers.items(), key=lambda timer: timer[1])
        self.now = max(self.now, at)
        del self.timers[key]
        if key.startswith(("answer/", "drill/")):
            self.abandoned |= set(self.open)
        self.send(m.TimerFired(key))

    @rule()
    def stale(self) -> None:
        self.send(m.TimerFired("answer/0"))
        self.send(m.ProbeDone("before/p0/0", True, "running"))
        self.send(m.ActionDone("method/f0/0", True, "rec", 0))
        self.send(m.Undone("undo/0"))

    @precondition(lambda self: self.seq % 9 == 0)
    @rule(by=st.sampled_from(["", "anna"]))
    def halt(self, by: str) -> None:
        if self.verdicts:
            return
        self.halted = True
        self.abandoned |= set(self.open)
        undos = len(self.undos)
        was_rolling_back = self.drill.phase is Phase.ROLLING_BACK
        self.send(m.Halt(by))
        if any(name.startswith("f") for name in self.acted) and not was_rolling_back:
            assert len(self.undos) > undos, "a halt undoes at once"

    @invariant()
    def whatever_it_waits_for_has_a_timer(self) -> None:
        if hasattr(self, "drill"):
            assert bool(self.timers) is not bool(self.verdicts)

    @invariant()
    def no_gate_is_opened_by_what_was_before(self) -> None:
        if not hasattr(self, "drill") or self.drill.evidence.trigger is None:
            return
        assert self.injected_seq is not None
        assert self.drill.evidence.trigger.seq > self.injected_seq

    def teardown(self) -> None:
        """With nobody answering any more it ends, after as many timers as there are phases and entries."""
        if not hasattr(self, "drill"):
            return
        for _ in range(400):
            if not self.timers:
                break
            self.next_timer()
        assert len(self.verdicts) == 1


DrillLife.TestCase.settings = settings(max_examples=examples(300), stateful_step_count=50, deadline=None)
TestDrillLife = DrillLife.TestCase
