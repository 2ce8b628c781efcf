"""What came of Chaos Kong: five gates, each with its words.

Pure: facts in, a verdict out. Invariant: it has passed only if every gate has, and a missing fact fails its gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

LIMIT_S = 300.0
"""So long after the last injection everything must be whole."""
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
    `last_injection_at` and `whole_at` (Unix seconds; `whole_at` is null while something is down), `open_incidents` and
    `records_left` (ids), and the METRICS. Without a load `acknowledged` is 0, and nothing can be lost."""
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
    incidents, records = facts.get("open_incidents"), facts.get("records_left")
    if incidents is None or records is None:
        return False, "what is left was not looked at"
    left = ([f"incidents {_listed(incidents)}"] if incidents else []) + (
        [f"faults {_listed(records)}"] if records else []
    )
    return not left, f"left over: {'; '.join(left)}" if left else "no fault and no incident is left"


_GATES: Mapping[str, Callable[[Facts, float | None, float], Said]] = {
    "kernels_up": _kernels_up,
    "log_verified": _log_verified,
    "nothing_lost": _nothing_lost,
    "limits_met": _limits_met,
    "nothing_left": _nothing_left,
}
GATES = tuple(_GATES)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(names: Any) -> str:
    found = [str(name) for name in names]
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
