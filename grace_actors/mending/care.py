"""What coding_agent does about a self_healing that is not well: which acts, in which order, and what is ordered after.

Pure: what was asked for and what each act came to in, the next act out. It must not know how an act is performed.
Invariant: a repair ends after a bounded number of acts, each done at most once; it is good only if every act that had
to succeed did; and a repair that is not good orders what a person has to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

HEALER, KNOWLEDGE = "self_healing", "signature"
MEND, RUNS = "mend_playbooks", "look_at_runs"
"""Acts of coding_agent's own; the others are actions of the catalogue."""
UP_S = 20.0


class Why(StrEnum):
    """What is wrong with it, as far as the repair differs."""

    DOWN = "down"
    STUCK = "stuck"
    FAILING = "failing"
    KNOWLEDGE = "knowledge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing to do. One that is not `needed` may fail; `if_failed` names the act that must have failed before."""

    id: str
    does: str
    params: Mapping[str, Any] = field(default_factory=dict)
    needed: bool = True
    if_failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an act came to."""

    ok: bool
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A work order: what is wrong, how soon, and what helps."""

    type: str
    description: str
    priority: str
    context: Mapping[str, Any]


def why_of(criterion: str) -> Why:
    """What a criterion of the policy `mutual_repair` says about it."""
    known = {"down": Why.DOWN, "failed_runs": Why.FAILING}
    return known.get(criterion, Why.STUCK)


def acts_for(why: Why, *, is_safe: bool = False) -> tuple[Act, ...]:
    """The acts of a repair, in order. With `is_safe` it runs with the settings of the tree file alone already."""
    ready = Act(id="ready", does="wait_until_ready", params={"kernel": HEALER, "wait_s": UP_S})
    runs, playbooks = Act(id="runs", does=RUNS, needed=False), Act(id="playbooks", does=MEND)
    match why:
        case Why.STUCK:
            stack = Act(id="stack", does="capture_stack_trace", params={"kernel": HEALER}, needed=False)
            return (stack, ready, runs, playbooks)
        case Why.FAILING:
            params = {"kernels": [HEALER], "mode": "safe", "stagger_s": 0.0, "wait_s": UP_S}
            safe = Act(id="restart", does="restart_staggered", params=params)
            again = Act(id="again", does="wait_until_ready", params={"kernel": HEALER, "wait_s": UP_S})
            return (*(() if is_safe else (safe,)), again, runs, playbooks, *_store(KNOWLEDGE, "knowledge"))
        case Why.KNOWLEDGE:
            back = Act(id="back", does="wait_until_ready", params={"kernel": KNOWLEDGE, "wait_s": UP_S})
            keep = Act(id="keep", does="capture_store_snapshot", params={"kernel": KNOWLEDGE}, needed=False)
            return (*_store(KNOWLEDGE, "knowledge"), back, keep)
        case Why.DOWN:
            up = Act(id="up", does="wait_until_ready", params={"kernel": HEALER, "wait_s": UP_S}, needed=False)
            start = Act(id="start", does="start_kernel", params={"kernel": HEALER, "wait_s": UP_S}, if_failed="up")
            again = Act(id="again", does="wait_until_ready", params={"kernel": HEALER, "wait_s": UP_S}, if_failed="up")
            check, back = _store(HEALER, "store")
            store = (
                replace(check, if_failed="up"),
                replace(back, needed=False),
            )  # whether that was enough, `start` says
            return (up, *store, start, again, runs, playbooks)


def _store(kernel: str, id: str) -> tuple[Act, Act]:
    """A store is checked, and its newest good snapshot put in its place if it is damaged."""
    check = Act(id=id, does="verify_kernel_store", params={"kernel": kernel}, needed=False)
    return check, Act(id=f"{id}_back", does="restore_from_snapshot", params={"kernel": kernel}, if_failed=id)


class Repair:
    """One repair. `next` is the act to do now, None at the end; `acted` says what it came to."""

    def __init__(self, why: Why, cause: Mapping[str, Any], *, is_safe: bool = False) -> None:
        self.why, self.cause = why, cause
        self._left = list(acts_for(why, is_safe=is_safe))
        self.done: list[tuple[Act, Seen]] = []
        self.failure = ""

    def next(self) -> Act | None:
        """The act that comes now. One that is for a failure which did not come is left out."""
        failed = {act.id for act, seen in self.done if not seen.ok}
        while self._left and self._left[0].if_failed and self._left[0].if_failed not in failed:
            del self._left[0]
        return self._left[0] if self._left else None

    def acted(self, seen: Seen) -> None:
        """What the act that `next` gave came to."""
        act = self._left.pop(0)
        self.done.append((act, seen))
        if act.needed and not seen.ok:
            self.failure = f"{act.id}: {seen.message}"
            self._left.clear()

    @property
    def ok(self) -> bool:
        """Whether it came to its end and nothing that had to succeed failed."""
        return not self._left and not self.failure

    def seen_of(self, id: str) -> Seen | None:
        """What the act with this id came to; None if it was not done."""
        return next((seen for act, seen in self.done if act.id == id), None)

    def wanted(self) -> Wanted | None:
        """What is to be ordered once it is over: the cure of the cause, or what a person has to do."""
        told = {act.id: seen.message for act, seen in self.done}
        context: dict[str, Any] = {"kernel": HEALER, "why": self.why.value, "asked": dict(self.cause), "acts": told}
        if self.failure:
            text = f"{HEALER} is {self.why.value} and coding_agent could not repair it: {self.failure}"
            return Wanted(type="fix_bug", description=text, priority="critical", context=context)
        if self.why is Why.STUCK:
            stack = self.seen_of("stack")
            context["stack"] = stack.data.get("stack") if stack is not None and stack.ok else None
            text = f"{HEALER} was stuck ({_measured(self.cause)}): make what held it shorter"
            return Wanted(type="refactor", description=text, priority="high", context=context)
        if self.why is Why.FAILING:
            runs = self.seen_of("runs")
            context["failed"] = dict(runs.data.get("failed", {})) if runs is not None else {}
            names = ", ".join(context["failed"]) or "runs that are not known any more"
            text = f"playbooks of {HEALER} fail ({_measured(self.cause)}): {names}"
            return Wanted(type="self_healing_patch", description=text, priority="high", context=context)
        return None


def _measured(cause: Mapping[str, Any]) -> str:
    value = cause.get("value")
    shown = f" {value:g}" if isinstance(value, int | float) else ""
    return f"{cause.get('criterion', 'unknown')}{shown}"


def next_step(repair: Repair, order: str) -> str:
    """What a person does now; empty when nothing is to be done."""
    if repair.ok:
        return f"work-order show {order}" if order else ""
    return f"see why {HEALER}; then: start {HEALER}" + (f", and: work-order show {order}" if order else "")
