"""Asks for a small drill every now and then: a recovery that is not exercised rots.

It asks for one every `every_s` (default 300 s, longer by up to the share `jitter`, default 0.1), and never while it is
leashed, outside of `windows` (hours such as `mon-fri 09:00-15:00` in UTC; none: always), while a drill runs, while an
incident is open, less than `min_gap_s` (default 60 s) after the last drill, or when `failures` (default 3) incidents
or drills have failed within `failures_within_s` (default a day). What it withholds it asks for as soon as the reason
is gone.

It is told what it cannot know (`observes`) and is leashed until somebody says otherwise, also after a restart of its
supervisor. It must not choose a card and starts nothing: whoever runs drills hears `drill.due`.
Invariant: unleashed and with nothing against it, a drill becomes due within `every_s` and the jitter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import Command, Observed, Report
from supervisors.policies.hours import FORM, Hours, parse_hours
from supervisors.policy import (
    Action,
    Policy,
    Seen,
    SupervisorView,
    Unwake,
    Wake,
    Woken,
    number_param,
    unknown_params,
)

EVERY_S, JITTER, MIN_GAP_S = 300.0, 0.1, 60.0
FAILURES, FAILURES_WITHIN_S = 3, 86_400.0
LOOK_S = 15.0
"""What is withheld is looked at again so often."""
NEXT = "next"
UNLEASHED, LEASHED, CLOCK = "chaos.unleashed", "chaos.leashed", "clock.told"
STARTED, ENDED = "drill.started", "drill.ended"
OPENED, CLOSED = "incident.opened", "incident.closed"
FAILED = ("incident.failed", "drill.deviated")


class MicroChaos(Policy):
    """Asks for drills on a schedule."""

    name: ClassVar[str] = "micro_chaos"
    observes: ClassVar[tuple[str, ...]] = (UNLEASHED, LEASHED, CLOCK, STARTED, ENDED, OPENED, CLOSED, *FAILED)

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._every_s: float = params.get("every_s", EVERY_S)
        self._jitter: float = params.get("jitter", JITTER)
        self._min_gap_s: float = params.get("min_gap_s", MIN_GAP_S)
        self._failures: int = params.get("failures", FAILURES)
        self._failures_within_s: float = params.get("failures_within_s", FAILURES_WITHIN_S)
        self._windows: tuple[Hours, ...] = tuple(parse_hours(text) for text in params.get("windows", ()))
        self._view, self._rng = view, rng
        self._is_leashed = True
        self._clock: tuple[float, float] | None = None
        """What the wall clock showed, and when that was told."""
        self._running = ""
        self._incidents: set[str] = set()
        self._failed_at: deque[float] = deque(maxlen=self._failures)
        self._last_at: float | None = None
        """When the last drill ended, or was asked for."""
        self._reason = ""

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        known = ("every_s", "jitter", "windows", "min_gap_s", "failures", "failures_within_s")
        faults = unknown_params(params, known)
        faults += number_param(params, "every_s") + number_param(params, "failures_within_s")
        faults += number_param(params, "jitter", excluded=False) + number_param(params, "min_gap_s", excluded=False)
        faults += number_param(params, "failures", least=1, excluded=False, whole=True)
        return faults + _windows_param(params.get("windows"))

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        match event:
            case Observed(topic, subject, data):
                return self._observed(topic, subject, data, now)
            case Woken("next") if not self._is_leashed:
                return self._due(now)
        return []

    # ---- what it is told ----------------------------------------------------------------------------------

    def _observed(self, topic: str, subject: str, data: Mapping[str, Any], now: float) -> list[Action]:
        match topic:
            case "chaos.unleashed" if self._is_leashed:
                self._is_leashed = False
                return self._plan()
            case "chaos.leashed" if not self._is_leashed:
                self._is_leashed = True
                return [Unwake(NEXT), *self._withhold("leashed")]
            case "clock.told":
                self._told(data, now)
            case "drill.started":
                self._running, self._last_at = subject or "a drill", now
            case "drill.ended":
                self._running, self._last_at = "", now
            case "incident.opened":
                self._incidents.add(subject)
            case "incident.closed":
                self._incidents.discard(subject)
            case "incident.failed" | "drill.deviated":
                self._failed_at.append(now)
        return []

    def _told(self, data: Mapping[str, Any], now: float) -> None:
        """With `incidents` and `running` it also says what is so, should an end of either have been lost."""
        wall_s = data.get("wall_s")
        if isinstance(wall_s, int | float) and not isinstance(wall_s, bool):
            self._clock = (float(wall_s), now)
        if isinstance(incidents := data.get("incidents"), list | tuple):
            self._incidents = {id for id in incidents if isinstance(id, str)}
        if isinstance(running := data.get("running"), str):
            self._running = running

    # ---- the schedule -------------------------------------------------------------------------------------

    def _plan(self) -> list[Action]:
        in_s = self._every_s * (1 + self._jitter * self._rng())
        return [Wake(NEXT, in_s), self._report("drill.planned", in_s=round(in_s, 3))]

    def _due(self, now: float) -> list[Action]:
        reason = self._against(now)
        if reason:
            return [Wake(NEXT, min(LOOK_S, self._every_s)), *self._withhold(reason)]
        self._reason, self._last_at = "", now
        return [self._report("drill.due", every_s=self._every_s), *self._plan()]

    def _withhold(self, reason: str) -> list[Action]:
        """Said once, until there is another reason."""
        if reason == self._reason:
            return []
        self._reason = reason
        return [self._report("drill.withheld", reason=reason)]

    def _report(self, type: str, /, **data: Any) -> Report:
        return Report(type, self._view.spec.name, {"supervisor": self._view.spec.name, **data})

    def _against(self, now: float) -> str:
        """Why no drill may begin now, in words; empty when one may."""
        if self._running:
            return f"{self._running} runs"
        if self._incidents:
            return "an incident is open"
        if self._last_at is not None and now - self._last_at < self._min_gap_s:
            return f"the last drill was less than {self._min_gap_s:g} s ago"
        while self._failed_at and now - self._failed_at[0] >= self._failures_within_s:
            self._failed_at.popleft()
        if len(self._failed_at) >= self._failures:
            return f"{len(self._failed_at)} failures within {self._failures_within_s:g} s: the error budget is spent"
        return self._outside(now)

    def _outside(self, now: float) -> str:
        if not self._windows:
            return ""
        if self._clock is None:
            return "the time of day is not known yet"
        wall_s = self._clock[0] + now - self._clock[1]
        return "" if any(hours.hold(wall_s) for hours in self._windows) else "outside the hours for drills"


def _windows_param(value: Any) -> list[Fault]:
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        return [Fault(("windows",), "invalid_windows", f"windows is {value!r:.80}", (f"a list such as [{FORM}]",))]
    faults = []
    for text in value:
        try:
            parse_hours(text)
        except ValueError:
            faults.append(Fault(("windows",), "invalid_windows", f"windows has {text!r:.60}", (FORM,)))
    return faults
