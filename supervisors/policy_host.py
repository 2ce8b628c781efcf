"""Runs the policies of one supervisor: shows them what happened, performs what they ask for.

It translates between policies and the core (timers, requests, answers) and decides nothing itself.
Invariant: a policy is shown each command once, and at most `ROUNDS` times in one event, so that two policies that
answer each other cannot keep the core from returning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from supervisors.engine import Ask, Engine
from supervisors.messages import Command, Deliver, Event, Exit, PassDown, PauseChild, Report
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
)
from supervisors.slots import OPERATOR, Slot
from supervisors.spec import ChildSpec, PolicySpec

ROUNDS = 4


class _Hosted:
    """One policy with its timers and what it has not seen yet."""

    __slots__ = ("name", "notes", "policy", "timers")

    def __init__(self, name: str, policy: Policy) -> None:
        self.name = name
        self.policy = policy
        self.notes: deque[Seen] = deque()
        self.timers: dict[str, int] = {}


class PolicyHost:
    """The policies attached to a supervisor, in the order of its spec."""

    def __init__(self, engine: Engine, view: SupervisorView, known: Mapping[str, type[Policy]]) -> None:
        self._engine = engine
        self._view = view
        self.known = known
        self._hosted: list[_Hosted] = []
        self._judges: list[_Hosted] = []
        self._unseen: list[Command] = []
        engine.adapt = self.adapt

    @property
    def is_empty(self) -> bool:
        return not self._hosted

    def has(self, name: str) -> bool:
        """Whether a policy of this name is attached."""
        return any(hosted.name == name for hosted in self._hosted)

    def load(self, specs: tuple[PolicySpec, ...]) -> None:
        """Attach fresh policies; those there were leave, and their timers are cancelled. What they have asked for is
        not begun any more: their successors do not know of it."""
        self._engine.withdraw(lambda ask: ask.by != OPERATOR)
        for hosted in self._hosted:
            for token in hosted.timers.values():
                self._engine.timers.cancel(token)
            for action in hosted.policy.leave(self._engine.now):
                self._perform(hosted, action)
        self._hosted = [_Hosted(spec.name, self._attach(spec)) for spec in specs]
        self._judges = [hosted for hosted in self._hosted if type(hosted.policy).judge is not Policy.judge]

    def _attach(self, spec: PolicySpec) -> Policy:
        """A parameter that is null is not there, as for `validate`."""
        params = {key: value for key, value in spec.params.items() if value is not None}
        return self.known[spec.name](params, self._view, self._engine.rng)

    def adapt(self, spec: ChildSpec) -> ChildSpec:
        for hosted in self._hosted:
            spec = hosted.policy.adapt(spec)
        return spec

    def judge(self, slot: Slot, exit: Exit) -> Ruling | None:
        """Every policy is asked; the first ruling other than `restart` wins."""
        found: Ruling | None = None
        for hosted in self._judges:
            ruling = hosted.policy.judge(slot.view(), exit, self._engine.now)
            if ruling is not None and (found is None or found.verdict is Verdict.RESTART):
                found = ruling
        return found

    def remarks(self, slot: Slot, exit: Exit) -> dict[str, Any]:
        """What the policies add to the report that this slot is held."""
        found: dict[str, Any] = {}
        for hosted in self._hosted:
            found |= hosted.policy.remark(slot.view(), exit)
        return found

    def consult(self, event: Event, drain: Callable[[], None]) -> None:
        """Show the event and its commands, perform what comes back, show what came of that."""
        out = self._engine.out
        first: Seen = event
        seen = 0
        for _ in range(ROUNDS):
            fresh = (*self._unseen, *out[seen:])
            self._unseen, seen = [], len(out)
            if first is None and not fresh and not any(hosted.notes for hosted in self._hosted):
                return
            for hosted in self._hosted:
                for action in self._ask(hosted, first, fresh):
                    self._perform(hosted, action)
            first = None
            drain()
        self._unseen = out[seen:]

    def _ask(self, hosted: _Hosted, event: Seen, fresh: tuple[Command, ...]) -> list[Action]:
        now = self._engine.now
        actions = []
        if event is not None or fresh:
            actions += hosted.policy.handle(event, fresh, now)
        for _ in range(len(hosted.notes)):
            actions += hosted.policy.handle(hosted.notes.popleft(), (), now)
        return actions

    def _perform(self, hosted: _Hosted, action: Action) -> None:
        engine = self._engine
        if engine.is_gone:
            return
        match action:
            case Report():
                engine.out.append(action)
            case PauseChild(child, gen) | Deliver(child, gen) | PassDown(child, gen):
                slot = engine.slots.get(child)
                if slot is not None and slot.gen == gen and slot.alive and slot.dead is None:
                    engine.out.append(replace(action, by=hosted.name) if isinstance(action, PauseChild) else action)
            case Wake(key, delay_s):
                engine.timers.cancel(hosted.timers.get(key))
                hosted.timers[key] = engine.timers.set(delay_s, partial(self._wake, hosted, key))
            case Unwake(key):
                engine.timers.cancel(hosted.timers.pop(key, None))
            case Request(op, gen):
                engine.queue.append(Ask(op, partial(self._answered, hosted, action), hosted.name, gen))

    def _wake(self, hosted: _Hosted, key: str) -> None:
        hosted.timers.pop(key, None)
        hosted.notes.append(Woken(key))

    def _answered(self, hosted: _Hosted, request: Request, result: str, value: Any, child: str | None) -> None:
        hosted.notes.append(Answered(request, result, value))
