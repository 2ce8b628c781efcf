"""Plays scenarios on the supervision core under a virtual clock: seconds of supervision in microseconds.

`play` gives the trace that OTP's supervisor would give; `simulate` tells more: times, full states, reports.
It reads no files; the children and the clock are those of `supervisors.world`.
Invariant: each step is played to its end, so that a trace shows only states in which nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisors import messages as m
from supervisors.messages import Exit, ExitKind, OpKind
from supervisors.scenario import Scenario, Step, parse_scenario
from supervisors.slots import DOWN, ChildView, SlotState
from supervisors.validate import validate
from supervisors.world import SimEvent, World

_KINDS = {"normal": ExitKind.NORMAL, "shutdown": ExitKind.SHUTDOWN, "shutdown_tuple": ExitKind.SHUTDOWN}
_OPS = {kind.value: kind for kind in OpKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a step led to, once nothing moves any more. `at_s` is virtual time since the start; `events` are
    `(seconds, what, child, ...)`; `children` are full views in start order, `paused` those whose messages are held
    back."""

    at_s: float
    op: str
    result: Any
    events: tuple[tuple[float, SimEvent], ...]
    children: tuple[ChildView, ...]
    alive: bool
    exit: Exit | None
    reports: tuple[m.Report, ...]
    paused: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "at_s": self.at_s,
            "op": self.op,
            "result": self.result,
            "events": [[at_s, *event] for at_s, event in self.events],
            "children": [child.as_dict() for child in self.children],
            "alive": self.alive,
            "exit": None if self.exit is None else {"kind": self.exit.kind.value, "reason": self.exit.reason},
            "paused": list(self.paused),
            "reports": [{"type": r.type, "subject": r.subject, "data": dict(r.data)} for r in self.reports],
        }


def simulate(scenario: Scenario | Mapping[str, Any]) -> list[Moment]:
    """Play a scenario: the moment after the start, then one for each step. Raises ScenarioError."""
    if not isinstance(scenario, Scenario):
        scenario = parse_scenario(scenario)
    world = World(scenario)
    faults = [fault for fault in validate(scenario.spec) if fault.is_fatal]
    if faults:
        return [_moment(world, "start", faults[0].code)]
    world.feed(m.Start())
    world.settle()
    moments = [_moment(world, "start", "ok")]
    for step in scenario.steps:
        result = "noproc" if world.core.is_gone else _play_step(world, step, is_otp=scenario.is_otp)
        moments.append(_moment(world, step.op, result))
    return moments


def play(scenario: Scenario | Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conformance trace: what OTP's supervisor would show; with policies also the time, what was reported and who
    is paused. Raises ScenarioError."""
    if not isinstance(scenario, Scenario):
        scenario = parse_scenario(scenario)
    entry = _policy_entry if scenario.spec.policies else _trace_entry
    return [entry(moment) for moment in simulate(scenario)]


def play_many(scenarios: Iterable[Scenario | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`{"id", "trace"}` for each scenario, in order. Raises ScenarioError at the first that cannot be played."""
    parsed = [s if isinstance(s, Scenario) else parse_scenario(s) for s in scenarios]
    return [{"id": scenario.id, "trace": play(scenario)} for scenario in parsed]


def _moment(world: World, op: str, result: Any) -> Moment:
    events, world.events = tuple(world.events), []
    reports, world.reports = tuple(world.reports), []
    alive = world.core.is_alive
    return Moment(
        at_s=world.now,
        op=op,
        result=result,
        events=events,
        children=world.core.view() if alive else (),
        alive=alive,
        exit=world.exit,
        reports=reports,
        paused=tuple(sorted(world.paused)) if alive else (),
    )


def _trace_entry(moment: Moment) -> dict[str, Any]:
    return {
        "result": moment.result,
        "events": [list(event) for _, event in moment.events],
        "children": [[child.id, _otp_state(child.state)] for child in moment.children],
        "alive": moment.alive,
        "exit": None if moment.exit is None else moment.exit.kind.value,
    }


def _policy_entry(moment: Moment) -> dict[str, Any]:
    told = moment.as_dict()
    return _trace_entry(moment) | {name: told[name] for name in ("at_s", "reports", "paused")}


def _otp_state(state: SlotState) -> str:
    if state in DOWN:
        return "undefined"
    return "restarting" if state is SlotState.RESTARTING else "running"


def _play_step(world: World, step: Step, *, is_otp: bool) -> Any:
    match step.op:
        case "exit":
            result = "ok" if _exit(world, step.id, step.reason) else "not_running"
        case "exit_many":
            done = [_exit(world, id, step.reason) for id in step.ids]
            result = "ok" if all(done) else "partial"
        case "fail_starts" | "ignore_starts" | "stall_starts":
            world.arranged[step.op, step.id] = step.times
            world.reasons[step.id] = step.reason or "refused"
            result = "ok"
        case "advance":
            world.advance(step.seconds)
            result = "ok"
        case "hang":
            result = "ok" if world.hang(step.id) else "not_running"
        case "measure" | "observe":
            result = _repeatedly(world, step)
        case "stop":
            world.feed(m.StopRequested())
            world.settle()
            return world.exit.kind.value if world.exit else "blocked"
        case _:
            return _call(world, step, is_otp=is_otp)
    world.settle()
    return result


def _repeatedly(world: World, step: Step) -> str:
    """A fact for the policies, and again every so often; what it leads to happens in between."""
    for n in range(step.times):
        if n:
            world.advance(step.every_s)
        if world.core.is_gone:
            return "noproc"
        if step.op == "observe":
            world.feed(m.Observed(step.topic, step.subject, step.data))
        elif not world.measure(step.id, step.memory_mb, step.queue, step.cpu_percent, dict(step.gauges)):
            return "not_running"
        world.settle()
    return "ok"


def _exit(world: World, child: str, reason: str) -> bool:
    if reason == "kill":
        return world.die(child, ExitKind.KILLED, "killed")
    kind = _KINDS.get(reason, ExitKind.CRASH)
    return world.die(child, kind, reason.removeprefix("crash:").strip() or "crash")


def _call(world: World, step: Step, *, is_otp: bool) -> Any:
    if step.spec is not None and step.stubborn:
        world.stubborn.add(step.spec.id)
    reply = world.call(_OPS[step.op], step.id or None, step.spec)
    if step.op in ("count_children", "budget") and reply.result == "ok":
        return reply.value
    return _otp_word(step, reply) if is_otp else reply.result


def _otp_word(step: Step, reply: m.Reply) -> str:
    """The words of the player of the conformance traces, whose children refuse to start with `refused`: OTP wraps that
    for start_child and hands it through for restart_child. Of spec faults it tells only bad_combination apart."""
    if step.op == "restart_child" and reply.result == "start_failed":
        return "refused"
    is_spec_fault = step.op == "start_child" and isinstance(reply.value, list)
    return "start_failed" if is_spec_fault and reply.result != "bad_combination" else reply.result
