"""What follows an exit: restart, retry, delay, hold, give up. OTP's `supervisor:restart_child/3` and more.

It decides; launching and stopping are sequences. It must not loop: a failed restart goes behind what already waits.
Invariant: a restart is counted exactly once, at the crash or at the retry, before anything is started for it.

Departures from OTP live here: delays (`Backoff`), budgets of single children, `carry_on`, which starts the later
siblings of a group member that leaves the retry (terminated, held), where OTP leaves them undefined for ever, and
`set_aside`, with which a supervisor starts without a child that OTP would give up its start for. What the policies rule
comes before anything is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from supervisors.backoff import delay_s, reset_after_s
from supervisors.engine import Ask, Engine, QueuedExit, Retry
from supervisors.messages import Exit, ExitKind
from supervisors.policy import Ruling, Verdict
from supervisors.policy_host import PolicyHost
from supervisors.sequence import ParallelStartRun, StartRun, StopAllAtOnce, StopRun
from supervisors.slots import HELD, OPERATOR, Slot, SlotState, next_step
from supervisors.spec import AutoShutdown, Backoff, OnExhausted, Restart, Startup, Strategy

_VERDICTS = {
    Verdict.HOLD: SlotState.AWAITING_REPAIR,
    Verdict.QUARANTINE: SlotState.QUARANTINED,
    Verdict.FAIL: SlotState.FAILED,
}
_FOR_A_WHILE = (SlotState.STOPPED, SlotState.AWAITING_REPAIR)
SPENT, HOPELESS = "restart budget spent", "declared a permanent failure"
_EXHAUSTED = {OnExhausted.REPAIR: SlotState.AWAITING_REPAIR, OnExhausted.QUARANTINE: SlotState.QUARANTINED}


class Restarts:
    """The restart side of one supervisor."""

    def __init__(self, engine: Engine, policies: PolicyHost) -> None:
        self._engine = engine
        self._policies = policies

    # ---- an incarnation ended by itself ----------------------------------------------------------

    def queued_exit(self, item: QueuedExit) -> None:
        """Handle an exit that had to wait, unless it was absorbed by a stop meanwhile."""
        slot = item.slot
        if slot.gen == item.gen and slot.dead is not None:
            self.exited(slot, slot.dead)

    def exited(self, slot: Slot, exit: Exit) -> None:
        """A running child is gone by its own doing."""
        self._engine.bury(slot, exit)
        self._forgive(slot)
        restart = slot.spec.restart
        is_wanted = restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and not exit.is_clean)
        is_error = restart is Restart.PERMANENT or not exit.is_clean
        self._report_exit(slot, exit, "child_terminated" if is_error else "child_finished")
        if not is_wanted:
            self._leave(slot)
            self._check_auto_shutdown(slot)
        elif is_permanent_failure(slot, exit):
            self._hold(slot, SlotState.FAILED, exit, HOPELESS)
            self._check_auto_shutdown(slot)
        elif not self._judged(slot, exit):
            self._restart(slot, exit)

    def _forgive(self, slot: Slot) -> None:
        """A stable run sets the row of restarts back; a mere successful start does not."""
        backoff = slot.spec.backoff
        if backoff is not None and slot.ready_at is not None:
            if self._engine.now - slot.ready_at >= reset_after_s(backoff):
                slot.attempt = 0
            slot.ready_at = None

    def _report_exit(self, slot: Slot, exit: Exit, context: str) -> None:
        self._engine.report(
            "child.exited",
            slot.id,
            gen=slot.gen,
            kind=exit.kind.value,
            reason=exit.reason,
            detail=exit.detail,
            context=context,
            offender=slot.id,
        )

    def _leave(self, slot: Slot) -> None:
        if slot.spec.restart is Restart.TEMPORARY or self._engine.is_dynamic:
            self._engine.remove(slot)
        else:
            self._engine.down(slot)

    def _check_auto_shutdown(self, slot: Slot) -> None:
        engine = self._engine
        rule = engine.spec.auto_shutdown
        if rule is AutoShutdown.NEVER or not slot.spec.significant:
            return
        if rule is AutoShutdown.ALL_SIGNIFICANT and engine.slots.has_significant_up:
            return
        engine.report("supervisor.auto_shutdown", engine.spec.name, cause=slot.id, rule=rule.value)
        last = slot.last_exit
        why = f": {last.reason} {last.detail}".rstrip() if last is not None else ""
        self.end(Exit(ExitKind.SHUTDOWN, "auto_shutdown", f"significant child {slot.id} is gone{why}"))

    def _judged(self, slot: Slot, exit: Exit) -> bool:
        """Whether the policies hold it."""
        return self._held_by(self._policies.judge(slot, exit), slot, exit)

    def _held_by(self, ruling: Ruling | None, slot: Slot, exit: Exit) -> bool:
        if ruling is None or ruling.verdict is Verdict.RESTART:
            return False
        self._hold(slot, _VERDICTS[ruling.verdict], exit, ruling.cause)
        return True

    # ---- restart, count, give up -------------------------------------------------------------------

    def _restart(self, slot: Slot, exit: Exit) -> None:
        if not self._counted(slot, exit):
            return
        if slot.spec.backoff is None:
            self.attempt(slot)
        elif self._engine.is_group and not slot.spec.apart:
            self._stop_group(slot, partial(self._delay, slot, slot.spec.backoff))
        else:
            self._delay(slot, slot.spec.backoff)

    def _counted(self, slot: Slot, exit: Exit) -> bool:
        """Count one restart; False when that was one too many and its consequence has been drawn."""
        engine = self._engine
        window = engine.window if slot.window is None else slot.window
        if window.add(engine.now):
            return True
        if slot.window is not None and slot.spec.on_exhausted is not OnExhausted.ESCALATE:
            self._hold(slot, _EXHAUSTED[slot.spec.on_exhausted], exit, SPENT)
            return False
        engine.report(
            "supervisor.gave_up",
            engine.spec.name,
            cause=slot.id,
            restarts=window.stamps,
            intensity=window.intensity,
            period_s=window.period_s,
            context="shutdown",
            reason="reached_max_restart_intensity",
            last_exit=exit.reason,
            offender=slot.id,
        )
        self._leave(slot)
        self.end(Exit(ExitKind.SHUTDOWN, "reached_max_restart_intensity", f"{slot.id}: {exit.reason}"))
        return False

    def _hold(self, slot: Slot, state: SlotState, exit: Exit, cause: str) -> None:
        """Keep the slot down and visible; its siblings go on."""
        self.keep_down(slot, state, exit, cause)
        self.carry_on(slot)

    def keep_down(self, slot: Slot, state: SlotState, exit: Exit, cause: str, *, by: str = "") -> None:
        """Nothing automatic starts the slot from now on; people are told why and what they can do. Whoever repairs may
        start it, whoever asked for that."""
        engine = self._engine
        is_handed_over = state is SlotState.AWAITING_REPAIR and by == OPERATOR
        engine.down(slot, state, by="" if is_handed_over else by)
        slot.held_for = cause
        engine.report(
            f"child.{state.value}",
            slot.id,
            gen=slot.gen,
            kind=exit.kind.value,
            reason=exit.reason,
            cause=cause,
            next_step=next_step(slot.id, state),
            **({"by": by} if by else {}),
            **self._policies.remarks(slot, exit),
        )

    def _delay(self, slot: Slot, backoff: Backoff) -> None:
        engine = self._engine
        wait_s = delay_s(backoff, slot.attempt, engine.rng() if backoff.jitter else 0.0)
        slot.attempt += 1
        engine.cancel_retry(slot)
        slot.next_retry_at = engine.now + wait_s
        engine.slots.move(slot, SlotState.RESTARTING)
        slot.retry_timer = engine.timers.set(wait_s, partial(self._delay_over, slot, slot.retry))
        engine.report("child.restart_delayed", slot.id, gen=slot.gen, delay_s=wait_s, attempt=slot.attempt)

    def _delay_over(self, slot: Slot, number: int) -> None:
        slot.retry_timer = None
        self._engine.queue.append(Retry(slot, number, counted=True))

    # ---- attempts ----------------------------------------------------------------------------------

    def retry(self, item: Retry) -> None:
        """Try again, unless the slot was terminated, started or deleted since."""
        slot = item.slot
        if slot.state is not SlotState.RESTARTING or slot.retry != item.number:
            return
        if item.counted or self._counted(slot, slot.last_exit or Exit(ExitKind.START_FAILED)):
            self.attempt(slot)

    def attempt(self, slot: Slot, ask: Ask | None = None) -> None:
        """Start the slot as the strategy says. `ask` is answered when it is up or has failed again."""
        engine = self._engine
        engine.asking = ask
        if not engine.is_group or slot.missing or slot.spec.apart:
            StartRun(engine, (slot,), "restart", partial(self._attempted, slot, ask)).begin()
            return
        self._stop_group(slot, partial(self._start_group, slot, ask))

    def _group(self, slot: Slot) -> list[Slot]:
        if self._engine.spec.strategy is Strategy.ONE_FOR_ALL:
            return list(self._engine.slots)
        return self._engine.slots.since(slot)

    def _stop_group(self, slot: Slot, then: partial[None]) -> None:
        engine = self._engine
        engine.cancel_retry(slot)
        engine.slots.move(slot, SlotState.RESTARTING)
        others = [other for other in reversed(self._group(slot)) if other is not slot and not _is_apart(other)]
        StopRun(engine, others, self._settle_bystander, then).begin()

    def _settle_bystander(self, slot: Slot) -> None:
        engine = self._engine
        if slot.spec.restart is Restart.TEMPORARY:
            engine.remove(slot)
        elif slot.state is SlotState.STOPPING or slot.state in (SlotState.RUNNING, SlotState.RESTARTING):
            engine.down(slot)
            slot.stranded = True

    def _start_group(self, slot: Slot, ask: Ask | None) -> None:
        members = [member for member in self._group(slot) if member.state not in HELD and not _is_apart(member)]
        self.start_run(members, "restart", partial(self._group_attempted, slot, ask)).begin()

    def start_run(self, slots: Iterable[Slot], cause: str, done: partial[None]) -> StartRun:
        """One after another, or as dependencies allow where the spec says `parallel`."""
        kind = ParallelStartRun if self._engine.spec.startup is Startup.PARALLEL else StartRun
        return kind(self._engine, slots, cause, done, self.set_aside)

    def set_aside(self, slot: Slot, exit: Exit, cause: str) -> bool:
        """Whether a start goes on without this slot that failed: it has not been up yet, and is one that is held when
        its restarts run out, or that a policy answers for. What follows is that of a failed restart, but alone: no
        sibling was stopped for it."""
        engine = self._engine
        is_temporary = slot.spec.restart is Restart.TEMPORARY
        if not slot.missing and (cause != "start" or is_temporary or engine.strict_otp):
            return False
        if is_temporary:  # it had waited for what it depends on, and is never started again
            engine.remove(slot)
            return True
        if slot.missing or slot.spec.on_exhausted is not OnExhausted.ESCALATE:
            slot.missing = True
            self._again(slot, exit)
            return True
        ruling = None if is_permanent_failure(slot, exit) else self._policies.judge(slot, exit)
        if ruling is None:
            return False
        slot.missing = True
        if not self._held_by(ruling, slot, exit):
            self.try_again(slot, exit)
        return True

    def release(self) -> None:
        """Start those that waited for a slot which is up at last; the others go on waiting."""
        engine = self._engine
        waiting = engine.slots.waiting()
        if waiting and engine.ending is None:
            self.start_run(waiting, "start", partial(self._released)).begin()

    def _released(self, run: StartRun) -> None:
        for ignored in run.skipped:
            self._leave(ignored)

    def _group_attempted(self, slot: Slot, ask: Ask | None, run: StartRun) -> None:
        engine = self._engine
        if not run.failed:
            names = [member.id for member in engine.slots if member.id in run.infos]
            engine.report("group.restarted", engine.spec.name, children=names, cause=slot.id)
        self._attempted(slot, ask, run)

    def _attempted(self, slot: Slot, ask: Ask | None, run: StartRun) -> None:
        engine = self._engine
        engine.asking = None
        for ignored in run.skipped:
            self._leave(ignored)
        if ask is not None:
            self._answer(slot, ask, run)
        if run.failed:
            self.failed(run)

    def _answer(self, slot: Slot, ask: Ask, run: StartRun) -> None:
        if slot.id in run.infos:
            ask.answer("ok", run.infos[slot.id], slot.id)
        elif slot in run.skipped:
            ask.answer("ignored", None, slot.id)
        else:
            ask.answer("start_failed", slot.last_exit, slot.id)

    def failed(self, run: StartRun) -> None:
        """Some of an automatic start failed: the first of them in start order is tried again, with it the others, but
        for those that the policies hold."""
        engine = self._engine
        run.failed.sort(key=lambda pair: pair[0].order)
        (first, exit), *others = run.failed
        for other, its_exit in others:
            ruling = self._policies.judge(other, its_exit)
            if ruling is None or ruling.verdict is Verdict.RESTART:
                engine.down(other)
                other.stranded = True
            else:
                self.keep_down(other, _VERDICTS[ruling.verdict], its_exit, ruling.cause)
        self._again(first, exit)

    def _again(self, slot: Slot, exit: Exit) -> None:
        if is_permanent_failure(slot, exit):
            self._hold(slot, SlotState.FAILED, exit, HOPELESS)
        elif not self._judged(slot, exit):
            self.try_again(slot, exit)

    def try_again(self, slot: Slot, exit: Exit) -> None:
        """Behind what already waits (OTP), or after a longer delay than before."""
        engine = self._engine
        backoff = slot.spec.backoff
        if backoff is not None:
            if self._counted(slot, exit):
                self._delay(slot, backoff)
            return
        engine.cancel_retry(slot)
        engine.slots.move(slot, SlotState.RESTARTING)
        engine.queue.append(Retry(slot, slot.retry, counted=False))

    def carry_on(self, slot: Slot) -> None:
        """A group member left the retry for good: start the later siblings that were waiting for it."""
        engine = self._engine
        if engine.strict_otp or engine.ending is not None or not engine.is_group or slot.missing or slot.spec.apart:
            return  # nobody waits in line behind one that has not been up yet, or that stands apart
        stranded = [other for other in engine.slots if other.stranded and other.state is SlotState.STOPPED]
        if stranded and not self._is_covered(stranded[0]):
            self.start_run(stranded, "restart", partial(self._group_attempted, slot, None)).begin()

    def _is_covered(self, slot: Slot) -> bool:
        """Whether the pending retry of another member will start this slot anyway."""
        everyone = self._engine.spec.strategy is Strategy.ONE_FOR_ALL
        return any(
            other.state is SlotState.RESTARTING
            and not (other.missing or other.spec.apart)
            and (everyone or other.order < slot.order)
            for other in self._engine.slots
        )

    def take_back(self) -> None:
        """Start those whom a policy had stopped, for a while, that a reload has removed."""
        engine = self._engine
        left = [slot for slot in engine.slots if slot.state in _FOR_A_WHILE and self._is_nobodys(slot.stopped_by)]
        for slot in left:
            slot.keeps = True
        if left and engine.is_group:  # the others of the group were not stopped for them
            self.start_run(left, "restart", partial(self._attempted, left[0], None)).begin()
            return
        for slot in left:
            engine.slots.move(slot, SlotState.RESTARTING)
            engine.queue.append(Retry(slot, slot.retry, counted=True))

    def _is_nobodys(self, by: str) -> bool:
        return by not in ("", OPERATOR) and not self._policies.has(by)

    # ---- the end -----------------------------------------------------------------------------------

    def end(self, exit: Exit) -> None:
        """Stop every child, then be gone with this reason. The first reason wins; waiting callers are told."""
        engine = self._engine
        if engine.ending is not None:
            return
        engine.ending = exit
        for ask in list(engine.unanswered()):
            ask.answer("noproc")
        engine.queue.clear()
        kind = StopAllAtOnce if engine.is_dynamic else StopRun
        kind(engine, reversed(list(engine.slots)), self._engine.down, partial(engine.gone, exit)).begin()


def _is_apart(slot: Slot) -> bool:
    """Whether groups are stopped and started without it: its spec says so, or a retry of its own will start it."""
    return slot.spec.apart or (slot.missing and slot.state is SlotState.RESTARTING)


def is_permanent_failure(slot: Slot, exit: Exit) -> bool:
    """Whether the spec declares this reason hopeless."""
    declared = slot.spec.permanent_failure
    return bool(declared) and not exit.is_clean and matches(exit.reason, declared)


def matches(reason: str, declared: tuple[str, ...]) -> bool:
    """`ValueError` matches `ValueError` and `ValueError: bad port`, not `ValueErrorish`."""
    return reason in declared or reason.partition(":")[0] in declared
