"""Where a supervisor's children are forked, one ahead of need.

Forking and waking a child costs more than everything else of a restart, so a supervisor of kernels keeps a
spare: a forked actor that has no name yet and becomes the next child that is started. Decides nothing about
who is started. Invariant: a spare runs no code of a kernel before it has been given its birth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from grace_actors import birth as births
from grace_actors import wire

if TYPE_CHECKING:
    from grace_actors.actor import Actor

KERNEL = "grace_actors.kernel_actor.KernelActor"
SPARE = "spare"
CALM_S = 0.05


@dataclass(slots=True)
class Body:
    """A forked child: where it is reached, its process, the pipe of its last words."""

    address: Any
    process: Any  # multiprocessing.Process
    words: births.LastWords


class Nursery:
    """The forks of one supervisor."""

    def __init__(self, parent: Actor, is_busy: Callable[[], bool]) -> None:
        self._parent = parent
        self._is_busy = is_busy  # more children are about to be started
        self._spare: Body | None = None

    def spawn(self, birth: births.Birth, actor_class: str) -> Body | None:
        """A child that begins its life now; None when the system refuses a process."""
        body = self._take_spare() if actor_class == KERNEL else None
        given = birth if body is not None else None
        if body is None:
            body = self._fork(birth, actor_class)
        if body is None:
            return None
        self._parent.send(body.address, wire.Begin(birth.gen, given))
        if actor_class == KERNEL:
            delay_s = 0.0 if self._is_busy() else CALM_S  # a lone restart has the processor to itself
            self._parent.after(delay_s, lambda: self._refill(birth))
        return body

    def _take_spare(self) -> Body | None:
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        self._parent.unwatch(spare.words.fd)
        if spare.process.is_alive():
            return spare
        spare.words.close()
        return None

    def _refill(self, birth: births.Birth) -> None:
        if self._spare is None:
            self._spare = self._fork(replace(birth, name=SPARE, gen=0, start=None), KERNEL)
        if self._spare is not None:
            self._parent.watch(self._spare.words.fd, self._spare_died)

    def _spare_died(self) -> None:
        """Somebody killed it: the next start forks anew."""
        if self._spare is not None:
            self._parent.unwatch(self._spare.words.fd)
            self._spare.words.close()
            self._spare = None

    def _fork(self, birth: births.Birth, actor_class: str) -> Body | None:
        words = births.LastWords()
        births.prepare(replace(birth, last_words_fd=words.write_fd))
        manager = self._parent._myRef
        before = len(getattr(manager, "_child_procs", []))
        address = self._parent.createActor(actor_class)
        words.forked()
        processes = getattr(manager, "_child_procs", [])
        if len(processes) == before:  # Thespian swallows a fork that failed
            words.close()
            return None
        return Body(address, processes[-1].childProc, words)
