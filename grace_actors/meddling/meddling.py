"""Carries out, in one actor, the faults that last: begins them, ends them, and hands messages on through them.

Which message meets what is decided in `traffic`; what a process may have is in `limits`. It must not touch control
messages, but for heartbeats while the actor is mute, nor the requests by which a supervisor steers. Invariant: there is
one while a fault lasts or a message is held, and none otherwise; each fault ends once, by itself, by a pardon or with
the actor's orderly end.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from thespian.actors import ActorExitRequest

from grace_actors import injection, wire
from grace_actors.kernel import Data
from grace_actors.meddling import limits
from grace_actors.meddling.traffic import Rule, Traffic

if TYPE_CHECKING:
    from grace_actors.actor import Actor
    from grace_actors.timers import ActorTimer

OF_MESSAGES = ("slow", "drop", "delay", "duplicate", "reorder")
LASTING = (*OF_MESSAGES, "mute", "descriptors", "quota", "clock", "hide")
TIME_OVER = "its time is over"
AT_ONCE = 20
"""So many held messages are handled before the mailbox has its turn again: heartbeats must not wait for thousands."""
STEERING = frozenset({"inject", "pause", "resume"})
"""Requests that are never touched: without them no fault could be ended."""
_Message = tuple[Any, Any]


@dataclass(slots=True)
class _Fault:
    name: str
    undo: Callable[[], None]
    lease: ActorTimer


class Meddling:
    """The faults that last in one actor."""

    def __init__(
        self, actor: Actor, dispatch: Callable[[Any, Any], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._actor, self._dispatch, self._now = actor, dispatch, now
        self._traffic: Traffic[_Message] = Traffic()
        self._faults: list[_Fault] = []
        self._timer: ActorTimer | None = None
        self._timer_due: float | None = None
        self._ready: deque[_Message] = deque()
        """What is to be handled, in order; who arrives meanwhile comes after it."""
        self._next: ActorTimer | None = None
        self.is_mute = False

    @property
    def held(self) -> int:
        """Messages that have arrived and are held back."""
        return self._traffic.held + len(self._ready)

    # ---- the faults ---------------------------------------------------------------------------------

    def begin(self, name: str, params: Data) -> None:
        """One more fault. Those of messages add up; any other of this name is replaced. One that the world does not
        allow is told: who asked for it waits for no answer."""
        given = injection.admitted(name, params)
        if name not in OF_MESSAGES:
            for fault in [fault for fault in self._faults if fault.name == name]:
                self._end(fault)
        try:
            undo = self._do(name, given)
        except OSError as error:
            self._gone(name, {"by": "failure", "problem": str(error)})
            return
        fault = _Fault(name, undo, self._actor.after(given["seconds"], lambda: self._over(fault)))
        self._faults.append(fault)

    def pardon(self, pattern: str, by: str) -> None:
        """End at once every fault whose name is like this."""
        for fault in [fault for fault in self._faults if fnmatchcase(fault.name, pattern)]:
            self._over(fault, by)

    def _end_all(self) -> None:
        """The actor is asked to end: what it holds is handled first, and its process has everything again."""
        for fault in list(self._faults):
            self._end(fault)
        while self._ready:
            self._hand_on()
        self._actor.meddling = None

    def _over(self, fault: _Fault, by: str = TIME_OVER) -> None:
        self._end(fault)
        self._gone(fault.name, {"by": by})

    def _gone(self, name: str, how: Data) -> None:
        self._rest()
        self._actor.names.events.emit("fault.undone", self._actor.name, {"fault": name, **how})

    def _end(self, fault: _Fault) -> None:
        self._faults.remove(fault)
        fault.lease.cancel()
        fault.undo()

    def _do(self, name: str, given: Data) -> Callable[[], None]:
        match name:
            case "mute":
                self.is_mute = True
                return self._speak
            case "clock":
                self._actor.wall_offset_s = given["offset_s"]
                return self._clock_back
            case "descriptors":
                return limits.few_descriptors(given["leave"])
            case "quota":
                return limits.small_files(given["mb"])
            case "hide":
                folder = limits.hidden_at(self._actor.birth.home, self._actor.name)
                return limits.without_program(given["binary"], folder)
        asked = {key: given[key] for key in ("verb", "topic", "share") if key in given}
        rule = Rule(kind=name, delay_s=given.get("delay_ms", 0.0) / 1000, **asked)  # type: ignore[arg-type]
        self._traffic.rules.append(rule)
        return lambda: self._deliver(self._traffic.end(rule))

    def _speak(self) -> None:
        self.is_mute = False

    def _clock_back(self) -> None:
        self._actor.wall_offset_s = 0.0

    # ---- messages -----------------------------------------------------------------------------------

    def arrives(self, message: Any, sender: Any) -> None:
        """A message for the actor: handled now, later, twice or never."""
        match message:
            case wire.Heartbeat() if self.is_mute:
                return
            case wire.Stop() | ActorExitRequest():
                self._end_all()
            case wire.Ask(verb=verb, args=args) if verb not in STEERING:
                self._pass((message, sender), verb, args.get("topic"))
                return
            case wire.Reply():
                self._pass((message, sender), None, None)
                return
        self._dispatch(message, sender)

    def _pass(self, message: _Message, verb: str | None, topic: Any) -> None:
        draws = [random.random() for _ in self._traffic.rules]  # noqa: S311 - chance, no secret
        self._deliver(self._traffic.arrives(message, verb, topic, self._now(), draws))

    def _look(self) -> None:
        self._timer_due = None
        self._deliver(self._traffic.due(self._now()))

    def _deliver(self, messages: list[_Message]) -> None:
        self._arm()
        self._ready.extend(messages)
        if self._next is None:
            self._hand_on()

    def _hand_on(self) -> None:
        """Some of what is to be handled, and the others in a moment."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        for _ in range(min(AT_ONCE, len(self._ready))):
            message, sender = self._ready.popleft()
            self._actor.handling = message
            self._dispatch(message, sender)
        if self._ready:
            self._next = self._actor.after(0.0, self._hand_on)
        else:
            self._rest()

    def _rest(self) -> None:
        """Nothing lasts and nothing is held: the actor is alone again."""
        if not self._faults and not self._ready:
            self._actor.meddling = None

    def _arm(self) -> None:
        due = self._traffic.next_due
        if due == self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = None if due is None else self._actor.after(max(0.0, due - self._now()), self._look)
