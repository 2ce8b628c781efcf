"""One staggered restart: some children are stopped together, then started one by one.

The next is started `stagger_s` after the one before was ready. What they had not answered is kept, and given back when
all are up, to one after the other with the same distance: given to all at once it would bring back what was broken. A
start that fails is tried again `TRIES` times, then that child is quarantined and the others are started without it.
It must not decide that a restart is needed. Invariants: a child that an operator stopped is not started; a child that
has become another incarnation meanwhile is left alone; it ends after a bounded number of steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisors.messages import Op, OpKind
from supervisors.policy import Action, Answered, Request, SupervisorView
from supervisors.slots import DOWN, HELD, OPERATOR, ChildView, SlotState
from supervisors.spec import ChildType, Restart, Strategy

SAFE = "safe"
TRIES = 3
_UNDECIDED = (SlotState.STARTING, SlotState.STOPPING)
_UP = ("ok", "running", "restarting", "ignored")
"""Answers to a start after which nothing is left to do for the child."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to restart."""

    stagger_s: float
    is_safe: bool
    by: str
    reason: str


class Stagger:
    """`begin` it, show it every answer and the time; `actions` come back until `is_over`."""

    def __init__(self, order: Iterable[str], plan: Plan, view: SupervisorView, now: float) -> None:
        self.members = [child for child in order if is_ours(view.child(child))]
        self.began = now
        self.started: list[str] = []
        self.failed: list[str] = []
        self.reduced: set[str] = set()
        """Those that run with less than their normal configuration now."""
        self.due: set[str] = set()
        self.up_at: float | None = None
        """Since when all are up that come up."""
        self._plan, self._view = plan, view
        self._stopping: set[str] = set()
        self._todo = deque(self.members)
        self._tries = dict.fromkeys(self.members, 0)
        self._starting: str | None = None
        self._holding: str | None = None
        self._deliveries: deque[str] = deque()
        self._next_at: float | None = None

    @property
    def is_over(self) -> bool:
        return self.up_at is not None and not self._deliveries

    @property
    def next_at(self) -> float | None:
        """When the next step is due though nothing happens."""
        return self._next_at

    def begin(self, now: float) -> list[Action]:
        """Stop everybody, the last to start first."""
        actions: list[Action] = []
        for child in reversed(self.members):
            view = self._view.child(child)
            if view is not None and view.state not in DOWN:
                self._stopping.add(child)
                actions.append(self._request(self._stop_kind(), view, keep=True))
        return actions or self.go_on(now)

    def _stop_kind(self) -> OpKind:
        """A dynamic supervisor forgets whom it terminates."""
        return OpKind.HOLD if self._view.spec.strategy is Strategy.DYNAMIC else OpKind.TERMINATE_CHILD

    def _request(self, kind: OpKind, view: ChildView, *, mode: str = "", keep: bool = False) -> Request:
        return Request(Op(kind, view.id, mode=mode, reason=self._plan.reason, keep=keep), view.gen)

    def go_on(self, now: float) -> list[Action]:
        """Do what is due. Whose turn it is to get what was kept is in `due`."""
        if self._stopping or self._starting or self._holding or (self._next_at is not None and now < self._next_at):
            return []
        self._next_at = None
        while self._todo:
            view = self._view.child(self._todo[0])
            if view is not None and is_ours(view) and view.state in DOWN:
                return self._start(view)
            if view is not None and is_ours(view) and view.state in _UNDECIDED:
                return []  # somebody else starts it, which may fail
            child = self._todo.popleft()
            if view is not None and is_ours(view):  # somebody else has started it
                self.started.append(child)
        if self.up_at is None:
            self.up_at = now
            self._deliveries = deque(self.started)
        while self._deliveries and (self._next_at is None or now >= self._next_at):
            self.due.add(self._deliveries.popleft())
            self._next_at = now + self._plan.stagger_s if self._deliveries else None
        return []

    def _start(self, view: ChildView) -> list[Action]:
        self._starting = view.id
        self._tries[view.id] += 1
        kind = OpKind.RESET if view.state in HELD else OpKind.RESTART_CHILD
        return [self._request(kind, view, mode=SAFE if self._plan.is_safe else "")]

    # ---- answers ------------------------------------------------------------------------------------

    def answered(self, answer: Answered, now: float) -> None:
        """What became of a request of ours."""
        op = answer.request.op
        child = str(op.child)
        if child in self._stopping and op.kind is self._stop_kind():
            self._stopping.discard(child)
        elif child == self._holding:
            self._holding = None
        elif child == self._starting:
            self._starting = None
            self._came(child, answer, now)

    def _came(self, child: str, answer: Answered, now: float) -> None:
        if answer.result in _UP:
            self._todo.popleft()
            self.started.append(child)
            if self._plan.is_safe and _is_reduced(answer.value, self._view.child(child)):
                self.reduced.add(child)
        elif answer.result != "start_failed" or self._tries[child] >= TRIES:  # stopped by an operator, or removed
            self._todo.popleft()
            if answer.result == "start_failed":
                self.failed.append(child)
        if self._todo:
            self._next_at = now + self._plan.stagger_s

    def give_up(self) -> list[Action]:
        """Quarantine who could not be started, one at a time; to be called after each answer."""
        for child in self.failed:
            view = self._view.child(child)
            if self._holding is None and view is not None and view.state is SlotState.STOPPED and is_ours(view):
                self._holding = child
                reason = f"did not start in a staggered restart, {TRIES} times: {self._plan.reason}"
                return [Request(Op(OpKind.QUARANTINE, child, reason=reason), view.gen)]
        return []


def is_ours(view: ChildView | None) -> bool:
    """Whether a policy may stop and start it: nobody wants it down, and it may be started again."""
    return view is not None and view.stopped_by != OPERATOR and view.spec.restart is not Restart.TEMPORARY


def _is_reduced(info: Any, view: ChildView | None) -> bool:
    """Whether the safe mode makes a difference; a worker that does not say counts as one that runs with less."""
    if isinstance(info, Mapping):
        return bool(info.get("is_reduced", True))
    return view is not None and view.spec.type is not ChildType.SUPERVISOR
