"""Breaks deadlocks: children that wait for each other in a circle are stopped and started one by one.

A deadlock is a circle of `wait_graph` whose waits are as old as `after_s` (default 1 s), or a whole `group` (default:
every child) that is unwell by `criteria`. Its members are restarted as `stagger` does it, `stagger_s` apart (default
5 s), in an order that opens the circle, in safe mode unless `safe` is false; after `calm_s` (default 60 s) without
another one those that run with less than their normal configuration are recycled into it. A restart follows another
`cooldown_s` (default 5 s) later at the earliest; after `attempts` (default 3) without a calm time a person is told.
A circle below a single child that is a supervisor is that one's business; of a circle across several, one branch is
told to restart its members. What is still there `PATIENCE_S` later is broken by restarting the branch.
Invariants: one restart at a time; at most `attempts` of them without a calm time between; each has exactly one
`deadlock.found`, and one `deadlock.broken` or `deadlock.unresolved`, unless a reload replaces the policy before; a
child that an operator stopped is not started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import Command, Deliver, Observed, Op, OpKind, PassDown, Report
from supervisors.policies.alarm import Alarm
from supervisors.policies.health import DEFAULT_CRITERIA, OBSERVES, Health, criteria_param, read_criteria
from supervisors.policies.stagger import SAFE, Plan, Stagger, is_ours
from supervisors.policy import (
    Action,
    Answered,
    Policy,
    Request,
    Seen,
    SupervisorView,
    names_param,
    number_param,
    unknown_params,
)
from supervisors.slots import HELD, SlotState
from supervisors.wait_graph import Wait, WaitGraph, breaking_order

AFTER_S, STAGGER_S, CALM_S, COOLDOWN_S, ATTEMPTS = 1.0, 5.0, 60.0, 5.0, 3
CONFIRM_S = 0.15
"""How long the news that a wait is over may take: a circle is believed that much later."""
PATIENCE_S = 10.0
ASSIGNED = "deadlock.assigned"
_PARAMS = ("group", "after_s", "stagger_s", "safe", "calm_s", "attempts", "cooldown_s", "criteria")
_STOPPED = (SlotState.STOPPED, SlotState.AWAITING_REPAIR)
_ILL_AT = HELD | {SlotState.RUNNING, SlotState.RESTARTING}


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is to be broken: the children to restart in their order, and for people who waits and why."""

    order: tuple[str, ...]
    members: tuple[str, ...]
    waits: tuple[Mapping[str, Any], ...]
    text: str


