"""Errors of the runtime, split by whose move it is.

`Refused` is the caller's mistake: it is answered as an error and the kernel lives on.
`WorldFailed` is the environment's (disk full, store busy): answered as an error too, never a crash.
Anything else that leaves a handler is a bug: the kernel crashes with a report and its supervisor acts.
"""

from __future__ import annotations


class GraceError(Exception):
    """Base of the errors that are answered instead of crashing. `hint` says what to do next."""

    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Refused(GraceError):
    """The request is wrong: unknown verb, bad argument, not allowed."""

    code = "refused"


class NotFound(Refused):
    """What the request names does not exist."""

    code = "not_found"


class WorldFailed(GraceError):
    """The world did not play along: disk full, store locked, process not startable."""

    code = "world_failed"


class StoreFailed(WorldFailed):
    """A store could not write; what was stored before is intact."""

    code = "store_failed"


class TimedOut(WorldFailed):
    """No answer before the deadline."""

    code = "timed_out"


class Died(WorldFailed):
    """The actor died before it answered; whether it had done what was asked is not known."""

    code = "died"


class Injected(RuntimeError):
    """Raised in a handler on purpose, by fault injection."""
