"""One drill: `Drill(card, id, by).handle(event, now) -> list[Command]`.

The hypothesis of the card must hold; then its method is carried out, entry by entry; then the drill watches until
what the card expects was seen to detect and repair the fault, until no incident of the radius is open and the
hypothesis holds again; then it undoes everything, does the rollbacks and judges. It knows no process, no clock and no
file.

Whatever is halted, fails or falls silent, and whenever: it ends, for everything that it waits for has a timer; it gives
exactly one verdict; what may have been injected is undone before that; one activity is under way at a time; and what
the log showed before the injection is never a reason for a gate to open.
"""

from __future__ import annotations

from chaos.card import Card, Cure, Kind
from chaos.drill import messages as m
from chaos.drill.base import Timer
from chaos.drill.ending import Ending
from chaos.drill.gates import Injected, detect_s, heal_s
from chaos.drill.messages import Command, Event, Phase, Seen, Status
from chaos.drill.records import MARKED, Entry, State, When
from playbooks.tolerance import described as in_words
from playbooks.tolerance import within

FOREIGN_S = 2.0
"""An incident of something else that is open for longer is somebody's real trouble: the drill gets out of the way."""
FOREIGN = "foreign "
AGAIN_S = 1.0
"""The rest between two looks at the hypothesis while the system heals."""
CALM_S = 1.0
"""All must stay well for so long: the incident of a failure is told a moment after the failure."""
WATCHING = (Phase.DETECTING, Phase.HEALING, Phase.VERIFYING)


