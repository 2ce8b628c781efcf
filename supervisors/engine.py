"""What the parts of the core share: the slots, the timers, the queue, the sequence in progress, and how to emit.

It knows how one child is launched, signalled and buried, but not why: that is decided in `restarts`, `calls`
and `sequence`. Invariant: while `run` is set a start or stop sequence is in progress and everything else waits in
`queue` in order of arrival, as messages wait for OTP's supervisor while it is blocked in a start or a stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from supervisors.messages import (
    CancelTimer,
    Command,
    Exit,
    Gone,
    Op,
    Reply,
    Report,
    SetTimer,
    StartChild,
    StopChild,
    StopHow,
)
from supervisors.slots import OPERATOR, Slot, SlotState, SlotTable
from supervisors.spec import BRUTAL_KILL, INFINITY, ChildSpec, KernelStart, OnExhausted, Strategy, SupervisorSpec
from supervisors.window import RestartWindow

TERM_AT = 0.8
"""Share of the shutdown limit after which SIGTERM is tried: the rest is its chance before SIGKILL."""
GROUP_STRATEGIES = (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)


class Run(Protocol):
    """A start or stop sequence. The core tells it what became of the slots it waits for."""

    def ready(self, slot: Slot, info: Any) -> None: ...
    def ignored(self, slot: Slot) -> None: ...
    def exited(self, slot: Slot, exit: Exit) -> None: ...


class Ask:
    """Somebody waits for the answer to an operation: a Call of the shell, or a policy. Answered exactly once."""

    __slots__ = ("_answer", "by", "gen", "is_open", "op")

    def __init__(self, op: Op, answer: Callable[[str, Any, str | None], None], by: str, gen: int | None = None) -> None:
        self.op = op
        self.by = by
        self.gen = gen
        self.is_open = True
        self._answer = answer

    def answer(self, result: str, value: Any = None, child: str | None = None) -> None:
        if self.is_open:
            self.is_open = False
            self._answer(result, value, child)


@dataclass(frozen=True, slots=True)
class QueuedExit:
    """An exit that arrived while a sequence was in progress. Stale once the slot's `dead` was absorbed."""

    slot: Slot
    gen: int


@dataclass(frozen=True, slots=True)
class Retry:
    """A start to be tried again. Counted when it is handled (OTP), unless its delay already was."""

    slot: Slot
    number: int
    counted: bool


@dataclass(frozen=True, slots=True)
class Release:
    """Something that others wait for came up at last, or is no longer there: start those that can."""


Item = QueuedExit | Retry | Ask | Release


