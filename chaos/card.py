"""What a card is once its file was read: a fault, what must notice it, what must repair it, and how fast. Frozen data.

A card is an experiment of the Chaos Toolkit with Grace's fields in its extension `grace` (docs/drill-file.md).
Durations are seconds. It knows no file, and functions only by their names. Invariant: whatever a card may do to a
kernel is in its `targets`, so that its radius always holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from chaos.faults.table import FAULTS
from playbooks.spec import Tolerance

FAULTS_PACKAGE = "chaos.faults"
STEPS_MODULE = "chaos.steps"
PROBES_MODULE = "chaos.probes"
HOST, HOME = "host", "home"
"""What faults hit that have no kernel."""
DUMMY_STEPS = ("start_dummy", "stop_dummy")
WAIT = "wait_for_event"
ACTING_STEPS = ("ask", "tell", "act")
"""Steps that may themselves be what goes wrong: events count from the first of them, or of the faults."""
FORGIVEN_STEPS = ("ask", "tell")
"""Steps whose failure fails no drill: whoever is asked may be what has just been broken. A refusal is no such failure:
whoever refuses is well, and what was to go wrong did not."""
RESTART, NO_PLAYBOOK = "restart", "none"
"""What `expect.playbook` may hold beside the name of a playbook."""


class Kind(StrEnum):
    """What an activity is."""

    PROBE = "probe"
    FAULT = "fault"
    STEP = "step"


class Cure(StrEnum):
    """What the drill does once a work order is there: nothing, or what an engineer would do."""

    NONE = "none"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One entry of a card. `func` is the fault, the step or the probe, `module` where the Chaos Toolkit finds it. A
    probe of the hypothesis has a tolerance. `timeout_s` is how long its answer may take."""

    name: str
    kind: Kind
    module: str
    func: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tolerance: Tolerance | None = None
    timeout_s: float = 60.0
    pause_before_s: float = 0.0
    pause_after_s: float = 0.0

    @property
    def target(self) -> str:
        """What it is done to: something of the tree, `host`, `home`; empty when it is nothing in particular."""
        named = self.arguments.get("name" if self.func in DUMMY_STEPS else "kernel")
        if isinstance(named, str) and named:
            return named
        fault = FAULTS.get(self.func) if self.kind is Kind.FAULT else None
        return (fault.whole or "") if fault is not None else ""

    @property
    def params(self) -> dict[str, Any]:
        """Its arguments without the kernel."""
        return {name: value for name, value in self.arguments.items() if name != "kernel"}

    @property
    def deed(self) -> str:
        """The fault, the probe, or what the step performs or asks for."""
        named = self.arguments.get({"act": "action", "ask": "verb", "tell": "verb"}.get(self.func, ""))
        return named if isinstance(named, str) else self.func

    @property
    def is_wait(self) -> bool:
        """Whether it waits for something that must come: what does not come is a deviation, no failure of the drill."""
        return self.kind is Kind.STEP and self.deed == WAIT

    @property
    def is_acting(self) -> bool:
        """Whether it may be what goes wrong."""
        return self.kind is Kind.FAULT or (self.kind is Kind.STEP and self.func in ACTING_STEPS and not self.is_wait)

    @property
    def is_forgiven(self) -> bool:
        """Whether the drill goes on when it fails, other than by being refused."""
        return self.kind is Kind.PROBE or (self.kind is Kind.STEP and (self.func in FORGIVEN_STEPS or self.is_wait))


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRule:
    """The event that must come: type and subject as patterns (`child.*`), and fields of its data. Without a subject it
    must be about one of `of`, what the card breaks: by its subject or, as of an incident, by the kernel it names."""

    type: str
    subject: str = ""
    of: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, type: str, subject: str, data: Mapping[str, Any]) -> bool:
        """Whether an event is it."""
        if not fnmatchcase(type, self.type):
            return False
        if not (fnmatchcase(subject, self.subject) if self.subject else {subject, data.get("kernel")} & {*self.of}):
            return False
        return all(key in data and _same(data[key], wanted) for key, wanted in self.where.items())

    def described(self) -> str:
        """In words."""
        subject = self.subject or " or ".join(self.of)
        about = "" if subject == "*" else f" of {subject}"
        where = ", ".join(f"{key}={value}" for key, value in self.where.items())
        return f"{self.type}{about}" + (f" with {where}" if where else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must come of the fault: the four gates."""

    trigger: TriggerRule
    playbook: str = RESTART
    work_orders: int = 0
    detect_within_s: float = 60.0
    heal_within_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One drill. `experiment` is the file as the Chaos Toolkit reads it, `place` the file."""

    id: str
    title: str
    description: str = ""
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    is_micro: bool = False
    radius: tuple[str, ...] = ()
    expect: Expect
    approves: bool = False
    cure: Cure = Cure.NONE
    timeout_s: float = 180.0
    hypothesis: str = ""
    probes: tuple[Activity, ...] = ()
    method: tuple[Activity, ...] = ()
    rollbacks: tuple[Activity, ...] = ()
    experiment: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""

    @property
    def category(self) -> str:
        """Its first tag."""
        return self.tags[0] if self.tags else "other"

    @property
    def targets(self) -> tuple[str, ...]:
        """What its method is done to, each once, in its order."""
        return tuple(dict.fromkeys(each.target for each in self.method if each.target))

    @property
    def kernels(self) -> tuple[str, ...]:
        """The parts of the tree that it needs: `host` and `home` are none, nor is what its own method starts."""
        started = {each.target for each in self.method if each.func == "start_dummy"}
        named = (each.arguments.get("kernel") for each in (*self.probes, *self.method, *self.rollbacks))
        found = dict.fromkeys(name for name in named if isinstance(name, str) and name)
        return tuple(name for name in found if name not in {HOST, HOME, *started})

    def touches(self, name: str) -> bool:
        """Whether what happens to it belongs to the drill."""
        return any(fnmatchcase(name, pattern) for pattern in (*self.targets, *self.radius))

    def activities(self) -> Iterator[Activity]:
        """Everything in it, in the order of the file."""
        yield from (*self.probes, *self.method, *self.rollbacks)


def _same(seen: Any, wanted: Any) -> bool:
    """Equal; a text may be a pattern, and true is not 1."""
    if isinstance(wanted, str):
        return isinstance(seen, str) and fnmatchcase(seen, wanted)
    return isinstance(seen, bool) is isinstance(wanted, bool) and bool(seen == wanted)
