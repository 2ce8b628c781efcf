"""Whether a child is well, judged by criteria that are data: for every policy that has to know.

A criterion is `{down_s: 10}` (not running for that long; a held child, which nothing automatic starts, at once) or
`{measure: cpu_percent, above: 95, times: 3}` (so many measurements in a row). Measures are `memory_mb`, `queue`,
`cpu_percent`, every gauge that the child reports (`failed_runs`), and `suspicion`: the level told by `health.suspected`
again and again until `health.recovered`. With `child` a criterion is about that child alone; `mode: safe` says that
whoever is unwell in this way is to be started again with the settings of the tree file alone.
It must not do anything about it: whoever asks decides. Invariant: what was measured of one incarnation says nothing of
the next, and a child that somebody stopped, that ended cleanly or that waits for another one is not unwell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervisors.faults import Fault
from supervisors.messages import ChildMeasured, Observed
from supervisors.policy import Seen, SupervisorView, number_param, unknown_params
from supervisors.slots import HELD, OPERATOR, ChildView, SlotState

OBSERVES = ("health.suspected", "health.recovered")
"""What a policy with a `Health` states in its `observes`."""
DEFAULT_CRITERIA: tuple[Mapping[str, Any], ...] = (
    {"down_s": 10.0},
    {"measure": "queue", "above": 100, "times": 3},  # a burst is no illness
    {"measure": "cpu_percent", "above": 95, "times": 3},
    {"measure": "failed_runs", "above": 7, "mode": "safe"},
    {"measure": "suspicion", "above": 0, "times": 5},
)
DOWN, SUSPICION = "down", "suspicion"
MODES = ("safe",)
_TROUBLED = frozenset({SlotState.STARTING, SlotState.STOPPING, SlotState.RESTARTING})


@dataclass(frozen=True, slots=True)
class Criterion:
    """One rule. `what` is `down` or a measure; `child` is empty when it is about every child; `mode` is how to start
    again whoever is unwell in this way."""

    what: str
    limit: float
    times: int = 1
    child: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Illness:
    """Why a child is unwell: which criterion, what was seen, what is allowed; `mode` is the criterion's."""

    criterion: str
    value: float
    limit: float
    mode: str = ""

    def as_data(self) -> dict[str, Any]:
        """For a report."""
        return {"criterion": self.criterion, "value": round(self.value, 3), "limit": self.limit}


def read_criteria(entries: Sequence[Mapping[str, Any]]) -> tuple[Criterion, ...]:
    """Criteria from data that `criteria_param` has passed."""
    found = []
    for entry in entries:
        child, mode = entry.get("child", ""), entry.get("mode", "")
        if "down_s" in entry:
            found.append(Criterion(DOWN, float(entry["down_s"]), child=child, mode=mode))
        else:
            found.append(Criterion(entry["measure"], float(entry["above"]), entry.get("times", 1), child, mode))
    return tuple(found)


def criteria_param(params: Mapping[str, Any], key: str = "criteria") -> list[Fault]:
    """Every fault of a list of criteria; none if the parameter is absent."""
    entries = params.get(key)
    if entries is None:
        return []
    form = ("a list of {down_s: 10} and {measure: cpu_percent, above: 95, times: 3}",)
    if not isinstance(entries, list | tuple) or not entries:
        return [Fault((key,), f"invalid_{key}", f"{key} is {entries!r:.80}", form)]
    return [fault.under(key, str(n)) for n, entry in enumerate(entries, 1) for fault in _criterion_faults(entry, form)]


def _criterion_faults(entry: Any, form: tuple[str, ...]) -> list[Fault]:
    if not isinstance(entry, Mapping) or ("down_s" in entry) is ("measure" in entry):
        return [Fault((), "invalid_criterion", f"a criterion is {entry!r:.80}", form)]
    known = ("down_s", "child", "mode") if "down_s" in entry else ("measure", "above", "times", "child", "mode")
    faults = unknown_params(entry, known)
    faults += number_param(entry, "down_s") + number_param(entry, "above", excluded=False)
    faults += number_param(entry, "times", least=1, excluded=False, whole=True)
    for name in ("measure", "child"):
        if name in entry and (not isinstance(entry[name], str) or not entry[name]):
            faults.append(Fault((name,), f"invalid_{name}", f"{name} is {entry[name]!r:.80}", ("a name",)))
    if entry.get("mode", MODES[0]) not in MODES:
        faults.append(Fault(("mode",), "invalid_mode", f"mode is {entry['mode']!r:.80}", MODES))
    if "measure" in entry and entry.get("above") is None:
        faults.append(Fault(("above",), "missing_above", "a measure without its limit", ("above: a number",)))
    return faults


