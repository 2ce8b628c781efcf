"""What an event of the log means for healing: a failure, a kernel that is held down or up again, a call for a playbook.

Pure. Invariant: an exit that was asked for is no failure, and the same event always means the same.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grace_actors.kernel import Data
from grace_actors.kernels.masking import first_line
from grace_actors.kernels.tree_events import TreeEvent
from playbooks.matching import TriggerEvent
from playbooks.recognition import Failure, FailureKind, failure_of_exit

HELD_EVENTS = ("child.awaiting_repair", "child.quarantined", "child.failed")
UP_EVENTS = ("child.started", "supervisor.started")
VERIFIED = "kernel.verified"
FAILURE_EVENTS = ("child.exited", "child.hung", "child.start_failed", "supervisor.gave_up", VERIFIED)
TRIGGER, CLEARED = "trigger.fired", "trigger.cleared"
REPORTED = "incident.reported"
"""What the report of an actor is to playbooks."""
TREE_EVENTS = (*FAILURE_EVENTS, *UP_EVENTS, *HELD_EVENTS, TRIGGER, CLEARED)
GOOD_NEWS = frozenset({"started", "completed", "recovered", "relieved", "restored", "resumed", "passed", "opened"})
"""Events whose type ends so are no failures: what they start runs without an incident."""
MAX_DETAIL_CHARS = 20_000
MAX_NAME_CHARS = 200
MAX_ITEMS, MAX_DEPTH = 200, 8
_LATEST = 1e11
"""Unix seconds that are still a date."""
_OWN = ("incident.", "self_healing.", "run.")
"""What healing itself tells. An incident about it would tell of itself for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One failure. `decide`: no supervisor answers it by itself; `event` is what playbooks are held against."""

    failure: Failure
    at: float
    event: TriggerEvent
    decide: bool = False
    generation: int | None = None
    seq: int = 0
    by: str = "tree"
    data: Data = field(default_factory=dict)


def sound(event: TreeEvent, wall: float) -> TreeEvent:
    """The event as it can be kept, whatever it holds: names, texts, times, sizes and types that nothing trips over."""
    at = event.at if math.isfinite(event.at) and 0.0 <= event.at <= _LATEST else wall
    words = {key: clipped(getattr(event, key), MAX_DETAIL_CHARS) for key in ("kind", "reason")}
    words["detail"] = clipped(event.detail[-MAX_DETAIL_CHARS:], MAX_DETAIL_CHARS)  # its end says what happened
    subject = str(clipped(event.subject, MAX_NAME_CHARS)).strip() or "unnamed"
    return replace(event, at=at, subject=subject, data=clipped(event.data, MAX_DETAIL_CHARS), **words)


def clipped(value: Any, chars: int, depth: int = 0) -> Any:
    """Plain data of any origin with an end to every text, list and nesting."""
    match value:
        case str():
            text = value if value.isascii() else value.encode("utf-8", "replace").decode()
            return text[:chars]
        case None | bool():
            return value
        case int():
            return value if abs(value) < 2**63 else str(value)[:chars]
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping() | list() | tuple() if depth >= MAX_DEPTH:
            return "(nested too deep)"
        case Mapping():
            items = list(value.items())[:MAX_ITEMS]
            return {str(clipped(str(key), MAX_NAME_CHARS)): clipped(each, chars, depth + 1) for key, each in items}
        case list() | tuple():
            return [clipped(each, chars, depth + 1) for each in value[:MAX_ITEMS]]
    return repr(value)[:chars]


def event_of(event: TreeEvent) -> TriggerEvent:
    """The event as playbooks see it."""
    if event.type == TRIGGER:
        keys = ("issue", "severity", "action", "target", "detail")
        issue = {**{key: event.data.get(key) for key in keys}, "subject": event.subject}
        return TriggerEvent(type=str(event.data.get("trigger", "")), issue=issue)
    return TriggerEvent(type=event.type, issue={**event.data, "subject": event.subject})


def failure_of(event: TreeEvent, wanted: Collection[str]) -> Seen | None:
    """The failure that an event tells of, if it tells of one. `wanted` are the types that playbooks ask for."""
    match event.type:
        case "child.exited" if event.is_abnormal_exit:
            return _of_tree(event, event.kind, event.reason)
        case "child.hung":
            return _of_tree(event, FailureKind.HUNG.value, "hung")
        case "child.start_failed":
            kind = event.kind or FailureKind.START_FAILED.value
            return _of_tree(event, kind, event.reason)
        case "supervisor.gave_up":
            cause, last = event.data.get("cause", ""), event.data.get("last_exit", "")
            return _of_tree(event, FailureKind.CRASH.value, f"{event.reason}: {cause}: {last}")
        case "kernel.verified":
            return _of_check(event)
        case "trigger.fired":
            return _of_trigger(event)
        case type if type in wanted and not is_good_news(type) and type not in TREE_EVENTS:
            return _of_event(event)
    return None


def is_good_news(type: str) -> bool:
    """Whether an event of this type says that something went well, or what healing did."""
    return type.startswith(_OWN) or type.rpartition(".")[2] in GOOD_NEWS


def cleared(event: TreeEvent) -> Failure | None:
    """The failure that a trigger does not find any more."""
    seen = _of_trigger(event)
    return seen.failure if seen is not None else None


def held(event: TreeEvent) -> Seen:
    """A kernel that is held though no failure of it was followed: what its supervisor says of the end is one."""
    return _of_tree(event, event.kind, event.reason)


def reported(kernel: str, kind: str, reason: str, detail: str, at: float, by: str) -> Seen:
    """A failure that an actor reports."""
    known = kind if kind in set(FailureKind) else FailureKind.REPORTED.value
    failure = Failure(
        kernel=kernel,
        kind=FailureKind(known),
        reason=reason,
        detail=detail[:MAX_DETAIL_CHARS],
        check=_check(known, kind),
    )
    issue = {"subject": kernel, "kind": kind, "reason": reason}
    return Seen(failure=failure, at=at, event=TriggerEvent(type=REPORTED, issue=issue), decide=True, by=by)


def _check(known: str, kind: str) -> str:
    return kind if known == FailureKind.REPORTED.value else ""


def _of_tree(event: TreeEvent, kind: str, reason: str) -> Seen:
    failure = failure_of_exit(event.subject, kind, reason, event.detail[-MAX_DETAIL_CHARS:])
    generation = event.data.get("gen")
    return Seen(
        failure=failure,
        at=event.at,
        event=event_of(event),
        generation=generation if isinstance(generation, int) else None,
        seq=event.seq,
        data=event.data,
    )


def _of_check(event: TreeEvent) -> Seen | None:
    """A kernel that runs and fails its self-test. Silence is the business of its heartbeat."""
    failed = event.data.get("failed")
    names = [str(name) for name in failed if name != "answers"] if isinstance(failed, list) else []
    if event.data.get("ok") is not False or not names:
        return None
    check = ",".join(sorted(names))
    failure = Failure(kernel=event.subject, kind=FailureKind.NOT_READY, reason=f"failed: {check}", check=check)
    return Seen(failure=failure, at=event.at, event=event_of(event), decide=True, seq=event.seq, data=event.data)


def _of_trigger(event: TreeEvent) -> Seen | None:
    trigger, issue = event.data.get("trigger"), event.data.get("issue")
    if not isinstance(trigger, str) or not trigger:
        return None
    reason = f"{issue or trigger}: {event.data.get('detail') or ''}".strip(": ")
    # What was measured is different each time; the trigger and what it found are the failure.
    failure = Failure(kernel=event.subject, kind=FailureKind.TRIGGER, reason=reason, check=f"{trigger}/{issue}")
    since = event.data.get("since")
    at = float(since) if isinstance(since, int | float) and 0 < since <= event.at else event.at
    return Seen(failure=failure, at=at, event=event_of(event), decide=True, seq=event.seq, data=event.data)


def _of_event(event: TreeEvent) -> Seen:
    words = [str(event.data[key]) for key in ("reason", "problem", "message", "line", "detail") if event.data.get(key)]
    reason = first_line(words[0]) if words else event.type
    failure = Failure(kernel=event.subject, kind=FailureKind.TRIGGER, reason=reason, check=event.type)
    return Seen(failure=failure, at=event.at, event=event_of(event), decide=True, seq=event.seq, data=event.data)
