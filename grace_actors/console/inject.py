"""The verb inject: break something on purpose, and the table of faults it can cause.

The table says which parameters a fault takes, of which type, with which default; help, completion and
checking all read it. Must not know how a fault is carried out.
Invariant: every parameter reaches the instance explicitly, with its default where none was typed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grace_actors.console.aftermath import aftermath, look
from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.names import complete_name, pick
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Kind, Many, Takes, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One `name=value` of a fault. `type` is str, int or float; numbers must be above 0."""

    name: str
    type: type
    default: str | int | float
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break a child."""

    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(name="kill", help="SIGKILL: the process is gone without a word"),
        Fault(name="term", help="SIGTERM: the process is asked to end by somebody else"),
        Fault(
            name="crash",
            help="raise an exception in the kernel's own process",
            parameters=(Parameter(name="message", type=str, default="injected", help="the exception's message"),),
        ),
        Fault(
            name="hang",
            help="SIGSTOP: the process stands still, then goes on",
            parameters=(Parameter(name="seconds", type=float, default=60.0, help="how long it stands still"),),
        ),
        Fault(
            name="block",
            help="keep the kernel busy: it handles no message and answers no heartbeat",
            parameters=(Parameter(name="seconds", type=float, default=5.0, help="how long it is busy"),),
        ),
        Fault(
            name="leak",
            help="allocate memory and never give it back",
            parameters=(Parameter(name="mb", type=int, default=50, help="how much, in MB"),),
        ),
        Fault(name="exit", help="end normally, though nobody asked for it"),
    )
}


ENDING = frozenset({"kill", "term", "crash", "exit"})
"""Faults after which the process is gone, so that what came instead can be told."""


def inject(client: Client, args: Args, out: Out) -> ExitCode:
    """Check the fault and its parameters here, then have it caused."""
    fault = FAULTS[pick(args["fault"], list(FAULTS), "fault")]
    params = read_parameters(fault, args["parameter"])
    target = complete_name(client, args["target"])
    before = look(client, target) if fault.name in ENDING else None
    value = client.call("inject", {"fault": fault.name, "target": target, "params": params})
    became = aftermath(client, target, before)
    if out.json:
        out.value(value)
    else:
        told = "".join(f" {key}={item}" for key, item in params.items())
        out.say(f"injected {fault.name}{told} into {target}" + (f"; {became}" if became else ""))
    return ExitCode.OK


def read_parameters(fault: Fault, words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as typed values, defaults filled in. Raises UsageError."""
    found = {parameter.name: parameter.default for parameter in fault.parameters}
    given: set[str] = set()
    for word in words:
        name, equals, text = word.partition("=")
        parameter = next((p for p in fault.parameters if p.name == name), None)
        if not equals or parameter is None:
            allowed = [f"{p.name}=" for p in fault.parameters]
            raise UsageError(
                f"inject {fault.name}: unknown parameter {word!r}",
                allowed=allowed or ["no parameters"],
                near=nearest(name, [p.name for p in fault.parameters]),
            )
        if name in given:
            raise UsageError(f"inject {fault.name}: {name} is given twice")
        given.add(name)
        found[name] = _value(fault, parameter, text)
    return found


def _value(fault: Fault, parameter: Parameter, text: str) -> str | int | float:
    if parameter.type is str:
        return text
    kind = "a whole number" if parameter.type is int else "a number"
    try:
        value: int | float = parameter.type(text)
    except ValueError:
        value = 0
    if not (math.isfinite(value) and value > 0):
        raise UsageError(
            f"inject {fault.name}: {parameter.name}={text!r} means nothing",
            allowed=[f"{kind} above 0"],
            hint=f"for example {parameter.name}={parameter.default}",
        )
    return value


def _help() -> str:
    lines = ["Faults and their parameters:"]
    for fault in FAULTS.values():
        lines.append(f"  {fault.name:<6} {fault.help}")
        lines += [f"         {p.name}={p.default}  {p.help}" for p in fault.parameters]
    return "\n".join(
        [*lines, "Every injected fault is an event (fault.injected), so drills can be told from accidents."]
    )


VERBS = (
    Verb(
        name="inject",
        summary="break something on purpose",
        help=_help(),
        example="inject hang librarian seconds=20",
        kind=Kind.REMOTE,
        run=inject,
        args=(
            Arg(name="fault", takes=Takes.FAULT, help="what to do to it"),
            Arg(name="target", takes=Takes.NAME, help="a node of the tree; a unique prefix will do"),
            Arg(name="parameter", takes=Takes.PARAMETER, help="the fault's parameters", many=Many.ANY),
        ),
    ),
)
