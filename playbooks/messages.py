"""The language of the playbook engine: events go in, commands come out.

`Run.handle(event, now) -> list[Command]`; `now` is wall time in seconds, because a run outlives processes. Calls,
timers and questions carry tokens that a run never uses twice; whatever names an old token changes nothing.
All of it is plain frozen data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Where a run is. The last five are final."""

    REQUESTED = "requested"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    ABANDONED = "abandoned"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = (Status.SUCCEEDED, Status.FAILED, Status.TIMED_OUT, Status.CANCELED, Status.ABANDONED)


# ---- events -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delayed:
    """The run was admitted but has to wait for its turn."""

    reason: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Its turn has come."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The first event after `Run.from_data`: whatever was under way when everything stopped is taken up again."""


@dataclass(frozen=True, slots=True)
class ActionDone:
    """The answer to CallAction. With a `work_order` the step is done only when that is."""

    token: int
    ok: bool
    changed: bool = False
    message: str = ""
    data: Any = None
    work_order: str | None = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer set by `SetTimer(token)` ran out."""

    token: int


@dataclass(frozen=True, slots=True)
class Approved:
    """Someone agreed."""

    token: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Someone refused."""

    token: int
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalExpired:
    """Nobody answered within the time of the question."""

    token: int


@dataclass(frozen=True, slots=True)
class PatchDone:
    """The work order that the run waited for is done."""

    token: int
    ok: bool
    changed: bool = True
    message: str = ""
    data: Any = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop in order: the call under way may answer, nothing further is begun, and the always block runs."""

    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Abandon:
    """Give the run up where it stands; nothing more is called, not even the always block."""

    reason: str = ""


Event = (
    Delayed
    | Begin
    | Restored
    | ActionDone
    | TimerFired
    | Approved
    | Rejected
    | ApprovalExpired
    | PatchDone
    | Cancel
    | Abandon
)


# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallAction:
    """Perform the action; answer with ActionDone. With `check` it must change nothing and say what it would do."""

    step: str
    action: str
    params: Mapping[str, Any]
    attempt: int
    check: bool
    token: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send TimerFired(token) at this time; at once if it is past."""

    token: int
    at: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer; a TimerFired that is on its way already is ignored."""

    token: int


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask those on the route; answer with Approved, Rejected or ApprovalExpired. The same token is the same question,
    `ttl_s` None stands for ever."""

    token: int
    route: str
    ttl_s: float | None


@dataclass(frozen=True, slots=True)
class AwaitPatch:
    """Answer with PatchDone when the work order is done. The same token is the same wait."""

    step: str
    work_order: str
    token: int


@dataclass(frozen=True, slots=True)
class Report:
    """Something worth an event in the log: `type` is `noun.past_tense`."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verified:
    """One check of `verify`: what was expected and seen."""

    check: str
    ok: bool
    expected: str
    seen: Any
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: why in words, which step failed for good, whether anything was changed, what was verified."""

    message: str = ""
    failed_step: str | None = None
    changed: bool = False
    verified: tuple[Verified, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over. Nothing follows it."""

    status: Status
    outcome: Outcome


Command = CallAction | SetTimer | CancelTimer | AskApproval | AwaitPatch | Report | Ended