class Timers:
    """Tokens for `SetTimer`; each is fired or cancelled, never reused."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._armed: dict[int, Callable[[], None]] = {}
        self._last = 0

    def set(self, delay_s: float, act: Callable[[], None]) -> int:
        self._last += 1
        self._armed[self._last] = act
        self._engine.out.append(SetTimer(self._last, delay_s))
        return self._last

    def cancel(self, token: int | None) -> None:
        if token is not None and self._armed.pop(token, None) is not None:
            self._engine.out.append(CancelTimer(token))

    def cancel_all(self) -> None:
        for token in list(self._armed):
            self.cancel(token)

    def fire(self, token: int) -> None:
        act = self._armed.pop(token, None)
        if act is not None:
            act()

    def __len__(self) -> int:
        return len(self._armed)


class Engine:
    """The shared state. One for each `Supervisor`; `out` is the list of commands of the event being handled."""

    def __init__(self, spec: SupervisorSpec, rng: Callable[[], float], *, strict_otp: bool) -> None:
        self.spec = spec
        self.rng = rng
        self.strict_otp = strict_otp
        self.now = 0.0
        self.out: list[Command] = []
        self.slots = SlotTable()
        self.timers = Timers(self)
        self.window = RestartWindow(spec.intensity, spec.period_s)
        self.queue: deque[Item] = deque()
        self.run: Run | None = None
        self.asking: Ask | None = None
        self.ending: Exit | None = None
        self.is_gone = False
        self.adapt: Callable[[ChildSpec], ChildSpec] = lambda spec: spec

    @property
    def is_group(self) -> bool:
        return self.spec.strategy in GROUP_STRATEGIES

    @property
    def is_dynamic(self) -> bool:
        return self.spec.strategy is Strategy.DYNAMIC

    def report(self, type: str, subject: str, **data: Any) -> None:
        self.out.append(Report(type, subject, {"supervisor": self.spec.name, **data}))

    def add(self, spec: ChildSpec, id: str | None = None) -> Slot:
        """A slot for this spec, at the end of the order."""
        spec = self.adapt(spec)
        slot = self.slots.add(id or spec.id, spec)
        self.renew_budget(slot)
        return slot

    def renew_budget(self, slot: Slot) -> None:
        """A child with its own budget has its own window; so has one that is held when its restarts run out,
        with the supervisor's limit unless it names one."""
        spec = slot.spec
        if spec.budget is not None:
            slot.window = RestartWindow(spec.budget.intensity, spec.budget.period_s)
        elif spec.on_exhausted is not OnExhausted.ESCALATE:
            slot.window = RestartWindow(self.spec.intensity, self.spec.period_s)
        else:
            slot.window = None

    def launch(self, slot: Slot, cause: str) -> None:
        """Start the next generation."""
        spec = slot.spec
        self.cancel_retry(slot)
        slot.gen += 1
        slot.alive, slot.hung, slot.timed_out, slot.stranded = True, False, False, False
        slot.cause, slot.stopped_by, slot.ready_at = cause, "", None
        self.slots.move(slot, SlotState.STARTING)
        self.out.append(StartChild(slot.id, slot.gen, self._with_extra(spec), slot.mode))
        if spec.start_timeout_s is not None:
            slot.start_timer = self.timers.set(spec.start_timeout_s, partial(self._start_timed_out, slot))

    def _with_extra(self, spec: ChildSpec) -> ChildSpec:
        """What the supervisor adds to every start of a dynamic child (statement 135); the slot keeps its own."""
        extra = self.spec.extra_config
        if not extra or not self.is_dynamic or not isinstance(spec.start, KernelStart):
            return spec
        return replace(spec, start=spec.start.behind(extra))

    def _start_timed_out(self, slot: Slot) -> None:
        slot.start_timer = None
        slot.timed_out = True
        self.kill(slot)

    def kill(self, slot: Slot) -> None:
        self.out.append(StopChild(slot.id, slot.gen, StopHow.KILL))

    def terminate(self, slot: Slot) -> None:
        """KILL without asking first: for a child that is still starting when its supervisor ends."""
        self._quiet(slot)
        self.slots.move(slot, SlotState.STOPPING)
        self.kill(slot)

    def signal_stop(self, slot: Slot, *, timed: bool = True) -> float | None:
        """Send the first signal of a stop. Answers the limit after which force follows; with `timed` a timer
        of the slot's own sees to that."""
        self._quiet(slot)
        self.slots.move(slot, SlotState.STOPPING)
        limit = slot.spec.shutdown
        if limit == BRUTAL_KILL:
            self.kill(slot)
            return None
        keep = self.ending is None and self.asking is not None and self.asking.op.keep
        self.out.append(StopChild(slot.id, slot.gen, StopHow.ORDERLY, keep))
        if limit == INFINITY:
            return None
        seconds = float(limit)
        if seconds <= 0:
            self.kill(slot)
            return None
        if timed:
            slot.stop_timer = self.timers.set(seconds * TERM_AT, partial(self._stop_term, slot, slot.gen, seconds))
        return seconds

    def _stop_term(self, slot: Slot, gen: int, seconds: float) -> None:
        self.out.append(StopChild(slot.id, gen, StopHow.TERM))
        slot.stop_timer = self.timers.set(seconds * (1 - TERM_AT), partial(self._stop_kill, slot, gen))

    def _stop_kill(self, slot: Slot, gen: int) -> None:
        slot.stop_timer = None
        self.out.append(StopChild(slot.id, gen, StopHow.KILL))

    def _quiet(self, slot: Slot) -> None:
        if slot.start_timer is not None:
            self.timers.cancel(slot.start_timer)
            slot.start_timer = None
        if slot.beat_timer is not None:
            self.timers.cancel(slot.beat_timer)
            slot.beat_timer = None

    def bury(self, slot: Slot, exit: Exit | None) -> None:
        """The incarnation is completely gone: nothing of it may act any more."""
        slot.alive, slot.dead = False, None
        if exit is not None:
            slot.last_exit = exit
        self._quiet(slot)
        if slot.stop_timer is not None:
            self.timers.cancel(slot.stop_timer)
            slot.stop_timer = None

    def cancel_retry(self, slot: Slot) -> None:
        """Whatever would start this slot later is stale from now on."""
        slot.retry += 1
        slot.next_retry_at = None
        if slot.retry_timer is not None:
            self.timers.cancel(slot.retry_timer)
            slot.retry_timer = None

    def down(self, slot: Slot, state: SlotState = SlotState.STOPPED, *, by: str = "") -> None:
        """The slot has no process and waits for somebody to start it."""
        self.cancel_retry(slot)
        slot.stopped_by = by
        if by == OPERATOR:
            slot.stranded = False
        self.slots.move(slot, state)

    def wait(self, slot: Slot, waits_for: tuple[str, ...]) -> None:
        """The slot is not started while these are missing."""
        is_news = slot.state is not SlotState.WAITING or slot.waits_for != waits_for
        slot.missing, slot.waits_for, slot.stranded, slot.stopped_by = True, waits_for, False, ""
        self.cancel_retry(slot)
        self.slots.move(slot, SlotState.WAITING)
        if is_news:
            self.report("child.waiting", slot.id, gen=slot.gen, waits_for=list(waits_for))

    def remove(self, slot: Slot) -> None:
        self.cancel_retry(slot)
        self.slots.remove(slot)
        self.found(slot)

    def found(self, slot: Slot) -> None:
        """Nobody has to wait for this slot any more."""
        if slot.missing:
            slot.missing = False
            self.queue.append(Release())

    def gone(self, exit: Exit) -> None:
        """The last command of this supervisor."""
        self.is_gone = True
        self.run = None
        self.timers.cancel_all()
        self.out.append(Gone(exit))

    def unanswered(self) -> Iterator[Ask]:
        """Everybody who waits: the asker of the sequence in progress, then the queue."""
        if self.asking is not None:
            yield self.asking
        yield from (item for item in self.queue if isinstance(item, Ask))

    def withdraw(self, which: Callable[[Ask], bool]) -> None:
        """Forget what has been asked for and is not begun."""
        left = [item for item in self.queue if not (isinstance(item, Ask) and which(item))]
        self.queue.clear()
        self.queue.extend(left)

    def reply(self, id: int, result: str, value: Any, child: str | None) -> None:
        self.out.append(Reply(id, result, value, child))
