"""How much an open incident matters, and what should be done about it next.

Score = criticality (40 for a critical kernel, 20 for one of the repair pair, 10 otherwise) + kind (how sure it is that
nothing runs) + recurrence (5 for each doubling, at most 25) + age (1 for each two minutes it is open, at most 15).
So a critical kernel that is down beats anything that flickers, and nothing waits for ever. Pure.
An incident that is healed still matters while it keeps coming back; it scores no points for kind and age.
Invariant: more failures, or more waiting, never lower a score.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from grace_actors.kernel import Data

CRITICAL_POINTS, REPAIR_POINTS, OTHER_POINTS = 40.0, 20.0, 10.0
REPAIR_PAIR = ("self_healing", "coding_agent")
KIND_POINTS = {"gave_up": 20.0, "start_failed": 15.0, "start_timeout": 15.0, "hung": 12.0, "crash": 10.0, "killed": 8.0}
UNKNOWN_KIND_POINTS = 5.0
MAX_RECURRENCE, MAX_AGE = 25.0, 15.0
PATIENCE_S = 10.0
"""A restart takes milliseconds: what is still down after this does not come back by itself."""
RECURRING = 3
FLAPPING_S = 600.0

HEALED = "healed"


class Step(StrEnum):
    """What to do next about an incident."""

    WATCH = "watch"
    INSPECT_START = "inspect_start"
    DIAGNOSE = "diagnose"
    CALL_OPERATOR = "call_operator"


REASONS = {
    Step.WATCH: "its supervisor is restarting it",
    Step.INSPECT_START: "it is still down: look at its configuration, its dependencies and its log",
    Step.DIAGNOSE: "it fails again and again for the same reason: restarting does not help, find the cause",
    Step.CALL_OPERATOR: "its supervisor gave up: nothing will start it without a decision",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """One open incident with its score, the parts of it, and the next step."""

    incident: str
    kernel: str
    reason: str
    score: float
    criticality: float
    kind: float
    recurrence: float
    age: float
    step: Step
    why: str

    def as_data(self) -> dict[str, Any]:
        return asdict(self) | {"step": self.step.value}

    def words(self) -> str:
        """The score in one sentence."""
        return (
            f"{self.incident} ({self.kernel}: {self.reason}) scores {self.score:g}: criticality {self.criticality:g}, "
            f"kind {self.kind:g}, recurrence {self.recurrence:g}, age {self.age:g}. Next: {self.step.value}, because "
            f"{self.why}."
        )


def is_due(incident: Data, now: float) -> bool:
    """Not healed, or healed but coming back: three failures, the last within ten minutes."""
    if incident["state"] != HEALED:
        return True
    comes_back = int(incident["count"]) >= RECURRING and now - float(incident["last_at"]) <= FLAPPING_S
    return bool(comes_back)


def impact_of(incident: Data, critical: Collection[str], now: float) -> Impact:
    """Score one incident as self_healing lists them. `now` is Unix time in seconds."""
    kernel, kind, times = incident["kernel"], incident["kind"], max(1, int(incident["count"]))
    is_open = incident["state"] != HEALED
    open_s = max(0.0, now - float(incident["failed_at"])) if is_open else 0.0
    parts = {
        "criticality": _criticality(kernel, critical),
        "kind": KIND_POINTS.get(kind, UNKNOWN_KIND_POINTS) if is_open else 0.0,
        "recurrence": min(MAX_RECURRENCE, round(5.0 * math.log2(times), 1)),
        "age": min(MAX_AGE, round(open_s / 120.0, 1)),
    }
    step = _step(kind, times, open_s)
    return Impact(
        incident=incident["id"],
        kernel=kernel,
        reason=incident["reason"],
        score=round(sum(parts.values()), 1),
        step=step,
        why=REASONS[step],
        **parts,
    )


def in_order(impacts: list[Impact]) -> list[Impact]:
    """What matters most first; the older id among equals."""
    return sorted(impacts, key=lambda impact: (-impact.score, impact.incident))


def _criticality(kernel: str, critical: Collection[str]) -> float:
    if kernel in critical:
        return CRITICAL_POINTS
    return REPAIR_POINTS if kernel in REPAIR_PAIR else OTHER_POINTS


def _step(kind: str, times: int, open_s: float) -> Step:
    if kind == "gave_up":
        return Step.CALL_OPERATOR
    if times >= RECURRING:
        return Step.DIAGNOSE
    return Step.INSPECT_START if open_s > PATIENCE_S else Step.WATCH
