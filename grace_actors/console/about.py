"""Verbs about Grace itself: help and version.

Help is written from the table of verbs and nothing else.
Invariant: every verb of the table appears in `help`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode
from grace_actors.console.out import Out
from grace_actors.console.parse import GLOBALS
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Takes, Verb, all_options, usage
from grace_actors.console.text import wrapped


def help(client: Client, args: Args, out: Out) -> ExitCode:
    """The list of verbs, or everything about one."""
    from grace_actors.console.verbs import GROUPS, find_verb

    if args["verb"]:
        verb = find_verb(args["verb"])
        if out.json:
            out.value(described(verb))
        else:
            out.say(verb_help(verb, out.console.width))
        return ExitCode.OK
    if out.json:
        out.value([described(verb) for verbs in GROUPS.values() for verb in verbs])
    else:
        out.say(overview())
    return ExitCode.OK


def version(client: Client, args: Args, out: Out) -> ExitCode:
    """Grace's version and Python's."""
    from grace_actors.version import __version__

    if out.json:
        out.value({"version": __version__, "python": platform.python_version()})
    else:
        out.say(f"grace {__version__} (Python {platform.python_version()})")
    return ExitCode.OK


def overview() -> str:
    """Every verb with its summary, and the global options."""
    from grace_actors.console.verbs import GROUPS

    lines = [
        "python run.py               start the tree and a prompt",
        "python run.py VERB ...      one verb, then exit",
        "",
    ]
    for group, verbs in GROUPS.items():
        lines.append(f"{group}:")
        lines += [f"  {verb.name:<10} {verb.summary}" for verb in verbs]
    lines += ["", "before the verb:", *_options(GLOBALS), "", "exit codes: 0 ok, 1 failed, 2 usage, 3 not running"]
    return "\n".join(lines)


def verb_help(verb: Verb, width: int = 100) -> str:
    """Everything about one verb, with an example, in lines that fit."""
    lines = [f"usage: {usage(verb)}", "", f"{verb.summary[0].upper()}{verb.summary[1:]}.", ""]
    lines += [wrapped(verb.help, min(width, 100)), ""]
    lines += [f"  {'k=v' if arg.takes is Takes.PARAMETER else arg.name.upper():<16} {arg.help}" for arg in verb.args]
    return "\n".join([*lines, *_options(all_options(verb)), "", f"example: {verb.example}"])


def described(verb: Verb) -> dict[str, object]:
    """One verb as data, for tools."""
    return {
        "name": verb.name,
        "summary": verb.summary,
        "usage": usage(verb),
        "help": verb.help,
        "example": verb.example,
        "kind": verb.kind.value,
        "args": [{"name": a.name, "takes": a.takes.value, "many": a.many.value, "help": a.help} for a in verb.args],
        "options": [
            {"name": o.name, "flags": list(o.flags), "takes": o.takes.value if o.takes else None, "help": o.help}
            for o in all_options(verb)
        ],
    }


def _options(options: Iterable[Option]) -> list[str]:
    lines = []
    for option in options:
        word = ", ".join(reversed(option.flags)) + (
            f" {option.metavar or option.takes.upper()}" if option.takes else ""
        )
        default = f" (default {option.default})" if option.default is not None else ""
        lines.append(f"  {word:<16} {option.help}{default}")
    return lines


VERBS = (
    Verb(
        name="help",
        summary="list the verbs, or explain one",
        help="With --json the whole table of verbs as data.",
        example="help inject",
        kind=Kind.LOCAL,
        run=help,
        args=(Arg(name="verb", takes=Takes.VERB, help="a verb", many=Many.OPTIONAL),),
    ),
    Verb(
        name="version",
        summary="show the version",
        help="Grace's version and that of the Python it runs on.",
        example="version",
        kind=Kind.LOCAL,
        run=version,
    ),
)
