"""Where run.py hands over: start an instance, or run one verb as a client of one.

Must not import the runtime unless an instance is to be started.
Invariant: every expected failure ends as a message on standard error and an exit code, never a traceback.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from grace_actors.console.dispatch import INTERRUPTED, dispatch
from grace_actors.console.errors import ExitCode, exit_code
from grace_actors.console.out import Out
from grace_actors.console.parse import parse_globals
from grace_actors.errors import GraceError
from grace_actors.home import AlreadyRunning, Home
from grace_actors.settings import settings


def main(argv: Sequence[str] | None = None) -> int:
    """The whole program; returns its exit code."""
    _never_fail_to_print()
    try:
        given, words = parse_globals(sys.argv[1:] if argv is None else argv)
        if given["help"] or given["version"]:
            words = ["help", *words[:1]] if given["help"] else ["version"]
        if words:
            return dispatch(words, Home.resolve(given["home"]), json=given["json"], anywhere=True)
        return _start(given)
    except GraceError as error:
        Out().fail(error)
        return ExitCode.USAGE if exit_code(error) is ExitCode.USAGE else ExitCode.FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _start(given: Mapping[str, Any]) -> int:
    """Become the root guard of a new instance."""
    names = ("home", "tree", "headless", "json", "transport", "bind")
    chosen = settings(**{name: given[name] for name in names})
    if (pid := chosen.home.running_pid()) is not None:
        raise AlreadyRunning(pid, chosen.home.root)
    from grace_actors.guard import run_guard

    return run_guard(chosen)


def _never_fail_to_print() -> None:
    """A terminal that lacks a character gets a question mark instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(errors="replace")
