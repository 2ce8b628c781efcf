"""The repair of one incident: which is taken, how it goes, and whether it is verified.

What is known of the signature comes first, then the playbooks that match, then a patch. Invariant: a repair has worked
only when the kernel passed its self-test and the signature stayed away for a while, whatever a run says of itself.
"""

from __future__ import annotations

from playbooks.incidents import messages as m
from playbooks.incidents.choice import PATCH, Candidate, Knowledge, choose
from playbooks.incidents.messages import Clock, Event
from playbooks.incidents.state import PATIENT, Attempt, CaseState, How, Phase
from playbooks.incidents.story import Story

PATIENCE_S = 30.0
MOST_SETTLE_S = 5.0
"""The signature must stay away for twice as long as the incarnation that failed had lived, but no longer than this."""
BY_ITSELF = (How.RESTART, How.BY_HAND)
ITSELF = "by itself"
"""Stands for the repair of what was over before one had worked: nothing that was done healed it."""
OVER_BY_ITSELF = "what it was for is over by itself"


class Repair(Story):
    """A case that repairs."""

    # ---- choosing a repair ------------------------------------------------------------------------------

    def _look(self) -> None:
        self._stop_clocks()
        if self.record.is_cleared and not self.record.is_held:
            self._healed_by_itself()
            return
        self.record.phase, self.record.attempt, self.record.next_step = Phase.LOOKUP, None, ""
        if self.record.state is not CaseState.REPAIRING:
            self.record.state = CaseState.OPEN
        self._out.append(m.LookUp(tuple(self.record.tried)))

    def _looked(self, knowledge: Knowledge) -> None:
        record = self.record
        chosen = choose(knowledge, record.tried)
        is_known = chosen is not None and chosen is knowledge.known
        is_auto = is_known and knowledge.is_auto and knowledge.is_specific
        if record.first_action_at is None:
            record.was_known = is_auto
        record.first_action_at = record.first_action_at or self._now
        self._decide(knowledge, chosen, is_auto)
        if chosen is None:
            self._order()
            return
        how = How.AUTO if is_auto else How.APPROVED if is_known else How.MATCHED
        record.attempt = Attempt(playbook=chosen.playbook, how=how, params=dict(chosen.params))
        record.inputs = dict(chosen.inputs)
        if how is How.APPROVED and not chosen.asks:
            record.phase, record.state = Phase.APPROVAL, CaseState.AWAITING_APPROVAL
            record.next_step = "approval list, then: approval approve ID"
            self._note(f"asks whether {chosen.playbook}, which worked before, may run")
            self._out.append(m.AskApproval(chosen.playbook))
        else:
            record.attempt.by = "the knowledge base" if is_auto else ""
            self._run(record.attempt)

    def _decide(self, knowledge: Knowledge, chosen: Candidate | None, is_auto: bool) -> None:
        record, known = self.record, knowledge.known
        evidence = [f"{record.kind} of {record.kernel}: {record.reason}", f"signature {record.signature}"]
        if known is not None:
            where = "this very failure" if knowledge.is_specific else "failures like it"
            evidence.append(f"{known.playbook} worked for {where}, confidence {knowledge.confidence / 100:.2f}")
        else:
            evidence.append("no repair is known to have worked for it")
        evidence += [f"{name} was tried for it and did not heal it" for name in record.tried]
        taken = chosen.playbook if chosen is not None else ""
        others = [f"{one.playbook}: {one.record}" for one in knowledge.matched if one.playbook != taken]
        if chosen is None:
            choice, confidence = "order a patch: no playbook is left", None
        else:
            word = "at once" if is_auto else "after approval" if chosen is known else "its trigger matches"
            choice = f"run {chosen.playbook}, {word}"
            confidence = knowledge.confidence / 100 if chosen is known else None
        self._out.append(m.Decide(tuple(evidence), (*others, "leave it to a person"), choice, confidence))

    def _approved(self, by: str) -> None:
        attempt = self.record.attempt
        assert attempt is not None
        attempt.by = by or "somebody"
        self._note(f"{attempt.by} approved {attempt.playbook}")
        self._run(attempt)

    # ---- the repair -------------------------------------------------------------------------------------

    def _run(self, attempt: Attempt) -> None:
        record = self.record
        record.phase, record.state, record.next_step = Phase.RUN, CaseState.REPAIRING, ""
        self._note(f"runs {attempt.playbook} ({attempt.how.value})")
        self._out.append(m.StartRun(attempt.playbook, record.inputs, attempt.how, attempt.by))
        told = {"kernel": record.kernel, "signature": record.signature}
        self._tell("self_healing.triggered", **told, playbook=attempt.playbook, how=attempt.how.value)

    def _heard_of_run(self, event: Event) -> None:
        record, attempt = self.record, self.record.attempt
        assert attempt is not None
        match event:
            case m.RunBegan(run, problem):
                attempt.run = run
                if problem:
                    self._repair_failed(problem, counts=False)
            case m.RunPaused(run, waits_for, ref) if run == attempt.run:
                self._paused(waits_for, ref)
            case m.RunResumed(run) if run == attempt.run:
                if record.state is CaseState.AWAITING_PATCH:
                    self._note(f"goes on: {record.work_order} is answered")
                record.state, record.next_step = CaseState.REPAIRING, ""
            case m.RunEnded(run, ok, message, is_decision, is_refused) if run == attempt.run:
                if ok:
                    self._verify(attempt, check=True)
                elif is_decision and record.is_cleared and not record.is_held:
                    self._drop(message)
                    self._look()
                elif is_decision:
                    self._stop(message)
                else:
                    self._repair_failed(message, counts=not is_refused)

    def _paused(self, waits_for: str, ref: str) -> None:
        record = self.record
        if waits_for == "patch":
            is_new = (record.state, record.work_order) != (CaseState.AWAITING_PATCH, ref)
            record.state, record.work_order, record.is_ordered = CaseState.AWAITING_PATCH, ref, False
            record.next_step = f"work-order show {ref}"
            if is_new:  # after a restart it is told again that it waits
                self._note(f"waits for the patch {ref}")
                self._tell("self_healing.escalated", kernel=record.kernel, work_order=ref)
        else:
            record.state = CaseState.AWAITING_APPROVAL
            record.next_step = "approval list, then: approval approve ID"
            self._note("waits for approval")
        self._ask_nobody()

    def _ask_nobody(self) -> None:
        """A run that waits for people is stopped when what it is for is over."""
        record, attempt = self.record, self.record.attempt
        is_over = record.is_cleared and not record.is_held
        if is_over and record.state in PATIENT and attempt is not None and attempt.run:
            self._out.append(m.CancelRun(attempt.run, OVER_BY_ITSELF))

    def _repair_failed(self, why: str, *, counts: bool = True) -> None:
        record, attempt = self.record, self.record.attempt
        assert attempt is not None
        self._stop_clocks()
        self._note(f"{attempt.playbook} did not heal it: {why}")
        if counts:
            self._learn(attempt, False, why)
            self._out += [m.Judge(False), m.Resolve(False, why)]
        else:
            self._drop(why)
        record.tried.append(attempt.run if attempt.how is How.PATCH else attempt.playbook)
        record.attempt, record.cause = None, why
        if attempt.how is How.PATCH:
            self._stop(f"the patch {record.work_order} did not heal it: {why}")
        else:
            self._look()

    # ---- patches ----------------------------------------------------------------------------------------

    def _order(self) -> None:
        """Nothing is left to run. What was tried in vain is put into quarantine meanwhile."""
        record = self.record
        record.attempt = None
        if not record.tried:
            record.state, record.cause = CaseState.AWAITING_PATCH, record.cause or "no repair is known"
        else:
            in_vain = f"{', '.join(record.tried)} did not heal it: "
            record.cause = f"{in_vain}{record.cause.removeprefix(in_vain)}"
            record.state = CaseState.QUARANTINED if record.is_held else CaseState.FAILED
            if record.is_held:
                self._out.append(m.Quarantine(record.cause))
        if record.is_ordered:
            self._await_order()
        else:
            record.phase, record.next_step = Phase.ORDER, f"incident show {record.id}"
            self._make_order()

    def _make_order(self) -> None:
        record = self.record
        self._out.append(m.MakeOrder(f"{record.kernel}: {record.kind}: {record.reason}", record.orders))

    def _await_order(self) -> None:
        record = self.record
        record.phase, record.next_step = Phase.PATCH, f"work-order show {record.work_order}"
        self._out.append(m.AwaitOrder(record.work_order))

    def _ordered(self, order: str, problem: str) -> None:
        """Also when somebody started the kernel meanwhile: should it fail again, the order is there."""
        record = self.record
        if problem and self._is(Phase.ORDER):
            self._stop(f"no patch could be ordered: {problem}")
        if problem or record.is_ordered:
            return
        record.work_order, record.is_ordered, record.orders = order, True, record.orders + 1
        self._note(f"ordered a patch: {order}")
        if record.state in (CaseState.FAILED, CaseState.QUARANTINED):
            told = {"kernel": record.kernel, "cause": record.cause, "next_step": f"work-order show {order}"}
            self._tell(f"incident.{record.state.value}", **told)
        self._tell("self_healing.escalated", kernel=record.kernel, work_order=order)
        if self._is(Phase.ORDER):
            self._await_order()

    def _forget_order(self) -> None:
        """The next order has the same number: what was withdrawn is put back into the queue then, and what somebody
        has begun meanwhile is awaited again."""
        if self.record.is_ordered:
            self.record.is_ordered, self.record.orders = False, self.record.orders - 1

    def _order_done(self, done: m.OrderDone) -> None:
        """While something else is being verified it can wait: it is awaited again when that was in vain."""
        record, order = self.record, done.order
        if not self._is(Phase.PATCH, Phase.REST) or not record.is_ordered:
            return
        if done.is_withdrawn:  # late, when it is needed again
            self._forget_order()
            self._order()
            return
        record.is_ordered = False
        if not done.ok:
            self._stop(f"the work order {order} failed: {done.message}")
            return
        self._note(f"{order} is completed")
        self._tell("self_healing.patch_applied", kernel=record.kernel, work_order=order)
        if record.tried and not record.is_held:  # what failed for lack of the patch is done now
            record.tried = []
            self._look()
            return
        self._verify(Attempt(playbook=PATCH, how=How.PATCH, params={"work_order": order}, run=order), check=True)

    # ---- verification -----------------------------------------------------------------------------------

    def _verify(self, attempt: Attempt, *, check: bool) -> None:
        record = self.record
        record.phase, record.attempt = Phase.VERIFY, attempt
        record.is_settled, record.is_ready = False, not check
        record.state = CaseState.OPEN if attempt.how in BY_ITSELF else CaseState.REPAIRING
        record.next_step = ""
        self._stop_clocks()
        self._out.append(m.SetClock(Clock.SETTLE, self._settle(attempt)))
        if not record.is_ready:
            test = m.StartKernel() if record.is_held else m.CheckReady()
            self._out += [test, m.SetClock(Clock.PATIENCE, PATIENCE_S)]

    def _settle(self, attempt: Attempt) -> float:
        if attempt.how in BY_ITSELF or self.record.lived_s is None:
            return self._settle_s
        return min(max(self._settle_s, 2 * self.record.lived_s), max(self._settle_s, MOST_SETTLE_S))

    def _healed_by_itself(self) -> None:
        """What was found is over before a repair has worked: nothing that was done healed it."""
        record = self.record
        if record.work_order or self._is(Phase.ORDER):
            self._out.append(m.WithdrawOrders(OVER_BY_ITSELF))
            self._forget_order()
        record.phase, record.state, record.healed_at = Phase.OVER, CaseState.HEALED, self._now
        record.attempt, record.repair, record.is_auto = None, ITSELF, False
        record.cause = record.next_step = ""
        heal_s = max(0.0, self._now - record.failed_at)
        self._note(f"over by itself after {heal_s:.2f} s: the trigger does not find it any more")
        told = {"kernel": record.kernel, "repair": record.repair, "auto": False, "heal_s": round(heal_s, 3)}
        self._tell("incident.healed", **told)
        self._out.append(m.Resolve(True, f"over by itself after {heal_s:.2f} s"))
        self._tell("self_healing.completed", **told, state=record.state.value)

    def _not_verified(self, why: str) -> None:
        attempt = self.record.attempt
        if attempt is not None and attempt.how in BY_ITSELF:
            self._watch()
        else:
            self.record.is_cleared = False  # what fails its self-test is not well, whatever a trigger finds
            self._repair_failed(why)

    def _healed_if_verified(self) -> None:
        record, attempt = self.record, self.record.attempt
        if not (record.is_ready and record.is_settled):
            return
        assert attempt is not None
        self._stop_clocks()
        record.phase, record.state, record.healed_at = Phase.OVER, CaseState.HEALED, self._now
        record.repair, record.is_auto = attempt.playbook, attempt.how in (How.RESTART, How.AUTO)
        record.cause = record.next_step = ""
        heal_s = max(0.0, self._now - record.failed_at)
        self._note(f"healed by {attempt.playbook} after {heal_s:.2f} s")
        told = {"kernel": record.kernel, "repair": record.repair, "auto": record.is_auto, "heal_s": round(heal_s, 3)}
        self._tell("incident.healed", **told)
        if attempt.how not in BY_ITSELF:
            self._learn(attempt, True, "")
            self._out += [m.Judge(True), m.Resolve(True, f"healed and verified after {heal_s:.2f} s")]
            self._tell("self_healing.completed", **told, state=record.state.value)
