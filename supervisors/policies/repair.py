"""Restarts first; a child that restarting does not help is held for whoever repairs it, and not for ever.

A failure that comes again alike within `window_s` (default 60 s) holds its child in `awaiting_repair`: the `starts`-th
failed start (default 2), or the `crashes`-th crash or hang (default 5). So does a spent budget where it would
quarantine. What a signal killed is nobody's recurring failure: only the budget counts it. Once a hold has lasted
`deadline_s` (default 300 s) the child is quarantined. `except` lists child ids that are left alone.
It must not start anything: whoever repairs does, with `reset`; and it does not know what makes two failures the same,
the supervisor is asked. Invariant: each child it covers that awaits repair has one deadline, and nobody else has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import Command, Exit, ExitKind, Op, OpKind, Report
from supervisors.policy import (
    Action,
    Answered,
    Policy,
    Request,
    Ruling,
    Seen,
    SupervisorView,
    Unwake,
    Verdict,
    Wake,
    Woken,
    names_param,
    number_param,
    unknown_params,
)
from supervisors.slots import ChildView, SlotState
from supervisors.spec import ChildSpec, OnExhausted, Restart
from supervisors.window import RestartWindow

WINDOW_S, STARTS, CRASHES, DEADLINE_S = 60.0, 2, 5, 300.0
_RECURRING = frozenset({ExitKind.CRASH, ExitKind.HUNG, ExitKind.START_FAILED, ExitKind.START_TIMEOUT})


class Repair(Policy):
    """Holds the children of a supervisor that restarting does not help."""

    name: ClassVar[str] = "repair"

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._window_s: float = params.get("window_s", WINDOW_S)
        self._starts: int = params.get("starts", STARTS)
        self._crashes: int = params.get("crashes", CRASHES)
        self._deadline_s: float = params.get("deadline_s", DEADLINE_S)
        self._except = frozenset(params.get("except", ()))
        self._view = view
        self._seen: dict[tuple[str, bool, str], RestartWindow] = {}
        self._held: set[str] = set()
        self._overdue: set[str] = set()
        self._has_looked = False

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, ("window_s", "starts", "crashes", "deadline_s", "except"))
        faults += number_param(params, "window_s") + number_param(params, "deadline_s")
        faults += number_param(params, "starts", least=1, excluded=False, whole=True)
        faults += number_param(params, "crashes", least=1, excluded=False, whole=True)
        return faults + names_param(params, "except")

    def adapt(self, spec: ChildSpec) -> ChildSpec:
        if not self._covers(spec) or spec.on_exhausted is not OnExhausted.QUARANTINE:
            return spec
        return replace(spec, on_exhausted=OnExhausted.REPAIR)

    def _covers(self, spec: ChildSpec) -> bool:
        return spec.id not in self._except and spec.restart is not Restart.TEMPORARY

    # ---- failures ------------------------------------------------------------------------------------

    def judge(self, child: ChildView, exit: Exit, now: float) -> Ruling | None:
        if not self._covers(child.spec):
            return None
        if exit.kind not in _RECURRING:
            return Ruling(Verdict.RESTART)
        is_start = child.state is not SlotState.RUNNING
        limit = self._starts if is_start else self._crashes
        self._seen = {key: window for key, window in self._seen.items() if window.used(now)}
        key = (child.id, is_start, self._view.signature(child.id, exit))
        if self._seen.setdefault(key, RestartWindow(limit - 1, self._window_s)).add(now):
            return Ruling(Verdict.RESTART)
        times = "1 time" if limit == 1 else f"{limit} times"
        return Ruling(Verdict.HOLD, f"the same failure {times} in {self._window_s:g} s")

    def remark(self, child: ChildView, exit: Exit) -> Mapping[str, Any]:
        if not self._is_mine(child):
            return {}
        return {"signature": self._view.signature(child.id, exit), "deadline_s": self._deadline_s}

    def _is_mine(self, child: ChildView | None) -> bool:
        return child is not None and child.state is SlotState.AWAITING_REPAIR and self._covers(child.spec)

    # ---- deadlines -----------------------------------------------------------------------------------

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        actions: list[Action] = [] if self._has_looked else self._look()
        for command in commands:
            match command:
                case Report("child.awaiting_repair", child):
                    actions += self._hold(child)
                case Report("child.started", child, data) if data["cause"] in ("restart_child", "start_child"):
                    self._seen = {key: window for key, window in self._seen.items() if key[0] != child}
        match event:
            case Woken(child):
                self._held.discard(child)
                self._overdue.add(child)
            case Answered(Request(Op(OpKind.QUARANTINE, str(child))), "stale"):  # started meanwhile, perhaps in vain
                self._overdue.add(child)
        return actions + (self._let_go() if commands else []) + self._quarantine()

    def _look(self) -> list[Action]:
        """A reload has replaced the policy that knew who is held."""
        self._has_looked = True
        return [action for view in self._view.view() for action in self._hold(view.id)]

    def _hold(self, child: str) -> list[Action]:
        if not self._waits(child):
            return []
        self._held.add(child)
        return [Wake(child, self._deadline_s)]

    def _let_go(self) -> list[Action]:
        """A hold ends when the child has come up or is in another state. One that is just being started by hand may yet
        fail, and is held as before then."""
        ended = [child for child in sorted(self._held) if not self._is_starting(child) and not self._waits(child)]
        self._held.difference_update(ended)
        return [Unwake(child) for child in ended]

    def _quarantine(self) -> list[Action]:
        """Those whose time is over, but for one that is just being started by hand."""
        actions: list[Action] = []
        for child in [child for child in sorted(self._overdue) if not self._is_starting(child)]:
            self._overdue.discard(child)
            view = self._view.child(child)
            if view is not None and self._is_mine(view):
                reason = f"not repaired within {self._deadline_s:g} s: {view.cause}"
                actions.append(Request(Op(OpKind.QUARANTINE, child, reason=reason), view.gen))
        return actions

    def _waits(self, child: str) -> bool:
        return self._is_mine(self._view.child(child))

    def _is_starting(self, child: str) -> bool:
        view = self._view.child(child)
        return view is not None and view.state is SlotState.STARTING
