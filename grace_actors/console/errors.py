"""What can go wrong between a person and a running instance, and the exit code each case ends with.

Every error says what happened, what is allowed and what to do next; `out.Out.fail` prints it. Must not
know how any verb works.
Invariant: exit codes are 0 ok, 1 failed, 2 usage, 3 not running, 4 unknown, 5 refused, and nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path

from grace_actors.errors import GraceError


class ExitCode(IntEnum):
    """What a verb ends with, in the sense of LSB init scripts where those say something."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    UNKNOWN = 4
    REFUSED = 5


class UsageError(GraceError):
    """The words typed mean nothing here. `allowed` lists what would, `near` the closest of them."""

    code = "usage"

    def __init__(self, message: str, *, allowed: Iterable[str] = (), near: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.allowed = tuple(allowed)
        self.near = tuple(near)


class Unknown(UsageError):
    """What was named does not exist."""

    code = "not_found"


class NotRunning(GraceError):
    """No instance answers for this home."""

    code = "not_running"

    def __init__(self, home: Path, detail: str = "") -> None:
        super().__init__(
            f"no instance is running in {home}" + (f" ({detail})" if detail else ""),
            hint="start one with `python run.py`, or name another home with --home DIR",
        )


class RemoteFailed(GraceError):
    """The instance answered with an error: its code, message and hint."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Interrupted(GraceError):
    """The connection ended, or stayed silent too long, before the answer was complete."""

    code = "interrupted"


def exit_code(error: GraceError) -> ExitCode:
    """The exit code an error ends with."""
    match error:
        case UsageError(code="usage"):
            return ExitCode.USAGE
        case NotRunning():
            return ExitCode.NOT_RUNNING
        case GraceError(code="not_found"):
            return ExitCode.UNKNOWN
        case GraceError(code="refused"):
            return ExitCode.REFUSED
    return ExitCode.FAILED


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words most like a mistyped one, best first."""
    return difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
