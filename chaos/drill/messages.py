"""The language of a drill: events go in, commands come out.

`Drill.handle(event, now) -> list[Command]`; `now` is wall time in seconds, the same clock as the `at` of events. A key
is used once: an answer or a timer with another key changes nothing. All of it is plain frozen data.

What a host keeps: it tells `Begin` once, then every event of the log that comes after `Begin.seq` as `Seen`, in the
order of their numbers; it answers each command as its docstring says, or not at all (everything has a timer); and
after `Judged` there is nothing to do but what `Judged` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chaos.card import Activity


class Phase(StrEnum):
    """Where a drill is. `rolling_back` comes before every verdict of a drill that has begun to inject."""

    WAITING = "waiting"
    CHECKING = "checking"
    INJECTING = "injecting"
    DETECTING = "detecting"
    HEALING = "healing"
    VERIFYING = "verifying"
    ROLLING_BACK = "rolling_back"
    JUDGED = "judged"


class Status(StrEnum):
    """How it is with a drill; the words of the Chaos Toolkit, and `running`. Only a `completed` one passed or did not:
    `failed` means that its hypothesis did not hold before anything was done, or that its method could not be carried
    out; `aborted` that something outside it went wrong; `interrupted` that somebody halted it."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"


GATES = ("trigger", "playbook", "work_order", "slo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a drill. `passed` and `gates` are null unless it was completed; `said` explains each gate in words.
    `problems` tell what could not be undone: then it has not passed, whatever its gates say."""

    status: Status
    passed: bool | None
    gates: Mapping[str, bool | None]
    said: Mapping[str, str]
    detect_s: float | None = None
    heal_s: float | None = None
    reason: str = ""
    problems: tuple[str, ...] = ()

    @property
    def deviated(self) -> bool:
        """Whether something was learned that somebody has to look at."""
        return self.passed is False


# ---- events -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """Start. `seq` is the number of the newest event of the log. No incident is open: a host refuses such drills
    before, by `chaos.drill.admission.objection`."""

    seq: int


@dataclass(frozen=True, slots=True)
class ProbeDone:
    """The answer to RunProbe: `ok`, whether it could be read (and, of a probe without tolerance, that all is well);
    `value`, what is held against the tolerance: `playbooks.tolerance.value_of(result.data)`."""

    key: str
    ok: bool
    value: Any = None
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ActionDone:
    """The answer to RunAction. Of a fault, `record` is the id of its undo record, also when it was not ok: a fault
    that failed halfway is undone too. `seq` is the number of the newest event of the log just BEFORE the action was
    carried out, asked for when the command `counts`; None: what the drill has seen when it commanded it."""

    key: str
    ok: bool
    record: str | None = None
    seq: int | None = None
    message: str = ""
    seconds: float = 0.0
    value: Any = None
    refused: bool = False
    """Nothing was done, because what the card asks for is not possible; who was asked is well."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of the log; `at` is its own time, in Unix seconds."""

    seq: int
    type: str
    subject: str
    data: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer set by `SetTimer(key)` ran out."""

    key: str


@dataclass(frozen=True, slots=True)
class Undone:
    """The answer to UndoAll: what could not be undone, in words."""

    key: str
    ok: bool = True
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Halt:
    """Somebody stops the drill: it undoes everything at once, then it is judged `interrupted`."""

    by: str = ""


Event = Begin | ProbeDone | ActionDone | Seen | TimerFired | Undone | Halt


# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunProbe:
    """Read: `activity.func` is a reading action of the catalogue (or `ask`) with `activity.arguments`. Answer with
    ProbeDone."""

    key: str
    activity: Activity


@dataclass(frozen=True, slots=True)
class RunAction:
    """Carry out a fault (`activity.kind` is `fault`: `Faults.inject(activity.func, activity.target,
    activity.params)`), or a step. With `counts` ask for the number of the newest event just before. Answer with
    ActionDone."""

    key: str
    activity: Activity
    counts: bool = False


@dataclass(frozen=True, slots=True)
class UndoAll:
    """Undo every fault that this drill has injected, also one whose injection is still under way. Comes at once after
    a halt, and again when an injection answers only then. Answer with Undone."""

    key: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send TimerFired(key) after `delay_s`."""

    key: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer; a TimerFired that is on its way already is ignored."""

    key: str


@dataclass(frozen=True, slots=True)
class Approve:
    """Approve, as governance `respond`, what an incident of the drill asks for. Nothing is answered."""

    approval: str


@dataclass(frozen=True, slots=True)
class CompleteOrder:
    """Complete a work order of coding_agent: the fault is undone, as an engineer would have mended it. `text` says so.
    Nothing is answered; its `coding_agent.work_order_updated` will be seen."""

    order: str
    text: str


@dataclass(frozen=True, slots=True)
class Tell:
    """An event for the log about the card: `type` is `drill.` and a past tense. The host adds `card` and `run`."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """It is over; nothing follows. Every fault whose injection was answered before is undone, or is among the
    problems. The host undoes by itself a fault whose injection answers later still, and writes
    `chaos.drill.journal.journal(drill)`."""

    verdict: Verdict


Command = RunProbe | RunAction | UndoAll | SetTimer | CancelTimer | Approve | CompleteOrder | Tell | Judged
