"""Performs one activity of a card: a fault, a step, a probe.

What a card names by Chaos Toolkit's module and function is done here by the runner's own means. It must not judge what
comes of it. Invariant: `done` is called once, whatever the card says and the world does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.card import Activity, Kind
from grace_actors.actions.action import Action, Call, Result, Steps, Wait, acts, ask, given, needed
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.actions.control import start_kernel
from grace_actors.actions.watching import wait_for_event
from grace_actors.drills.faults import Faults
from grace_actors.drills.host.stage import start_dummy, stop_dummy
from grace_actors.drills.taking_back import Injection
from grace_actors.errors import GraceError, NotFound, Refused
from grace_actors.kernel import Context, Data
from playbooks.spec import ActionKind
from playbooks.tolerance import value_of

ASK_S = 30.0
OF_THE_PROGRAM = ("code", "dependencies_", "git", "patches", "pull_requests", "requirements")
"""Modules of actions that drills may read with, but not act: nobody takes back what they do."""
MAX_TIMES, MAX_EVERY_S = 10_000, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an activity came to; `record` is that of the fault, `value` what a probe read, `code` that of the error."""

    ok: bool
    message: str = ""
    value: Any = None
    record: str = ""
    code: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether nothing was done because what was asked for is not possible."""
        return not self.ok and self.code in REFUSED


Done = Callable[[Outcome], None]
LEFT = "left: the drill is over"
REFUSED = (Refused.code, NotFound.code)


@acts(
    kernel=needed("whom to ask"),
    verb=needed("the verb"),
    args=given({}, "its arguments"),
    times=given(1, "how often"),
    every_s=given(0.0, "the pause between two, in seconds"),
    timeout_s=600.0,
)
def tell(call: Call) -> Steps:
    """Sends requests to a kernel without waiting for answers."""
    for number in range(_times(call)):
        if number:
            yield Wait(delay_s=call["every_s"])
        call.ctx.tell(call["kernel"], call["verb"], dict(call["args"]))
    return Result(True, changed=True, message=f"{call['times']} requests {call['verb']} were sent to {call['kernel']}")


@acts(
    kernel=needed("whom to ask"),
    verb=needed("the verb"),
    args=given({}, "its arguments"),
    times=given(1, "how often"),
    every_s=given(0.0, "the pause between two, in seconds"),
    field=given("", "which part of the answer is the value, as in a.b"),
    timeout_s=600.0,
)
def ask_kernel(call: Call) -> Steps:
    """Asks a kernel and waits for each answer. `value` is the last one, or a field of it."""
    value: Any = None
    for number in range(_times(call)):
        if number:
            yield Wait(delay_s=call["every_s"])
        value = yield from ask(call["kernel"], call["verb"], dict(call["args"]), timeout_s=ASK_S, acts=True)
    for key in filter(None, call["field"].split(".")):
        value = value.get(key) if isinstance(value, Mapping) else None
    return Result(True, changed=True, message=f"{call['kernel']} answered {call['verb']}", data={"value": value})


def _times(call: Call) -> int:
    times, every_s = call["times"], call["every_s"]
    if not (1 <= times <= MAX_TIMES and 0 <= every_s <= MAX_EVERY_S):
        hint = f"times 1 to {MAX_TIMES}, every_s 0 to {MAX_EVERY_S:g}"
        raise Refused(f"times is {times}, every_s {every_s:g}", hint=hint)
    return int(times)


class Activities:
    """Performs what cards name."""

    def __init__(self, ctx: Context, faults: Faults) -> None:
        self._ctx, self._faults = ctx, faults

    def perform(self, activity: Activity, by: str, done: Done, *, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Do it; refusals are outcomes too. What only reads or sends is left when the drill does not go on; any other
        step is brought to its end."""
        try:
            if activity.kind is Kind.FAULT:
                self._inject(activity, by, done)
                return
            is_probe = activity.kind is Kind.PROBE
            action, params = (probe if is_probe else step)(activity.func, dict(activity.arguments))
            if action.spec.kind is ActionKind.READS or action in (tell, ask_kernel):
                action = left_when_over(action, goes_on)
            action.perform(self._ctx, params, False, lambda result: done(_outcome(result)))
        except GraceError as error:
            message = f"{error.message}; {error.hint}" if error.hint else error.message
            refused = Outcome(ok=False, message=message, code=error.code)
            self._ctx.after(0.0, lambda: done(refused))

    def single(self, kind: str, func: str, args: Data, done: Done) -> None:
        """Perform a step or read a probe that is asked for alone. Raises Refused."""
        action, params = (probe if kind == "probe" else step)(func, args)
        action.perform(self._ctx, params, False, lambda result: done(_outcome(result)))

    def _inject(self, activity: Activity, by: str, done: Done) -> None:
        def injected(found: Injection) -> None:
            done(Outcome(ok=found.ok, message=found.message, record=found.record, value=found.data))

        self._faults.inject(activity.func, activity.target, activity.params, by=by, done=injected)


def step(func: str, arguments: Data) -> tuple[Action, Data]:
    """The action and parameters of a step. Raises Refused."""
    match func:
        case "ensure_running":
            return start_kernel, arguments
        case "ask":
            return ask_kernel, arguments
        case "tell":
            return tell, arguments
        case "start_dummy":
            return start_dummy, arguments
        case "stop_dummy":
            return stop_dummy, arguments
        case "wait_for_event":
            return wait_for_event, arguments
        case "act":
            return _action(str(arguments.get("action"))), dict(arguments.get("params") or {})
    raise Refused(f"there is no step {func!r}", hint="see docs/drill-file.md")


def probe(func: str, arguments: Data) -> tuple[Action, Data]:
    """The action and parameters of a probe. Raises Refused for one that would act."""
    if func == "ask":
        return ask_kernel, arguments
    action = _action(func)
    if action.spec.kind is not ActionKind.READS:
        raise Refused(f"{func} acts, and a probe only reads", hint="make it a step: chaos.steps.act")
    return action, arguments


def left_when_over(action: Action, goes_on: Callable[[], bool]) -> Action:
    """The action, but no further step of it once the drill does not go on."""

    def steps(call: Call) -> Steps:
        inner, value = action.steps(call), None
        while True:
            try:
                wish = inner.send(value)
            except StopIteration as end:
                return end.value
            if not goes_on():
                inner.close()
                return Result(False, message=LEFT)
            value = yield wish

    return Action(action.spec, steps)


def _action(name: str) -> Action:
    if name not in CATALOGUE:
        raise Refused(f"there is no action {name!r:.60}", hint="see docs/actions.md")
    action = CATALOGUE[name]
    if action.spec.kind is ActionKind.ACTS and action.steps.__module__.rpartition(".")[2] in OF_THE_PROGRAM:
        raise Refused(f"{name} changes the program, and a drill never does", hint="a code fault is: chaos.faults.code")
    return action


def _outcome(result: Result) -> Outcome:
    return Outcome(ok=result.ok, message=result.message, value=value_of(result.data), code=result.code)
