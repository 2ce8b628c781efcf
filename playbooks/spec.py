"""What a playbook is once its file was read, and how an action declares itself: frozen data, no behaviour.

Durations are seconds. Expressions and templates are compiled. It knows no file and no concrete action.
Invariant: equal playbooks have equal digests, so that a run that is restored knows whether it goes on with its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from playbooks.conditions import Expression
from supervisors.yaml_source import Place


class Severity(StrEnum):
    """How bad it is that the playbook is needed; also the risk of an action."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class OnLimit(StrEnum):
    """What happens with a run that may not start now."""

    DELAY = "delay"
    CANCEL = "cancel"


class OnFailure(StrEnum):
    """What follows a step that failed for good."""

    RESCUE = "rescue"
    CONTINUE = "continue"
    FAIL = "fail"


class ParamType(StrEnum):
    """The types of inputs and parameters, by their JSON Schema names."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ARRAY = "array"
    OBJECT = "object"


class ActionKind(StrEnum):
    """Whether an action changes anything."""

    READS = "reads"
    ACTS = "acts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """An input of a playbook or a parameter of an action."""

    type: ParamType = ParamType.STRING
    required: bool = False
    default: Any = None
    enum: tuple[Any, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpec:
    """What an action declares: `idempotent` means that doing it twice is as good as once."""

    name: str
    kind: ActionKind
    idempotent: bool
    risk: Severity = Severity.LOW
    params: Mapping[str, Param] = field(default_factory=dict)
    timeout_s: float = 60.0
    description: str = ""


Actions = Mapping[str, ActionSpec]
"""The actions there are, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One expression of a `when`, with its place for whoever asks why."""

    test: Expression
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Matches events of this type for which every condition holds."""

    type: str
    when: tuple[Condition, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """At most `max` runs with the same value of `key` at once."""

    key: Expression | None = None
    max: int = 1
    on_limit: OnLimit = OnLimit.DELAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a run may start and how long it may take; None is no limit."""

    concurrency: Concurrency | None = None
    cooldown_s: float = 0.0
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who is asked before the first step; `ttl_s` None waits for ever."""

    required: bool = False
    route: str = "operators"
    ttl_s: float | None = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """`count` further attempts, each after the delay."""

    count: int = 0
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action of a playbook. `timeout_s` holds for each attempt."""

    id: str
    action: str
    params: Mapping[str, Any] = field(default_factory=dict)
    register: str | None = None
    when: tuple[Condition, ...] = ()
    retry: Retry = field(default_factory=Retry)
    timeout_s: float = 60.0
    on_failure: OnFailure = OnFailure.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What the value of a check must be: one of `values`, between `least` and `most`, or fitting `pattern`."""

    values: tuple[Any, ...] | None = None
    least: float | None = None
    most: float | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One entry of `verify`; without a tolerance the action must answer that it is well."""

    id: str
    action: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tolerance: Tolerance | None = None
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """A playbook as the engine runs it. `digest` is that of the text it was read from."""

    name: str
    title: str
    description: str = ""
    tags: tuple[str, ...] = ()
    enabled: bool = True
    severity: Severity = Severity.MEDIUM
    inputs: Mapping[str, Param] = field(default_factory=dict)
    triggers: tuple[Trigger, ...] = ()
    policy: Policy = field(default_factory=Policy)
    approval: Approval = field(default_factory=Approval)
    steps: tuple[Step, ...]
    rescue: tuple[Step, ...] = ()
    always: tuple[Step, ...] = ()
    verify: tuple[Check, ...] = ()
    digest: str = ""

    def all_steps(self) -> Iterator[Step]:
        """The steps of the three blocks, in the order of the file."""
        yield from (*self.steps, *self.rescue, *self.always)


RESULT_FIELDS = ("ok", "changed", "message", "data")
"""What a registered result holds."""
RUN_FIELDS = ("id", "playbook", "check", "failed_step", "failure")
"""What the variable `run` holds; the last two are null until a step failed for good."""
