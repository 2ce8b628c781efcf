"""Where a supervisor's children are forked, one ahead of need.

Forking and waking a child costs more than everything else of a restart, so a supervisor of kernels keeps a
spare: a forked actor that has no name yet and becomes the next child that is started. Decides nothing about
who is started. Invariant: a spare runs no code of a kernel before it has been given its birth.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
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
SERIES_S = 0.05
"""Starts that follow each other so closely are a series."""
AHEAD = 2
"""Spares in a series of starts: one that wakes while the other one begins."""


@dataclass(slots=True, eq=False)
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
        self._spares: deque[Body] = deque()
        self._settling = False
        self._spawned_at = -SERIES_S

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
            self._provide(replace(birth, name=SPARE, gen=0, start=None))
        return body

    def _provide(self, birth: births.Birth) -> None:
        """In a series of starts at once, so that one child wakes while the one before it begins; a lone restart
        has the processor to itself first."""
        now = time.monotonic()
        is_series, self._spawned_at = now - self._spawned_at < SERIES_S, now
        if is_series and self._is_busy():
            self._parent.after(0.0, lambda: self._fill(birth, AHEAD))
        if not self._settling:
            self._settling = True
            self._parent.after(CALM_S, lambda: self._settle(birth))

    def _settle(self, birth: births.Birth) -> None:
        """Calm again: exactly one spare is kept."""
        self._settling = False
        if self._is_busy():
            self._provide(birth)
            return
        while len(self._spares) > 1:
            self._bury(self._spares.pop())
        self._fill(birth, 1)

    def _fill(self, birth: births.Birth, wanted: int) -> None:
        if len(self._spares) >= wanted:
            return
        spare = self._fork(birth, KERNEL)
        if spare is not None:
            self._spares.append(spare)
            self._parent.watch(spare.words.fd, lambda: self._died(spare))

    def _take_spare(self) -> Body | None:
        while self._spares:
            spare = self._spares.popleft()
            if spare.process.is_alive():
                self._parent.unwatch(spare.words.fd)
                return spare
            self._bury(spare)
        return None

    def _died(self, spare: Body) -> None:
        """Somebody killed it: the next start forks anew."""
        if spare in self._spares:
            self._spares.remove(spare)
            self._bury(spare)

    def _bury(self, spare: Body) -> None:
        self._parent.unwatch(spare.words.fd)
        spare.words.close()
        if spare.process.is_alive():
            os.kill(spare.process.pid, signal.SIGKILL)
        self._parent._myRef.transport.remove_sockets_of(spare.process.pid)

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
