"""The words in which a verb is described: one description drives parsing, help, completion and docs.

Data only; must not know any particular verb.
Invariant: everything a verb accepts is in its `args` and `options`, so what help shows is what parsing takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode
from grace_actors.console.out import Out

Args = Mapping[str, Any]
Run = Callable[[Client, Args, Out], ExitCode]


class Kind(StrEnum):
    """Whether a verb needs a running instance."""

    REMOTE = "remote"
    LOCAL = "local"


class Takes(StrEnum):
    """What a word stands for: its conversion, and what completion offers."""

    TEXT = "text"
    COUNT = "count"
    NAME = "name"
    DRILL = "drill"
    LOG = "log"
    FAULT = "fault"
    TARGET = "target"
    PARAMETER = "parameter"
    FILE = "file"
    VERB = "verb"


class Many(StrEnum):
    """How many words a positional argument takes."""

    ONE = "one"
    OPTIONAL = "optional"
    SOME = "some"  # one or more
    ANY = "any"  # none or more


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg:
    """A positional argument; `name` is its key in `args` and, in capitals, its name in help. `words` are those it
    may be, for completion, and `after` the first words behind which it is completed (none: behind all)."""

    name: str
    takes: Takes
    help: str
    many: Many = Many.ONE
    words: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option; without `takes` it is a switch. `name` is its long form without dashes."""

    name: str
    help: str
    short: str = ""
    takes: Takes | None = None
    metavar: str = ""
    default: Any = None

    @property
    def flags(self) -> tuple[str, ...]:
        """As typed: `--lines`, `-n`."""
        return (f"--{self.name}", f"-{self.short}") if self.short else (f"--{self.name}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb. `summary` is a line without a full stop, `help` says the rest, `example` is typed as shown."""

    name: str
    summary: str
    help: str
    example: str
    kind: Kind
    run: Run
    args: tuple[Arg, ...] = ()
    options: tuple[Option, ...] = ()
    group: str = ""


JSON = Option(name="json", help="print the answer as JSON with stable keys")


def all_options(verb: Verb) -> tuple[Option, ...]:
    """The verb's own options and those every verb has."""
    return (*verb.options, JSON)


def usage(verb: Verb) -> str:
    """The verb as it is typed: `inject FAULT TARGET [k=v ...] [--json]`."""
    words = [verb.name, *map(_shown, verb.args)]
    for option in all_options(verb):
        value = f" {option.metavar or option.takes.upper()}" if option.takes else ""
        words.append(f"[{option.flags[-1]}{value}]")
    return " ".join(words)


def _shown(arg: Arg) -> str:
    word = "k=v" if arg.takes is Takes.PARAMETER else arg.name.upper()
    match arg.many:
        case Many.ONE:
            return word
        case Many.OPTIONAL:
            return f"[{word}]"
        case Many.SOME:
            return f"{word} ..."
        case Many.ANY:
            return f"[{word} ...]"
