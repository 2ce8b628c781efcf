"""The shell of an instance: a prompt on a terminal, a reader of verbs elsewhere.

A plain client in a process of its own: it may fail, be killed or be stopped, and the tree does not notice.
Invariant: it asks for the end of the instance only when told to (exit, end of input, Ctrl-C, `shutdown`).
"""

from __future__ import annotations

import contextlib
import io
import shlex
import sys
import time
import traceback
from collections.abc import Callable

from grace_actors.console.client import Client
from grace_actors.console.control import stop_instance
from grace_actors.console.dispatch import INTERRUPTED, dispatch
from grace_actors.console.errors import ExitCode, UsageError
from grace_actors.console.out import Out
from grace_actors.console.parse import parse
from grace_actors.console.terminal import foreground
from grace_actors.console.verbs import VERBS
from grace_actors.errors import GraceError
from grace_actors.home import Home

SHUTDOWN, FORCE = 0, INTERRUPTED
"""Exit codes for the guard: stop in order, or at once. Any other code: in order, and end with that code."""
LEAVE = frozenset({"exit", "quit"})
_ASK_S = 5.0
_POLL_S = 0.1


class Left(Exception):
    """Somebody asked for the end of the instance; `reason` is kept in the event log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def run(home: Home) -> int:
    """Serve standard input until it ends; the exit code tells the guard how to stop."""
    if not sys.stdin.isatty():
        return _read_all(home)
    try:
        with foreground():
            _converse(home)
    except Left as left:
        return _leave(home, left.reason)
    return SHUTDOWN


def execute(line: str, home: Home) -> int:
    """Run one line; its exit code. Raises Left. Never raises for what a verb does or a person types."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        Out().fail(UsageError(f"{line.strip()!r}: {str(error).lower()}", hint="close the quote, or escape it with \\"))
        return ExitCode.USAGE
    if not words:
        return ExitCode.OK
    if words[0] in LEAVE:
        raise Left(words[0])
    if words == ["clear"]:
        Out().console.clear()
        return ExitCode.OK
    if words[0] == "shutdown" and not {"-h", "--help"} & set(words):
        return _shutdown(words[1:])
    try:
        return dispatch(words, home)
    except Exception:  # a bug in a verb ends that verb, not the shell
        traceback.print_exc()
        return ExitCode.FAILED


def _shutdown(words: list[str]) -> int:
    try:
        raise Left(parse(VERBS["shutdown"], words)["reason"] or "shutdown")
    except UsageError as error:
        Out().fail(error)
        return ExitCode.USAGE


def _read_all(home: Home) -> int:
    """Every line of a file or pipe. The last failure is the exit code; the end of input is the end of the instance."""
    code: int = ExitCode.OK
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    with contextlib.suppress(Left, KeyboardInterrupt):
        for line in sys.stdin:
            done = execute(line, home)
            sys.stdout.flush()
            if done == INTERRUPTED:
                break  # Ctrl-C ends the script, and its instance in order
            code = done or code
    return code


def _converse(home: Home) -> None:
    """The prompt, or, where it does not work, plain lines. Ends by raising Left."""
    from grace_actors.console.prompt import Prompt

    _welcome(home)
    try:
        prompt = Prompt(home)
    except Exception:
        traceback.print_exc()
        print("grace: the prompt does not work here; plain lines do", file=sys.stderr)
        _lines(home, lambda: input("grace> "))
    else:
        with prompt:
            _lines(home, prompt.read)


def _lines(home: Home, read: Callable[[], str]) -> None:
    while True:
        try:
            line = read()
        except KeyboardInterrupt:
            raise Left("Ctrl-C at the prompt") from None
        except EOFError:
            raise Left("end of input at the prompt") from None
        if execute(line, home) == INTERRUPTED:
            print()  # after the ^C of the terminal


def _welcome(home: Home) -> None:
    out = Out()
    try:
        value = Client(home).call("status")
    except GraceError as error:
        out.fail(error)
        return
    from grace_actors.console import render

    out.show(*render.welcome_view(value, url=home.api_url(), logs=str(home.logs), width=out.console.width))


def _leave(home: Home, reason: str) -> int:
    """Have the instance stopped and stay until the guard ends this process; Ctrl-C meanwhile means force."""
    try:
        print("stopping in order; Ctrl-C again to force", file=sys.stderr)
        stop_instance(Client(home, timeout_s=_ASK_S), Out(), reason=reason)
    except KeyboardInterrupt:
        return FORCE
    except GraceError:
        return SHUTDOWN  # it did not take the request: the guard stops it when this process ends
    try:
        while home.running_pid() is not None:
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        return FORCE
    return SHUTDOWN
