"""One incident: `Case(record).handle(event, now) -> list[Command]`.

A failure of the tree is watched first, because restarting heals what was transient. What is held down, and what nobody
restarts, is repaired: what is known of its signature, else the playbooks that match, else a patch. A repair has worked
only when the kernel passes its self-test and the signature has stayed away for a while, whatever a run says of itself.

Rules a host keeps: save `record` before performing the commands of an event; after a restart the first event is
`Restored`. Invariant: a case that is not over waits for something that comes, or for a person; each repair is learned
from once; a kernel is started or held through its supervisor only.
"""

from __future__ import annotations

from playbooks.incidents import messages as m
from playbooks.incidents.messages import Clock, Command, Event
from playbooks.incidents.repair import BY_ITSELF, ITSELF, PATIENCE_S, Repair
from playbooks.incidents.state import Attempt, CaseState, How, Phase
from playbooks.incidents.story import WATCH_S

LOOKS = 5
HELD_STATES = ("awaiting_repair", "quarantined", "failed")
ON_ITS_WAY = ("starting", "restarting", "running", "stopping", "waiting", "")
"""An empty state is not known: status is silent."""
WAITING = (Phase.REST, Phase.PATCH, Phase.APPROVAL)
CHOOSING = (Phase.LOOKUP, Phase.QUEUED, Phase.ORDER)


