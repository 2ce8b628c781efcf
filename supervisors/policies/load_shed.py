"""Under pressure the least important children wait: their messages are held back until the pressure is over.

Limits are `cpu_percent` and `memory_percent` of the host (default 90 each). The CPU counts only while the instance
itself takes `own_percent` of it or more (default 10): pausing our own would not relieve a host that others saturate.
After `samples` measurements in a row (default 3) with one of them above its limit,
`step` children more (default 1) are paused; after as many with all of them at least `relief` points (default 15) below,
as many are resumed, the most important first, and if the next measurement is as low, all the others. `order` lists ids,
the least important first; those it does not list follow, the last started first. Critical children, supervisors and
those in `except` are never paused.
What an operator has paused or resumed is not touched until the pressure is over. Invariant: whatever this policy has
paused is resumed, also when the policy is replaced, or when nothing has been measured for a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import Command, Observed, PauseChild, Report
from supervisors.policies.alarm import Alarm
from supervisors.policy import (
    Action,
    Policy,
    Seen,
    SupervisorView,
    Woken,
    names_param,
    number_param,
    unknown_params,
)
from supervisors.slots import ChildView, SlotState
from supervisors.spec import ChildType

LIMITS: Mapping[str, float] = {"cpu_percent": 90.0, "memory_percent": 90.0}
OWN_PERCENT = 10.0
SAMPLES, RELIEF, STEP = 3, 15.0, 1
SILENCE_S = 60.0
MEASURED, PAUSED, RESUMED = "host.measured", "child.paused", "child.resumed"


class LoadShed(Policy):
    """Pauses and resumes the children of a supervisor by what the host can bear."""

    name: ClassVar[str] = "load_shed"
    observes: ClassVar[tuple[str, ...]] = (MEASURED, PAUSED, RESUMED)

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._limits: dict[str, float] = {name: params.get(name, limit) for name, limit in LIMITS.items()}
        self._own_percent: float = params.get("own_percent", OWN_PERCENT)
        self._samples: int = params.get("samples", SAMPLES)
        self._relief: float = params.get("relief", RELIEF)
        self._step: int = params.get("step", STEP)
        self._order: tuple[str, ...] = tuple(params.get("order", ()))
        self._except = frozenset(params.get("except", ()))
        self._view = view
        self._alarm = Alarm()
        self._heard_at = 0.0
        self._high = self._low = 0
        self._paused: dict[str, None] = {}
        """Ours, in the order in which they were paused."""
        self._held_back: set[str] = set()
        """What an operator has paused and not resumed."""
        self._spared: set[str] = set()
        """What an operator resumed since the pressure was over last."""
        self._is_at_its_end = False

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, (*LIMITS, "own_percent", "samples", "relief", "step", "order", "except"))
        for name in LIMITS:
            faults += number_param(params, name)
        faults += number_param(params, "own_percent", excluded=False) + number_param(params, "relief", excluded=False)
        faults += number_param(params, "samples", least=1, excluded=False, whole=True)
        faults += number_param(params, "step", least=1, excluded=False, whole=True)
        return faults + names_param(params, "order") + names_param(params, "except")

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        self._alarm.rung(event)
        actions: list[Action] = []
        for command in commands:
            match command:
                case Report("child.started", child) if child in self._paused:
                    actions += self._pause(child, paused=True)  # the next incarnation, which starts unpaused
        self._forget_the_gone()
        match event:
            case Observed(topic, _, data) if topic == MEASURED:
                self._heard_at = now
                actions += self._measured(data)
            case Observed(topic, child, data) if topic in (PAUSED, RESUMED) and data.get("by") != self.name:
                self._leave_to_the_operator(child.rsplit("/", 1)[-1], paused=topic == PAUSED)
            case Woken() if self._paused and now >= self._heard_at + SILENCE_S:
                actions += self._resume(len(self._paused), {"reason": f"nothing was measured for {SILENCE_S:g} s"})
        return actions + self._alarm.set(now, self._heard_at + SILENCE_S if self._paused else None)

    def leave(self, now: float) -> Sequence[Report | PauseChild]:
        return self._resume(len(self._paused), {"reason": "the policy was replaced"})

    # ---- pressure ------------------------------------------------------------------------------------

    def _measured(self, data: Mapping[str, Any]) -> list[Action]:
        seen = {name: float(data[name]) for name in self._limits if isinstance(data.get(name), int | float)}
        own = data.get("own_percent")
        if "cpu_percent" in seen and isinstance(own, int | float) and own < self._own_percent:
            seen["cpu_percent"] = 0.0  # somebody else's
        above = [name for name, value in seen.items() if value > self._limits[name]]
        is_relieved = bool(seen) and all(value <= self._limits[name] - self._relief for name, value in seen.items())
        self._high = self._high + 1 if above else 0
        self._low = self._low + 1 if is_relieved else 0
        if self._high >= self._samples:
            self._high = 0
            worst = max(above, key=lambda name: seen[name] / self._limits[name])
            return self._shed({"measure": worst, "value": seen[worst], "limit": self._limits[worst]})
        if self._low >= self._samples:
            count = self._step if self._low == self._samples else len(self._paused)
            return [*self._resume(count, {"reason": "the pressure is over"})]
        return []

    def _shed(self, why: Mapping[str, Any]) -> list[Action]:
        chosen = self._candidates()[: self._step]
        if not chosen and not self._is_at_its_end:
            self._is_at_its_end = True
            step = "stop what can wait, or move it to another host"
            data = {**why, "supervisor": self._view.spec.name, "paused": list(self._paused), "next_step": step}
            return [Report("load.unrelieved", self._view.spec.name, data)]
        actions: list[Action] = []
        for child in chosen:
            self._paused[child] = None
            data = {**why, "supervisor": self._view.spec.name, "paused": list(self._paused)}
            actions += [*self._pause(child, paused=True), Report("load.shed", child, data)]
        return actions

    def _candidates(self) -> list[str]:
        """Who may be paused next, the least important first."""
        free = {view.id: view for view in reversed(self._view.view()) if self._may_wait(view)}
        listed = [child for child in self._order if child in free]
        return [*listed, *(child for child in free if child not in listed)]

    def _may_wait(self, view: ChildView) -> bool:
        spared = self._except | self._spared | self._held_back
        is_worker = view.spec.type is ChildType.WORKER and not view.spec.critical
        return is_worker and view.state is SlotState.RUNNING and view.id not in self._paused and view.id not in spared

    # ---- relief --------------------------------------------------------------------------------------

    def _resume(self, count: int, why: Mapping[str, Any]) -> list[Report | PauseChild]:
        """The last ones paused first. With the last of them everything is as it was."""
        actions: list[Report | PauseChild] = []
        for child in list(reversed(self._paused))[:count]:
            del self._paused[child]
            data = {**why, "supervisor": self._view.spec.name, "paused": list(self._paused)}
            actions += [*self._pause(child, paused=False), Report("load.restored", child, data)]
        self._is_at_its_end = False
        if not self._paused:
            self._spared.clear()
        return actions

    def _pause(self, child: str, *, paused: bool) -> list[PauseChild]:
        view = self._view.child(child)
        return [] if view is None else [PauseChild(child, view.gen, paused)]

    def _leave_to_the_operator(self, child: str, *, paused: bool) -> None:
        self._paused.pop(child, None)
        (self._spared.discard if paused else self._spared.add)(child)
        (self._held_back.add if paused else self._held_back.discard)(child)

    def _forget_the_gone(self) -> None:
        for child in [child for child in (*self._paused, *self._held_back) if self._view.child(child) is None]:
            self._paused.pop(child, None)
            self._held_back.discard(child)