@dataclass(slots=True)
class _Patient:
    """What is known of one child: of its present incarnation, and since when it is down."""

    gen: int = 0
    down_since: float | None = None
    measured_at: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    rows: dict[Criterion, int] = field(default_factory=dict)


class Health:
    """The health of some children of one supervisor. Show it every event with `update`; ask when you like."""

    def __init__(self, criteria: Sequence[Criterion], children: Iterable[str], view: SupervisorView) -> None:
        self._criteria = tuple(criteria)
        self._view = view
        self._patients = {child: _Patient() for child in children}

    def update(self, event: Seen, now: float) -> None:
        """Take in what happened. To be called with every event of the policy, also with None."""
        for child, patient in self._patients.items():
            self._look(child, patient, now)
        match event:
            case ChildMeasured(child, gen) if child in self._patients and self._patients[child].gen == gen:
                self._measure(self._patients[child], event, now)
            case Observed("health.suspected" | "health.recovered" as topic, subject, data):
                suspect = self._patients.get(subject.rsplit("/", 1)[-1])
                if suspect is not None:
                    self._suspect(suspect, float(data.get("level", 1.0)) if topic == "health.suspected" else 0.0)

    def unwell(self, child: str, now: float) -> Illness | None:
        """The first criterion that holds of the child; None when it is well, or none of the children."""
        patient = self._patients.get(child)
        if patient is None:
            return None
        found = (self._judge(criterion, patient, child, now) for criterion in self._criteria)
        return next((illness for illness in found if illness is not None), None)

    def has_recovered(self, child: str, illness: Illness, since: float, now: float) -> bool:
        """Whether the child runs and is well, and a measurement since then says so of what was too high. A gauge that
        is not reported any more counts as good."""
        patient = self._patients.get(child)
        view = self._view.child(child)
        if patient is None or view is None or view.state is not SlotState.RUNNING or self.unwell(child, now):
            return False
        if illness.criterion in (DOWN, SUSPICION):
            return True
        is_measured = patient.measured_at is not None and patient.measured_at >= since
        return is_measured and patient.values.get(illness.criterion, 0.0) <= illness.limit

    def next_look(self, now: float) -> float | None:
        """When somebody may become unwell by the mere passing of time; None: not before an event."""
        moments = [
            patient.down_since + criterion.limit
            for child, patient in self._patients.items()
            for criterion in self._criteria
            if patient.down_since is not None and criterion.what == DOWN and criterion.child in ("", child)
        ]
        return min((moment for moment in moments if moment > now), default=None)

    # ---- what it rests on ----------------------------------------------------------------------------

    def _look(self, child: str, patient: _Patient, now: float) -> None:
        view = self._view.child(child)
        if view is None:
            self._patients[child] = _Patient()
            return
        if view.gen != patient.gen:
            self._patients[child] = patient = _Patient(view.gen, patient.down_since)
        if not is_down(view):
            patient.down_since = None
        elif patient.down_since is None:
            patient.down_since = now

    def _measure(self, patient: _Patient, seen: ChildMeasured, now: float) -> None:
        patient.measured_at = now
        patient.values = {**seen.gauges, SUSPICION: patient.values.get(SUSPICION, 0.0)}
        patient.values |= {"memory_mb": seen.memory_mb, "queue": seen.queue, "cpu_percent": seen.cpu_percent}
        self._count(patient, (criterion for criterion in self._criteria if criterion.what != SUSPICION))

    def _suspect(self, patient: _Patient, level: float) -> None:
        patient.values[SUSPICION] = level
        self._count(patient, (criterion for criterion in self._criteria if criterion.what == SUSPICION))

    def _count(self, patient: _Patient, criteria: Iterable[Criterion]) -> None:
        """One measurement more, or one less in a row."""
        for criterion in criteria:
            is_high = patient.values.get(criterion.what, 0.0) > criterion.limit
            patient.rows[criterion] = patient.rows.get(criterion, 0) + 1 if is_high else 0

    def _judge(self, criterion: Criterion, patient: _Patient, child: str, now: float) -> Illness | None:
        if criterion.child not in ("", child):
            return None
        value: float | None = None
        if criterion.what == DOWN:
            since, view = patient.down_since, self._view.child(child)
            is_held = view is not None and view.state in HELD
            if since is not None and (is_held or now >= since + criterion.limit):
                value = now - since
        elif patient.rows.get(criterion, 0) >= criterion.times:
            value = patient.values[criterion.what]
        return None if value is None else Illness(criterion.what, value, criterion.limit, criterion.mode)


def is_down(view: ChildView) -> bool:
    """Not running though it should be: what was stopped, or held by an operator, is meant to be down."""
    return view.stopped_by != OPERATOR and (view.state in HELD or view.state in _TROUBLED)
