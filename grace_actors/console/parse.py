"""Words to arguments, the same way for the command line and the prompt.

A thin layer on argparse that turns its complaints into UsageError with what is allowed and the nearest
match. Must not run anything or exit.
Invariant: for the same words the command line and the prompt give the same arguments or the same error.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from grace_actors.console.errors import UsageError, nearest
from grace_actors.console.table import Many, Option, Takes, Verb, all_options, usage

_NARGS = {Many.ONE: None, Many.OPTIONAL: "?", Many.SOME: "+", Many.ANY: "*"}

GLOBALS = (
    Option(name="home", help="the instance's directory (GRACE_HOME; default .grace)", takes=Takes.FILE, metavar="DIR"),
    Option(name="tree", help="the tree file to start (GRACE_TREE; default built in)", takes=Takes.FILE, metavar="FILE"),
    Option(name="headless", help="start without a console (GRACE_HEADLESS)"),
    Option(
        name="transport",
        help="how actors talk: unix (default) or tcp (GRACE_TRANSPORT)",
        takes=Takes.TEXT,
        metavar="KIND",
    ),
    Option(
        name="bind",
        help="with tcp: the address to listen at (GRACE_BIND; default 127.0.0.1)",
        takes=Takes.TEXT,
        metavar="IP",
    ),
    Option(name="json", help="print the answer as JSON with stable keys"),
    Option(name="help", short="h", help="show help"),
    Option(name="version", help="show the version"),
)
_ANYWHERE = tuple(option for option in GLOBALS if option.name in ("home", "tree"))


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of exiting. `subject` opens every message."""

    subject = ""

    def error(self, message: str) -> NoReturn:
        raise UsageError(self.subject + _plain(message))


def parse_globals(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """What stands before the verb, and the verb with everything behind it. Raises UsageError."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if _wants_value(words[at]) else 1
    return _parse(_parser("", (), GLOBALS), words[:at], GLOBALS, ""), list(words[at:])


def parse(verb: Verb, words: Sequence[str], *, anywhere: bool = False) -> dict[str, Any]:
    """The arguments of a verb; `anywhere` also takes --home and --tree behind it. Raises UsageError."""
    options = (*all_options(verb), *(_ANYWHERE if anywhere else ()))
    return _parse(_parser(f"{verb.name}: ", verb.args, options), words, options, usage(verb))


def _parse(parser: _Parser, words: Sequence[str], options: Sequence[Option], shown: str) -> dict[str, Any]:
    hint = f"usage: {shown}" if shown else "see `help`"
    try:
        found, extra = parser.parse_known_intermixed_args(list(words))
    except UsageError as error:
        raise UsageError(error.message, hint=hint) from None
    if not extra:
        return {key.replace("-", "_"): value for key, value in vars(found).items()}
    first = extra[0]
    if first.startswith("-"):
        flags = [flag for option in options for flag in option.flags]
        word = first.split("=")[0]
        raise UsageError(f"{parser.subject}unknown option {word}", allowed=flags, near=nearest(word, flags), hint=hint)
    raise UsageError(f"{parser.subject}{first!r} is one word too many", hint=hint)


def _parser(subject: str, args: Sequence[Any], options: Sequence[Option]) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=None)
    parser.subject = subject
    for arg in args:
        nargs, shown = _NARGS[arg.many], arg.name.upper()
        # Without a default of its own, argparse counts an argument of nargs="*" as required.
        parser.add_argument(arg.name, type=_converter(arg.takes), nargs=nargs, metavar=shown, default=None)
    for option in options:
        if option.takes is None:
            parser.add_argument(*option.flags, dest=option.name, action="store_true")
            continue
        parser.add_argument(
            *option.flags,
            dest=option.name,
            type=_converter(option.takes),
            default=option.default,
            metavar=option.metavar or option.takes.upper(),
        )
    return parser


def _converter(takes: Takes) -> Callable[[str], Any]:
    return _count if takes is Takes.COUNT else str


def _count(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} is no count; allowed: whole numbers from 0")
    return int(word)


def _wants_value(word: str) -> bool:
    return any(word in option.flags for option in GLOBALS if option.takes is not None)


def _plain(message: str) -> str:
    """argparse's sentence without its quirks: `argument -n/--lines: expected one argument`."""
    message = message.removeprefix("argument ")
    return message.replace("the following arguments are required: ", "missing: ")


def readable_file(word: str) -> Path:
    """The file a person named. Raises UsageError when there is none."""
    path = Path(word).expanduser()
    if path.is_file():
        return path
    near = nearest(path.name, [entry.name for entry in path.parent.iterdir()]) if path.parent.is_dir() else []
    raise UsageError(f"there is no file {word}", near=near, hint="give the path of an existing file")
