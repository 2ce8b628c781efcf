"""A pair of children that repair each other: when one is unwell and the other is well, the other is asked to help.

`pair` names the two. Criteria are those of `health`. Who is asked learns it from `mutual_repair.requested`; what a
supervisor can do itself, this policy asks of its own: a child that runs is recycled, one in quarantine is started; one
that awaits repair is left to its partner first, and started if that does not help. What a recycled child has not
answered is kept for its next incarnation, unless a repair before has not helped: then it may be what makes ill.
A repair ends with measured wellness, or after `deadline_s` (default 45 s); the next begins `cooldown_s` (default
30 s) later.
After `attempts` (default 3) without having been well for `window_s` (default 60 s) a person is told.
It must not repair when both are unwell: that is for `staggered_restart`. Invariants: never both of the pair are under
repair; never more than `attempts` repairs without wellness between them; every repair ends, with exactly one report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import Command, Op, OpKind, Report
from supervisors.policies.alarm import Alarm
from supervisors.policies.health import DEFAULT_CRITERIA, OBSERVES, Health, Illness, criteria_param, read_criteria
from supervisors.policy import Action, Answered, Policy, Request, Seen, SupervisorView, number_param, unknown_params
from supervisors.slots import HELD, OPERATOR, ChildView, SlotState

COOLDOWN_S, ATTEMPTS, WINDOW_S, DEADLINE_S = 30.0, 3, 60.0, 45.0


@dataclass(frozen=True, slots=True)
class _Repair:
    """The one repair in progress."""

    child: str
    by: str
    illness: Illness
    attempt: int
    began: float


class MutualRepair(Policy):
    """Two children of one supervisor that watch each other through it."""

    name: ClassVar[str] = "mutual_repair"
    observes: ClassVar[tuple[str, ...]] = OBSERVES
    siblings: ClassVar[tuple[str, ...]] = ("pair",)

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._pair: tuple[str, ...] = tuple(params["pair"])
        self._cooldown_s: float = params.get("cooldown_s", COOLDOWN_S)
        self._attempts: int = params.get("attempts", ATTEMPTS)
        self._window_s: float = params.get("window_s", WINDOW_S)
        self._deadline_s: float = params.get("deadline_s", DEADLINE_S)
        self._health = Health(read_criteria(params.get("criteria", DEFAULT_CRITERIA)), self._pair, view)
        self._view = view
        self._alarm = Alarm()
        self._repair: _Repair | None = None
        self._rest_until = 0.0
        self._made = dict.fromkeys(self._pair, 0)
        self._well_since: dict[str, float | None] = dict.fromkeys(self._pair)
        self._exhausted: set[str] = set()
        self._both_unwell = False
        self._safe: set[str] = set()
        self._is_asking = False

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, ("pair", "criteria", "cooldown_s", "attempts", "window_s", "deadline_s"))
        pair = params.get("pair")
        is_list = isinstance(pair, list | tuple) and all(isinstance(id, str) and id for id in pair)
        if pair is None or not is_list or len(pair) != 2 or pair[0] == pair[1]:
            faults.append(Fault(("pair",), "invalid_pair", f"pair is {pair!r:.80}", ("the ids of two children",)))
        faults += number_param(params, "cooldown_s", excluded=False) + number_param(params, "window_s")
        faults += number_param(params, "deadline_s")
        faults += number_param(params, "attempts", least=1, excluded=False, whole=True)
        return faults + criteria_param(params)

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        if self._view.is_ending:
            return []
        self._alarm.rung(event)
        self._health.update(event, now)
        self._note(event, commands)
        actions = self._follow(now)
        for child in self._pair:
            actions += self._calm(child, now)
        actions += self._begin(now)
        return actions + self._alarm.set(now, *self._moments(), self._health.next_look(now))

    def leave(self, now: float) -> Sequence[Report]:
        return [] if self._repair is None else [self._failed(self._repair, "the policy was replaced", now)]

    def _moments(self) -> list[float]:
        """When something may be due though nothing happens."""
        found = [since + self._window_s for since in self._well_since.values() if since is not None]
        return [*found, self._rest_until, *([self._repair.began + self._deadline_s] if self._repair else [])]

    def _note(self, event: Seen, commands: Sequence[Command]) -> None:
        """Somebody else has started a child that was given up: it is tried again. Ours are not started then."""
        for command in commands:
            match command:
                case Report("child.started", child, {"cause": "restart_child"}) if child in self._exhausted:
                    self._forget(child)
                case Report("child.recycled", child, {"by": by}) if child in self._exhausted and by == OPERATOR:
                    self._forget(child)
        if isinstance(event, Answered):
            self._is_asking = False

    def _forget(self, child: str) -> None:
        self._made[child] = 0
        self._exhausted.discard(child)

    # ---- wellness ------------------------------------------------------------------------------------

    def _calm(self, child: str, now: float) -> list[Action]:
        """Whoever has been well for the window is as good as new; one in safe mode becomes normal first."""
        view = self._view.child(child)
        is_well = view is not None and view.state is SlotState.RUNNING and self._health.unwell(child, now) is None
        if view is None or not is_well:
            self._well_since[child] = None
            return []
        since = self._well_since[child]
        if since is None:
            self._well_since[child] = since = now
        if now < since + self._window_s or self._repair is not None:
            return []
        if view.mode != "safe":
            self._safe.discard(child)
        if child not in self._safe:
            self._forget(child)
            return []
        if self._is_asking:
            return []
        self._is_asking, self._well_since[child] = True, None
        return [self._report("mutual_repair.returned", child), Request(Op(OpKind.RECYCLE, child, keep=True), view.gen)]

    # ---- the repair in progress ------------------------------------------------------------------------

    def _follow(self, now: float) -> list[Action]:
        repair = self._repair
        if repair is None:
            return []
        view, other = self._view.child(repair.child), self._other(repair.child)
        if self._health.has_recovered(repair.child, repair.illness, repair.began, now):
            return self._end(self._healed(repair, now), now)
        if view is None:
            why = "the child was removed"
        elif view.stopped_by == OPERATOR:
            why = "stopped by an operator"
        elif self._health.unwell(other, now) is not None:
            why = f"{other} is unwell too"
        elif now >= repair.began + self._deadline_s:
            why = f"not well within {self._deadline_s:g} s"
        else:
            return []
        return self._end(self._failed(repair, why, now), now)

    def _end(self, report: Report, now: float) -> list[Action]:
        self._repair, self._rest_until = None, now + self._cooldown_s
        return [report]

    def _healed(self, repair: _Repair, now: float) -> Report:
        criterion, seconds = repair.illness.criterion, round(now - repair.began, 3)
        data = {"by": repair.by, "criterion": criterion, "seconds": seconds, "attempt": repair.attempt}
        return self._report("mutual_repair.healed", repair.child, **data)

    def _failed(self, repair: _Repair, reason: str, now: float) -> Report:
        data = {"by": repair.by, "criterion": repair.illness.criterion, "reason": reason, "attempt": repair.attempt}
        return self._report("mutual_repair.failed", repair.child, seconds=round(now - repair.began, 3), **data)

    # ---- the next one --------------------------------------------------------------------------------

    def _begin(self, now: float) -> list[Action]:
        ill = {child: illness for child in self._pair if (illness := self._health.unwell(child, now)) is not None}
        if len(ill) == len(self._pair):
            return self._both(ill)
        if not ill:
            self._both_unwell = False
            return []
        ((child, illness),) = ill.items()
        if self._repair is not None or self._is_asking or child in self._exhausted:
            return []
        view, by = self._view.child(child), self._helper(child)
        if view is None or by is None:
            return []
        if self._made[child] >= self._attempts:
            self._exhausted.add(child)
            return [self._given_up(child, by, illness)]
        return [] if now < self._rest_until else self._request(view, by, illness, now)

    def _both(self, ill: Mapping[str, Illness]) -> list[Action]:
        if self._both_unwell:
            return []
        self._both_unwell = True
        criteria = {child: illness.as_data() for child, illness in ill.items()}
        step = f"see why {' and why '.join(self._pair)}; then: restart {' '.join(self._pair)}"
        return [
            self._report("mutual_repair.both_unwell", self._view.spec.name, unwell=criteria, next_step=step),
        ]

    def _helper(self, child: str) -> str | None:
        """Who repairs: the other one if it runs; the supervisor alone if an operator has stopped it or it is not there;
        nobody yet if it is just being started or stopped, or has ended a moment ago."""
        other = self._view.child(self._other(child))
        if other is None or other.stopped_by == OPERATOR:
            return self._view.spec.name
        return other.id if other.state is SlotState.RUNNING and not other.is_dead else None

    def _request(self, view: ChildView, by: str, illness: Illness, now: float) -> list[Action]:
        child = view.id
        self._made[child] += 1
        self._repair = _Repair(child, by, illness, self._made[child], now)
        kind = None
        if view.state is SlotState.RUNNING:
            kind = OpKind.RECYCLE
        elif self._may_start(view, by):
            kind = OpKind.RESET
        data = illness.as_data() | {"by": by, "attempt": self._made[child], "mode": illness.mode}
        report = self._report("mutual_repair.requested", child, repair=kind.value if kind else "none", **data)
        if kind is None:
            return [report]
        self._is_asking = True
        if illness.mode:
            self._safe.add(child)
        keep = kind is OpKind.RECYCLE and self._made[child] == 1
        return [report, Request(Op(kind, child, mode=illness.mode, keep=keep), view.gen)]

    def _may_start(self, view: ChildView, by: str) -> bool:
        """A child that awaits repair is left to its partner the first time: a mere start might undo what it does, or
        heal nothing. Starting a failed one was declared hopeless."""
        if view.state is SlotState.AWAITING_REPAIR:
            return self._made[view.id] > 1 or by == self._view.spec.name
        return view.state in HELD and view.state is not SlotState.FAILED

    def _given_up(self, child: str, by: str, illness: Illness) -> Report:
        step = f"see why {child}; then: restart {child}"
        data = illness.as_data() | {"by": by, "attempts": self._attempts, "next_step": step}
        return self._report("mutual_repair.exhausted", child, **data)

    def _other(self, child: str) -> str:
        return self._pair[1] if child == self._pair[0] else self._pair[0]

    def _report(self, type: str, subject: str, **data: Any) -> Report:
        return Report(type, subject, {"supervisor": self._view.spec.name, **data})
