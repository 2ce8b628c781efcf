"""What a drill has done, entry by entry, and when: food for the live table, the journal and the report.

It records and decides nothing. Invariant: an entry that began has ended, or is under way, or was left out; its times
are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chaos.card import Activity, Card, Kind


class When(StrEnum):
    """Which part of the drill an entry belongs to."""

    BEFORE = "before"
    METHOD = "method"
    AFTER = "after"
    ROLLBACK = "rollback"


class State(StrEnum):
    """How it is with an entry."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(slots=True, kw_only=True)
class Entry:
    """One activity at one place of the drill. A probe of the end is asked again and again: `times` counts that, the
    rest is of the last time. `met`: whether a probe was in tolerance; `was_read`: whether it answered at all;
    `was_refused`: whether an action was not done because it is not possible."""

    activity: Activity
    when: When
    state: State = State.WAITING
    began_at: float = 0.0
    ended_at: float = 0.0
    seconds: float = 0.0
    message: str = ""
    value: Any = None
    met: bool | None = None
    was_read: bool = False
    was_refused: bool = False
    times: int = 0

    @property
    def what(self) -> str:
        """One word for people: probe, inject, step or rollback."""
        if self.when is When.ROLLBACK:
            return "rollback"
        return {Kind.PROBE: "probe", Kind.FAULT: "inject", Kind.STEP: "step"}[self.activity.kind]

    def begin(self, now: float) -> None:
        """It is asked for."""
        self.state, self.began_at, self.ended_at = State.RUNNING, now, 0.0
        self.message, self.value, self.met = "", None, None
        self.times += 1

    def end(self, now: float, *, ok: bool, message: str, seconds: float, value: Any = None) -> None:
        """It was answered, or nobody answered in time."""
        self.state, self.ended_at = State.OK if ok else State.FAILED, now
        self.message, self.value, self.was_read = message, value, ok
        self.seconds = seconds or max(0.0, now - self.began_at)

    def as_data(self) -> dict[str, Any]:
        """For people."""
        return {
            "name": self.activity.name,
            "what": self.what,
            "when": self.when.value,
            "state": self.state.value,
            "seconds": round(self.seconds, 3),
            "message": self.message,
            "times": self.times,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment of the timeline: `what` is injected, detected, exited, recovered, undone ..., `subject` whom it is
    about."""

    at: float
    what: str
    subject: str
    text: str

    def as_data(self, start: float) -> dict[str, Any]:
        """With the seconds since the start of the drill."""
        return {
            "at": self.at,
            "at_s": round(self.at - start, 3),
            "what": self.what,
            "subject": self.subject,
            "text": self.text,
        }


MARKED: Mapping[str, str] = {
    "child.exited": "exited",
    "child.hung": "hung",
    "child.started": "started",
    "child.awaiting_repair": "held",
    "child.quarantined": "quarantined",
    "incident.opened": "incident",
    "incident.recurred": "incident",
    "incident.healed": "healed",
    "incident.failed": "failed",
    "incident.quarantined": "failed",
    "self_healing.triggered": "repairing",
    "self_healing.escalated": "ordered",
    "run.ended": "repaired",
    "coding_agent.work_order_created": "ordered",
    "coding_agent.work_order_updated": "ordered",
    "approval.requested": "asked",
}
"""The events that the timeline shows, and as what."""
MOST_MARKS = 500


class Records:
    """The entries and the timeline of one drill."""

    def __init__(self, card: Card) -> None:
        self.before = [Entry(activity=probe, when=When.BEFORE) for probe in card.probes]
        self.method = [Entry(activity=each, when=When.METHOD) for each in card.method]
        self.after = [Entry(activity=probe, when=When.AFTER) for probe in card.probes]
        self.rollbacks = [Entry(activity=each, when=When.ROLLBACK) for each in card.rollbacks]
        self.marks: list[Mark] = []

    def entries(self) -> list[Entry]:
        """In the order in which they are done."""
        return [*self.before, *self.method, *self.after, *self.rollbacks]

    def mark(self, at: float, what: str, subject: str, text: str = "") -> None:
        """Add to the timeline; it keeps the first of what is too much, for the cause comes first."""
        if len(self.marks) < MOST_MARKS:
            self.marks.append(Mark(at=at, what=what, subject=subject, text=text))

    def timeline(self, start: float) -> list[dict[str, Any]]:
        """In the order of time."""
        return [mark.as_data(start) for mark in sorted(self.marks, key=lambda mark: mark.at)]
