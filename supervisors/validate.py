"""Judges a spec: every fault at once, each with its place and what is allowed.

Used before a tree is started, before a child is added and before a reload; it starts nothing and reads no files.
Invariant: a spec without fatal faults never makes the core fail. Codes are OTP's words where OTP has the rule
(`supervisor:check_childspecs/1`). `warnings` tells what is legal but will surprise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from supervisors.backoff import delay_s
from supervisors.faults import Fault
from supervisors.policies import POLICIES
from supervisors.policy import Policy
from supervisors.shape import misfits
from supervisors.spec import (
    BRUTAL_KILL,
    INFINITY,
    MOST,
    AutoShutdown,
    Backoff,
    Budget,
    ChildSpec,
    ChildType,
    Heartbeat,
    OnExhausted,
    PolicySpec,
    Restart,
    Startup,
    Strategy,
    SupervisorSpec,
)

_SECONDS = ("seconds > 0",)
_COUNT = ("a whole number >= 0",)
_GROUPS = (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)


def validate(spec: Any, *, policies: Mapping[str, type[Policy]] = POLICIES) -> list[Fault]:
    """Every fault of a supervisor spec and of the supervisors below it; it may be started when none is fatal."""
    if not isinstance(spec, SupervisorSpec):
        return [Fault((), "invalid_supervisor_spec", f"{spec!r:.80} is not a supervisor spec", ("SupervisorSpec",))]
    faults = misfits(spec)
    if faults:
        return faults
    faults = _flags(spec)
    children = [child for child in spec.children if isinstance(child, ChildSpec) and not _is_misshapen(child)]
    ids = [child.id for child in children]
    if spec.strategy is not Strategy.DYNAMIC:
        faults += _duplicates(ids)
    for number, child in enumerate(spec.children):
        name = str(getattr(child, "id", "") or f"#{number + 1}")
        faults += [fault.under("children", name) for fault in _child(child, spec, policies)]
    faults += _dependencies(children, spec)
    for policy in spec.policies:
        faults += _policy(policy, policies, None if spec.strategy is Strategy.DYNAMIC else ids)
    return faults


def validate_child(spec: Any, supervisor: SupervisorSpec, siblings: Collection[str] = ()) -> list[Fault]:
    """Every fault of one child spec that is to join this supervisor with these siblings."""
    faults = _child(spec, supervisor, POLICIES)
    if isinstance(spec, ChildSpec) and not _is_misshapen(spec):
        faults += [_unknown_dependency(spec.id, id).under() for id in spec.depends_on if id not in siblings]
    return faults


def warnings(spec: SupervisorSpec) -> list[Fault]:
    """What is legal but will surprise: limits that slow stops make unreachable, budgets that nothing spends."""
    found = []
    stops_s = [float(child.shutdown) for child in spec.children if not isinstance(child.shutdown, str)]
    if spec.strategy in _GROUPS and stops_s and spec.intensity:
        slowest_s = sum(stops_s) - min(stops_s)
        if slowest_s * spec.intensity > spec.period_s:
            text = (
                f"{spec.intensity} restarts whose stops take up to {slowest_s:g} s do not fit into {spec.period_s:g} s"
            )
            found.append(Fault(("period_s",), "limit_unreachable_by_slow_stops", text))
    for child in spec.children:
        if child.restart is Restart.TEMPORARY and (child.budget or child.on_exhausted is not OnExhausted.ESCALATE):
            text = "a temporary child is never restarted, so its budget has no effect"
            found.append(Fault(("children", child.id, "budget"), "budget_of_temporary", text))
        if isinstance(child.start, SupervisorSpec):
            found += [fault.under("children", child.id) for fault in warnings(child.start)]
    return found


def _flags(spec: SupervisorSpec) -> list[Fault]:
    faults = _choice("strategy", "invalid_strategy", spec.strategy, Strategy)
    faults += _choice("auto_shutdown", "invalid_auto_shutdown", spec.auto_shutdown, AutoShutdown)
    faults += _choice("startup", "invalid_startup", spec.startup, Startup)
    if not isinstance(spec.name, str) or not spec.name:
        faults.append(Fault(("name",), "missing_name", "a supervisor needs a name", ("a non-empty string",)))
    if not _is_count(spec.intensity):
        faults.append(Fault(("intensity",), "invalid_intensity", f"intensity is {spec.intensity!r}", _COUNT))
    if not _is_seconds(spec.period_s):
        faults.append(Fault(("period_s",), "invalid_period", f"period_s is {spec.period_s!r}", _SECONDS))
    if spec.max_children is not None and not _is_count(spec.max_children):
        faults.append(Fault(("max_children",), "invalid_max_children", f"it is {spec.max_children!r}", _COUNT))
    is_dynamic = spec.strategy is Strategy.DYNAMIC
    if spec.max_children is not None and not is_dynamic:
        text = "max_children limits dynamic supervisors only"
        faults.append(Fault(("max_children",), "bad_combination", text, ("strategy dynamic",)))
    if is_dynamic and spec.auto_shutdown is not AutoShutdown.NEVER:
        text = "a dynamic supervisor has no significant children"
        faults.append(Fault(("auto_shutdown",), "bad_combination", text, (AutoShutdown.NEVER.value,)))
    return faults


def _child(spec: Any, supervisor: SupervisorSpec, policies: Mapping[str, type[Policy]]) -> list[Fault]:
    if not isinstance(spec, ChildSpec):
        return [Fault((), "invalid_child_spec", f"{spec!r:.80} is not a child spec", ("ChildSpec",))]
    faults = misfits(spec)
    if faults:
        return faults
    if not isinstance(spec.id, str) or not spec.id:
        faults.append(Fault(("id",), "missing_id", "a child needs an id", ("a non-empty string",)))
    if spec.start is None:
        faults.append(Fault(("start",), "missing_start", "a child needs something to start"))
    faults += _choice("restart", "invalid_restart_type", spec.restart, Restart)
    faults += _choice("type", "invalid_child_type", spec.type, ChildType)
    faults += _choice("on_exhausted", "invalid_on_exhausted", spec.on_exhausted, OnExhausted)
    faults += _shutdown(spec) + _significant(spec, supervisor) + _times(spec) + _reasons(spec)
    faults += _limits(spec, supervisor)
    if isinstance(spec.start, SupervisorSpec):
        faults += validate(spec.start, policies=policies)
    return faults


def _shutdown(spec: ChildSpec) -> list[Fault]:
    limit = spec.shutdown_s
    if limit is None or limit in (BRUTAL_KILL, INFINITY) or (_is_number(limit) and limit >= 0):  # type: ignore[operator]
        return []
    allowed = ("seconds >= 0", BRUTAL_KILL, INFINITY)
    return [Fault(("shutdown_s",), "invalid_shutdown", f"shutdown_s is {limit!r}", allowed)]


def _significant(spec: ChildSpec, supervisor: SupervisorSpec) -> list[Fault]:
    place = ("significant",)
    if not isinstance(spec.significant, bool):
        return [Fault(place, "invalid_significant", f"significant is {spec.significant!r}", ("true", "false"))]
    if not spec.significant:
        return []
    faults = []
    if supervisor.auto_shutdown is AutoShutdown.NEVER:
        text = "significant has no meaning while auto_shutdown is never"
        faults.append(Fault(place, "bad_combination", text, ("auto_shutdown any_significant or all_significant",)))
    if spec.restart is Restart.PERMANENT:
        text = "a permanent child is always restarted, so it cannot be significant"
        faults.append(Fault(place, "bad_combination", text, ("restart transient or temporary",)))
    return faults


def _times(spec: ChildSpec) -> list[Fault]:
    faults = []
    if spec.start_timeout_s is not None and not _is_seconds(spec.start_timeout_s):
        text = f"start_timeout_s is {spec.start_timeout_s!r}"
        faults.append(Fault(("start_timeout_s",), "invalid_start_timeout", text, _SECONDS))
    beat = spec.heartbeat
    if isinstance(beat, Heartbeat):
        if not _is_seconds(beat.interval_s):
            text = f"interval_s is {beat.interval_s!r}"
            faults.append(Fault(("heartbeat", "interval_s"), "invalid_heartbeat", text, _SECONDS))
        if not _is_count(beat.misses) or beat.misses < 1:
            text = f"misses is {beat.misses!r}"
            faults.append(Fault(("heartbeat", "misses"), "invalid_heartbeat", text, ("a whole number >= 1",)))
    elif beat is not None:
        faults.append(Fault(("heartbeat",), "invalid_heartbeat", f"heartbeat is {beat!r}", ("Heartbeat",)))
    return faults


def _limits(spec: ChildSpec, supervisor: SupervisorSpec) -> list[Fault]:
    faults = _backoff(spec.backoff) + _budget(spec.budget)
    if faults or spec.backoff is None or not (_is_count(supervisor.intensity) and _is_seconds(supervisor.period_s)):
        return faults
    return _reachable(spec.backoff, spec.budget or Budget(intensity=supervisor.intensity, period_s=supervisor.period_s))


def _reachable(backoff: Backoff, limit: Budget) -> list[Fault]:
    """The restarts of a child that crashes at once must be able to exceed the limit in spite of the delays."""
    waited_s = 0.0
    for n in range(limit.intensity):
        delay = delay_s(backoff, n)
        is_longest = delay >= backoff.max_s
        waited_s += delay * (limit.intensity - n) if is_longest else delay
        if is_longest and waited_s <= limit.period_s:
            break
        if waited_s > limit.period_s:
            text = (
                f"never gives up: with these delays {limit.intensity + 1} restarts do not fit into {limit.period_s:g} s"
            )
            allowed = ("a lower intensity", "a longer period", "shorter delays")
            return [Fault(("backoff",), "unreachable_limit", text, allowed)]
    return []


def _backoff(backoff: Any) -> list[Fault]:
    if backoff is None:
        return []
    if not isinstance(backoff, Backoff):
        return [Fault(("backoff",), "invalid_backoff", f"backoff is {backoff!r}", ("Backoff",))]
    faults = []
    if not _is_seconds(backoff.min_s):
        faults.append(Fault(("backoff", "min_s"), "invalid_backoff", f"min_s is {backoff.min_s!r}", _SECONDS))
    elif not _is_number(backoff.max_s) or backoff.max_s < backoff.min_s:
        allowed = (f"seconds >= min_s ({backoff.min_s:g})",)
        faults.append(Fault(("backoff", "max_s"), "invalid_backoff", f"max_s is {backoff.max_s!r}", allowed))
    if not _is_number(backoff.jitter) or not 0 <= backoff.jitter <= 1:
        text = f"jitter is {backoff.jitter!r}"
        faults.append(Fault(("backoff", "jitter"), "invalid_backoff", text, ("a number from 0 to 1",)))
    reset = backoff.reset_after_s
    if reset is not None and not _is_seconds(reset):
        text = f"reset_after_s is {reset!r}"
        faults.append(Fault(("backoff", "reset_after_s"), "invalid_backoff", text, _SECONDS))
    return faults


def _budget(budget: Any) -> list[Fault]:
    if budget is None:
        return []
    if not isinstance(budget, Budget):
        return [Fault(("budget",), "invalid_budget", f"budget is {budget!r}", ("Budget",))]
    faults = []
    if not _is_count(budget.intensity):
        text = f"intensity is {budget.intensity!r}"
        faults.append(Fault(("budget", "intensity"), "invalid_budget", text, _COUNT))
    if not _is_seconds(budget.period_s):
        faults.append(Fault(("budget", "period_s"), "invalid_budget", f"period_s is {budget.period_s!r}", _SECONDS))
    return faults


def _reasons(spec: ChildSpec) -> list[Fault]:
    faults = []
    for place, reasons in (("permanent_failure", spec.permanent_failure), ("clean_exits", spec.clean_exits)):
        if isinstance(reasons, str) or not all(isinstance(reason, str) and reason for reason in reasons):
            allowed = ("a list of exit reasons such as ValueError, SIGSEGV, exit 78",)
            faults.append(Fault((place,), f"invalid_{place}", f"{place} is {reasons!r}", allowed))
    both = [] if faults else [reason for reason in spec.permanent_failure if reason in spec.clean_exits]
    if both:
        text = f"{both[0]!r} is declared clean and a permanent failure"
        faults.append(Fault(("permanent_failure",), "bad_combination", text, ("one of the two",)))
    return faults


def _duplicates(ids: Iterable[str]) -> list[Fault]:
    seen: set[str] = set()
    faults = []
    for id in ids:
        if id in seen:
            text = f"{id!r} is used by more than one child"
            faults.append(Fault(("children", str(id), "id"), "duplicate_child_name", text, ("an id for each child",)))
        seen.add(id)
    return faults


def _dependencies(children: list[ChildSpec], spec: SupervisorSpec) -> list[Fault]:
    known = {child.id: place for place, child in enumerate(children)}
    faults = []
    for child in children:
        for id in child.depends_on:
            if id not in known:
                faults.append(_unknown_dependency(child.id, id).under("children", child.id))
            elif id != child.id and spec.startup is Startup.ORDERED and known[id] > known[child.id]:
                text = f"{child.id!r} is started before {id!r}, which it depends on"
                allowed = (f"list {id} first", "startup parallel")
                faults.append(Fault(("children", child.id, "depends_on"), "dependency_order", text, allowed))
    try:
        TopologicalSorter({child.id: child.depends_on for child in children}).prepare()
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        faults.append(Fault(("children", error.args[1][0], "depends_on"), "dependency_cycle", f"a cycle: {cycle}"))
    return faults


def _unknown_dependency(child: str, id: str) -> Fault:
    text = f"{child!r} depends on {id!r}, which is not a sibling"
    return Fault(("depends_on",), "unknown_dependency", text, ("ids of siblings",))


def _policy(spec: Any, policies: Mapping[str, type[Policy]], ids: Collection[str] | None) -> list[Fault]:
    """`ids` are the children it may name; None where they come and go."""
    if not isinstance(spec, PolicySpec):
        return [Fault(("policies",), "invalid_policy", f"{spec!r:.80} is not a policy spec", ("PolicySpec",))]
    faults = misfits(spec)
    if faults:
        return [fault.under("policies", str(spec.name)) for fault in faults]
    if not isinstance(spec.name, str):
        return [Fault(("policies",), "invalid_policy", f"the name is {spec.name!r:.80}", tuple(sorted(policies)))]
    policy = policies.get(spec.name)
    if policy is None:
        text = f"there is no policy {spec.name!r}"
        return [Fault(("policies", spec.name), "unknown_policy", text, tuple(sorted(policies)))]
    faults = policy.validate(spec.params)
    if not faults and ids is not None:
        named = [(key, id) for key in policy.siblings for id in spec.params.get(key, ())]
        faults = [_unknown_child(key, id, ids) for key, id in named if id not in ids]
    return [fault.under("policies", spec.name) for fault in faults]


def _unknown_child(key: str, id: str, ids: Collection[str]) -> Fault:
    return Fault((key,), "unknown_child", f"{id!r} in {key} is not a child of this supervisor", tuple(ids))


def _choice(field: str, code: str, value: object, choices: type[StrEnum]) -> list[Fault]:
    if isinstance(value, choices):
        return []
    return [Fault((field,), code, f"{field} is {value!r}", tuple(choice.value for choice in choices))]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _is_misshapen(spec: ChildSpec) -> bool:
    return not isinstance(spec.id, str) or bool(misfits(spec))
