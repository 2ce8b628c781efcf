"""The verb inject: break something on purpose.

Which faults there are and what they take is the table in `grace_actors.faults`. Must not know how one is carried out.
Invariant: every parameter reaches the instance explicitly, with its default where none was typed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from grace_actors.console.aftermath import aftermath, look
from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.names import complete_name, pick
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Kind, Many, Takes, Verb
from grace_actors.faults import FAULTS, Fault, Parameter

ENDING = frozenset({"kill", "term", "crash", "exit", "corrupt"})
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
        place = f" ({value['where']} of {value['file']})" if "where" in value else ""
        out.say(f"injected {fault.name}{told} into {target}{place}" + (f"; {became}" if became else ""))
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
        lines.append(f"  {fault.name:<7} {fault.help}")
        lines += [f"          {p.name}={p.default}  {p.help}" for p in fault.parameters]
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
