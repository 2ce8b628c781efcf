"""Which playbooks an event starts, with which inputs; and for those it does not start, why.

Every condition is evaluated, also after one that failed, because who asks why wants all of it. Pure functions.
Invariant: a playbook matches if and only if one of its triggers has no reason against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playbooks.conditions import EvaluationError
from playbooks.params import bind
from playbooks.spec import Condition, Playbook, Trigger
from playbooks.templates import fill


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """Something that was noticed: its type, and the issue with its details."""

    type: str
    issue: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One thing that must hold: what it is, whether it does, what was seen, and why it could not be judged."""

    text: str
    place: str
    holds: bool
    seen: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One trigger held against the event. `inputs` are those of the run it would start."""

    trigger: str
    criteria: tuple[Criterion, ...]
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def matches(self) -> bool:
        return all(criterion.holds for criterion in self.criteria)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One playbook held against the event."""

    playbook: str
    enabled: bool
    attempts: tuple[Attempt, ...]

    @property
    def attempt(self) -> Attempt | None:
        """The trigger that starts the playbook, the first in the file."""
        return next((each for each in self.attempts if each.matches), None) if self.enabled else None


def match(playbook: Playbook, event: TriggerEvent) -> Match:
    """Whether the event starts the playbook, and why."""
    attempts = tuple(_attempt(playbook, trigger, event) for trigger in playbook.triggers)
    return Match(playbook=playbook.name, enabled=playbook.enabled, attempts=attempts)


def matching(playbooks: Iterable[Playbook], event: TriggerEvent) -> list[tuple[Playbook, Mapping[str, Any]]]:
    """The playbooks that the event starts, with the inputs of each run."""
    found = ((playbook, match(playbook, event).attempt) for playbook in playbooks)
    return [(playbook, attempt.inputs) for playbook, attempt in found if attempt is not None]


def _attempt(playbook: Playbook, trigger: Trigger, event: TriggerEvent) -> Attempt:
    of_type = trigger.type == event.type
    typed = Criterion(text=f"type is {trigger.type}", place="", holds=of_type, seen={"type": event.type})
    if not of_type:
        return Attempt(trigger=trigger.type, criteria=(typed,))
    data = {"issue": event.issue}
    criteria = [typed, *(_criterion(condition, data) for condition in trigger.when)]
    inputs, problems = _inputs(playbook, trigger, data)
    criteria += [Criterion(text="its inputs can be had", place="", holds=False, problem=each) for each in problems]
    return Attempt(trigger=trigger.type, criteria=tuple(criteria), inputs=inputs)


def _criterion(condition: Condition, data: Mapping[str, Any]) -> Criterion:
    holds, problem = False, ""
    try:
        holds = bool(condition.test.value(data))
    except EvaluationError as error:
        problem = str(error)
    seen = condition.test.seen(data)
    return Criterion(
        text=condition.test.text.strip(), place=str(condition.place), holds=holds, seen=seen, problem=problem
    )


def _inputs(playbook: Playbook, trigger: Trigger, data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What the trigger says, and for the other inputs the field of the issue that has their name."""
    issue = data["issue"]
    given = {name: issue[name] for name in playbook.inputs if name in issue and name not in trigger.values}
    try:
        given |= fill(trigger.values, data)
    except EvaluationError as error:
        return {}, [str(error)]
    return bind(playbook.inputs, given)
