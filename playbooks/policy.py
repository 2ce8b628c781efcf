"""Which runs may start now: `Admission.handle(event, now) -> list[Command]` over all runs of all playbooks.

Counts runs by playbook and the value of `concurrency.key`, keeps the rest after a run (`cooldown`), and lets those that
wait go in the order they came. It knows no clock and performs nothing. Invariants: never more than `max` admitted runs
of one key; every requested run is admitted or refused in the end, if those before it end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from playbooks.conditions import EvaluationError
from playbooks.messages import CancelTimer, SetTimer, TimerFired
from playbooks.spec import OnLimit, Playbook

MAX_WAITING = 100
"""More than that behind one key is a storm, and a storm is not cured by a queue."""
SCHEMA = "grace.admission/1"


# ---- events -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Requested:
    """Someone wants this run to start. `inputs` and `issue` are what `concurrency.key` may speak of."""

    run: str
    playbook: Playbook
    inputs: Mapping[str, Any] = field(default_factory=dict)
    issue: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over, or will not be started any more."""

    run: str


@dataclass(frozen=True, slots=True)
class Rearmed:
    """The first event after `from_data`: timers are set again."""


Event = Requested | RunEnded | TimerFired | Rearmed

# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admit:
    """Let the run begin."""

    run: str


@dataclass(frozen=True, slots=True)
class Delay:
    """The run waits; an `Admit` follows."""

    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The run will not start."""

    run: str
    reason: str


Command = Admit | Delay | Refuse | SetTimer | CancelTimer


@dataclass(slots=True, kw_only=True)
class _Group:
    """The runs of one key. `rests_until` is the end of the cooldown, `timer` wakes
    those that wait for it, at `wakes_at`."""

    max: int | None
    cooldown_s: float
    running: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    rests_until: float = 0.0
    timer: int | None = None
    wakes_at: float = 0.0


class Admission:
    """The door of the playbooks. It must be told of every run's end, however it ended."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._next_token = 1
        self._now = 0.0
        self._out: list[Command] = []

    def handle(self, event: Event, now: float) -> list[Command]:
        """What to do about the event; `now` is wall time in seconds."""
        self._now = now
        out: list[Command] = []
        self._out = out
        match event:
            case Requested():
                self._requested(event)
            case RunEnded(run):
                self._ended(run)
            case TimerFired(token):
                self._timer_fired(token)
            case Rearmed():
                for group in self._groups.values():
                    group.timer = None
                    self._let_go(group)
        self._forget_idle()
        return out

    def _requested(self, event: Requested) -> None:
        policy = event.playbook.policy
        limit = policy.concurrency
        try:
            key = "" if limit is None or limit.key is None else limit.key.value(_variables(event))
        except EvaluationError as error:
            self._out.append(Refuse(event.run, f"concurrency.key: {error}"))
            return
        name = json.dumps([event.playbook.name, key], sort_keys=True, default=str)
        group = self._groups.setdefault(name, _Group(max=None, cooldown_s=0.0))
        group.max, group.cooldown_s = None if limit is None else limit.max, policy.cooldown_s
        if event.run in group.running or event.run in group.waiting:
            return
        self._let_go(group)
        reason = self._reason_to_wait(group)
        if reason is None:
            self._admit(group, event.run)
        elif limit is None or limit.on_limit is OnLimit.CANCEL:
            self._out.append(Refuse(event.run, reason))
        elif len(group.waiting) >= MAX_WAITING:
            self._out.append(Refuse(event.run, f"{MAX_WAITING} runs wait already"))
        else:
            group.waiting.append(event.run)
            self._out.append(Delay(event.run, reason))
            self._wake_later(group)

    def _reason_to_wait(self, group: _Group) -> str | None:
        if group.max is not None and len(group.running) >= group.max:
            return f"running: {', '.join(group.running)} (at most {group.max})"
        if self._now < group.rests_until:
            return f"it rests for {max(1, round(group.rests_until - self._now))} s more after the last run"
        return f"behind {', '.join(group.waiting[:5])}" if group.waiting else None

    def _admit(self, group: _Group, run: str) -> None:
        group.running.append(run)
        self._out.append(Admit(run))

    def _ended(self, run: str) -> None:
        for group in self._groups.values():
            if run in group.running:
                group.running.remove(run)
                group.rests_until = self._now + group.cooldown_s
            elif run in group.waiting:
                group.waiting.remove(run)
            else:
                continue
            self._let_go(group)

    def _forget_idle(self) -> None:
        for name, group in list(self._groups.items()):
            if not group.running and not group.waiting and group.rests_until <= self._now:
                del self._groups[name]

    def _timer_fired(self, token: int) -> None:
        for group in self._groups.values():
            if group.timer == token:
                group.timer = None
                self._let_go(group)

    def _let_go(self, group: _Group) -> None:
        """Admit those whose turn has come, and see to it that the next is woken."""
        is_free = group.rests_until <= self._now
        while is_free and group.waiting and (group.max is None or len(group.running) < group.max):
            self._admit(group, group.waiting.pop(0))
        self._wake_later(group)

    def _wake_later(self, group: _Group) -> None:
        """A timer for the end of the cooldown if someone waits for it, and only then."""
        is_needed = bool(group.waiting) and group.rests_until > self._now
        if group.timer is not None and is_needed and group.wakes_at == group.rests_until:
            return
        if group.timer is not None:
            self._out.append(CancelTimer(group.timer))
            group.timer = None
        if is_needed:
            group.timer, group.wakes_at = self._next_token, group.rests_until
            self._next_token += 1
            self._out.append(SetTimer(group.timer, group.rests_until))

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        groups = {name: asdict(group) for name, group in self._groups.items()}
        return {"schema": SCHEMA, "next_token": self._next_token, "groups": groups}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Admission:
        """What `to_data` described; `Rearmed` comes first. Raises ValueError for other data."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema is {data.get('schema')!r:.60}, allowed: {SCHEMA}")
        admission = cls()
        admission._next_token = data["next_token"]
        admission._groups = {name: _Group(**group) for name, group in data["groups"].items()}
        return admission


def _variables(event: Requested) -> dict[str, Any]:
    return {"inputs": event.inputs, "issue": event.issue}
