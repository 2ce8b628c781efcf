"""The supervision core: `Supervisor(spec).handle(event, now) -> list[Command]`.

Here events meet slots: each notice is matched to child and generation, and either belongs to the sequence in progress,
is handled at once, or waits in the queue. It knows no clock, no process, no randomness of its own.
Invariant: `handle` never waits, never raises for what the world does, and returns `Gone` as the last command ever.

Departures from OTP, all tested beside OTP's statements: windows below a second; StopRequested pre-empts a start;
`start_timeout_s`; delays (`Backoff`) inside the core; `restart_child` during a delay starts now; a group member that
leaves its retry does not strand later siblings; a child whose first start fails and that is held when its restarts
run out does not end the start. With `strict_otp` the last two are switched off, and without the fields that only Grace
has, the traces equal those of OTP's supervisor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from supervisors import heartbeats
from supervisors.calls import Calls
from supervisors.engine import Ask, Engine, QueuedExit, Release, Retry
from supervisors.messages import (
    Call,
    ChildExited,
    ChildIgnored,
    ChildMeasured,
    ChildReady,
    Command,
    Deliver,
    Event,
    Exit,
    ExitKind,
    HeartbeatSeen,
    Observed,
    Reply,
    Start,
    Started,
    StopRequested,
    TimerFired,
)
from supervisors.policies import POLICIES
from supervisors.policy import Policy
from supervisors.policy_host import PolicyHost
from supervisors.restarts import Restarts, matches
from supervisors.sequence import StartRun
from supervisors.slots import OPERATOR, ChildView, Slot, SlotState
from supervisors.spec import Restart, SupervisorSpec
from supervisors.validate import validate


def _no_jitter() -> float:
    return 0.0


def _by_words(child: str, exit: Exit) -> str:
    return f"{exit.kind.value} {exit.reason}"


class Supervisor:
    """One supervisor. `rng` draws from [0, 1) for the jitter of delays (the default draws 0: no jitter);
    `policies` are the policies that `spec.policies` may name; `signature` gives failures of a child that are the same
    one the same text (the default goes by kind and reason). An invalid spec is answered with `Gone` at `Start`."""

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        rng: Callable[[], float] = _no_jitter,
        policies: Mapping[str, type[Policy]] = POLICIES,
        strict_otp: bool = False,
        signature: Callable[[str, Exit], str] = _by_words,
    ) -> None:
        self.signature = signature
        self._engine = engine = Engine(spec, rng, strict_otp=strict_otp)
        self._policies = PolicyHost(engine, self, policies)
        self._restarts = Restarts(engine, self._policies)
        self._calls = Calls(engine, self._restarts, self._policies)
        self._has_started = False
        self._handlers: dict[type, Callable[[Any], None]] = {
            Start: self._start,
            ChildReady: self._ready,
            ChildIgnored: self._ignored,
            ChildExited: self._exited,
            HeartbeatSeen: self._heartbeat_seen,
            ChildMeasured: self._for_policies,
            Observed: self._for_policies,
            TimerFired: self._timer_fired,
            Call: self._call,
            StopRequested: self._stop_requested,
        }

    def handle(self, event: Event, now: float) -> list[Command]:
        """What to do about the event; `now` is monotonic seconds and never goes back."""
        engine = self._engine
        engine.now = now
        out: list[Command] = []
        engine.out = out
        if engine.is_gone:
            return [Reply(event.id, "noproc")] if isinstance(event, Call) else []
        self._handlers[type(event)](event)
        if engine.queue:
            self._drain()
        if not self._policies.is_empty:
            self._policies.consult(event, self._drain)
        return out

    def _drain(self) -> None:
        """Handle what waited, until a sequence begins again."""
        engine = self._engine
        while engine.queue and engine.run is None and not engine.is_gone:
            item = engine.queue.popleft()
            match item:
                case QueuedExit():
                    self._restarts.queued_exit(item)
                case Retry():
                    self._restarts.retry(item)
                case Ask():
                    self._calls.perform(item)
                case Release():
                    self._restarts.release()

    # ---- what the outside may look at ----------------------------------------------------------------

    @property
    def spec(self) -> SupervisorSpec:
        """The spec in force (a reload replaces it)."""
        return self._engine.spec

    @property
    def is_gone(self) -> bool:
        """Whether `Gone` was returned: nothing has an effect any more."""
        return self._engine.is_gone

    @property
    def is_alive(self) -> bool:
        """Whether it was started and is not gone."""
        return self._has_started and not self._engine.is_gone

    @property
    def is_ending(self) -> bool:
        """Whether it ends or has ended: nothing is started any more."""
        return self._engine.ending is not None or self._engine.is_gone

    @property
    def is_busy(self) -> bool:
        """Whether a start or stop sequence is in progress, so that calls and exits wait."""
        return self._engine.run is not None

    @property
    def changed(self) -> set[str]:
        """Ids of children whose view may differ since `take_changed`; those without a slot are gone."""
        return self._engine.slots.changed

    def take_changed(self) -> set[str]:
        """Empty `changed` and return what was in it."""
        changed, self._engine.slots.changed = self._engine.slots.changed, set()
        return changed

    def view(self) -> tuple[ChildView, ...]:
        """Every child in start order; costs time for each child, so prefer `take_changed` with `child`."""
        return tuple(slot.view() for slot in self._engine.slots)

    def child(self, id: str) -> ChildView | None:
        """One child now, or None."""
        slot = self._engine.slots.get(id)
        return None if slot is None else slot.view()

    # ---- events about the supervisor -------------------------------------------------------------------

    def _start(self, event: Start) -> None:
        if self._has_started:
            return
        self._has_started = True
        engine = self._engine
        faults = [fault for fault in validate(engine.spec, policies=self._policies.known) if fault.is_fatal]
        if faults:
            engine.report("supervisor.refused", engine.spec.name, faults=[str(fault) for fault in faults])
            engine.gone(Exit(ExitKind.START_FAILED, f"invalid_spec: {faults[0]}"))
            return
        self._policies.load(engine.spec.policies)
        slots = [engine.add(child) for child in engine.spec.children]
        self._restarts.start_run(slots, "start", partial(self._started)).begin()

    def _started(self, run: StartRun) -> None:
        engine = self._engine
        for slot in run.skipped:
            if slot.spec.restart is Restart.TEMPORARY or engine.is_dynamic:
                engine.remove(slot)
            else:
                engine.down(slot)
        if not run.failed:
            engine.out.append(Started())
            return
        slot, exit = min(run.failed, key=lambda pair: pair[0].order)
        why = f"failed_to_start:{slot.id}: {exit.reason}"
        self._restarts.end(Exit(ExitKind.START_FAILED, why, exit.detail))

    def _stop_requested(self, event: StopRequested) -> None:
        self._restarts.end(event.exit)

    def _call(self, event: Call) -> None:
        ask = Ask(event.op, partial(self._engine.reply, event.id), OPERATOR)
        if self._engine.ending is not None or not self._has_started:
            ask.answer("noproc")
        else:
            self._engine.queue.append(ask)

    def _timer_fired(self, event: TimerFired) -> None:
        self._engine.timers.fire(event.token)

    # ---- events about children ---------------------------------------------------------------------------

    def _current(self, child: str, gen: int) -> Slot | None:
        """The slot if this generation is alive in it; late and unknown notices change nothing."""
        slot = self._engine.slots.get(child)
        if slot is None or slot.gen != gen or not slot.alive or slot.dead is not None:
            return None
        return slot

    def _ready(self, event: ChildReady) -> None:
        slot = self._current(event.child, event.gen)
        if slot is None or slot.state is not SlotState.STARTING or slot.timed_out:
            return
        engine = self._engine
        if slot.start_timer is not None:
            engine.timers.cancel(slot.start_timer)
            slot.start_timer = None
        slot.ready_at = engine.now
        engine.found(slot)
        cause = slot.cause
        if cause == "restart":
            slot.restarts += 1
        engine.slots.move(slot, SlotState.RUNNING)
        level = "debug" if cause in ("start_child", "restart_child") else "info"  # OTP 27: no progress record for API
        engine.report("child.started", slot.id, gen=slot.gen, cause=cause, level=level)
        if slot.keeps:
            slot.keeps = False
            engine.out.append(Deliver(slot.id, slot.gen))
        heartbeats.begin(engine, slot)
        if engine.run is not None:
            engine.run.ready(slot, event.info)

    def _ignored(self, event: ChildIgnored) -> None:
        slot = self._current(event.child, event.gen)
        if slot is None or slot.state not in (SlotState.STARTING, SlotState.STOPPING):
            return
        engine = self._engine
        engine.bury(slot, None)
        engine.down(slot)
        engine.found(slot)
        engine.report("child.ignored", slot.id, gen=slot.gen)
        if engine.run is not None:
            engine.run.ignored(slot)

    def _exited(self, event: ChildExited) -> None:
        slot = self._current(event.child, event.gen)
        if slot is None:
            return
        engine = self._engine
        exit = self._meant(slot, event.exit)
        if slot.state is SlotState.STARTING:
            self._start_failed(slot, exit)
        elif slot.doomed or slot.state is SlotState.STOPPING:
            engine.bury(slot, exit)
            engine.slots.move(slot, SlotState.STOPPING)  # until the sequence that dooms it comes to it
            if engine.run is not None:
                engine.run.exited(slot, exit)
        elif engine.run is None:
            self._restarts.exited(slot, exit)
        else:
            slot.dead = exit
            engine.queue.append(QueuedExit(slot, slot.gen))

    def _meant(self, slot: Slot, exit: Exit) -> Exit:
        """The exit in the words of the spec: what we killed for being hung or late did not just get killed."""
        if slot.hung:
            return Exit(ExitKind.HUNG, "hung", exit.detail)
        if slot.timed_out:
            return Exit(ExitKind.START_TIMEOUT, f"not ready within {slot.spec.start_timeout_s:g} s", exit.detail)
        if slot.spec.clean_exits and matches(exit.reason, slot.spec.clean_exits):
            return replace(exit, kind=ExitKind.NORMAL)
        return exit

    def _start_failed(self, slot: Slot, exit: Exit) -> None:
        engine = self._engine
        engine.bury(slot, exit)
        engine.down(slot)
        engine.report(
            "child.start_failed",
            slot.id,
            gen=slot.gen,
            kind=exit.kind.value,
            reason=exit.reason,
            detail=exit.detail,
            cause=slot.cause,
            context="start_error",
            offender=slot.id,
        )
        if engine.run is not None:
            engine.run.exited(slot, exit)

    def _heartbeat_seen(self, event: HeartbeatSeen) -> None:
        slot = self._current(event.child, event.gen)
        if slot is not None:
            heartbeats.seen(slot)

    def _for_policies(self, event: ChildMeasured | Observed) -> None:
        """Nothing for the core itself: policies see every event."""
