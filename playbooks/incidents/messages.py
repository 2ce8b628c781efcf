"""The language of a case: events go in, commands come out.

`Case.handle(event, now) -> list[Command]`; `now` is wall time in seconds and may jump, so delays are given as spans.
All of it is plain frozen data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from playbooks.incidents.choice import Knowledge
from playbooks.incidents.state import How

GONE = "gone"
"""The state of a kernel that is no part of the tree."""


class Clock(StrEnum):
    """The timers of a case."""

    WATCH = "watch"
    SETTLE = "settle"
    PATIENCE = "patience"


# ---- events -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """The first event: a failure that the supervisor answers with a restart, or (`decide`) one that nobody answers."""

    decide: bool = False


@dataclass(frozen=True, slots=True)
class Recurred:
    """The same failure again."""

    at: float
    lived_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a trigger had found is no longer so."""


@dataclass(frozen=True, slots=True)
class Held:
    """The supervisor keeps the kernel down, and why."""

    state: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Up:
    """The kernel was started and passed its self-test."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another case of the same kernel is being repaired."""

    other: str


@dataclass(frozen=True, slots=True)
class Released:
    """That is over."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to LookUp."""

    knowledge: Knowledge


@dataclass(frozen=True, slots=True)
class Approved:
    """Somebody agreed."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class NotApproved:
    """Somebody refused, or nobody answered in time."""

    why: str


@dataclass(frozen=True, slots=True)
class RunBegan:
    """The run that StartRun asked for exists; `problem` says why it does not."""

    run: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RunPaused:
    """The run waits for an `approval` or a `patch`; `ref` is the work order."""

    run: str
    waits_for: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class RunResumed:
    """It goes on."""

    run: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """It is over. `is_decision`: a person's word, or the lack of one, ended it. `is_refused`: its own policy did not
    let it begin, which says nothing about the repair."""

    run: str
    ok: bool
    message: str = ""
    is_decision: bool = False
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class OrderMade:
    """The work order that MakeOrder asked for exists; `problem` says why it does not."""

    order: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class OrderDone:
    """A work order is completed, or has failed, or (`is_withdrawn`) was taken out of the queue."""

    order: str
    ok: bool
    message: str = ""
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer to CheckReady: the self-test passed; else why not, and the state in the tree: empty when that is not
    known, GONE when there is no such kernel."""

    ok: bool
    why: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class ClockRang:
    """The time set by SetClock is over."""

    clock: Clock


@dataclass(frozen=True, slots=True)
class Closed:
    """A person says that it is over."""

    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Restored:
    """The first event after a restart: whatever was under way is taken up again."""


Event = (
    Opened
    | Recurred
    | Cleared
    | Held
    | Up
    | Busy
    | Released
    | Looked
    | Approved
    | NotApproved
    | RunBegan
    | RunPaused
    | RunResumed
    | RunEnded
    | OrderMade
    | OrderDone
    | Checked
    | ClockRang
    | Closed
    | Restored
)


# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask what is known of the signature and which playbooks match, without those that were tried. Answer with Looked,
    or with Busy while another case has the kernel."""

    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask a person whether this playbook may run. Answer with Approved or NotApproved."""

    playbook: str


@dataclass(frozen=True, slots=True)
class StartRun:
    """Have the playbook run; `approved_by` spares its own question. Answer with RunBegan, then how it goes."""

    playbook: str
    inputs: Mapping[str, Any]
    how: How
    approved_by: str = ""


@dataclass(frozen=True, slots=True)
class LookAtRun:
    """Say how the run went meanwhile; an empty name is the run of this case that was begun last, if there is one."""

    run: str


@dataclass(frozen=True, slots=True)
class MakeOrder:
    """Order a patch, the `number`th of this case: the same number again is the same order. Answer with OrderMade."""

    description: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class AwaitOrder:
    """Answer with OrderDone when it is done."""

    order: str


@dataclass(frozen=True, slots=True)
class WithdrawOrders:
    """Take every work order of this case out of the queue, also one that is just being made. What somebody has begun
    is left to them."""

    why: str


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Stop the run in order. It ends as one that a person cancels does."""

    run: str
    why: str


@dataclass(frozen=True, slots=True)
class StartKernel:
    """Have the supervisor start the kernel that it holds, unless it runs already, then do as CheckReady."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Have the supervisor keep the kernel in quarantine, with the cause."""

    cause: str


@dataclass(frozen=True, slots=True)
class CheckReady:
    """Run the self-test of the kernel. Answer with Checked."""


@dataclass(frozen=True, slots=True)
class SetClock:
    """Send ClockRang after so long; the same clock set again begins anew."""

    clock: Clock
    delay_s: float


@dataclass(frozen=True, slots=True)
class StopClock:
    """Forget it."""

    clock: Clock


@dataclass(frozen=True, slots=True)
class Learn:
    """Record how a repair went, under the run's id so that it counts once."""

    playbook: str
    params: Mapping[str, Any]
    run: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Record that an attempt is over and says nothing about the repair."""

    playbook: str
    why: str


@dataclass(frozen=True, slots=True)
class Judge:
    """A verified outcome for the trust in the kernel."""

    ok: bool


@dataclass(frozen=True, slots=True)
class Decide:
    """Record a decision: the evidence, what else was possible, what was chosen."""

    evidence: tuple[str, ...]
    alternatives: tuple[str, ...]
    choice: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Resolve:
    """Add to the last decision what came of it."""

    ok: bool
    note: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the story."""

    what: str


@dataclass(frozen=True, slots=True)
class Tell:
    """An event for the log: `type` is `noun.past_tense`."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


Command = (
    LookUp
    | AskApproval
    | StartRun
    | LookAtRun
    | MakeOrder
    | AwaitOrder
    | WithdrawOrders
    | CancelRun
    | StartKernel
    | Quarantine
    | CheckReady
    | SetClock
    | StopClock
    | Learn
    | Drop
    | Judge
    | Decide
    | Resolve
    | Note
    | Tell
)
