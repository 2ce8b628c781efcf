"""What actors say to each other: the messages of the runtime itself.

Plain frozen data, pickled by the transport between processes of one user on one host. Kernels never see
these; they see `Request` and `Answer`. Those that keep an actor under its parent's hand are control: they overtake
requests and answers. Invariant: everything about a child carries its generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from grace_actors.birth import Birth
from grace_actors.kernel import Answer, Data


class Control:
    """Marks messages that overtake the others."""

    __slots__ = ()
    is_control: ClassVar[bool] = True


# ---- life of a child ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin(Control):
    """First message of a parent: set up, test yourself, answer with Ready (or end with a report). A child that
    was forked before it was needed is told who it is."""

    gen: int
    birth: Birth | None = None


@dataclass(frozen=True, slots=True)
class Ready(Control):
    """The child passed its self-test. `pid` is what an operator would kill: the OS process of a command. `info` is
    what whoever asked for the start is told."""

    name: str
    gen: int
    pid: int
    info: Data | None = None


@dataclass(frozen=True, slots=True)
class Spawned(Control):
    """An OS process exists from now on: its pid is also its process group."""

    name: str
    gen: int
    pid: int


@dataclass(frozen=True, slots=True)
class Stop(Control):
    """End in order; the sender waits for the death itself, not for an answer. With `keep` what is not answered yet is
    handed to the sender first, for the next incarnation."""

    reason: str
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat(Control):
    """Answered by the mailbox with Pulse."""

    gen: int


@dataclass(frozen=True, slots=True)
class Pulse(Control):
    """A sign of life, with what the tree shows of the child."""

    name: str
    gen: int
    does: str
    mailbox: int
    memory_mb: float
    degraded: tuple[str, ...] = ()
    gauges: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress(Control):
    """A child at this path came up or went down, an exit with its kind; travels to the root for whoever shows it or
    watches what is below."""

    name: str
    state: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """A request that an actor has sent and that is not answered: its number, for whom, which verb, since when on the
    monotonic clock of the host."""

    id: int
    to: str
    verb: str
    since: float


@dataclass(frozen=True, slots=True)
class Waits(Control):
    """Whom an actor has been waiting for a while, whose requests (name, number) it owes an answer meanwhile, and
    whether an OS command of its own runs. Said again when it changes, without `waits` when it is over; travels to the
    root. `via` names the supervisors it came through, the last one first."""

    name: str
    gen: int
    waits: tuple[Wait, ...] = ()
    owes: tuple[tuple[str, int], ...] = ()
    is_busy: bool = False
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RootGone(Control):
    """The root supervisor's last words: kind `shutdown` after a stop, anything else means it gave up."""

    kind: str
    reason: str
    detail: str


# ---- names ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegistryAt(Control):
    """The registry lives at this address now; travels through the whole tree."""

    address: Any


@dataclass(frozen=True, slots=True)
class Refresh(Control):
    """The status actor is new: describe yourself again; travels through the whole tree."""


@dataclass(frozen=True, slots=True)
class Register(Control):
    """This name is served by the sender now."""

    name: str
    gen: int


@dataclass(frozen=True, slots=True)
class Resolve(Control):
    """Where is this name? Answered by `Resolved` at once if it is known and not `stale`, else when it is."""

    name: str
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Resolved(Control):
    """The name is served at this address."""

    name: str
    address: Any


# ---- requests -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `id` 0 wants no answer."""

    id: int
    verb: str
    args: Data = field(default_factory=dict)
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to Ask(id)."""

    id: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Kept(Control):
    """To who asked: the one with your request `id` ends, but the request is kept and its next incarnation gets it."""

    id: int


@dataclass(frozen=True, slots=True)
class Handover:
    """The unanswered requests of an actor that ends, with the address of who asked, and how many more did not fit."""

    name: str
    gen: int
    work: tuple[tuple[Ask, Any], ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Handed:
    """A request that an incarnation before this one was asked and did not answer."""

    ask: Ask
    sender: Any
