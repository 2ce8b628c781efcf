"""What came of Chaos Kong: seven gates, each with its words.

Pure: facts in, a verdict out. Invariant: it has passed only if every gate has, and a missing fact fails its gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

LIMIT_S, PATIENCE_S = 30.0, 300.0
"""So long after the last injection everything must be whole; and so long is waited for that before it is judged."""
MOST_FAILED = 0.1
"""A share of blasts: with more that could not be carried out it was no Kong."""
LEAST_LOAD = 0.5
"""A share of the asked rate: with less of it, it was no load."""
METRICS = (
    "kernel_restarts",
    "snapshots_rotated",
    "orders_during",
    "queue_depth_max",
    "cpu_max",
    "recoveries",
)
Facts = Mapping[str, Any]
Said = tuple[bool, str]


def judge(facts: Facts, *, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """{passed, gates, said, healed_s, metrics}.

    The facts: `down` (names that do not run), `log_ok`, `acknowledged`, `delivered`, `lost`, `duplicates`,
    `last_injection_at` and `whole_at` (Unix seconds; `whole_at` is null while something is down), what is left:
    `open_incidents`, `paused` (kernels), `records_left` (faults), `stage_left`, `processes_left`; `blasts` (how many),
    `blasts_made`, `blasts_failed` (in words); `load_asked_per_s`, `load_per_s` (acknowledged by seconds),
    `load_stood_still_s`, and the METRICS. Without a load `acknowledged` is 0, and nothing can be lost."""
    healed_s = _healed_s(facts)
    found = {name: gate(facts, healed_s, limit_s) for name, gate in _GATES.items()}
    return {
        "passed": all(ok for ok, _ in found.values()),
        "gates": {name: ok for name, (ok, _) in found.items()},
        "said": {name: said for name, (_, said) in found.items()},
        "healed_s": healed_s,
        "metrics": {name: facts.get(name) for name in METRICS},
    }


def _healed_s(facts: Facts) -> float | None:
    last, whole = facts.get("last_injection_at"), facts.get("whole_at")
    if not _is_number(last) or not _is_number(whole):
        return None
    return round(max(0.0, float(whole) - float(last)), 3)


def _kernels_up(facts: Facts, healed_s: float | None, limit_s: float) -> Said:
    down = facts.get("down")
    if down is None:
        return False, "who runs was not looked at"
    return not down, f"down: {_listed(down)}" if down else "every kernel runs"


def _log_verified(facts: Facts, healed_s: float | None, limit_s: float) -> Said:
    ok = facts.get("log_ok")
    words = {True: "the chain of the audit log is whole", False: "the audit log is damaged"}
    return ok is True, words.get(ok, "the audit log was not verified") if isinstance(ok, bool) else "not verified"


def _nothing_lost(facts: Facts, healed_s: float | None, limit_s: float) -> Said:
    acknowledged, lost = facts.get("acknowledged"), facts.get("lost")
    if not _is_number(acknowledged) or not _is_number(lost):
        return False, "the ledgers were not compared"
    again = f", {facts['duplicates']} came twice" if facts.get("duplicates") else ""
    if lost:
        return False, f"{lost} of {acknowledged} acknowledged messages never came"
    return True, f"all {acknowledged} acknowledged messages came{again}" if acknowledged else "there was no load"


def _limits_met(facts: Facts, healed_s: float | None, limit_s: float) -> Said:
    if healed_s is None:
        return False, "it was not whole again"
    return healed_s <= limit_s, f"whole {healed_s:g} s after the last injection, {limit_s:g} s allowed"


def _nothing_left(facts: Facts, healed_s: float | None, limit_s: float) -> Said:
    found = {word: facts.get(name) for name, word in _LEFT.items()}
    if missing := [word for word, names in found.items() if names is None]:
        return False, f"not looked at: {', '.join(missing)}"
    left = [f"{word} {_listed(names)}" for word, names in found.items() if names]
    return not left, f"left over: {'; '.join(left)}" if left else "no fault, no incident, nobody paused or on stage"


def _blasts_made(facts: Facts, healed_s: float | None, limit_s: float) -> Said:
    count, made, failed = facts.get("blasts"), facts.get("blasts_made"), facts.get("blasts_failed")
    if not _is_number(count) or not _is_number(made) or failed is None:
        return False, "the blasts were not counted"
    said = f"{made} of {count} blasts were made" + (f"; not made: {_listed(failed)}" if failed else "")
    return bool(count) and made >= count * (1 - MOST_FAILED), said


def _load_ran(facts: Facts, healed_s: float | None, limit_s: float) -> Said:
    if facts.get("acknowledged") == 0 and not facts.get("load_asked_per_s"):
        return True, "there was no load"
    asked, achieved = facts.get("load_asked_per_s"), facts.get("load_per_s")
    if not _is_number(asked) or not _is_number(achieved):
        return False, "the load was not measured"
    up, still = facts.get("load_per_s_while_up"), facts.get("load_stood_still_s")
    said = f"{achieved:g} messages a second of {asked:g}"
    said += f", {up:g} while all was up" if _is_number(up) else ""
    said += f"; it stood still for {still:g} s" if still else ""
    return achieved >= asked * LEAST_LOAD, said


_LEFT = {
    "open_incidents": "incidents",
    "paused": "paused kernels",
    "records_left": "faults",
    "stage_left": "on stage",
    "processes_left": "processes",
}
_GATES: Mapping[str, Callable[[Facts, float | None, float], Said]] = {
    "kernels_up": _kernels_up,
    "log_verified": _log_verified,
    "nothing_lost": _nothing_lost,
    "limits_met": _limits_met,
    "nothing_left": _nothing_left,
    "blasts_made": _blasts_made,
    "load_ran": _load_ran,
}
GATES = tuple(_GATES)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(names: Any) -> str:
    found = [str(name) for name in names]
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
