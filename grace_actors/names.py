"""Names instead of addresses: sending and asking by name, from inside one actor.

Keeps the addresses it learnt, asks the registry for others, and asks again when an address turns out to
be dead, so a request survives the restart of the one it is for. Knows nothing of supervision.
Invariant: every ask is answered exactly once, by its target or by its deadline.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grace_actors import wire
from grace_actors.errors import Died, GraceError, TimedOut
from grace_actors.kernel import Answer, Data
from grace_actors.waiting import Waiting

if TYPE_CHECKING:
    from grace_actors.actor import Actor
    from grace_actors.timers import ActorTimer

KEEP_S = 30.0
MAX_WAITING = 1000
MAX_UNACKED = 2000
_RESEND_S = 2.0


@dataclass(slots=True)
class Pending:
    """A request that waits for its answer; `path` is the endpoint that has it, once it was sent."""

    to: str
    verb: str
    on_answer: Callable[[Answer], None]
    timer: ActorTimer
    since: float
    path: str = ""


def _failed(error: GraceError) -> Answer:
    return Answer(ok=False, error={"code": error.code, "message": error.message, "hint": error.hint})


class Names:
    """One actor's address book, pending asks and outgoing events."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._registry: Any = None
        self._known: dict[str, Any] = {}
        self._waiting: dict[str, deque[tuple[float, wire.Ask]]] = {}
        self._asked: dict[int, Pending] = {}
        self._ids = itertools.count(1)
        self._registered = False
        self.waiting = Waiting(actor, self._asked)
        self.lost = 0
        """Messages dropped because nobody with their name appeared in time."""
        self.events = EventSender(actor, self)

    # ---- the registry -----------------------------------------------------------------------------

    def registry_at(self, address: Any) -> None:
        """The registry is (again) somewhere: register and resolve what waits."""
        if address is None:
            return
        self._registry = address
        if self._registered:
            self.register()
        for name in self._waiting:
            self._actor.send(address, wire.Resolve(name))

    @property
    def registry(self) -> Any:
        return self._registry

    def register(self) -> None:
        self._registered = True
        if self._registry is not None:
            self._actor.send(self._registry, wire.Register(self._actor.name, self._actor.gen))

    def resolved(self, name: str, address: Any) -> None:
        self._known[name] = address
        for since, ask in self._waiting.pop(name, ()):
            self._post(name, ask, since)
        if name == "status":
            self.events.resend()

    # ---- sending ----------------------------------------------------------------------------------

    def tell(self, to: str, verb: str, args: Data | None = None) -> None:
        """Send without an answer; kept for 30 s while the name is unknown."""
        self._post(to, wire.Ask(0, verb, args or {}, self._actor.name), time.monotonic())

    def ask(self, to: str, verb: str, args: Data | None, on_answer: Callable[[Answer], None], timeout_s: float) -> None:
        """Send; `on_answer` is called once, at the latest after `timeout_s`."""
        number = next(self._ids)
        timer = self._actor.after(timeout_s, lambda: self._late(number, to, verb, timeout_s))
        self._asked[number] = Pending(to, verb, on_answer, timer, time.monotonic())
        self.waiting.began(to)
        self._post(to, wire.Ask(number, verb, args or {}, self._actor.name), time.monotonic())

    def pending(self) -> list[Data]:
        """Whose answers are awaited, and for how long already."""
        now = time.monotonic()
        return [{"to": one.to, "verb": one.verb, "for_s": round(now - one.since, 3)} for one in self._asked.values()]

    def answered(self, number: int, answer: Answer) -> None:
        """An answer came; a late or repeated one changes nothing."""
        pending = self._asked.pop(number, None)
        if pending is not None:
            pending.timer.cancel()
            self.waiting.ended(number)
            pending.on_answer(answer)

    def kept(self, number: int) -> None:
        """The one that has the request ends, but its next incarnation gets it: its death is no answer."""
        if number in self._asked:
            self._asked[number].path = ""

    def peer_lost(self, path: str) -> None:
        """Nobody waits on the dead: what it was asked and did not answer has failed."""
        self._known = {name: at for name, at in self._known.items() if str(at.addressDetails) != path}
        for number, pending in list(self._asked.items()):
            if pending.path == path:
                self.answered(number, _failed(Died(f"{pending.to} died before it answered {pending.verb}")))

    def _late(self, number: int, to: str, verb: str, timeout_s: float) -> None:
        self.answered(number, _failed(TimedOut(f"{to} did not answer {verb} within {timeout_s:g} s")))

    def _post(self, to: str, ask: wire.Ask, since: float) -> None:
        address = self._known.get(to)
        if address is None:
            self._park(to, ask, since, stale="")
            return

        path = str(address.addressDetails)
        if ask.id in self._asked:
            self._asked[ask.id].path = path

        def dead() -> None:
            self._known.pop(to, None)
            if ask.id in self._asked:
                self._asked[ask.id].path = ""  # it never got there: it goes to the next one
            self._park(to, ask, since, stale=path)

        self._actor.send_or(address, ask, dead)

    def _park(self, to: str, ask: wire.Ask, since: float, *, stale: str) -> None:
        now = time.monotonic()
        queue = self._waiting.setdefault(to, deque())
        while queue and (len(queue) >= MAX_WAITING or now - queue[0][0] > KEEP_S):
            queue.popleft()
            self.lost += 1
        if now - since <= KEEP_S:
            queue.append((since, ask))
        if self._registry is not None and len(queue) == 1:
            self._actor.send(self._registry, wire.Resolve(to, stale))


class EventSender:
    """Events on their way to the status actor: numbered, kept until acknowledged, sent again if needed."""

    def __init__(self, actor: Actor, names: Names) -> None:
        self._actor, self._names = actor, names
        self._unacked: deque[Data] = deque(maxlen=MAX_UNACKED)
        self._numbers = itertools.count(1)
        self._in_flight = False

    def emit(self, type: str, subject: str, data: Data | None) -> None:
        """Queue one event."""
        self._unacked.append(
            {"n": next(self._numbers), "type": type, "subject": subject, "data": data or {}, "at": time.time()}
        )
        if not self._in_flight:
            self._send()

    def resend(self) -> None:
        """The status actor is new: what it has not acknowledged goes again, unless it is on its way already."""
        if self._unacked and not self._in_flight:
            self._send()

    def flush(self) -> None:
        """Nobody will hear an answer any more: what was not acknowledged goes now, what is on its way once more."""
        if self._unacked:
            self._send()

    def _send(self) -> None:
        self._in_flight = True
        emitter = f"{self._actor.name}.{self._actor.gen}.{os.getpid()}"
        batch = {"emitter": emitter, "events": list(self._unacked)[:200]}
        self._names.ask("status", "record_many", batch, self._on_ack, _RESEND_S)

    def _on_ack(self, answer: Answer) -> None:
        self._in_flight = False
        if answer.ok:
            while self._unacked and self._unacked[0]["n"] <= answer.value["acked"]:
                self._unacked.popleft()
        if self._unacked:
            self._send()
