"""Decides which exceptions of a traceback stand for the failure, and by what calls they were reached.

An exception may follow on others, and a group holds several; what went wrong first in the project's own code leads.
It must not know kernels or hashes. Invariant: at least one exception leads, and each has its whole stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from playbooks.recognition.traceback_text import Frame, Raised

IsOwn = Callable[[Frame], bool]
_CANCELLED = ("CancelledError", "asyncio.exceptions.CancelledError", "trio.Cancelled")
"""A group's other tasks are cancelled because of the first failure."""
MAX_NESTED = 30
"""Exceptions around the one that leads whose calls are looked at; a loop that chains without end adds nothing."""


@dataclass(frozen=True, slots=True)
class Lead:
    """An exception that leads, the frames from the entry to where it was raised, and whether any is the project's."""

    raised: Raised
    stack: tuple[Frame, ...]
    is_own: bool


def leads_of(root: Raised, is_own: IsOwn) -> list[Lead]:
    """The exceptions that lead: one, or of a group the members that do."""
    own = _own(root, (), is_own)
    if own:
        return own
    leaves = _leaves(root, ())
    return [Lead(leaf, stack_of((*outer, leaf)), False) for leaf, outer in leaves]


def _own(raised: Raised, outer: tuple[Raised, ...], is_own: IsOwn) -> list[Lead]:
    chain = list(raised.chain())
    for at in range(len(chain) - 1, -1, -1):
        one = chain[at]
        if one.members:
            around = (*outer, *chain[: at + 1])
            found = [lead for member in _failed(one) for lead in _own(member, around, is_own)]
            if found:
                return found
        if any(map(is_own, one.frames)):
            return [Lead(leaf, stack_of((*out, leaf)), True) for leaf, out in _leaves(one, (*outer, *chain[:at]))]
    return []


def _leaves(raised: Raised, outer: tuple[Raised, ...]) -> list[tuple[Raised, tuple[Raised, ...]]]:
    if not raised.members:
        return [(raised, outer)]
    return [leaf for member in _failed(raised) for leaf in _leaves(member, (*outer, raised))]


def _failed(group: Raised) -> Sequence[Raised]:
    members = [member for member in group.members if member.qualname not in _CANCELLED]
    return members or group.members


def stack_of(nested: Sequence[Raised]) -> tuple[Frame, ...]:
    """The calls as they were when the last of these was raised: the frames of one that was caught begin where it was
    caught, so the calls above it are those of the one that followed."""
    stack: list[Frame] = []
    for raised in nested[-MAX_NESTED:]:
        if stack and raised.frames:
            first = raised.frames[0]
            same = (n for n in range(len(stack) - 1, -1, -1) if _is_same(stack[n], first))
            del stack[next(same, len(stack)) :]
        stack += raised.frames
    return tuple(stack)


def _is_same(one: Frame, other: Frame) -> bool:
    return one.function == other.function and one.file == other.file