class Drill(Ending):
    """One drill of one card; `id` names this run of it, `by` who wanted it."""

    def __init__(self, card: Card, id: str, by: str) -> None:
        super().__init__(card, id, by)
        self._is_overdue = self._is_cured = self._is_told = False
        self._approved: set[str] = set()
        self._completed: set[str] = set()

    def handle(self, event: Event, now: float) -> list[Command]:
        """What to do about the event; `now` is wall time in seconds."""
        self._out, self._now = [], now
        if self.is_over:
            return self._out
        match event:
            case m.Begin(seq):
                self._begin(seq)
            case m.Seen():
                self._seen(event)
            case m.ProbeDone():
                self._probed(event)
            case m.ActionDone():
                self._acted(event)
            case m.TimerFired(key):
                self._rang(self._timers.pop(key, ""))
            case m.Undone(key) if key == self._undoing and self.phase is Phase.ROLLING_BACK:
                self._undone(event)
            case m.Undone(key) if key == self._undoing:
                self._cured(event)
            case m.Halt(by):
                self._interrupt(Status.INTERRUPTED, f"halted by {by or 'somebody'}")
        return self._out

    def _rang(self, purpose: str) -> None:
        match purpose:
            case Timer.DRILL:
                self._timed_out()
            case Timer.ANSWER if self._awaited is not None:
                self._silent()
            case Timer.ANSWER:
                self._given_up()
            case Timer.PAUSE:
                self._go_on()
            case Timer.DETECT:
                self._to(Phase.HEALING)
            case Timer.HEAL:
                self._overdue()
            case Timer.CALM:
                self._calm()
            case Timer.UNDO if self.phase is Phase.ROLLING_BACK:
                self._not_undone()
            case Timer.UNDO:
                self._cured(m.Undone(self._undoing, ok=False, problems=("undoing was not over in time",)))
            case foreign if self._elsewhere.still(foreign.removeprefix(FOREIGN)):
                self._interrupt(Status.ABORTED, f"{self._elsewhere.first()}, which is no part of the drill, is open")

    # ---- the hypothesis before ----------------------------------------------------------------------------

    def _begin(self, seq: int) -> None:
        if self.phase is not Phase.WAITING:
            return
        self.started_at, self.evidence.last = self._now, seq
        self._tell("drill.started", by=self.by)
        self._set_timer(Timer.DRILL, self.card.timeout_s)
        self.phase = Phase.CHECKING
        self._next_before()

    def _next_before(self) -> None:
        for entry in self.records.before:
            if entry.state is State.WAITING:
                self._ask(entry)
                return
        if trouble := self._elsewhere.first():
            self._end(Status.ABORTED, f"{trouble} opened before anything was injected")
            return
        self.phase = Phase.INJECTING
        self._next_of_method(pause_s=0.0)

    def _probed(self, event: m.ProbeDone) -> None:
        entry = self._answered(event.key)
        if entry is None:
            return
        tolerance = entry.activity.tolerance
        entry.end(self._now, ok=event.ok, message=event.message, seconds=event.seconds, value=event.value)
        entry.met = event.ok and (tolerance is None or within(tolerance, event.value))
        if event.ok and not entry.met and tolerance is not None:
            entry.state = State.FAILED
            entry.message = f"{event.value!r:.80} is not {in_words(tolerance)}"
        self._had_answer(entry)

    def _had_answer(self, entry: Entry) -> None:
        """What follows an activity that is over."""
        match entry.when:
            case When.BEFORE if entry.met:
                self._next_before()
            case When.BEFORE:
                name = entry.activity.name
                self._end(Status.FAILED, f"the hypothesis does not hold, {name}: {entry.message}; nothing was injected")
            case When.METHOD:
                self._method_done(entry)
            case When.AFTER:
                self._verified_one(entry)
            case When.ROLLBACK:
                self._rolled_back(entry)

    # ---- the method --------------------------------------------------------------------------------------

    def _next_of_method(self, pause_s: float) -> None:
        """After the pause that the last entry asks for, and the one that the next one asks for."""
        waiting = [entry for entry in self.records.method if entry.state is State.WAITING]
        pause_s += waiting[0].activity.pause_before_s if waiting else 0.0
        if pause_s > 0:
            self._set_timer(Timer.PAUSE, pause_s)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """The pause is over."""
        if self.phase is Phase.VERIFYING:
            self._look_again()
            return
        waiting = [entry for entry in self.records.method if entry.state is State.WAITING]
        if not waiting:
            self._watch()
            return
        entry = waiting[0]
        self._has_acted = self._has_acted or entry.activity.kind is not Kind.PROBE
        self._has_injected = self._has_injected or entry.activity.kind is Kind.FAULT
        self._ask(entry)

    def _acted(self, event: m.ActionDone) -> None:
        entry = self._answered(event.key)
        if entry is None:
            self._late_answer(event)
            return
        if entry.when is When.METHOD and entry.activity.is_acting:
            self._injected(entry, event)
        entry.end(self._now, ok=event.ok, message=event.message, seconds=event.seconds, value=event.value)
        entry.was_refused = event.refused
        self._had_answer(entry)

    def _injected(self, entry: Entry, event: m.ActionDone) -> None:
        """Its events may have been seen already: they waited for the number from which on they count."""
        if event.ok or (entry.activity.is_forgiven and not event.refused):
            self._injections.append(Injected(entry.began_at, self._now))
        self._tell_injected(entry, event)
        if self.evidence.since is None:
            for seen in self.evidence.count_from(event.seq if event.seq is not None else self._began_seq):
                self._mark(seen)

    def _method_done(self, entry: Entry) -> None:
        activity = entry.activity
        if entry.state is State.FAILED and (entry.was_refused or not activity.is_forgiven):
            self._end(Status.FAILED, f"{activity.name} could not be carried out: {entry.message or 'no word why'}")
            return
        self._next_of_method(activity.pause_after_s)

    def _silent(self) -> None:
        """An activity has not answered in time."""
        assert self._awaited is not None
        key, entry = self._awaited
        message = f"no answer within {entry.activity.timeout_s:g} s"
        if entry.when is When.METHOD and entry.activity.kind is not Kind.PROBE and not entry.activity.is_forgiven:
            entry.message = message
            self._end(Status.FAILED, f"{entry.activity.name}: {message}")
            return
        self._answered(key)
        entry.met = False if entry.activity.kind is Kind.PROBE else None
        if entry.when is When.METHOD and entry.activity.is_acting:
            self._injected(entry, m.ActionDone(key, ok=False))
        entry.end(self._now, ok=False, message=message, seconds=0.0)
        self._had_answer(entry)

    # ---- detection and healing ----------------------------------------------------------------------------

    def _watch(self) -> None:
        """The method is done."""
        if self.evidence.since is None:
            self.evidence.count_from(self.evidence.last)
        injected_at = max((one.ended_at for one in self._injections), default=self._now)
        passed_s = self._now - injected_at
        self._set_timer(Timer.DETECT, self.card.expect.detect_within_s - passed_s)
        self._set_timer(Timer.HEAL, self.card.expect.heal_within_s - passed_s)
        self.phase = Phase.DETECTING
        self._look()

    def _seen(self, event: Seen) -> None:
        if self.phase is Phase.WAITING:
            return
        kernel = event.data.get("kernel")
        is_ours = self._has_acted and isinstance(kernel, str) and self.card.touches(kernel)
        foreign = self._elsewhere.see(event, is_ours=is_ours)
        if foreign is not None and self.phase is not Phase.ROLLING_BACK:
            self._set_timer(FOREIGN + foreign.subject, FOREIGN_S - max(0.0, self._now - foreign.at))
        if self.evidence.see(event):
            self._mark(event)
        self._look()

    def _mark(self, event: Seen) -> None:
        about = event.data.get("kernel") or event.subject
        if event.type in MARKED and self.card.touches(str(about)):
            text = event.data.get("repair") or event.data.get("playbook") or event.data.get("reason") or event.type
            self.records.mark(event.at, MARKED[event.type], str(about), str(text)[:200])
        if event is self.evidence.trigger:
            self.records.mark(event.at, "detected", event.subject, event.type)

    def _look(self) -> None:
        """What follows from all that was seen."""
        if self.card.approves and self.phase is not Phase.ROLLING_BACK:
            for approval in self.evidence.my_approvals():
                if approval not in self._approved:
                    self._approved.add(approval)
                    self._out.append(m.Approve(approval))
        if self.phase not in WATCHING:
            return
        self._detect()
        self._cure()
        if self.phase is Phase.DETECTING and self.evidence.trigger is not None:
            self._cancel_timer(Timer.DETECT)
            self._to(Phase.HEALING)
        elif self.phase is Phase.HEALING and self._is_settled():
            self._to(Phase.VERIFYING)
        elif self.phase is Phase.VERIFYING and not self._is_overdue and not self._is_settled():
            self._to(Phase.HEALING)

    def _detect(self) -> None:
        """Counted only when the method is done, for then it is known which injection was its cause."""
        trigger = self.evidence.trigger
        if trigger is None or self._is_told:
            return
        self._is_told = True
        self.detect_s = detect_s(self._injections, trigger.at)
        self._tell("drill.detected", type=trigger.type, subject=trigger.subject, detect_s=self.detect_s)

    def _is_settled(self) -> bool:
        """Whether everything that the card expects was seen, and nothing of the drill is open."""
        seen = self.evidence
        has_orders = len(seen.my_orders()) >= self.card.expect.work_orders
        return seen.has_repaired() and has_orders and not seen.open() and not self._undoing

    def _to(self, phase: Phase) -> None:
        """Healing, verifying, and back when something fails again."""
        self.phase = phase
        self._cancel_timer(Timer.PAUSE, Timer.CALM)
        if self._awaited is not None:  # a probe of a look that is void now
            self._answered(self._awaited[0])
        if phase is Phase.VERIFYING:
            self._look_again()
        else:
            self.heal_s = None
            self._look()

    def _overdue(self) -> None:
        """The time for healing is over: one last look at the hypothesis, for the record."""
        self._is_overdue = True
        if self.phase is not Phase.VERIFYING:
            self._cancel_timer(Timer.DETECT)
            self._to(Phase.VERIFYING)
        elif self._awaited is None and not self._is_calming():
            self._end(Status.COMPLETED)

    def _timed_out(self) -> None:
        """The whole drill took too long."""
        outcome = Status.COMPLETED if self.phase in WATCHING else Status.FAILED
        self._end(outcome, f"not over within {self.card.timeout_s:g} s")

    # ---- the cure ----------------------------------------------------------------------------------------

    def _cure(self) -> None:
        """Once the work order is there the drill does what an engineer would do."""
        orders = self.evidence.my_orders()
        if self.card.cure is not Cure.UNDO or not orders or self._undoing:
            return
        if not self._is_cured:
            self._undo("the work order is there: what an engineer would mend is undone")
            return
        for order in orders:
            if order.id not in self._completed and not order.is_over:
                self._completed.add(order.id)
                self._out.append(m.CompleteOrder(order.id, f"drill {self.card.id}: the fault is undone"))

    def _cured(self, event: m.Undone) -> None:
        self._undoing = ""
        self._cancel_timer(Timer.UNDO)
        self._note_undone(event)
        if not event.ok:  # it cannot heal; the verdict says why
            self._end(Status.COMPLETED)
            return
        self._is_cured = True
        self._look()

    # ---- verification ------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        for entry in self.records.after:
            entry.state = State.WAITING
        self._next_after()

    def _next_after(self) -> None:
        for entry in self.records.after:
            if entry.state is State.WAITING:
                self._ask(entry)
                return
        if not self.evidence.open():
            self.heal_s = heal_s(self._injections, self._now)
        self._set_timer(Timer.CALM, CALM_S)

    def _verified_one(self, entry: Entry) -> None:
        if entry.met:
            self._next_after()
        elif self._is_overdue:
            self._end(Status.COMPLETED)
        else:
            self._set_timer(Timer.PAUSE, AGAIN_S)

    def _is_calming(self) -> bool:
        return Timer.CALM in self._timers.values()

    def _calm(self) -> None:
        """Nothing went wrong again."""
        if self.heal_s is not None and not self.evidence.open():
            self.records.mark(self._now - CALM_S, "recovered", self.card.id, f"after {self.heal_s:.2f} s")
            self._tell("drill.recovered", heal_s=self.heal_s)
        self._end(Status.COMPLETED)
