"""Everything a run remembers, and its form as plain JSON data.

Data only; what it means is the engine's. Invariant: `from_data(to_data(state)) == state` for plain values, through
JSON as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from playbooks.messages import Status, Verified

SCHEMA = "grace.run/1"


class RunDataError(Exception):
    """Data that is not that of a run, or not of a run of this playbook."""


class Block(StrEnum):
    """The part of the playbook a run is in."""

    STEPS = "steps"
    RESCUE = "rescue"
    VERIFY = "verify"
    ALWAYS = "always"


class Awaited(StrEnum):
    """What a run waits for."""

    CALL = "call"
    DELAY = "delay"
    APPROVAL = "approval"
    PATCH = "patch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing that is awaited: `token` names the answer, `timer` the patience."""

    what: Awaited
    token: int = 0
    timer: int | None = None
    work_order: str = ""


@dataclass(slots=True, kw_only=True)
class State:
    """A run between two events. `timers` are those that are set, with their times; `verdict` is how it will end once
    the always block is done; `approved_by` agreed before the run was requested; `left_s` is the rest of its time while
    it is paused, `work_order` the last patch that it waited for."""

    id: str
    playbook: str
    digest: str
    inputs: dict[str, Any] = field(default_factory=dict)
    issue: dict[str, Any] = field(default_factory=dict)
    check: bool = False
    approved_by: str = ""
    status: Status = Status.REQUESTED
    block: Block | None = None
    index: int = 0
    attempt: int = 0
    waiting: Waiting | None = None
    timers: dict[int, float] = field(default_factory=dict)
    run_timer: int | None = None
    left_s: float | None = None
    work_order: str = ""
    next_token: int = 1
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed_step: str | None = None
    failure: str | None = None
    verified: list[Verified] = field(default_factory=list)
    verdict: Status | None = None
    reason: str = ""
    changed: bool = False

    def to_data(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"schema": SCHEMA, **_plain(asdict(self))}


def state_of(data: Mapping[str, Any]) -> State:
    """The state in `to_data`'s form. Raises RunDataError."""
    if data.get("schema") != SCHEMA:
        raise RunDataError(f"schema is {data.get('schema')!r:.60}, allowed: {SCHEMA}")
    names = {each.name for each in fields(State)}
    values = {key: value for key, value in data.items() if key in names}
    try:
        values["status"] = Status(values["status"])
        values["block"] = None if values["block"] is None else Block(values["block"])
        values["verdict"] = None if values["verdict"] is None else Status(values["verdict"])
        values["timers"] = {int(token): at for token, at in values["timers"].items()}
        values["verified"] = [Verified(**each) for each in values["verified"]]
        waiting = values["waiting"]
        values["waiting"] = None if waiting is None else Waiting(**{**waiting, "what": Awaited(waiting["what"])})
        return State(**values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunDataError(f"not the data of a run: {type(error).__name__}: {error}") from None


def _plain(value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value
