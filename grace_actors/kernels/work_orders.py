"""What a work order is: its states and legal moves, priorities, types, and the form it is shown in.

Pure: it must not know stores or the time. The table below is the whole state machine; a move it does not name is
refused and changes nothing. Invariant: `completed` and `failed` are final, only `testing` leads to `completed`, and
what is withdrawn can only be queued again.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from grace_actors.errors import Refused

MAX_PARALLEL = 5


class OrderState(StrEnum):
    """Where a work order stands."""

    QUEUED = "queued"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    TESTING = "testing"
    COMPLETED = "completed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # nobody had begun it, and nobody needs it any more


MOVES: dict[OrderState, tuple[OrderState, ...]] = {
    OrderState.QUEUED: (OrderState.ASSIGNED, OrderState.FAILED, OrderState.WITHDRAWN),
    OrderState.ASSIGNED: (OrderState.IN_PROGRESS, OrderState.QUEUED, OrderState.FAILED),
    OrderState.IN_PROGRESS: (OrderState.TESTING, OrderState.QUEUED, OrderState.FAILED),
    OrderState.TESTING: (OrderState.COMPLETED, OrderState.IN_PROGRESS, OrderState.FAILED),
    OrderState.COMPLETED: (),
    OrderState.FAILED: (),
    OrderState.WITHDRAWN: (OrderState.QUEUED,),
}
ACTIVE = (OrderState.ASSIGNED, OrderState.IN_PROGRESS, OrderState.TESTING)
CLOSED = (OrderState.COMPLETED, OrderState.FAILED, OrderState.WITHDRAWN)


class Priority(StrEnum):
    """How soon; `rank` orders them."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """3 for critical down to 0 for low."""
        return list(Priority).index(self)


class OrderType(StrEnum):
    """What kind of work. `syntax_scan` is done by the kernel itself; the others wait for who can do them."""

    BUILD_FEATURE = "build_feature"
    FIX_BUG = "fix_bug"
    REFACTOR = "refactor"
    OPTIMIZE = "optimize"
    ADD_TESTS = "add_tests"
    EXTEND_GRACE = "extend_grace"
    INTEGRATE_SYSTEM = "integrate_system"
    SELF_HEALING_PATCH = "self_healing_patch"
    SYNTAX_SCAN = "syntax_scan"


class Complexity(StrEnum):
    """How hard the work looks from the error that caused it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def complexity_of(error_type: str) -> Complexity:
    """Schema faults are easy, validation faults are hard, everything else lies between."""
    word = error_type.lower()
    if "schema" in word:
        return Complexity.LOW
    return Complexity.HIGH if "validation" in word else Complexity.MEDIUM


def check_move(before: OrderState, after: OrderState) -> None:
    """Raises Refused when the table has no such move."""
    if after in MOVES[before]:
        return
    allowed = ", ".join(MOVES[before]) or "nothing, it is final"
    raise Refused(f"a work order cannot go from {before.value} to {after.value}", hint=f"allowed: {allowed}")


def path_to(before: OrderState, after: OrderState) -> list[OrderState]:
    """The shortest legal way from one state to another, without the first. Raises Refused when there is none."""
    queue: deque[list[OrderState]] = deque([[before]])
    seen = {before}
    while queue:
        path = queue.popleft()
        for following in MOVES[path[-1]]:
            if following is after:
                return [*path[1:], following]
            if following not in seen:
                seen.add(following)
                queue.append([*path, following])
    check_move(before, after)
    return []
