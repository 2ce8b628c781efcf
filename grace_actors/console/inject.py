"""The verb inject: break something on purpose.

Which faults there are and what they take is the table in `chaos.faults`. Must not know how one is carried out.
Invariant: every parameter reaches the instance explicitly, with its default where none was typed.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from chaos.faults.table import FAMILIES, FAULTS, INJECTABLE, PARDON, Fault, Parameter
from grace_actors.console.aftermath import aftermath, look
from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.names import complete_name, pick
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Kind, Many, Takes, Verb

ENDING = frozenset({"kill", "term", "crash", "exit", "corrupt"})
"""Faults after which the process is gone, so that what came instead can be told."""


def inject(client: Client, args: Args, out: Out) -> ExitCode:
    """Check the fault and its parameters here, then have it caused."""
    fault = INJECTABLE[pick(args["fault"], list(INJECTABLE), "fault")]
    word, words = args["target"], list(args["parameter"])
    if word is not None and "=" in word:  # no name has that: it is the first parameter
        word, words = None, [word, *words]
    if word is None and fault.whole is None:
        raise UsageError(
            f"inject {fault.name}: missing: TARGET", hint=f"inject {fault.name} NAME; `tree` shows the names"
        )
    params = read_parameters(fault, words)
    if fault.whole is None:
        target = complete_name(client, word)
    else:
        target = pick(word or fault.whole, [fault.whole], f"target of {fault.name}")
    before = look(client, target) if fault.name in ENDING else None
    value = client.call("inject", {"fault": fault.name, "target": target, "params": params})
    became = aftermath(client, target, before)
    if out.json:
        out.value(value)
    else:
        if fault is PARDON:
            out.say(f"ended what lasted in {target}")
            return ExitCode.OK
        told = "".join(f" {key}={shlex.quote(str(item))}" for key, item in params.items())
        place = f" ({value['where']} of {value['file']})" if "where" in value else ""
        out.say(f"injected {fault.name}{told} into {target}{place}" + (f"; {became}" if became else ""))
        if ends := ending(fault, target, params, value.get("record")):
            out.say(f"  {ends}")
    return ExitCode.OK


def ending(fault: Fault, target: str, params: Mapping[str, Any], record: str | None) -> str:
    """When a fault that lasts is over, and how to end it before; empty for one that is over already."""
    seconds = params.get("seconds")
    if seconds is None and fault.name != "flood":
        return ""
    when = f"it ends by itself after {seconds:g} s" if seconds else "it ends when all requests are sent"
    if fault.name == "block":  # its process hears nothing
        return when
    if record:
        return f"{when}; now: chaos undo {record}"
    return f"{when}; now: inject {PARDON.name} {target}" if fault.where == "actor" else when


def read_parameters(fault: Fault, words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as typed values, defaults filled in. Raises UsageError."""
    found: dict[str, Any] = {parameter.name: parameter.default for parameter in fault.parameters}
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
    missing = [f"{name}=" for name, value in found.items() if value is None]
    if missing:
        raise UsageError(f"inject {fault.name}: missing: {', '.join(missing)}", hint="see: help inject")
    return found


def _value(fault: Fault, parameter: Parameter, text: str) -> str | int | float:
    value: str | int | float | None
    try:
        value = parameter.type(text)
    except ValueError:
        value = None
    if value is None or not parameter.takes(value):
        example = "" if parameter.default is None else f"for example {parameter.name}={parameter.default}"
        raise UsageError(
            f"inject {fault.name}: {parameter.name}={text!r} means nothing",
            allowed=[*parameter.choices] or [parameter.allowed],
            hint=example,
        )
    return value


def _help() -> str:
    lines = ["Faults and their parameters, by what they break:"]
    for family in FAMILIES:
        lines.append(f"{family}")
        for fault in FAULTS.values():
            if fault.family == family:
                lines += _about(fault)
    return "\n".join([*lines, "afterwards", *_about(PARDON), *NOTES])


def _about(fault: Fault) -> list[str]:
    whole = f"; TARGET is {fault.whole}, and need not be said" if fault.whole else ""
    shown = [f"{p.name}={'...' if p.default is None else p.default}" for p in fault.parameters]
    width = max((len(text) for text in shown), default=0)
    lines = [f"              {text:<{width}}  {p.help}" for text, p in zip(shown, fault.parameters, strict=True)]
    return [f"  {fault.name:<11} {fault.help}{whole}", *lines]


NOTES = (
    "Every injected fault is an event (fault.injected), so drills can be told from accidents. What lasts ends "
    "by itself after `seconds`, and with the process.",
    "Faults of files, network, code and secrets, burn, ballast and flood are caused by the kernel chaos_runner.",
)
"""What holds for all of them."""


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
            Arg(
                name="target",
                takes=Takes.TARGET,
                help="a node of the tree, a unique prefix will do; none where it is the host or the home",
                many=Many.OPTIONAL,
            ),
            Arg(name="parameter", takes=Takes.PARAMETER, help="the fault's parameters", many=Many.ANY),
        ),
    ),
)
