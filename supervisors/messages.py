"""The language of the supervision core: events go in, commands come out.

`Supervisor.handle(event, now) -> list[Command]`. Every event and command about a child names the child
and its generation; a notice about an older generation changes nothing. All of it is plain frozen data,
so that the same conversation runs under a virtual clock, under Hypothesis and between real processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from supervisors.spec import ChildSpec


class ExitKind(StrEnum):
    """Why something ended. Only `normal` and `shutdown` are clean."""

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    CRASH = "crash"
    KILLED = "killed"
    HUNG = "hung"
    START_TIMEOUT = "start_timeout"
    START_FAILED = "start_failed"


@dataclass(frozen=True, slots=True)
class Exit:
    """Kind, the reason in words (`ValueError: bad port`, `SIGKILL`, `exit 3`, `hung`) and details
    (traceback and the message being handled)."""

    kind: ExitKind
    reason: str = ""
    detail: str = ""

    @property
    def is_clean(self) -> bool:
        return self.kind in (ExitKind.NORMAL, ExitKind.SHUTDOWN)


class StopHow(StrEnum):
    """The three steps of stopping a child, in rising force."""

    ORDERLY = "orderly"
    TERM = "term"
    KILL = "kill"


# ---- events -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Start the children. Answered by a `Started` or a `Gone` command."""


@dataclass(frozen=True, slots=True)
class ChildReady:
    """The child passed its self-test. `info` is passed on to the caller of start_child / restart_child."""

    child: str
    gen: int
    info: Any = None


@dataclass(frozen=True, slots=True)
class ChildIgnored:
    """The child declined to run (`ignore` in OTP) and is gone."""

    child: str
    gen: int


@dataclass(frozen=True, slots=True)
class ChildExited:
    """The child is completely gone. Before its ChildReady this means a failed start with this reason."""

    child: str
    gen: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class HeartbeatSeen:
    """The child answered a `Ping`."""

    child: str
    gen: int


@dataclass(frozen=True, slots=True)
class ChildMeasured:
    """What one incarnation uses now, how many messages wait for it (0 while they are held back), and what it says of
    itself (`gauges`, such as `failed_runs`); food for policies."""

    child: str
    gen: int
    memory_mb: float
    queue: int = 0
    cpu_percent: float = 0.0
    gauges: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """A fact from elsewhere for the policies (a deadlock, load, a failed health criterion): `topic` is
    `noun.past_tense`. The core itself ignores it."""

    topic: str
    subject: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer set by `SetTimer(token)` ran out. Stale tokens are ignored."""

    token: int


@dataclass(frozen=True, slots=True)
class Call:
    """An API call; answered by exactly one `Reply` with the same id."""

    id: int
    op: Op


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The parent (or the operator) ends this supervisor; it pre-empts a start in progress."""

    exit: Exit = field(default_factory=lambda: Exit(ExitKind.SHUTDOWN, "shutdown"))


Event = (
    Start
    | ChildReady
    | ChildIgnored
    | ChildExited
    | HeartbeatSeen
    | ChildMeasured
    | Observed
    | TimerFired
    | Call
    | StopRequested
)


# ---- operations of a Call -----------------------------------------------------------------------


class OpKind(StrEnum):
    """The API of a supervisor. `recycle` stops and starts one child without counting a restart;
    `reset` gives a failed or quarantined slot a new budget and starts it; `hold` and `quarantine` stop a child
    and keep its slot `awaiting_repair` or `quarantined` until `reset` or `restart_child`."""

    START_CHILD = "start_child"
    TERMINATE_CHILD = "terminate_child"
    RESTART_CHILD = "restart_child"
    DELETE_CHILD = "delete_child"
    COUNT_CHILDREN = "count_children"
    WHICH_CHILDREN = "which_children"
    GET_CHILDSPEC = "get_childspec"
    RECYCLE = "recycle"
    RESET = "reset"
    RELOAD = "reload"
    BUDGET = "budget"
    HOLD = "hold"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: `child` names the slot, `spec` is the ChildSpec of start_child or the SupervisorSpec
    of reload. `mode` is handed to the child by every start from now on, until a later operation starts it with
    another mode; the core only passes it on (`safe` is a staggered restart's). `reason` says for people why a child is
    held or quarantined. `keep`: what a child that is stopped for it has not answered waits for its next incarnation,
    which gets it as soon as it is up after a recycle, else when somebody says `Deliver`."""

    kind: OpKind
    child: str | None = None
    spec: Any = None
    mode: str = ""
    reason: str = ""
    keep: bool = False


# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start this generation; answer with ChildReady, ChildIgnored or ChildExited."""

    child: str
    gen: int
    spec: ChildSpec
    mode: str = ""


@dataclass(frozen=True, slots=True)
class StopChild:
    """Make it end with this much force; answer with ChildExited once it is completely gone. `keep` is that of `Op`."""

    child: str
    gen: int
    how: StopHow
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give this generation what was kept of those before it, before all else what the actors in `first` have asked."""

    child: str
    gen: int
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PassDown:
    """Tell a child that is a supervisor what this one knows."""

    child: str
    gen: int
    observed: Observed


@dataclass(frozen=True, slots=True)
class PauseChild:
    """Hold back the messages of this generation (`paused`), or let them through again. It ends with the generation: the
    next one starts unpaused. `by` names the policy."""

    child: str
    gen: int
    paused: bool
    by: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a sign of life; answer with HeartbeatSeen when it comes."""

    child: str
    gen: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send TimerFired(token) after `delay_s`. Tokens are never reused."""

    token: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer; a TimerFired that is on its way already is ignored."""

    token: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The one answer to Call(id). `result` is a word of the conformance traces (`ok`, `running`,
    `not_found`, `already_present`, `start_failed` ...); `value` carries data where there is some; `child` is
    the name of the child it is about (for a dynamic supervisor the name it was given)."""

    id: int
    result: str
    value: Any = None
    child: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Something worth an event in the log: `type` is `noun.past_tense`, `subject` a child or the supervisor."""

    type: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """Every child was started: the supervisor itself is ready."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The supervisor has no live child left and ends with this reason. Nothing follows it."""

    exit: Exit


Command = (
    StartChild
    | StopChild
    | PauseChild
    | Deliver
    | PassDown
    | Ping
    | SetTimer
    | CancelTimer
    | Reply
    | Report
    | Started
    | Gone
)