class Case(Repair):
    """One incident."""

    def handle(self, event: Event, now: float) -> list[Command]:
        """What to do about the event."""
        self._out, self._now = [], now
        match event:
            case m.Opened(decide):
                self._opened(decide)
            case m.Recurred(at, lived_s):
                self._recurred(at, lived_s)
            case m.Cleared() if self.record.decide and not self._is(Phase.OVER):
                self._cleared()
            case m.Held(state, cause):
                self._held(state, cause)
            case m.Up():
                self._up()
            case m.Busy(other) if self._is(Phase.LOOKUP):
                self.record.phase, self.record.next_step = Phase.QUEUED, f"incident show {other}"
                self._note(f"waits until {other} is repaired")
            case m.Released() if self._is(Phase.QUEUED):
                self._out.append(m.CheckReady())
            case m.Looked(knowledge) if self._is(Phase.LOOKUP):
                self._looked(knowledge)
            case m.Approved(by) if self._is(Phase.APPROVAL):
                self._approved(by)
            case m.NotApproved(why) if self._is(Phase.APPROVAL):
                self._stop(why)
            case m.RunBegan() | m.RunPaused() | m.RunResumed() | m.RunEnded() if self._is(Phase.RUN):
                self._heard_of_run(event)
            case m.OrderMade(order, problem) if not self._is(Phase.OVER):
                self._ordered(order, problem)
            case m.OrderDone(order) if order == self.record.work_order:
                self._order_done(event)
            case m.Checked():
                self._checked(event)
            case m.ClockRang(clock):
                self._rang(clock)
            case m.Closed(by, note):
                self._closed(by, note)
            case m.Restored():
                self._restored()
        return self._out

    # ---- the supervisor's part --------------------------------------------------------------------------

    def _opened(self, decide: bool) -> None:
        self.record.decide = decide
        if decide:
            self._look()
        else:
            self._watch()

    def _recurred(self, at: float, lived_s: float | None) -> None:
        record, attempt = self.record, self.record.attempt
        record.lived_s, record.is_cleared = lived_s, False
        if self._is(Phase.VERIFY) and attempt is not None and attempt.how not in BY_ITSELF:
            self._repair_failed("the same failure came again")
        elif self._is(Phase.VERIFY, Phase.OVER):
            if self._is(Phase.OVER):
                self._opened_again(at)
            self._stop_clocks()
            if record.decide:
                self._look()
            else:
                self._watch()

    def _opened_again(self, at: float) -> None:
        record = self.record
        if record.repair == ITSELF and record.healed_at is not None:
            self._note(f"opened again: it is found again {max(0.0, at - record.healed_at):.1f} s after it was over")
        record.failed_at, record.healed_at, record.repair, record.is_auto = at, None, "", False
        record.first_action_at = None

    def _cleared(self) -> None:
        """There is nothing left to repair, nor anything to ask people for. A repair under way is brought to its end,
        but for one that waits for people. Of a kernel that is held nothing is found either: it has to come up first."""
        record = self.record
        record.is_cleared = True
        if record.is_held:
            return
        if self._is(*WAITING, *CHOOSING):
            self._look()
        elif self._is(Phase.RUN):
            self._ask_nobody()

    def _held(self, state: str, cause: str) -> None:
        record, attempt = self.record, self.record.attempt
        is_new, record.is_held = not record.is_held, True
        record.cause = cause or record.cause
        if is_new:
            self._note(f"held down ({state}){f': {cause}' if cause else ''}")
        if self._is(Phase.VERIFY) and attempt is not None and attempt.how not in BY_ITSELF:
            if is_new:  # else it is held as it was before the repair, and is being started
                self._repair_failed(cause or f"it is {state} again")
        elif self._is(Phase.WATCH, Phase.VERIFY):
            self._look()

    def _up(self) -> None:
        """What a start says nothing about, a trigger of a kernel that ran all the time, goes on."""
        record = self.record
        was_held, record.is_held = record.is_held, False
        if self._is(Phase.WATCH):
            self._verify(Attempt(playbook="restart", how=How.RESTART), check=False)
        elif self._is(*WAITING, *CHOOSING) and (was_held or (self._is(*WAITING) and not record.decide)):
            self._verify(Attempt(playbook="start", how=How.BY_HAND), check=False)

    # ---- answers and times -----------------------------------------------------------------------------

    def _checked(self, event: m.Checked) -> None:
        record = self.record
        match record.phase:
            case Phase.VERIFY | Phase.WATCH | Phase.QUEUED if event.state == m.GONE and not record.decide:
                record.is_held = False
                self._stop(f"{record.kernel} is no part of the tree any more")
            case Phase.VERIFY if event.ok:
                record.is_ready = True
                self._healed_if_verified()
            case Phase.VERIFY:
                self._not_verified(event.why)
            case Phase.WATCH | Phase.QUEUED if event.ok:
                record.is_held = False
                self._verify(Attempt(playbook="restart", how=How.RESTART), check=False)
            case Phase.WATCH if event.state in HELD_STATES:
                self._held(event.state, event.why)
            case Phase.WATCH if event.state in ON_ITS_WAY and record.looks < LOOKS:
                record.looks += 1
                self._out.append(m.SetClock(Clock.WATCH, WATCH_S))
            case Phase.WATCH:
                self._stop(f"it is {event.state or 'not shown by status'} and nothing starts it again")
            case Phase.QUEUED:
                record.is_held = event.state in HELD_STATES if event.state else record.is_held
                self._look()

    def _rang(self, clock: Clock) -> None:
        if clock is Clock.WATCH and self._is(Phase.WATCH):
            self._out.append(m.CheckReady())
        elif clock is Clock.SETTLE and self._is(Phase.VERIFY):
            self.record.is_settled = True
            self._healed_if_verified()
        elif clock is Clock.PATIENCE and self._is(Phase.VERIFY) and not self.record.is_ready:
            self._not_verified(f"its self-test was not passed within {PATIENCE_S:g} s")

    # ---- the end and the beginning -----------------------------------------------------------------------

    def _closed(self, by: str, note: str) -> None:
        record = self.record
        self._drop(f"closed by {by}")
        self._stop_clocks()
        record.state, record.phase, record.healed_at = CaseState.HEALED, Phase.OVER, self._now
        record.repair, record.is_auto, record.next_step = "by hand", False, ""
        self._note(f"closed by {by}{f': {note}' if note else ''}")

    def _restored(self) -> None:
        record = self.record
        match record.phase:
            case Phase.WATCH:
                self._out += [m.CheckReady(), m.SetClock(Clock.WATCH, WATCH_S)]
            case Phase.LOOKUP | Phase.QUEUED:
                self._look()
            case Phase.APPROVAL if record.attempt is not None:
                self._out.append(m.AskApproval(record.attempt.playbook))
            case Phase.RUN if record.attempt is not None and record.attempt.run:
                self._out.append(m.LookAtRun(record.attempt.run))
            case Phase.RUN if record.attempt is not None:
                attempt = record.attempt
                self._out.append(m.StartRun(attempt.playbook, record.inputs, attempt.how, attempt.by))
            case Phase.ORDER:
                self._make_order()
            case Phase.PATCH | Phase.REST if record.is_ordered:
                self._out.append(m.AwaitOrder(record.work_order))
            case Phase.VERIFY if record.attempt is not None:
                self._verify(record.attempt, check=True)
