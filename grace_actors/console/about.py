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

_VERB_CHARS, _WORD_CHARS = 11, 16
"""The columns of verbs, and of arguments and options."""


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
        out.say(overview(out.console.width))
    return ExitCode.OK


def version(client: Client, args: Args, out: Out) -> ExitCode:
    """Grace's version and Python's."""
    from grace_actors.version import __version__

    if out.json:
        out.value({"version": __version__, "python": platform.python_version()})
    else:
        out.say(f"grace {__version__} (Python {platform.python_version()})")
    return ExitCode.OK


def overview(width: int = 100) -> str:
    """Every verb with its summary, and the global options, in lines that fit."""
    from grace_actors.console.verbs import GROUPS

    lines = [
        "python run.py               start the tree and a prompt",
        "python run.py VERB ...      one verb, then exit",
        "",
    ]
    for group, verbs in GROUPS.items():
        lines.append(f"{group}:")
        lines += [
            wrapped(f"  {verb.name:<{_VERB_CHARS}} {verb.summary}", width, hang=_VERB_CHARS + 1) for verb in verbs
        ]
    codes = ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode)
    lines += ["", "before the verb:", *_options(GLOBALS, width), "", wrapped(f"exit codes: {codes}", width, hang=12)]
    return "\n".join(lines)


def verb_help(verb: Verb, width: int = 100) -> str:
    """Everything about one verb, with an example, in lines that fit."""
    lines = [wrapped(f"usage: {usage(verb)}", min(width, 100), hang=7), ""]
    lines += [wrapped(f"{verb.summary[0].upper()}{verb.summary[1:]}.", min(width, 100)), ""]
    width = min(width, 100)
    lines += [wrapped(verb.help, width), ""]
    lines += [_told("k=v" if arg.takes is Takes.PARAMETER else arg.name.upper(), arg.help, width) for arg in verb.args]
    return "\n".join([*lines, *_options(all_options(verb), width), "", f"example: {verb.example}"])


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


def _told(word: str, about: str, width: int) -> str:
    """A word and what it is, the second line under the first."""
    return wrapped(f"  {word:<{_WORD_CHARS}} {about}", width, hang=_WORD_CHARS + 1)


def _options(options: Iterable[Option], width: int) -> list[str]:
    lines = []
    for option in options:
        word = ", ".join(reversed(option.flags)) + (
            f" {option.metavar or option.takes.upper()}" if option.takes else ""
        )
        default = f" (default {option.default})" if option.default is not None else ""
        lines.append(_told(word, f"{option.help}{default}", width))
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
