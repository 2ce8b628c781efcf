"""The API of a supervisor: each operation of `OpKind`, answered with a word of the conformance traces.

It says what an operation means for a slot in each state; the sequences do the starting and stopping.
It is only called while no sequence is in progress. Invariant: every operation answers its `Ask` exactly once.
Source: `handle_call/3` of OTP's supervisor; recycle, reset, hold, quarantine and budget are Grace's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from supervisors.engine import Ask, Engine
from supervisors.messages import Exit, ExitKind, OpKind
from supervisors.policy_host import PolicyHost
from supervisors.reload import reload
from supervisors.restarts import Restarts
from supervisors.sequence import StartRun, StopRun
from supervisors.slots import DOWN, HELD, OPERATOR, Slot, SlotState
from supervisors.spec import ChildSpec, Restart
from supervisors.validate import validate_child
from supervisors.window import RestartWindow

_HOLDS = {OpKind.HOLD: SlotState.AWAITING_REPAIR, OpKind.QUARANTINE: SlotState.QUARANTINED}
_NOT_DYNAMIC = (OpKind.RESTART_CHILD, OpKind.DELETE_CHILD)
_WAKING = (OpKind.RESTART_CHILD, OpKind.RESET, OpKind.RECYCLE)


class Calls:
    """Answers operations for one supervisor."""

    def __init__(self, engine: Engine, restarts: Restarts, policies: PolicyHost) -> None:
        self._engine = engine
        self._restarts = restarts
        self._policies = policies
        self._next_ref = 1
        self._of_supervisor: dict[OpKind, Callable[[Ask], None]] = {
            OpKind.START_CHILD: self._start_child,
            OpKind.COUNT_CHILDREN: lambda ask: ask.answer("ok", self._engine.slots.counts()),
            OpKind.WHICH_CHILDREN: self._which_children,
            OpKind.RELOAD: self._reload,
            OpKind.BUDGET: self._budget,
        }
        self._of_slot: dict[OpKind, Callable[[Ask, Slot], None]] = {
            OpKind.TERMINATE_CHILD: self._terminate_child,
            OpKind.RESTART_CHILD: self._restart_child,
            OpKind.DELETE_CHILD: self._delete_child,
            OpKind.GET_CHILDSPEC: lambda ask, slot: ask.answer("ok", slot.spec, slot.id),
            OpKind.RECYCLE: self._recycle,
            OpKind.RESET: self._reset,
            OpKind.HOLD: self._hold,
            OpKind.QUARANTINE: self._hold,
        }

    def perform(self, ask: Ask) -> None:
        """Do what the operation says; the answer comes now or when its sequence ends."""
        engine = self._engine
        if engine.ending is not None:
            ask.answer("noproc")
        elif ask.op.kind in self._of_supervisor:
            self._of_supervisor[ask.op.kind](ask)
        elif engine.is_dynamic and ask.op.kind in _NOT_DYNAMIC:
            ask.answer("simple_one_for_one")
        else:
            self._on_slot(ask)

    def _on_slot(self, ask: Ask) -> None:
        slot = self._engine.slots.get(ask.op.child)
        if slot is None:
            ask.answer("not_found")
        elif ask.gen is not None and ask.gen != slot.gen:
            ask.answer("stale")
        elif ask.by != OPERATOR and slot.stopped_by == OPERATOR and ask.op.kind in _WAKING:
            ask.answer("stopped_by_operator")
        else:
            self._of_slot[ask.op.kind](ask, slot)

    # ---- start_child -------------------------------------------------------------------------------

    def _start_child(self, ask: Ask) -> None:
        engine = self._engine
        spec = ask.op.spec
        siblings = [slot.id for slot in engine.slots] if _has_deps(spec) else ()
        faults = [fault for fault in validate_child(spec, engine.spec, siblings) if fault.is_fatal]
        if faults:
            ask.answer(faults[0].code, faults)
        elif engine.is_dynamic:
            self._start_dynamic(ask, spec)
        elif (slot := engine.slots.get(spec.id)) is not None:
            up = slot.state is SlotState.RUNNING
            ask.answer("already_started" if up else "already_present", slot.view(), slot.id)
        else:
            self._start_new(ask, engine.add(spec))

    def _start_dynamic(self, ask: Ask, spec: ChildSpec) -> None:
        engine = self._engine
        limit = engine.spec.max_children
        if limit is not None and len(engine.slots) >= limit:
            ask.answer("max_children", limit)
            return
        self._start_new(ask, engine.add(spec, self._free_ref(spec.id)))

    def _free_ref(self, id: str) -> str:
        """Ids need not be unique in a dynamic supervisor; the name the child is known by is."""
        ref = id
        while self._engine.slots.get(ref) is not None:
            self._next_ref += 1
            ref = f"{id}#{self._next_ref}"
        return ref

    def _start_new(self, ask: Ask, slot: Slot) -> None:
        self._sequence(ask)
        StartRun(self._engine, (slot,), "start_child", partial(self._new_started, ask, slot)).begin()

    def _new_started(self, ask: Ask, slot: Slot, run: StartRun) -> None:
        engine = self._engine
        engine.asking = None
        if run.failed:
            engine.remove(slot)
            ask.answer("start_failed", run.failed[0][1], slot.id)
        elif run.skipped:
            if slot.spec.restart is Restart.TEMPORARY or engine.is_dynamic:
                engine.remove(slot)
            else:
                engine.down(slot)
            ask.answer("ignored", None, slot.id)
        else:
            ask.answer("ok", run.infos[slot.id], slot.id)

    # ---- terminate_child, delete_child ---------------------------------------------------------------

    def _terminate_child(self, ask: Ask, slot: Slot) -> None:
        was_restarting = slot.state is SlotState.RESTARTING
        self._sequence(ask)
        settle = partial(self._settle_terminated, ask.by)
        StopRun(self._engine, (slot,), settle, partial(self._terminated, ask, slot, was_restarting)).begin()

    def _settle_terminated(self, by: str, slot: Slot) -> None:
        if slot.spec.restart is Restart.TEMPORARY or self._engine.is_dynamic:
            self._engine.remove(slot)
        elif by == OPERATOR or slot.stopped_by != OPERATOR:
            self._engine.down(slot, by=by)

    def _terminated(self, ask: Ask, slot: Slot, was_restarting: bool) -> None:
        self._engine.asking = None
        ask.answer("ok", None, slot.id)
        if was_restarting:
            self._restarts.carry_on(slot)

    def _delete_child(self, ask: Ask, slot: Slot) -> None:
        if slot.state in DOWN:
            self._engine.remove(slot)
            ask.answer("ok", None, slot.id)
        else:
            ask.answer(slot.state.value, None, slot.id)

    # ---- restart_child, recycle, reset, hold -----------------------------------------------------------

    def _restart_child(self, ask: Ask, slot: Slot) -> None:
        if slot.state is SlotState.RUNNING:
            ask.answer("running", None, slot.id)
        elif slot.state is not SlotState.RESTARTING:
            self._start_by_hand(ask, slot)
        elif slot.next_retry_at is None:
            ask.answer("restarting", None, slot.id)
        else:  # departure from OTP: a delayed child starts now, and its timer is cancelled
            slot.mode = ask.op.mode
            self._restarts.attempt(slot, ask)

    def _start_by_hand(self, ask: Ask, slot: Slot) -> None:
        self._sequence(ask)
        before, by = slot.state, slot.stopped_by
        slot.mode = ask.op.mode
        StartRun(self._engine, (slot,), "restart_child", partial(self._by_hand_started, ask, slot, before, by)).begin()

    def _by_hand_started(self, ask: Ask, slot: Slot, before: SlotState, by: str, run: StartRun) -> None:
        engine = self._engine
        engine.asking = None
        if run.failed:
            if slot.spec.restart is Restart.TEMPORARY:  # it had waited for what it depends on: this was its one start
                engine.remove(slot)
            else:
                engine.down(slot, before, by=by)
            ask.answer("start_failed", run.failed[0][1], slot.id)
        elif run.skipped:
            engine.down(slot)
            ask.answer("ignored", None, slot.id)
        else:
            ask.answer("ok", run.infos[slot.id], slot.id)

    def _recycle(self, ask: Ask, slot: Slot) -> None:
        if slot.state is not SlotState.RUNNING:
            ask.answer("not_running", None, slot.id)
        elif slot.spec.restart is Restart.TEMPORARY:
            ask.answer("temporary", None, slot.id)
        else:
            self._sequence(ask)
            slot.mode, slot.keeps = ask.op.mode, ask.op.keep
            StopRun(self._engine, (slot,), self._engine.down, partial(self._recycled, ask, slot)).begin()

    def _recycled(self, ask: Ask, slot: Slot) -> None:
        StartRun(self._engine, (slot,), "recycle", partial(self._recycle_started, ask, slot)).begin()

    def _recycle_started(self, ask: Ask, slot: Slot, run: StartRun) -> None:
        engine = self._engine
        engine.asking = None
        if run.failed:  # a planned stop must not leave the child down: from here on it is a failed restart
            ask.answer("start_failed", run.failed[0][1], slot.id)
            self._restarts.failed(run)
        elif run.skipped:
            engine.down(slot)
            ask.answer("ignored", None, slot.id)
        else:
            engine.report("child.recycled", slot.id, gen=slot.gen, by=ask.by)
            ask.answer("ok", run.infos[slot.id], slot.id)

    def _reset(self, ask: Ask, slot: Slot) -> None:
        self._engine.renew_budget(slot)
        slot.attempt = 0
        if slot.state in HELD or slot.state is SlotState.WAITING:
            self._start_by_hand(ask, slot)
        elif slot.state is SlotState.RESTARTING and slot.next_retry_at is not None:
            self._restarts.attempt(slot, ask)
        else:
            ask.answer("ok", None, slot.id)

    def _hold(self, ask: Ask, slot: Slot) -> None:
        if slot.spec.restart is Restart.TEMPORARY:
            ask.answer("temporary", None, slot.id)
            return
        state = _HOLDS[ask.op.kind]
        was_restarting = slot.state is SlotState.RESTARTING
        self._sequence(ask)
        settle = partial(self._settle_held, state, ask)
        StopRun(self._engine, (slot,), settle, partial(self._terminated, ask, slot, was_restarting)).begin()

    def _settle_held(self, state: SlotState, ask: Ask, slot: Slot) -> None:
        exit = slot.last_exit or Exit(ExitKind.SHUTDOWN)
        self._restarts.keep_down(slot, state, exit, ask.op.reason or f"asked for by {ask.by}", by=ask.by)

    def _sequence(self, ask: Ask) -> None:
        self._engine.asking = ask

    def _reload(self, ask: Ask) -> None:
        reload(self._engine, self._policies, ask)
        self._restarts.take_back()

    # ---- questions -----------------------------------------------------------------------------

    def _which_children(self, ask: Ask) -> None:
        """Newest first, as OTP; with a child named, that one only."""
        if ask.op.child is None:
            ask.answer("ok", [slot.view() for slot in reversed(self._engine.slots)])
            return
        slot = self._engine.slots.get(ask.op.child)
        if slot is None:
            ask.answer("not_found")
        else:
            ask.answer("ok", slot.view(), slot.id)

    def _budget(self, ask: Ask) -> None:
        """What is left before giving up: of the supervisor, and of the children that have a budget of their own."""
        engine = self._engine
        own = {slot.id: self._left(slot.window) for slot in engine.slots if slot.window is not None}
        if ask.op.child is None:
            ask.answer("ok", {"supervisor": self._left(engine.window), "children": own})
        elif engine.slots.get(ask.op.child) is None:
            ask.answer("not_found")
        else:
            children = {ask.op.child: own[ask.op.child]} if ask.op.child in own else {}
            ask.answer("ok", {"supervisor": self._left(engine.window), "children": children}, ask.op.child)

    def _left(self, window: RestartWindow) -> dict[str, Any]:
        now = self._engine.now
        return {
            "intensity": window.intensity,
            "period_s": window.period_s,
            "used": window.used(now),
            "left": window.left(now),
            "next_free_in_s": window.next_free_in_s(now),
        }


def _has_deps(spec: Any) -> bool:
    return isinstance(spec, ChildSpec) and bool(spec.depends_on)
