"""What the console understands of an answer: nodes of the tree and events, read tolerantly.

An instance of another version may leave fields out or add some; what is missing becomes a harmless
default. Must not print anything.
Invariant: reading never raises for an answer that is JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

UP = frozenset({"running", "ready", "completed"})
"""States in which nothing needs attention."""
QUIET = frozenset({"stopped", "paused", "undefined"})
"""States somebody asked for."""
CLEAN_EXITS = frozenset({"normal", "shutdown"})
NOTEWORTHY = frozenset(
    {
        "child.awaiting_repair",
        "child.quarantined",
        "supervisor.gave_up",
        "kernel.degraded",
        "fault.injected",
        "fault.undo_failed",
        "group.restarted",
    }
)
"""Event types shown above the prompt, beside `system.*` and exits that were not clean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastExit:
    """Why the generation before this one ended."""

    reason: str
    detail: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One supervisor, kernel, actor or process of the tree."""

    name: str
    kind: str = ""
    state: str = "unknown"
    pid: int | None = None
    generation: int | None = None
    restarts: int = 0
    uptime_s: float | None = None
    last_exit: LastExit | None = None
    memory_mb: float | None = None
    mailbox: int | None = None
    does: str = ""
    degraded: tuple[str, ...] = ()
    """Why it works with less than its full function; then a running one is shown as degraded."""
    cause: str = ""
    next_step: str = ""
    """Why it is held, and what one can do about it."""
    strategy: str = ""
    policies: tuple[str, ...] = ()
    children: tuple[Node, ...] = field(default=())

    def walk(self) -> Iterator[Node]:
        """This node and everything below it, in start order."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def needs_attention(self) -> bool:
        return self.state not in UP | QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the event log."""

    seq: int | None
    at: float | None
    type: str
    subject: str
    data: Mapping[str, Any]

    @property
    def is_noteworthy(self) -> bool:
        """Whether a person at the prompt wants to see it without asking."""
        if self.type == "child.exited":
            return str(self.data.get("kind", "")) not in CLEAN_EXITS
        return self.type in NOTEWORTHY or self.type.startswith("system.")


def read_node(wire: Any) -> Node:
    """A NODE of the protocol."""
    found = wire if isinstance(wire, dict) else {}
    degraded = tuple(map(str, found.get("degraded") or ()))
    state = _text(found.get("state")) or "unknown"
    return Node(
        name=_text(found.get("name")) or "?",
        kind=_text(found.get("kind")),
        state="degraded" if degraded and state == "running" else state,
        degraded=degraded,
        pid=_whole(found.get("pid")),
        generation=_whole(found.get("generation")),
        restarts=_whole(found.get("restarts")) or 0,
        uptime_s=_number(found.get("uptime_s")),
        last_exit=_last_exit(found.get("last_exit")),
        memory_mb=_number(found.get("memory_mb")),
        mailbox=_whole(found.get("mailbox")),
        does=_text(found.get("does")),
        cause=_text(found.get("cause")),
        next_step=_text(found.get("next_step")),
        strategy=_text(found.get("strategy")),
        policies=tuple(_policy(policy) for policy in found.get("policies") or ()),
        children=tuple(read_node(child) for child in found.get("children") or ()),
    )


def read_event(wire: Any) -> Event:
    """An item of `events`."""
    found = wire if isinstance(wire, dict) else {}
    data = found.get("data")
    return Event(
        seq=_whole(found.get("seq")),
        at=unix_time(found.get("at")),
        type=_text(found.get("type")) or "?",
        subject=_text(found.get("subject")),
        data=data if isinstance(data, dict) else {} if data is None else {"data": data},
    )


def overall(value: Mapping[str, Any]) -> str:
    """The state of the instance: `degraded` also when all run, but some with less than their full function."""
    state = str(value.get("state", "unknown"))
    return "degraded" if state == "running" and (value.get("kernels") or {}).get("degraded") else state


def unix_time(at: Any) -> float | None:
    """Unix seconds of a number or an RFC 3339 text; None when it is neither."""
    if isinstance(at, str):
        try:
            return datetime.fromisoformat(at).timestamp()
        except ValueError:
            return None
    return _number(at)


def _last_exit(wire: Any) -> LastExit | None:
    if not isinstance(wire, dict):
        return None
    reason = _text(wire.get("reason")) or _text(wire.get("kind"))
    return LastExit(reason=reason, detail=_text(wire.get("detail")), at=unix_time(wire.get("at")))


def _policy(wire: Any) -> str:
    return _text(wire.get("name") if isinstance(wire, dict) else wire)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
