"""The end of a drill: whatever happened, everything is undone, the rollbacks of the card are done, then it is judged.

An injection that is under way when the end comes is waited for a short while and undone again: a fault whose answer
came after the undoing would else stay. Invariant: once anything may have been injected, an undoing that was begun
after the last injection was answered, or given up, comes before the verdict.
"""

from __future__ import annotations

from chaos.card import Card, Kind
from chaos.drill import messages as m
from chaos.drill.base import DrillBase, Timer
from chaos.drill.messages import Phase, Status, Verdict
from chaos.drill.records import Entry, State, When

LATE_S = 10.0
"""How long an action that was under way is waited for before everything is undone once more."""
ENDS = {Status.ABORTED: "drill.aborted", Status.FAILED: "drill.failed", Status.INTERRUPTED: "drill.interrupted"}


class Ending(DrillBase):
    """A drill that ends in order."""

    def __init__(self, card: Card, id: str, by: str) -> None:
        super().__init__(card, id, by)
        self._outcome = Status.COMPLETED
        self._late: tuple[str, Entry] | None = None
        self._lost: dict[str, Entry] = {}
        """Faults whose answer is not waited for any more. Should it come all the same, they are undone."""
        self._is_undone = False

    def _end(self, outcome: Status, reason: str = "") -> None:
        """Go to the end; what is under way is not waited for, but for an action, and that not long."""
        self._outcome, self.reason = outcome, reason
        self._cancel_timer()
        if self._awaited is not None:
            self._leave(*self._awaited)
        for entry in (*self.records.before, *self.records.method, *self.records.after):
            if entry.state is State.WAITING:
                entry.state = State.SKIPPED
        self.phase = Phase.ROLLING_BACK
        if not self._has_acted:
            for entry in self.records.rollbacks:
                entry.state = State.SKIPPED
            self._judge()
            return
        if self._late is not None:
            self._set_timer(Timer.ANSWER, LATE_S)
        self._undo_at_end()

    def _leave(self, key: str, entry: Entry) -> None:
        self._awaited = None
        if entry.activity.kind is Kind.PROBE:
            entry.end(self._now, ok=False, message="left: the drill ended", seconds=0.0)
            entry.state = State.SKIPPED
        else:
            self._late = (key, entry)

    def _interrupt(self, outcome: Status, reason: str) -> None:
        """Also of a drill that is at its end already."""
        if self.phase is not Phase.ROLLING_BACK:
            self._end(outcome, reason)
            return
        if self._outcome is Status.COMPLETED:
            self._outcome, self.reason = outcome, reason

    # ---- undoing -----------------------------------------------------------------------------------------

    def _undo_at_end(self) -> None:
        self._is_undone = False
        if self._has_injected:
            self._undo("the drill ends")
        else:
            self._undoing, self._is_undone = "", True
            self._roll_back()

    def _undone(self, event: m.Undone) -> None:
        """At the end; whatever could not be undone is told and tried again at the next boot."""
        self._undoing = ""
        self._cancel_timer(Timer.UNDO)
        self._note_undone(event)
        self._is_undone = True
        self._roll_back()

    def _note_undone(self, event: m.Undone) -> None:
        fresh = [problem for problem in event.problems if problem not in self.problems]
        if not event.ok and not event.problems:
            fresh = ["something could not be undone"]
        self.problems += fresh
        for problem in fresh:
            self.records.mark(self._now, "undo_failed", self.card.id, problem)
        if event.ok:
            self.records.mark(self._now, "undone", self.card.id, "everything that was injected")

    def _not_undone(self) -> None:
        self._undone(m.Undone(self._undoing, ok=False, problems=("undoing was not over in time",)))

    def _late_answer(self, event: m.ActionDone) -> None:
        """What was under way when the end came has answered."""
        entry = self._lost.pop(event.key, None)
        if self._late is not None and self._late[0] == event.key:
            entry = self._late[1]
        if entry is None:
            return
        entry.end(self._now, ok=event.ok, message=event.message, seconds=event.seconds, value=event.value)
        self._tell_injected(entry, event)
        self._no_longer_late(entry)

    def _tell_injected(self, entry: Entry, event: m.ActionDone) -> None:
        activity = entry.activity
        if event.ok and entry.when is When.METHOD and activity.is_acting:
            self.records.mark(entry.began_at, "injected", activity.target, f"{activity.deed} {activity.target}".strip())
        if event.ok and activity.kind is Kind.FAULT:
            self._tell("drill.injected", record=event.record, fault=activity.func, target=activity.target)

    def _given_up(self) -> None:
        if self._late is None:
            return
        key, entry = self._late
        message = "no answer; whether it was done is unknown"
        entry.end(self._now, ok=False, message=message, seconds=0.0)
        if entry.activity.kind is Kind.FAULT:
            self._lost[key] = entry
            self.problems.append(f"{entry.activity.name}: {message}")
        self._no_longer_late(entry)

    def _no_longer_late(self, entry: Entry) -> None:
        if self._late is not None:
            self._late = None
            self._cancel_timer(Timer.ANSWER)
        if entry.activity.kind is Kind.FAULT:
            self._undo_at_end()
        elif self._is_undone:
            self._roll_back()

    # ---- rollbacks ---------------------------------------------------------------------------------------

    def _roll_back(self) -> None:
        """The next rollback, or the verdict."""
        if self._late is not None or not self._is_undone or self._awaited is not None:
            return
        for entry in self.records.rollbacks:
            if entry.state is State.WAITING:
                self._ask(entry)
                return
        self._judge()

    def _rolled_back(self, entry: Entry) -> None:
        if entry.state is State.FAILED:
            self.problems.append(f"the rollback {entry.activity.name} failed: {entry.message or 'no word why'}")
        self._roll_back()

    # ---- the verdict -------------------------------------------------------------------------------------

    def _judge(self) -> None:
        self._cancel_timer()
        self.phase, self.status, self.ended_at = Phase.JUDGED, self._outcome, self._now
        judged = self._judged(is_final=self._outcome is Status.COMPLETED)
        said = {name: why for name, (_, why) in judged.items()}
        gates: dict[str, bool | None] = {name: gate for name, (gate, _) in judged.items()}
        passed: bool | None = None
        if self._outcome is Status.COMPLETED:
            missed = [f"{name}: {said[name]}" for name, gate in gates.items() if not gate]
            passed = not missed and not self.problems
            why = [self.reason] if self.reason and missed else []
            self.reason = "; ".join([*why, *missed, *self.problems])
        else:
            gates = dict.fromkeys(gates)
        self.verdict = Verdict(
            status=self._outcome,
            passed=passed,
            gates=gates,
            said=said,
            detect_s=self.detect_s,
            heal_s=self.heal_s,
            reason=self.reason,
            problems=tuple(self.problems),
        )
        self._tell_verdict(self.verdict)
        self._out.append(m.Judged(self.verdict))

    def _tell_verdict(self, verdict: Verdict) -> None:
        type = ENDS.get(verdict.status) or ("drill.passed" if verdict.passed else "drill.deviated")
        self.records.mark(self._now, type.removeprefix("drill."), self.card.id, verdict.reason)
        self._tell(
            type,
            status=verdict.status.value,
            gates=dict(verdict.gates),
            detect_s=verdict.detect_s,
            heal_s=verdict.heal_s,
            reason=verdict.reason,
            problems=list(verdict.problems),
        )
