"""What a policy is: a rule attached to one supervisor that sees what happens and asks for more.

A policy has the core's form: `handle(event, commands, now) -> list[Action]`, plain data in and out, no clock of its
own. It never performs anything: it asks, through the same operations an operator has.
Invariant: a policy cannot start what an operator stopped; the core answers such a request `stopped_by_operator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from supervisors.faults import Fault
from supervisors.messages import Command, Deliver, Event, Exit, Op, PassDown, PauseChild, Report
from supervisors.slots import ChildView
from supervisors.spec import MOST, ChildSpec, SupervisorSpec


class SupervisorView(Protocol):
    """What a policy may look at; reading changes nothing."""

    @property
    def spec(self) -> SupervisorSpec: ...

    @property
    def is_ending(self) -> bool:
        """Whether the supervisor is being stopped or gives up: nothing is started any more."""

    def view(self) -> tuple[ChildView, ...]:
        """Every child, in start order."""

    def child(self, id: str) -> ChildView | None:
        """One child; None when there is no such slot."""

    def signature(self, child: str, exit: Exit, /) -> str:
        """The same text for failures of a child that are the same one."""


class Verdict(StrEnum):
    """What to do with a child that failed and would be restarted, or started once more, now."""

    RESTART = "restart"
    HOLD = "hold"  # the slot becomes awaiting_repair
    QUARANTINE = "quarantine"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict, and for people why."""

    verdict: Verdict
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Perform an operation of the supervisor's API; the policy gets an `Answered`. With `gen` it applies to this
    generation only and is answered `stale` when another one runs."""

    op: Op
    gen: int | None = None


@dataclass(frozen=True, slots=True)
class Wake:
    """Send `Woken(key)` after a delay; a second Wake with the same key replaces the first."""

    key: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Unwake:
    """Forget `Wake(key)`."""

    key: str


Action = Report | PauseChild | Deliver | PassDown | Request | Wake | Unwake


@dataclass(frozen=True, slots=True)
class Woken:
    """The delay of `Wake(key)` is over."""

    key: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The core's answer to a Request: a word as in `Reply.result`, and its value."""

    request: Request
    result: str
    value: Any = None


Seen = Event | Woken | Answered | None
"""What `handle` is called with; None when only commands are new."""


class Policy:
    """Base of every policy: does nothing. Overrides one method or more.

    `adapt` is called for each child spec before its slot exists, `judge` when a child has failed and is about to be
    started again (before that is counted), `remark` when a child is being held, `handle` after each event with the
    commands that followed it. Each command is shown to a policy once, those that came of its own requests too. An
    exception from a policy is a bug and ends the supervisor.
    """

    name: ClassVar[str] = ""
    observes: ClassVar[tuple[str, ...]] = ()
    """The topics of `Observed` it lives on: what costs something to find out is found out only where somebody wants
    it."""
    siblings: ClassVar[tuple[str, ...]] = ()
    """Those of its parameters that list children which must be there, unless the supervisor is dynamic."""

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        """`params` has passed `validate`; `rng` draws from [0, 1)."""

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        """Every fault of the parameters, with paths relative to them."""
        return unknown_params(params, ())

    def adapt(self, spec: ChildSpec) -> ChildSpec:
        """The spec with this policy's defaults filled in."""
        return spec

    def judge(self, child: ChildView, exit: Exit, now: float) -> Ruling | None:
        """None leaves the decision to others. The state of a child that failed while it ran still is `running`, else
        its start has failed. A first start that would end the start of the supervisor (`escalate`) does not end it
        when a policy rules `restart`: then it is an ordinary failed start."""
        return None

    def remark(self, child: ChildView, exit: Exit) -> Mapping[str, Any]:
        """What to add to the report that this child is held now."""
        return {}

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        """What to do about it."""
        return []

    def leave(self, now: float) -> Sequence[Report | PauseChild | Deliver]:
        """The last call before a reload of the supervisor replaces it: end what it has begun. Its timers are cancelled
        by then. Whom it has stopped its successor may start; if it has none, the core does."""
        return []


def unknown_params(params: Mapping[str, Any], known: tuple[str, ...]) -> list[Fault]:
    """A fault for each parameter the policy does not have: a misspelt one must not be ignored silently."""
    return [
        Fault((str(key),), "unknown_parameter", f"{key!r} is not a parameter of this policy", known)
        for key in params
        if key not in known
    ]


def names_param(params: Mapping[str, Any], key: str) -> list[Fault]:
    """Fault unless the parameter is absent or a list of child ids."""
    value = params.get(key, ())
    if isinstance(value, list | tuple) and all(isinstance(id, str) for id in value):
        return []
    return [Fault((key,), f"invalid_{key}", f"{key} is {value!r}", ("a list of child ids",))]


def number_param(
    params: Mapping[str, Any], key: str, *, least: float = 0.0, excluded: bool = True, whole: bool = False
) -> list[Fault]:
    """Fault unless the parameter is absent or a number above `least` (or equal to it, unless `excluded`)."""
    value = params.get(key)
    if value is None:
        return []
    good_type = isinstance(value, int) or (isinstance(value, float) and not whole)
    if good_type and not isinstance(value, bool) and (least < value <= MOST or (value == least and not excluded)):
        return []
    form = f"{'a whole number' if whole else 'a number'} {'>' if excluded else '>='} {least:g}"
    return [Fault((key,), f"invalid_{key}", f"{key} is {value!r}", (form,))]
