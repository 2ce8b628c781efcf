"""The four gates of a drill, judged from its evidence and its times, each with a sentence that says why.

Pure. A gate is null while it can still be passed. Invariant: nothing but evidence opens a gate, so that an event of
before the injection never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.card import NO_PLAYBOOK, RESTART, Card
from chaos.drill.evidence import Evidence

Gate = tuple[bool | None, str]


@dataclass(frozen=True, slots=True)
class Injected:
    """One acting entry of the method: when it was begun and when it was done, in Unix seconds."""

    began_at: float
    ended_at: float


def detect_s(injections: Sequence[Injected], at: float) -> float:
    """How long after its cause an event came: after the end of the injection that was begun last before it, or after
    its beginning when the event came while it went on."""
    before = [one for one in injections if one.began_at <= at] or injections[:1]
    if not before:
        return 0.0
    cause = before[-1]
    return round(max(0.0, at - (cause.ended_at if cause.ended_at <= at else cause.began_at)), 3)


def heal_s(injections: Sequence[Injected], at: float) -> float:
    """How long after the end of the last injection everything was verified."""
    return round(max(0.0, at - max(one.ended_at for one in injections)), 3) if injections else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What was measured so far; `is_final`: nothing more will come."""

    detect_s: float | None = None
    heal_s: float | None = None
    unmet: str = ""
    """What is not in tolerance, in words."""
    is_final: bool = False


def judge(card: Card, seen: Evidence, times: Times) -> Mapping[str, Gate]:
    """Every gate by its name."""
    if seen.since is None:
        return dict.fromkeys(("trigger", "playbook", "work_order", "slo"), (None, "nothing is injected yet"))
    return {
        "trigger": _trigger(card, seen, times),
        "playbook": _playbook(card, seen, times),
        "work_order": _work_order(card, seen, times),
        "slo": _slo(card, seen, times),
    }


def _pending(times: Times) -> bool | None:
    return False if times.is_final else None


def _trigger(card: Card, seen: Evidence, times: Times) -> Gate:
    wanted = card.expect.trigger.described()
    if seen.trigger is None:
        return _pending(times), f"no {wanted} came" if times.is_final else f"waits for {wanted}"
    return True, f"{seen.trigger.type} of {seen.trigger.subject}"


def _playbook(card: Card, seen: Evidence, times: Times) -> Gate:
    wanted, played = card.expect.playbook, ", ".join(seen.played())
    if wanted == NO_PLAYBOOK:
        if played:
            return False, f"no playbook was to run, but {played} did"
        return (True if times.is_final else None), "no playbook ran, as expected"
    if seen.has_repaired():
        if wanted == RESTART:
            return True, f"restarted: {', '.join(sorted(seen.restarted))}" if seen.restarted else "a restart healed it"
        return True, f"{wanted} ran and succeeded"
    if not times.is_final:
        return None, f"waits for {wanted}"
    if wanted == RESTART:
        down = ", ".join(sorted(seen.down))
        return False, f"not started again: {down}" if down else "nothing was restarted"
    ended = [run.status for run in seen.my_runs(free=True) if run.playbook == wanted]
    if ended:
        return False, f"{wanted} ran and is {ended[-1]}"
    return False, f"{wanted} did not run" + (f", but {played}" if played else "")


def _work_order(card: Card, seen: Evidence, times: Times) -> Gate:
    wanted, made = card.expect.work_orders, [order.id for order in seen.my_orders()]
    if not wanted:
        if made:
            return False, f"none was to be made, but {', '.join(made)}"
        return (True if times.is_final else None), "none was made, as expected"
    if len(made) >= wanted:
        return True, f"made: {', '.join(made)}"
    return _pending(times), f"{len(made)} of {wanted} made"


def _slo(card: Card, seen: Evidence, times: Times) -> Gate:
    expect = card.expect
    if times.detect_s is not None and times.detect_s > expect.detect_within_s:
        return False, f"noticed after {times.detect_s:.2f} s, the limit is {expect.detect_within_s:g} s"
    if times.heal_s is not None and times.heal_s > expect.heal_within_s:
        return False, f"healed after {times.heal_s:.2f} s, the limit is {expect.heal_within_s:g} s"
    if not times.is_final:
        return None, "waits until all is well again"
    left = [f"{one.id} of {one.kernel} is {one.state}" for one in seen.open()]
    if left:
        return False, f"not healed: {'; '.join(left)}"
    if times.unmet:
        return False, f"not as before: {times.unmet}"
    if times.detect_s is None:
        return False, f"not noticed within {expect.detect_within_s:g} s"
    if times.heal_s is None:
        return False, f"not verified within {expect.heal_within_s:g} s"
    return True, f"noticed after {times.detect_s:.2f} s, healed after {times.heal_s:.2f} s"
