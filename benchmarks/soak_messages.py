"""What the actors of a soak, and the process that drives it, say to each other.

Plain data. Invariant: only `Note` and `Ack` are accounted for; the others are the soak's own business.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from benchmarks.soak_ledger import Who


class Note(NamedTuple):
    """A numbered message; the payload follows from number and size."""

    sender: Who
    to: Who
    number: int
    payload: bytes


class Ack(NamedTuple):
    """`sender` has received number so-and-so of `to`."""

    sender: Who
    to: Who
    number: int


class Start(NamedTuple):
    """To the boss: create everybody."""

    faults: str
    seed: int


class Begin(NamedTuple):
    """To a new actor: who it is. Whom it may write to follows."""

    who: Who
    letters: Any
    faults: str
    seed: int
    quiet: bool


class Hello(NamedTuple):
    who: Who
    pid: int


class Joined(NamedTuple):
    """A new incarnation; the one before it is dead."""

    who: Who
    address: Any


class Died(NamedTuple):
    who: Who


class Quiet(NamedTuple):
    """Send nothing of your own (or do again)."""

    on: bool


class Flood(NamedTuple):
    """Send so many in this one handler, to one place or (None) to all in turn."""

    place: int | None
    many: int
    size: int = 0  # 0: small ones, with a larger one in between


class Sleep(NamedTuple):
    """Handle nothing for so long."""

    seconds: float


class Mesh(NamedTuple):
    """Write once to everybody, and to one that is dead."""

    dead: Who
    address: Any


class Relay(NamedTuple):
    """To the boss: pass it to the worker in this place, to the dead letters, or (None) to all workers."""

    place: int | None
    message: Any


class DoMesh(NamedTuple):
    pass


class Collect(NamedTuple):
    """Settle and report. The boss answers with a list of reports."""
