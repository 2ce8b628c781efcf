"""Replaces children before age or memory makes them fail: planned, not counted, one at a time.

Parameters: `max_age_s` (> 0), `jitter` (share of max_age_s by which a lifetime may be longer, >= 0, default 0.1) and
`max_memory_mb` (> 0); at least one of the two limits. A lifetime is drawn once for each incarnation: drawing anew at
each check, as Circus does, makes short lives likelier. `except` lists child ids that are left alone.
Invariant: at most one recycle of this policy is in progress; a stopped, held or temporary child is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import ChildMeasured, Command, Op, OpKind, Report
from supervisors.policy import (
    Action,
    Answered,
    Policy,
    Request,
    Seen,
    SupervisorView,
    Unwake,
    Wake,
    Woken,
    names_param,
    number_param,
    unknown_params,
)
from supervisors.spec import Restart

JITTER = 0.1


class Recycle(Policy):
    """Recycles the children of a supervisor by age and memory."""

    name: ClassVar[str] = "recycle"

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._max_age_s: float | None = params.get("max_age_s")
        self._jitter: float = params.get("jitter", JITTER)
        self._max_memory_mb: float | None = params.get("max_memory_mb")
        self._except = frozenset(params.get("except", ()))
        self._view = view
        self._rng = rng
        self._due: dict[str, tuple[int, str]] = {}
        self._busy = False

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, ("max_age_s", "jitter", "max_memory_mb", "except"))
        faults += number_param(params, "max_age_s") + number_param(params, "max_memory_mb")
        faults += number_param(params, "jitter", excluded=False)
        if params.get("max_age_s") is None and params.get("max_memory_mb") is None:
            faults.append(Fault((), "no_limit", "recycle needs a limit", ("max_age_s", "max_memory_mb")))
        return faults + names_param(params, "except")

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        actions: list[Action] = []
        for command in commands:
            match command:
                case Report("child.started", child):
                    actions += self._born(child)
                case Report("child.exited" | "child.stopped", child):
                    actions.append(Unwake(child))
        match event:
            case ChildMeasured(child, gen, memory_mb) if self._max_memory_mb and memory_mb > self._max_memory_mb:
                self._want(child, gen, f"memory {memory_mb:g} MB is above {self._max_memory_mb:g} MB")
            case Woken(child) if (view := self._view.child(child)) is not None:
                self._want(child, view.gen, f"older than its limit of {self._max_age_s} s and the jitter")
            case Answered():
                self._busy = False
        return actions + self._next()

    def _born(self, child: str) -> list[Action]:
        if self._max_age_s is None or not self._is_mine(child):
            return []
        return [Wake(child, self._max_age_s * (1.0 + self._rng() * self._jitter))]

    def _is_mine(self, child: str) -> bool:
        view = self._view.child(child)
        return view is not None and child not in self._except and view.spec.restart is not Restart.TEMPORARY

    def _want(self, child: str, gen: int, why: str) -> None:
        if self._is_mine(child):
            self._due[child] = (gen, why)

    def _next(self) -> list[Action]:
        while self._due and not self._busy:
            child = next(iter(self._due))
            gen, why = self._due.pop(child)
            view = self._view.child(child)
            if view is None or view.gen != gen:
                continue
            self._busy = True
            return [
                Report("child.recycle_due", child, {"supervisor": self._view.spec.name, "gen": gen, "why": why}),
                Request(Op(OpKind.RECYCLE, child), gen),
            ]
        return []
