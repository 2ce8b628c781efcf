"""Asking a person before something that cannot be taken back.

Must not know what it is about. Invariant: without a clear yes, from a person at a terminal, it raises.
"""

from __future__ import annotations

import sys

from grace_actors.console.errors import UsageError
from grace_actors.console.out import Out
from grace_actors.console.text import wrapped


def confirm(question: str, out: Out, *, otherwise: str = "nothing was done") -> None:
    """Raises UsageError when nobody can be asked, or the answer is not yes."""
    if not can_ask(out):
        raise UsageError(f"nobody can be asked: {question}", hint="say so with --yes")
    try:
        answer = input(f"{wrapped(f'{question} [y/N]', out.console.width - 1)} ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError(otherwise, hint="answer y, or type --yes")


def can_ask(out: Out) -> bool:
    """Whether a person reads the question and can type an answer."""
    return sys.stdin.isatty() and out.live
