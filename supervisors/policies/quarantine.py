"""A child that fails too often is quarantined at once, without waiting for a repair that nobody will make.

`failures` (default 5) failures of a child within `window_s` (default 60 s) are too many: exits that are not clean and
starts that fail count alike, whatever their reason. With `release_after_s` it is started again after that long, after
each release twice as long as before (at most an hour, or `release_after_s` if that is longer), at most `releases` times
(default 3). One failure of a released child is one too many, until it has run for `window_s`: then it has proved itself
and everything is counted from the beginning. After the last release a person is told, and starts it or not. `except`
lists child ids that are left alone.
It must not release what others have quarantined. Invariant: without a proof between them, and without a start by hand,
a child is released at most `releases` times, and each child that waits for its release has one timer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import Command, Exit, Op, OpKind, Report
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
from supervisors.slots import ChildView, SlotState, next_step
from supervisors.window import RestartWindow

FAILURES, WINDOW_S, RELEASES, MAX_RELEASE_S = 5, 60.0, 3, 3600.0
AGAIN_S = 1.0
CAUSE = "too many failures"
"""How the cause of every quarantine of this policy begins; by that it knows its own again after a reload."""


@dataclass(slots=True)
class _Record:
    """One child: its failures, and the releases since it last proved itself. `is_mine`: it is quarantined by this
    policy. `is_asked`: its release is asked for and not answered yet."""

    window: RestartWindow
    releases: int = 0
    is_mine: bool = False
    is_asked: bool = False


class Quarantine(Policy):
    """Takes children that fail too often out of service, and tries them again later."""

    name: ClassVar[str] = "quarantine"

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._failures: int = params.get("failures", FAILURES)
        self._window_s: float = params.get("window_s", WINDOW_S)
        self._release_after_s: float | None = params.get("release_after_s")
        self._releases: int = params.get("releases", RELEASES)
        self._except = frozenset(params.get("except", ()))
        self._view = view
        self._records: dict[str, _Record] = {}
        self._has_looked = False

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, ("failures", "window_s", "release_after_s", "releases", "except"))
        faults += number_param(params, "window_s") + number_param(params, "release_after_s")
        faults += number_param(params, "failures", least=1, excluded=False, whole=True)
        faults += number_param(params, "releases", least=1, excluded=False, whole=True)
        return faults + names_param(params, "except")

    def _record(self, child: str) -> _Record:
        return self._records.setdefault(child, _Record(RestartWindow(self._failures - 1, self._window_s)))

    # ---- failures ------------------------------------------------------------------------------------

    def judge(self, child: ChildView, exit: Exit, now: float) -> Ruling | None:
        if child.id in self._except or exit.is_clean:
            return None
        record = self._record(child.id)
        is_in_bounds = record.window.add(now)
        if record.releases:
            return Ruling(Verdict.QUARANTINE, f"{CAUSE}: 1 after its release")
        if is_in_bounds:
            return Ruling(Verdict.RESTART)
        return Ruling(Verdict.QUARANTINE, f"{CAUSE}: {self._failures} in {self._window_s:g} s")

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        if self._view.is_ending:
            return []
        actions: list[Action] = [] if self._has_looked else self._look()
        for command in commands:
            match command:
                case Report("child.quarantined", child, {"cause": str(cause)}):
                    actions += self._wait(child) if cause.startswith(CAUSE) else self._yield(child)
                case Report("child.started", child, {"cause": cause}) if child in self._records:
                    actions += self._started(child, by_hand=cause in ("restart_child", "start_child"))
        match event:
            case Answered(Request(Op(OpKind.RESET, str(child))), result) if child in self._records:
                self._records[child].is_asked = False
                if result == "start_failed":
                    actions += self._wait(child)
            case Woken(key):
                what, _, child = key.partition(" ")
                actions += self._release(child) if what == "release" else self._prove(child, now)
        return actions + self._give_back()

    def _look(self) -> list[Action]:
        """A reload has replaced the policy that knew who waits for a release."""
        self._has_looked = True
        held = [view for view in self._view.view() if view.state is SlotState.QUARANTINED]
        return [action for view in held if view.cause.startswith(CAUSE) for action in self._wait(view.id)]

    # ---- releases ------------------------------------------------------------------------------------

    def _wait(self, child: str) -> list[Action]:
        """Its release is arranged, or there is none left."""
        record = self._record(child)
        record.is_mine = True
        if self._release_after_s is None:
            return []
        if record.releases >= self._releases:
            record.is_mine = False
            step = next_step(child, SlotState.QUARANTINED)
            return [self._report("quarantine.exhausted", child, releases=record.releases, next_step=step)]
        longest = max(MAX_RELEASE_S, self._release_after_s)
        delay_s = min(longest, self._release_after_s * 2.0 ** min(record.releases, 60))
        return [Wake(f"release {child}", delay_s)]

    def _yield(self, child: str) -> list[Action]:
        """Somebody else holds it now."""
        if child not in self._records or not self._records[child].is_mine:
            return []
        self._records[child].is_mine = False
        return [Unwake(f"release {child}")]

    def _release(self, child: str) -> list[Action]:
        view, record = self._view.child(child), self._records.get(child)
        if view is None or record is None or not record.is_mine:
            return []
        if view.state is not SlotState.QUARANTINED:  # somebody is starting it at this moment
            return [Wake(f"release {child}", AGAIN_S)]
        record.releases += 1
        record.is_asked, record.is_mine = True, False
        report = self._report("quarantine.released", child, release=record.releases, releases=self._releases)
        return [report, Request(Op(OpKind.RESET, child), view.gen)]

    def _started(self, child: str, *, by_hand: bool) -> list[Action]:
        record = self._records[child]
        record.is_mine = False
        if by_hand and not record.is_asked:  # somebody else has decided that it shall run
            del self._records[child]
            return [Unwake(f"release {child}"), Unwake(f"proof {child}")]
        return [Wake(f"proof {child}", self._window_s)] if record.releases else []

    def _prove(self, child: str, now: float) -> list[Action]:
        """Every start begins the proof anew, so who runs now has run that long."""
        view = self._view.child(child)
        if view is not None and view.state is SlotState.RUNNING:
            self._records.pop(child, None)
        return []

    def _give_back(self) -> list[Action]:
        """Somebody has removed a child, or stopped one that waited for its release."""
        actions: list[Action] = []
        for child in list(self._records):
            view = self._view.child(child)
            if view is None:
                del self._records[child]
                actions += [Unwake(f"release {child}"), Unwake(f"proof {child}")]
            elif view.state not in (SlotState.QUARANTINED, SlotState.STARTING):
                actions += self._yield(child)
        return actions

    def _report(self, type: str, subject: str, **data: Any) -> Report:
        return Report(type, subject, {"supervisor": self._view.spec.name, **data})
