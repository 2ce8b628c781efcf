"""A host of one drill under a virtual clock: it answers as told, and what it was commanded can be looked at."""

from __future__ import annotations

from typing import Any

from chaos.card import Activity, Card, Cure, Expect, Kind, TriggerRule
from chaos.drill import messages as m
from chaos.drill.core import Drill
from playbooks.spec import Tolerance

START = 1_000.0


def probe(name: str = "runs", **more: Any) -> Activity:
    fields = {"arguments": {"kernel": "librarian"}, "tolerance": Tolerance(values=("running",)), **more}
    return Activity(name=name, kind=Kind.PROBE, module="chaos.probes", func="kernel_state", **fields)


def fault(name: str = "kill", func: str = "kill", **more: Any) -> Activity:
    fields = {"arguments": {"kernel": "librarian"}, **more}
    return Activity(name=name, kind=Kind.FAULT, module="chaos.faults.process", func=func, **fields)


def step(name: str = "ensure", func: str = "ensure_running", **more: Any) -> Activity:
    fields = {"arguments": {"kernel": "librarian"}, **more}
    return Activity(name=name, kind=Kind.STEP, module="chaos.steps", func=func, **fields)


def expects(**more: Any) -> Expect:
    trigger = TriggerRule(type="child.exited", subject="librarian")
    return Expect(**{"trigger": trigger, "detect_within_s": 5.0, "heal_within_s": 60.0, **more})


def card(**more: Any) -> Card:
    fields: dict[str, Any] = {
        "id": "KH002",
        "title": "librarian is killed",
        "tags": ("kernel_health",),
        "weight": 2.0,
        "expect": expects(),
        "timeout_s": 180.0,
        "hypothesis": "librarian answers",
        "probes": (probe(),),
        "method": (fault(),),
        "rollbacks": (step(),),
    }
    return Card(**{**fields, **more})


def cured_card(**more: Any) -> Card:
    return card(**{"cure": Cure.UNDO, "expect": expects(playbook="restart", work_orders=1), **more})


class Refusal(str):
    """An answer that says why nothing was done."""


class Host:
    """Performs a drill: whatever is not arranged goes well, at once, and nothing happens by itself but what `events`
    says comes of an injection."""

    def __init__(self, card: Card, *, seq: int = 100) -> None:
        self.drill = Drill(card, "r1", "tester")
        self.now = START
        self.seq = seq
        self.done: list[m.Command] = []
        self.timers: dict[str, float] = {}
        self.answers: dict[str, Any] = {}
        """What the activity of that name answers: a value of a probe, False for a failure, None for silence."""
        self.after_injection: list[tuple[str, str, dict[str, Any]]] = []
        self.undone: m.Undone | bool = True
        self.orders_completed: list[str] = []
        self.pending: list[m.Event] = []

    # ---- looking ------------------------------------------------------------------------------------------

    def commands(self, kind: type[Any]) -> list[Any]:
        return [command for command in self.done if isinstance(command, kind)]

    def names(self) -> list[str]:
        """What was carried out, in order."""
        words = []
        for command in self.done:
            match command:
                case m.RunProbe(_, activity) | m.RunAction(_, activity):
                    words.append(activity.name)
                case m.UndoAll():
                    words.append("undo")
                case m.Judged():
                    words.append("judged")
        return words

    def told(self) -> list[str]:
        return [tell.type for tell in self.commands(m.Tell)]

    @property
    def verdict(self) -> m.Verdict:
        assert self.drill.verdict is not None, f"not judged: {self.drill.as_data()}"
        return self.drill.verdict

    # ---- doing --------------------------------------------------------------------------------------------

    def begin(self) -> Host:
        self.feed(m.Begin(self.seq))
        return self

    def feed(self, event: m.Event) -> None:
        for command in self.drill.handle(event, self.now):
            assert not isinstance(self.done[-1] if self.done else None, m.Judged), "nothing follows the verdict"
            self.done.append(command)
            self.perform(command)

    def perform(self, command: m.Command) -> None:
        match command:
            case m.SetTimer(key, delay_s):
                self.timers[key] = self.now + delay_s
            case m.CancelTimer(key):
                self.timers.pop(key)
            case m.RunProbe(key, activity):
                value = self.answers.get(activity.name, "running")
                if value is not None:
                    self.later(m.ProbeDone(key, value is not False, value, "" if value else "it does not answer"))
            case m.RunAction(key, activity):
                self.act(key, activity)
            case m.UndoAll(key):
                if self.undone is True:
                    self.later(m.Undone(key))
                elif isinstance(self.undone, m.Undone):
                    self.later(m.Undone(key, self.undone.ok, self.undone.problems))
            case m.CompleteOrder(order):
                self.orders_completed.append(order)

    def act(self, key: str, activity: Activity) -> None:
        answer = self.answers.get(activity.name, True)
        if answer is None:
            return
        seq = self.seq
        record = f"rec_{activity.name}" if activity.kind is Kind.FAULT else None
        if isinstance(answer, Refusal):
            self.later(m.ActionDone(key, False, record, seq, answer, refused=True))
            return
        self.later(m.ActionDone(key, bool(answer), record, seq, "" if answer else "refused"))
        if activity.kind is Kind.FAULT and answer:
            for type, subject, data in self.after_injection:
                self.happen(type, subject, **data)

    def later(self, event: m.Event) -> None:
        """Answers come after the commands of the same event."""
        self.pending.append(event)

    def settle(self) -> Host:
        while self.pending:
            self.feed(self.pending.pop(0))
        return self

    def happen(self, type: str, subject: str, /, **data: Any) -> None:
        """An event of the log, seen by the drill."""
        self.seq += 1
        self.pending.append(m.Seen(self.seq, type, subject, data, self.now))

    def restarts(self, kernel: str = "librarian", incident: str = "inc_1") -> None:
        """What the tree tells when a killed kernel comes back."""
        self.happen("child.exited", kernel, gen=1, kind="killed")
        self.happen("incident.opened", incident, kernel=kernel, kind="killed", reason="SIGKILL")
        self.happen("child.started", kernel, gen=2)

    def heals(self, kernel: str = "librarian", incident: str = "inc_1", repair: str = "restart") -> None:
        self.happen("incident.healed", incident, kernel=kernel, repair=repair, auto=True, heal_s=1.0)

    def advance(self, seconds: float) -> Host:
        until = self.now + seconds
        self.settle()
        while True:
            due = sorted((at, key) for key, at in self.timers.items() if at <= until)
            if not due or self.drill.is_over:
                break
            at, key = due[0]
            self.now = max(self.now, at)
            del self.timers[key]
            self.feed(m.TimerFired(key))
            self.settle()
        self.now = max(self.now, until)
        return self

    def to_the_end(self) -> m.Verdict:
        self.advance(10_000.0)
        return self.verdict
