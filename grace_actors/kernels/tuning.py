"""Sees from what happens to children which of their thresholds may be wrong, and suggests a change.

Three rules. A child that is killed as hung three times within an hour and runs well afterwards was busy, not dead:
allow one more missed heartbeat. A child that ends four times within a minute is restarted too eagerly: double its
back-off. A child whose start times out twice within an hour needs half as much time again. Pure: times come in.
Invariant: a suggestion names the outcomes it rests on, and using them up is the only way they leave before their time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

HUNG_COUNT, HUNG_WINDOW_S, HUNG_STABLE_S = 3, 3600.0, 60.0
CLUSTER_COUNT, CLUSTER_WINDOW_S = 4, 60.0
TIMEOUT_COUNT, TIMEOUT_WINDOW_S = 2, 3600.0
MAX_CHILDREN = 1000


class Seen(StrEnum):
    """What can be observed of a child."""

    STARTED = "started"
    ENDED = "ended"
    HUNG = "hung"
    START_TIMEOUT = "start_timeout"


class Setting(StrEnum):
    """What can be tuned, by its name in the tree file."""

    HEARTBEAT_MISSES = "heartbeat.misses"
    BACKOFF_MIN = "backoff.min"
    START_TIMEOUT = "start_timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One change of one child's setting, relative to its present value."""

    child: str
    setting: Setting
    change: dict[str, float]
    why: str


@dataclass(slots=True)
class _Child:
    """Times of what was seen, oldest first."""

    ended: list[float] = field(default_factory=list)
    hung: list[float] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    started: float = 0.0


class Tuner:
    """Collects observations and answers what they suggest."""

    def __init__(self) -> None:
        self._children: dict[str, _Child] = {}

    def __len__(self) -> int:
        """How many children were observed."""
        return len(self._children)

    def observe(self, name: str, seen: Seen, at: float) -> list[Suggestion]:
        """Take one observation; answers the suggestions it completes."""
        if name not in self._children and len(self._children) >= MAX_CHILDREN:
            del self._children[next(iter(self._children))]
        child = self._children.setdefault(name, _Child())
        match seen:
            case Seen.STARTED:
                child.started = at
            case Seen.ENDED:
                child.ended = _recent([*child.ended, at], at, CLUSTER_WINDOW_S)
            case Seen.HUNG:
                child.hung = _recent([*child.hung, at], at, HUNG_WINDOW_S)
            case Seen.START_TIMEOUT:
                child.timeouts = _recent([*child.timeouts, at], at, TIMEOUT_WINDOW_S)
        return [found for rule in (_eager, _slow_start) if (found := rule(name, child)) is not None]

    def look(self, now: float) -> list[Suggestion]:
        """What time alone completes: children that run well since they were killed as hung."""
        found = [_too_strict(name, child, now) for name, child in self._children.items()]
        return [suggestion for suggestion in found if suggestion is not None]

    def as_data(self) -> dict[str, Any]:
        return {name: asdict(child) for name, child in self._children.items()}

    def restore(self, data: Any) -> None:
        """Take back what `as_data` gave. Raises ValueError for anything else."""
        try:
            self._children = {
                str(name): _Child(
                    ended=[float(at) for at in child["ended"]],
                    hung=[float(at) for at in child["hung"]],
                    timeouts=[float(at) for at in child["timeouts"]],
                    started=float(child["started"]),
                )
                for name, child in data.items()
            }
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise ValueError(f"not observations: {data!r:.100}") from error


Rule = Callable[[str, _Child], Suggestion | None]


def _recent(times: list[float], now: float, window_s: float) -> list[float]:
    return [at for at in times if now - at <= window_s]


def _eager(name: str, child: _Child) -> Suggestion | None:
    count = len(child.ended)
    if count < CLUSTER_COUNT:
        return None
    span = child.ended[-1] - child.ended[0]
    child.ended = []
    why = f"{name} ended {count} times within {span:.0f} s: it is restarted faster than its cause can pass"
    return Suggestion(child=name, setting=Setting.BACKOFF_MIN, change={"times": 2.0}, why=why)


def _slow_start(name: str, child: _Child) -> Suggestion | None:
    count = len(child.timeouts)
    if count < TIMEOUT_COUNT:
        return None
    child.timeouts = []
    why = f"the start of {name} timed out {count} times within an hour"
    return Suggestion(child=name, setting=Setting.START_TIMEOUT, change={"times": 1.5}, why=why)


def _too_strict(name: str, child: _Child, now: float) -> Suggestion | None:
    hung = _recent(child.hung, now, HUNG_WINDOW_S)
    runs_well = hung and child.started >= hung[-1] and now - child.started >= HUNG_STABLE_S
    if len(hung) < HUNG_COUNT or not runs_well or any(at > child.started for at in child.ended):
        return None
    child.hung = []
    why = f"{name} was killed as hung {len(hung)} times within an hour and ran well afterwards: it was busy, not dead"
    return Suggestion(child=name, setting=Setting.HEARTBEAT_MISSES, change={"plus": 1.0}, why=why)
