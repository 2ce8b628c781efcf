"""The two sequences a supervisor blocks in: starting some slots, stopping some slots.

They know the order and whom to wait for, not what the outcome means: `done` is called once with the sequence when
nothing is awaited any more. Invariant: a slot is launched only when what must be ready before it is, and the next
slot is signalled only when the death of the one before is confirmed (dynamic supervisors: all at once).

Departure from OTP: a run with `set_aside` goes on without a slot that it accepts as missing, and leaves those that
depend on it waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from supervisors.engine import TERM_AT, Engine
from supervisors.messages import Exit, ExitKind, StopChild, StopHow
from supervisors.slots import Slot, SlotState
from supervisors.spec import BRUTAL_KILL, Restart


class StartRun:
    """Starts slots one after another; the first failure ends it. `failed`, `infos` and `skipped` tell the outcome.
    `set_aside` is asked about each failure: True when the run may go on without that slot."""

    def __init__(
        self,
        engine: Engine,
        slots: Iterable[Slot],
        cause: str,
        done: Callable[[StartRun], None],
        set_aside: Callable[[Slot, Exit, str], bool] | None = None,
    ) -> None:
        self.engine = engine
        self.todo = deque(slots)
        self.cause = cause
        self.failed: list[tuple[Slot, Exit]] = []
        self.infos: dict[str, Any] = {}
        self.skipped: list[Slot] = []
        self._done = done
        self._set_aside = set_aside
        self._flying = 0

    def begin(self) -> None:
        self.engine.run = self
        self._next()

    def ready(self, slot: Slot, info: Any) -> None:
        self.infos[slot.id] = info
        self._landed(slot)

    def ignored(self, slot: Slot) -> None:
        self.skipped.append(slot)
        self._landed(slot)

    def exited(self, slot: Slot, exit: Exit) -> None:
        if self._set_aside is None or not self._set_aside(slot, exit, self.cause):
            self.failed.append((slot, exit))
        if self.engine.run is self:  # else that was one failure too many: the supervisor is ending
            self._landed(slot)

    def _landed(self, slot: Slot) -> None:
        self._flying -= 1
        self._next()

    def _next(self) -> None:
        if not self.failed:
            self._launch()
        if not self._flying:
            self.engine.run = None
            self._done(self)

    def _launch(self) -> None:
        while self.todo and not self._flying:
            self._fly_or_wait(self.todo.popleft())

    def _fly_or_wait(self, slot: Slot) -> bool:
        """Whether it is on its way. A slot that was up before does not wait: a dependency is about the first start."""
        may_wait = self._set_aside is not None and (self.cause == "start" or slot.missing)
        waits_for = self.engine.slots.missing_for(slot) if may_wait else ()
        if waits_for:
            self.engine.wait(slot, waits_for)
        else:
            self._fly(slot)
        return not waits_for

    def _fly(self, slot: Slot) -> None:
        self._flying += 1
        self.engine.launch(slot, self.cause)


class ParallelStartRun(StartRun):
    """Starts every slot as soon as the siblings it depends on are ready. After a failure nothing more is launched,
    but those in flight are awaited."""

    def __init__(
        self,
        engine: Engine,
        slots: Iterable[Slot],
        cause: str,
        done: Callable[[StartRun], None],
        set_aside: Callable[[Slot, Exit, str], bool] | None = None,
    ) -> None:
        super().__init__(engine, slots, cause, done, set_aside)
        waiting = {slot.id: slot for slot in self.todo}
        self._dependants: dict[str, list[Slot]] = {}
        self._blockers: dict[str, int] = {}
        self._free: deque[Slot] = deque()
        for slot in self.todo:
            needs = [id for id in set(slot.spec.depends_on) if id in waiting and id != slot.id]
            self._blockers[slot.id] = len(needs)
            for id in needs:
                self._dependants.setdefault(id, []).append(slot)
            if not needs:
                self._free.append(slot)
        self._left = waiting

    def _landed(self, slot: Slot) -> None:
        self._unblock(slot)
        super()._landed(slot)

    def _unblock(self, slot: Slot) -> None:
        """What became of it is known: those that waited for that only are looked at."""
        for dependant in self._dependants.get(slot.id, ()):
            self._blockers[dependant.id] -= 1
            if not self._blockers[dependant.id]:
                self._free.append(dependant)

    def _launch(self) -> None:
        while self._free or (self._left and not self._flying):
            # A cycle can only arise from a child deleted and added anew; starting in order beats waiting for ever.
            slot = self._free.popleft() if self._free else next(iter(self._left.values()))
            if self._left.pop(slot.id, None) is not None and not self._fly_or_wait(slot):
                self._unblock(slot)


class StopRun:
    """Stops slots one at a time in the order given. `settle` is called for each slot once it has no process."""

    def __init__(
        self, engine: Engine, slots: Iterable[Slot], settle: Callable[[Slot], None], done: Callable[[], None]
    ) -> None:
        self.engine = engine
        self._todo = deque(slots)
        self._settle = settle
        self._done = done

    def begin(self) -> None:
        self.engine.run = self
        for slot in self._todo:
            slot.doomed = True
            if slot.alive and slot.dead is None and slot.state is SlotState.STARTING:
                self.engine.terminate(slot)
        self._next()

    def ready(self, slot: Slot, info: Any) -> None:
        """Too late: it is being stopped."""

    def ignored(self, slot: Slot) -> None:
        self._next()

    def exited(self, slot: Slot, exit: Exit) -> None:
        report_stopped(self.engine, slot, exit)
        self._next()

    def _next(self) -> None:
        while self._todo:
            slot = self._todo[0]
            if slot.dead is not None:  # absorbed: OTP flushes the exit notice when it stops a dead child
                exit = slot.dead
                self.engine.bury(slot, exit)
                report_stopped(self.engine, slot, exit)
            if slot.alive:
                if slot.state is not SlotState.STOPPING:
                    self.engine.signal_stop(slot)
                return
            self._todo.popleft()
            slot.doomed = False
            self._settle(slot)
        self.engine.run = None
        self._done()


class StopAllAtOnce:
    """Stops every slot at the same time, with one timer for each distinct limit (dynamic supervisors)."""

    def __init__(
        self, engine: Engine, slots: Iterable[Slot], settle: Callable[[Slot], None], done: Callable[[], None]
    ) -> None:
        self.engine = engine
        self._slots = list(slots)
        self._settle = settle
        self._done = done
        self._left = 0

    def begin(self) -> None:
        self.engine.run = self
        limits: dict[float, list[Slot]] = {}
        for slot in self._slots:
            slot.doomed = True
            if slot.dead is not None:
                exit = slot.dead
                self.engine.bury(slot, exit)
                report_stopped(self.engine, slot, exit)
            if not slot.alive:
                self._settled(slot)
                continue
            self._left += 1
            limit = self._signal(slot)
            if limit is not None:
                limits.setdefault(limit, []).append(slot)
        for limit, slots in limits.items():
            self.engine.timers.set(limit * TERM_AT, partial(self._term, limit, slots))
        self._end_if_none_left()

    def _signal(self, slot: Slot) -> float | None:
        if slot.state is SlotState.STOPPING:
            return None  # its own timers are running
        if slot.state is SlotState.STARTING:
            self.engine.terminate(slot)
            return None
        return self.engine.signal_stop(slot, timed=False)

    def _term(self, limit: float, slots: list[Slot]) -> None:
        self._force(slots, StopHow.TERM)
        self.engine.timers.set(limit * (1 - TERM_AT), partial(self._force, slots, StopHow.KILL))

    def _force(self, slots: list[Slot], how: StopHow) -> None:
        self.engine.out.extend(StopChild(slot.id, slot.gen, how) for slot in slots if slot.alive)

    def ready(self, slot: Slot, info: Any) -> None:
        """Too late: it is being stopped."""

    def ignored(self, slot: Slot) -> None:
        self._one_less(slot)

    def exited(self, slot: Slot, exit: Exit) -> None:
        report_stopped(self.engine, slot, exit)
        self._one_less(slot)

    def _one_less(self, slot: Slot) -> None:
        self._left -= 1
        self._settled(slot)
        self._end_if_none_left()

    def _settled(self, slot: Slot) -> None:
        slot.doomed = False
        self._settle(slot)

    def _end_if_none_left(self) -> None:
        if not self._left:
            self.engine.run = None
            self._done()


def report_stopped(engine: Engine, slot: Slot, exit: Exit) -> None:
    """An odd reason is only reported (`shutdown_error`, as OTP), it changes nothing."""
    match exit.kind:
        case ExitKind.SHUTDOWN:
            expected = True
        case ExitKind.NORMAL:
            expected = slot.spec.restart is not Restart.PERMANENT
        case _:
            expected = exit.kind is ExitKind.KILLED and slot.spec.shutdown == BRUTAL_KILL
    engine.report(
        "child.stopped",
        slot.id,
        gen=slot.gen,
        kind=exit.kind.value,
        reason=exit.reason,
        detail=exit.detail,
        context="shutdown" if expected else "shutdown_error",
        offender=slot.id,
    )
