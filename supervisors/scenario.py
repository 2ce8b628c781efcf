"""Scenarios of the simulator: a supervisor, its children and what happens to them, read from plain JSON data.

The format is that of the conformance traces (durations in whole units OTP has: `shutdown` in milliseconds), plus fields
and steps that only Grace has. It reads data, not files, and plays nothing.
Invariant: what it accepts can be played; everything else is a ScenarioError that says where and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from supervisors.observations import problem
from supervisors.spec import (
    BRUTAL_KILL,
    INFINITY,
    AutoShutdown,
    Backoff,
    Budget,
    ChildSpec,
    ChildType,
    Heartbeat,
    OnExhausted,
    PolicySpec,
    Restart,
    Startup,
    Strategy,
    SupervisorSpec,
)

REASONS = ("normal", "shutdown", "shutdown_tuple", "crash", "kill")
GRACE_CHILD = (
    "start_timeout_s",
    "heartbeat",
    "backoff",
    "budget",
    "on_exhausted",
    "permanent_failure",
    "clean_exits",
    "depends_on",
    "apart",
)
GRACE_WORLD = ("fail_starts",)
"""Fields of a child that are about how it behaves, not about its spec."""
GRACE_SUPERVISOR = ("startup", "max_children", "policies")
_CHILD = ("id", "restart", "shutdown", "significant", "type", "stubborn", *GRACE_CHILD)
_SUPERVISOR = ("id", "strategy", "intensity", "period", "auto_shutdown", "children", "steps", *GRACE_SUPERVISOR)
_STEPS: Mapping[str, tuple[str, ...]] = {
    "exit": ("id", "reason"),
    "exit_many": ("ids", "reason"),
    "fail_starts": ("id", "times"),
    "ignore_starts": ("id", "times"),
    "terminate_child": ("id",),
    "restart_child": ("id",),
    "delete_child": ("id",),
    "start_child": ("spec",),
    "count_children": (),
    "stop": (),
    "advance": ("seconds",),
    "stall_starts": ("id", "times"),
    "hang": ("id",),
    "measure": ("id",),
    "observe": ("topic",),
    "recycle": ("id",),
    "reset": ("id",),
    "hold": ("id",),
    "quarantine": ("id",),
    "budget": (),
}
"""Every step with the fields it needs. From `stall_starts` on they are Grace's own: starts that never become ready,
a child that stops answering pings, measurements, facts for policies, and the operations OTP does not have."""
_OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "measure": ("memory_mb", "queue", "cpu_percent", "gauges", "times", "every_s"),
    "observe": ("subject", "data", "times", "every_s"),
}
"""What a step takes besides. With `times` it happens again every `every_s` seconds."""
OTP_STEPS = tuple(_STEPS)[: tuple(_STEPS).index("stall_starts")]

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario that cannot be played: `where` is the place in it, `hint` what to do."""

    def __init__(self, where: str, problem: str, allowed: tuple[str, ...] = ()) -> None:
        self.where = where
        self.problem = problem
        self.allowed = allowed
        self.hint = (
            f"use one of: {', '.join(allowed)}"
            if allowed
            else "compare with the format described in supervisors.scenario"
        )
        super().__init__(f"{where}: {problem}; {self.hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens. Only the fields of its `op` are set."""

    op: str
    id: str = ""
    ids: tuple[str, ...] = ()
    reason: str = ""
    times: int = 1
    seconds: float = 0.0
    memory_mb: float = 0.0
    queue: int = 0
    cpu_percent: float = 0.0
    gauges: Mapping[str, float] = field(default_factory=dict)
    topic: str = ""
    subject: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    every_s: float = 0.0
    spec: ChildSpec | None = None
    stubborn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`stubborn` children ignore every stop but KILL; `fail_starts` says how many starts of a child fail from the
    beginning. `is_otp`: nothing in it is Grace's own, so that the trace must equal that of OTP's supervisor."""

    id: str
    spec: SupervisorSpec
    steps: tuple[Step, ...]
    stubborn: frozenset[str] = field(default_factory=frozenset)
    fail_starts: Mapping[str, int] = field(default_factory=dict)
    is_otp: bool = True


def parse_scenario(data: Any) -> Scenario:
    """A scenario from JSON data. Raises ScenarioError."""
    where = f"scenario {data.get('id', '')!r}" if isinstance(data, Mapping) else "scenario"
    reader = _Reader(data, where, _SUPERVISOR)
    children = [
        _Reader(item, f"{where} child {n}", (*_CHILD, *GRACE_WORLD))
        for n, item in enumerate(reader.items("children"), 1)
    ]
    steps = [_step(item, f"{where} step {n}") for n, item in enumerate(reader.items("steps"), 1)]
    spec = SupervisorSpec(
        name=reader.text("id", "scenario"),
        strategy=reader.choice("strategy", Strategy, Strategy.ONE_FOR_ONE),
        intensity=reader.whole("intensity", 1),
        period_s=reader.number("period", 5),
        auto_shutdown=reader.choice("auto_shutdown", AutoShutdown, AutoShutdown.NEVER),
        startup=reader.choice("startup", Startup, Startup.ORDERED),
        max_children=reader.whole("max_children", None),
        children=tuple(_child(child) for child in children),
        policies=tuple(_policy(_Reader(item, f"{where} policies", ())) for item in reader.items("policies")),
    )
    own = (
        reader.has(GRACE_SUPERVISOR)
        or spec.strategy is Strategy.DYNAMIC
        or any(child.has(GRACE_CHILD + GRACE_WORLD) for child in children)
    )
    return Scenario(
        id=spec.name,
        spec=spec,
        steps=tuple(step for step, _ in steps),
        stubborn=frozenset(child.text("id") for child in children if child.flag("stubborn")),
        fail_starts={child.text("id"): times for child in children if (times := child.whole("fail_starts", 0))},
        is_otp=not own and all(is_otp for _, is_otp in steps),
    )


def _step(data: Any, where: str) -> tuple[Step, bool]:
    """The step, and whether OTP could play it too."""
    reader = _Reader(data, where, ())
    op = reader.text("op")
    if op not in _STEPS:
        raise ScenarioError(where, f"unknown op {op!r}", tuple(_STEPS))
    reader = _Reader(data, f"{where} ({op})", ("op", *_STEPS[op], *_OPTIONAL.get(op, ()), "reason"))
    missing = [name for name in _STEPS[op] if name not in data]
    if missing:
        raise ScenarioError(reader.where, f"field {missing[0]!r} is missing", tuple(_STEPS[op]))
    child = _Reader(data["spec"], f"{reader.where} spec", _CHILD) if op == "start_child" else None
    reason = reader.text("reason", "")
    is_plain = reason in ("", *REASONS) and not (op == "fail_starts" and reason)
    if "reason" in _STEPS[op] and not is_plain and not reason.startswith("crash:"):
        raise ScenarioError(reader.where, f"unknown reason {reason!r}", (*REASONS, "crash:<words>"))
    step = Step(
        op=op,
        id=reader.text("id", ""),
        ids=tuple(reader.words("ids")),
        reason=reason,
        times=reader.whole("times", 1) or 0,
        seconds=reader.number("seconds", 0),
        memory_mb=reader.number("memory_mb", 0),
        queue=reader.whole("queue", 0),
        cpu_percent=reader.number("cpu_percent", 0),
        gauges=reader.numbers("gauges"),
        topic=reader.text("topic", ""),
        subject=reader.text("subject", ""),
        data=reader.mapping("data"),
        every_s=reader.number("every_s", 0),
        spec=_child(child) if child else None,
        stubborn=child.flag("stubborn") if child else False,
    )
    found = problem(step.topic, step.data) if op == "observe" else None
    if found is not None:
        raise ScenarioError(reader.where, found[0], (found[1],))
    is_otp = op in OTP_STEPS and is_plain and not (child and child.has(GRACE_CHILD))
    return step, is_otp


def _child(reader: _Reader) -> ChildSpec:
    return ChildSpec(
        id=reader.text("id"),
        start="simulated",
        restart=reader.choice("restart", Restart, Restart.PERMANENT),
        shutdown_s=_shutdown(reader),
        significant=reader.flag("significant"),
        type=reader.choice("type", ChildType, ChildType.WORKER),
        start_timeout_s=reader.number("start_timeout_s", None),
        heartbeat=reader.record("heartbeat", Heartbeat),
        backoff=reader.record("backoff", Backoff),
        budget=reader.record("budget", Budget),
        on_exhausted=reader.choice("on_exhausted", OnExhausted, OnExhausted.ESCALATE),
        permanent_failure=tuple(reader.words("permanent_failure")),
        clean_exits=tuple(reader.words("clean_exits")),
        depends_on=tuple(reader.words("depends_on")),
        apart=reader.flag("apart"),
    )


def _shutdown(reader: _Reader) -> float | str | None:
    value = reader.get("shutdown", None)
    if value is None or value in (BRUTAL_KILL, INFINITY):
        return value  # type: ignore[no-any-return]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000
    raise reader.wrong("shutdown", value, ("milliseconds", BRUTAL_KILL, INFINITY))


def _policy(reader: _Reader) -> PolicySpec:
    return PolicySpec(name=reader.text("name"), params=reader.get("params", {}))


class _Reader:
    """Reads fields of one JSON object and knows where it stands. `known` empty accepts any field."""

    def __init__(self, data: Any, where: str, known: tuple[str, ...]) -> None:
        self.where = where
        if not isinstance(data, Mapping):
            raise ScenarioError(where, f"{data!r:.60} is not an object")
        self._data = data
        unknown = [str(key) for key in data if known and key not in known]
        if unknown:
            raise ScenarioError(where, f"unknown field {unknown[0]!r}", known)

    def has(self, names: tuple[str, ...]) -> bool:
        return any(name in self._data for name in names)

    def get(self, name: str, default: Any) -> Any:
        value = self._data.get(name)
        return default if value is None else value

    def wrong(self, name: str, value: Any, allowed: tuple[str, ...]) -> ScenarioError:
        return ScenarioError(self.where, f"{name} is {value!r:.60}", allowed)

    def _typed(self, name: str, default: Any, fits: Callable[[Any], bool], form: str) -> Any:
        value = self.get(name, default)
        if value is default or fits(value):
            return value
        raise self.wrong(name, value, (form,))

    def text(self, name: str, default: str | None = None) -> str:
        value = self._typed(name, default, lambda v: isinstance(v, str) and v != "", "a string")
        if value is None:
            raise ScenarioError(self.where, f"field {name!r} is missing")
        return str(value)

    def flag(self, name: str) -> bool:
        return bool(self._typed(name, False, lambda v: isinstance(v, bool), "true or false"))

    def whole(self, name: str, default: int | None) -> Any:
        return self._typed(name, default, lambda v: isinstance(v, int) and not isinstance(v, bool), "a whole number")

    def number(self, name: str, default: float | None) -> Any:
        fits = lambda v: isinstance(v, int | float) and not isinstance(v, bool)  # noqa: E731
        return self._typed(name, default, fits, "a number")

    def items(self, name: str) -> list[Any]:
        return self._typed(name, [], lambda v: isinstance(v, list), "a list")  # type: ignore[no-any-return]

    def words(self, name: str) -> list[str]:
        fits = lambda v: isinstance(v, list) and all(isinstance(word, str) for word in v)  # noqa: E731
        return self._typed(name, [], fits, "a list of strings")  # type: ignore[no-any-return]

    def mapping(self, name: str) -> Mapping[str, Any]:
        return self._typed(name, {}, lambda v: isinstance(v, Mapping), "an object")  # type: ignore[no-any-return]

    def numbers(self, name: str) -> dict[str, float]:
        """An object of numbers."""
        values = self.mapping(name)
        inner = _Reader(values, f"{self.where} {name}", ())
        return {str(key): inner.number(key, None) for key in values}

    def choice(self, name: str, kind: type[E], default: E) -> E:
        value = self.get(name, default)
        if value not in set(kind):
            raise self.wrong(name, value, tuple(choice.value for choice in kind))
        return kind(value)

    def record(self, name: str, kind: Callable[..., T]) -> T | None:
        """An object whose fields are those of a spec dataclass; its values are judged by `validate`."""
        value = self.get(name, None)
        if value is None:
            return None
        fields = tuple(kind.__dataclass_fields__)  # type: ignore[attr-defined]
        inner = _Reader(value, f"{self.where} {name}", fields)
        try:
            return kind(**inner._data)
        except TypeError as error:
            raise ScenarioError(inner.where, str(error).partition("__init__() ")[2], fields) from error
