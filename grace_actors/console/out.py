"""Where answers go: standard output for people or as JSON, standard error for what went wrong.

Decides colour (a terminal without NO_COLOR) and width; must not know what it prints.
Invariant: with `json` nothing but JSON ever reaches standard output.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from grace_actors.console.errors import UsageError
from grace_actors.console.text import wrapped
from grace_actors.errors import GraceError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PIPE_WIDTH = 160
"""Columns when nobody looks: what reads a pipe is better served by whole names than by a screen's width."""


class Out:
    """One verb's output. `live` says that a person is watching a terminal."""

    def __init__(self, *, json: bool = False, stdout: IO[str] | None = None, stderr: IO[str] | None = None) -> None:
        self.json = json
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._console: Console | None = None

    @property
    def live(self) -> bool:
        return self.stdout.isatty() and not self.json

    @property
    def console(self) -> Console:
        """For people; made when first used, since JSON needs none of it."""
        if self._console is None:
            self._console = make_console(self.stdout)
        return self._console

    def show(self, *parts: RenderableType) -> None:
        """Print tables and paragraphs for people, within the width."""
        for part in parts:
            print_part(self.console, part)

    def say(self, text: str) -> None:
        """Print text for people as it is."""
        print(text, file=self.stdout, flush=True)

    def line(self, line: Text) -> None:
        """Print one line for people: cut at the width of a terminal, whole where nobody looks."""
        self.console.print(line, soft_wrap=not self.stdout.isatty(), no_wrap=True, overflow="ellipsis")

    def value(self, value: Any) -> None:
        """Print one answer as JSON."""
        print(json.dumps(value, indent=2, ensure_ascii=False), file=self.stdout, flush=True)

    def item(self, value: Any) -> None:
        """Print one object of a stream as one line of JSON."""
        print(json.dumps(value, ensure_ascii=False), file=self.stdout, flush=True)

    def fail(self, error: GraceError) -> None:
        """Say what went wrong, what is allowed and what to do."""
        text = error_text(error)
        if self.stderr.isatty():
            text = wrapped(text, shutil.get_terminal_size().columns, hang=4)
        print(text, file=self.stderr, flush=True)


def print_part(console: Console, part: RenderableType) -> None:
    """Print one part. Console.print joins texts and forgets how each wants to be cut, so it is told again."""
    console.print(part, no_wrap=getattr(part, "no_wrap", None), overflow=getattr(part, "overflow", None))


def make_console(stream: IO[str]) -> Console:
    """A rich console that follows NO_COLOR and is plain and wide off a terminal."""
    from rich.console import Console

    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(file=stream, width=width, emoji=False, highlight=False, markup=False)


def error_text(error: GraceError) -> str:
    """An error as a person reads it: what happened, the nearest match, what is allowed, what to do."""
    lines = [f"grace: {error.message}"]
    if isinstance(error, UsageError):
        if error.near:
            lines.append(f"  did you mean: {', '.join(error.near)}?")
        if error.allowed:
            lines += _wrapped("  allowed: ", error.allowed)
    if error.hint:
        lines.append(f"  {error.hint}")
    return "\n".join(lines)


def _wrapped(head: str, words: Iterable[str]) -> list[str]:
    """Words in lines that fit, set in behind the head."""
    columns = max(40, shutil.get_terminal_size((PIPE_WIDTH, 24)).columns)
    indent = " " * len(head)
    return textwrap.wrap(
        ", ".join(words),
        columns,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