class StaggeredRestart(Policy):
    """Finds and breaks the deadlocks of a supervisor's children."""

    name: ClassVar[str] = "staggered_restart"
    observes: ClassVar[tuple[str, ...]] = ("wait.reported", "member.exited", "member.stopped", *OBSERVES)
    siblings: ClassVar[tuple[str, ...]] = ("group",)

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._group: tuple[str, ...] | None = tuple(params["group"]) if "group" in params else None
        self._after_s: float = params.get("after_s", AFTER_S) + CONFIRM_S
        self._stagger_s: float = params.get("stagger_s", STAGGER_S)
        self._is_safe: bool = params.get("safe", True)
        self._calm_s: float = params.get("calm_s", CALM_S)
        self._attempts: int = params.get("attempts", ATTEMPTS)
        self._cooldown_s: float = params.get("cooldown_s", COOLDOWN_S)
        watched = self._group if self._group is not None else tuple(child.id for child in view.spec.children)
        self._health = Health(read_criteria(params.get("criteria", DEFAULT_CRITERIA)), watched, view)
        self._watched = watched
        self._view = view
        self._graph = WaitGraph()
        self._alarm = Alarm()
        self._stagger: Stagger | None = None
        self._is_told = False
        self._made = 0
        self._is_given_up = False
        self._trouble_at: float | None = None
        self._rest_until = 0.0
        self._reduced: set[str] = set()
        self._returning: str | None = None
        self._due: set[str] = set()
        """Who gets what was kept of it as soon as it runs."""
        self._waiting: tuple[str, ...] = ()
        """The members of the last circle: those that were not restarted hold what the others will ask for."""
        self._passed: dict[frozenset[str], float] = {}
        self._assigned: _Trouble | None = None
        self._has_looked = False

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, _PARAMS) + names_param(params, "group")
        if params.get("group") is not None and not params["group"]:
            faults.append(Fault(("group",), "invalid_group", "group is empty", ("ids of children",)))
        for key in ("after_s", "calm_s"):
            faults += number_param(params, key)
        for key in ("stagger_s", "cooldown_s"):
            faults += number_param(params, key, excluded=False)
        faults += number_param(params, "attempts", least=1, excluded=False, whole=True)
        if not isinstance(params.get("safe", True), bool | None):
            faults.append(Fault(("safe",), "invalid_safe", f"safe is {params['safe']!r:.80}", ("true", "false")))
        return faults + criteria_param(params)

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        if self._view.is_ending:
            return []
        self._alarm.rung(event)
        self._health.update(event, now)
        actions = self._note(event, commands, now)
        if not self._has_looked:
            actions += self._look(now)
        actions += self._follow(event, now)
        actions += self._begin(now)
        actions += self._calm_down(event, now)
        return actions + self._deliver() + self._alarm.set(now, *self._moments(now))

    def leave(self, now: float) -> Sequence[Deliver]:
        """Who runs gets what was kept of it now; a successor starts the others."""
        self._due |= set(self._stagger.started) if self._stagger is not None else set()
        return self._deliver()

    def _moments(self, now: float) -> list[float | None]:
        """When something may be due though nothing happens."""
        due = self._graph.next_due_s(now, self._after_s)
        patience = self._graph.next_due_s(now, self._after_s + PATIENCE_S)
        found = [None if wait is None else now + wait for wait in (due, patience)]
        found += [self._rest_until, self._health.next_look(now)]
        found.append(None if self._trouble_at is None else self._trouble_at + self._calm_s)
        return [*found, None if self._stagger is None else self._stagger.next_at]

    # ---- what is known ------------------------------------------------------------------------------

    def _note(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        for command in commands:
            match command:
                case Report("child.exited" | "child.stopped", child):
                    self._graph.forget(child)
        match event:
            case Observed("wait.reported", who, data):
                self._graph.told(who, data, now)
            case Observed("member.exited" | "member.stopped", who):
                self._graph.forget(who)
            case Observed("deadlock.assigned", _, data):
                return self._take_over(data)
        return []

    def _look(self, now: float) -> list[Action]:
        """A reload has replaced the policy that had stopped some: they are started."""
        self._has_looked = True
        left = [v.id for v in self._view.view() if v.state in _STOPPED and v.stopped_by == self.name]
        if not left:
            return []
        self._is_told = True
        self._stagger = self._new(left, "the policy was replaced in the middle of a staggered restart", now)
        return self._stagger.begin(now)

    def _new(self, order: Sequence[str], reason: str, now: float) -> Stagger:
        return Stagger(order, Plan(self._stagger_s, self._is_safe, self.name, reason), self._view, now)

    def _is_member(self, child: str) -> bool:
        return is_ours(self._view.child(child)) and (self._group is None or child in self._group)

    # ---- trouble ------------------------------------------------------------------------------------

    def _begin(self, now: float) -> list[Action]:
        if self._stagger is not None:
            return []
        passing: list[Action] = []
        trouble = self._assigned or self._circle(now, passing) or self._illness(now)
        if trouble is None:
            return passing
        self._trouble_at = now
        self._assigned = None  # whoever assigned it looks again
        if now < self._rest_until or self._is_given_up or self._returning is not None:
            return passing
        if self._made >= self._attempts:
            self._is_given_up = True
            return [*passing, self._unresolved(trouble.members, f"{trouble.text}, after {self._made} restarts")]
        self._made += 1
        self._is_told = False
        self._waiting = trouble.members
        stagger = self._stagger = self._new(trouble.order, trouble.text, now)
        self._reduced -= set(stagger.members)
        found = Report(
            "deadlock.found",
            self._view.spec.name,
            {
                "supervisor": self._view.spec.name,
                "members": list(trouble.members),
                "waits": [dict(wait) for wait in trouble.waits],
                "text": trouble.text,
                "order": stagger.members,
                "attempt": self._made,
            },
        )
        return [*passing, found, *stagger.begin(now)]

    def _circle(self, now: float, passing: list[Action]) -> _Trouble | None:
        """The first circle that is ours to break. What is told to a branch is added to `passing`."""
        circles = self._graph.circles(now, self._after_s)
        present = {frozenset(wait.who for wait in circle) for circle in circles}
        self._passed = {members: at for members, at in self._passed.items() if members in present}
        for circle in circles:
            own = [who for who in breaking_order(circle) if self._graph.child_of(who) == who and self._is_member(who)]
            if own:
                return _trouble(circle, self._by_dependencies(own), now)
            branch = self._branch_of(circle)
            if branch is None:
                continue
            members = frozenset(wait.who for wait in circle)
            if now - max(wait.since for wait in circle) >= self._after_s + PATIENCE_S:
                return _trouble(circle, [branch], now)
            if members not in self._passed:
                self._passed[members] = now
                passing += self._pass_down(branch, circle, now)
        return None

    def _by_dependencies(self, order: Sequence[str]) -> list[str]:
        """The order, but that who depends on another member comes after it."""
        left, sorted_ones = list(order), list[str]()
        while left:
            free = (
                child
                for child in left
                if (view := self._view.child(child)) is not None
                and not set(view.spec.depends_on) & (set(left) - {child})
            )
            child = next(free, left[0])
            left.remove(child)
            sorted_ones.append(child)
        return sorted_ones

    def _branch_of(self, circle: Sequence[Wait]) -> str | None:
        """The child to be restarted for a circle of which no member is a child of ours: the last to have started."""
        branches = {self._graph.child_of(wait.who) for wait in circle}
        ours = [view.id for view in self._view.view() if view.id in branches and self._is_member(view.id)]
        return ours[-1] if ours else None

    def _pass_down(self, branch: str, circle: Sequence[Wait], now: float) -> list[Action]:
        """Ask one branch to restart its members of a circle across several: that opens it."""
        if len({self._graph.child_of(wait.who) for wait in circle}) < 2:
            return []  # it sees the circle itself
        members = [who for who in breaking_order(circle) if self._graph.child_of(who) == branch]
        waits = [wait.as_data(now) for wait in circle]
        return self._hand_down(branch, {"members": members, "waits": waits, "text": _text(circle, now)})

    def _hand_down(self, branch: str, data: Mapping[str, Any]) -> list[Action]:
        view = self._view.child(branch)
        return [] if view is None else [PassDown(branch, view.gen, Observed(ASSIGNED, branch, data))]

    def _take_over(self, data: Mapping[str, Any]) -> list[Action]:
        """A supervisor above asks us to restart members of a circle, which are ours or further down."""
        members = tuple(str(who) for who in data.get("members", ()))
        own = tuple(who for who in members if self._is_member(who))
        if own:
            waits = tuple(data.get("waits", ()))
            everybody = tuple(str(wait["who"]) for wait in waits)
            self._assigned = _Trouble(own, everybody or own, waits, str(data.get("text", "a circle of waits")))
            return []
        below = [child for who in members if (child := self._graph.find(who)) not in (None, who)]
        return self._hand_down(str(below[0]), data) if below else []

    def _illness(self, now: float) -> _Trouble | None:
        """The whole group is unwell, and none of it is being started or stopped."""
        views = [view for child in self._watched if is_ours(view := self._view.child(child)) and view is not None]
        if len(views) < 2 or any(view.state not in _ILL_AT for view in views):
            return None
        if self._group is None and any(view.state is SlotState.AWAITING_REPAIR for view in views):
            return None  # somebody is at work on it
        found = {view.id: self._health.unwell(view.id, now) for view in views}
        if any(illness is None for illness in found.values()):
            return None
        why = [f"{id} ({ill.criterion} {ill.value:g}, limit {ill.limit:g})" for id, ill in found.items() if ill]
        ids = tuple(found)
        return _Trouble(tuple(self._by_dependencies(ids)), ids, (), f"the whole group is unwell: {', '.join(why)}")

    # ---- the restart in progress --------------------------------------------------------------------

    def _follow(self, event: Seen, now: float) -> list[Action]:
        stagger = self._stagger
        if stagger is None:
            return []
        if isinstance(event, Answered):
            stagger.answered(event, now)
        actions = [*stagger.give_up(), *stagger.go_on(now)]
        if stagger.up_at is not None and not self._is_told:
            self._is_told = True
            self._trouble_at = now
            actions.append(self._outcome(stagger, now))
        self._due |= stagger.due
        stagger.due.clear()
        if stagger.is_over:
            self._stagger = None
            self._reduced |= stagger.reduced
            self._trouble_at, self._rest_until = now, now + self._cooldown_s
        return actions

    def _outcome(self, stagger: Stagger, now: float) -> Report:
        if stagger.failed or not stagger.started:
            return self._unresolved(stagger.failed or stagger.members, "not everybody could be started again")
        data = {"seconds": round(now - stagger.began, 3), "restarted": stagger.started, "attempt": self._made}
        return Report("deadlock.broken", self._view.spec.name, {"supervisor": self._view.spec.name, **data})

    def _unresolved(self, members: Sequence[str], reason: str) -> Report:
        names = ", ".join(members)
        next_step = f"see why {members[0]}; then: restart {' '.join(members)}" if members else "see: status"
        return Report(
            "deadlock.unresolved",
            self._view.spec.name,
            {
                "supervisor": self._view.spec.name,
                "members": list(members),
                "attempts": self._made,
                "reason": f"{names}: {reason}",
                "next_step": next_step,
            },
        )

    # ---- calm ---------------------------------------------------------------------------------------

    def _calm_down(self, event: Seen, now: float) -> list[Action]:
        """After a calm time those in safe mode return to normal, one by one, and everything counts anew."""
        match event:
            case Answered(Request(Op(OpKind.RECYCLE, child))) if child == self._returning:
                self._returning = None
                self._rest_until = now + self._stagger_s
        is_calm = self._trouble_at is not None and now >= self._trouble_at + self._calm_s
        if not is_calm or self._stagger is not None or self._returning is not None or now < self._rest_until:
            return []
        while self._reduced:
            child = min(self._reduced)
            self._reduced.discard(child)
            view = self._view.child(child)
            if view is not None and view.mode == SAFE and view.state is SlotState.RUNNING and is_ours(view):
                self._returning = child
                return [Request(Op(OpKind.RECYCLE, child, keep=True), view.gen)]
        self._trouble_at, self._made, self._is_given_up = None, 0, False
        return []

    def _deliver(self) -> list[Deliver]:
        views = [view for child in sorted(self._due) if (view := self._view.child(child)) is not None]
        ready = [view for view in views if view.state is SlotState.RUNNING and not view.is_dead]
        self._due = {view.id for view in views} - {view.id for view in ready}
        return [Deliver(view.id, view.gen, self._waiting) for view in ready]


def _text(circle: Sequence[Wait], now: float) -> str:
    return ", ".join(wait.text(now) for wait in circle)


def _trouble(circle: Sequence[Wait], order: Sequence[str], now: float) -> _Trouble:
    waits = tuple(wait.as_data(now) for wait in circle)
    return _Trouble(tuple(order), tuple(wait.who for wait in circle), waits, _text(circle, now))
