"""The requests that an actor has not answered when it ends, kept for its next incarnation.

The one that ends tells everybody who asked that the request is kept, so that its death is no answer to them, and hands
the requests to its supervisor; that one gives them to the next incarnation when it is told to. A request that was begun
is done again from its start. Kept is what fits: MOST requests and MOST_BYTES, for KEEP_S. Invariant: a request is given
to one incarnation at most, and to none whose asker is not there any more.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thespian.system.transport import TransmitOnly

from grace_actors import wire
from grace_actors.transport.sockets import TCP_PREFIX

if TYPE_CHECKING:
    from grace_actors.kernel_actor import KernelActor
    from grace_actors.supervisor import SupervisorActor

MOST, MOST_BYTES = 1000, 16 * 1024 * 1024
KEEP_S = 120.0
FLUSH = timedelta(seconds=1)
OF_THE_INCARNATION = frozenset({"inject", "pause", "resume"})
"""What a supervisor tells one incarnation; the next one is told anew."""
Work = tuple[wire.Ask, Any]


# ---- the one that ends ------------------------------------------------------------------------------


def hand_over(actor: KernelActor, owed: Iterable[Work]) -> None:
    """Hand over what is owed, then what has arrived and was not looked at; twice, for what came meanwhile."""
    transport = actor._myRef.transport
    room = Room()
    work = [*owed, *_asks(transport.take_all())]
    for _ in range(2):
        if work:
            fits, dropped = room.take(work)
            for ask, sender in fits:
                if ask.id:
                    actor.send(sender, wire.Kept(ask.id))
            actor.send(actor.parent, wire.Handover(actor.name, actor.gen, tuple(fits), dropped))
            transport.run(TransmitOnly, FLUSH)
        work = _asks(transport.take_all())


def _asks(envelopes: Iterable[Any]) -> list[Work]:
    found: list[Work] = []
    for envelope in envelopes:
        match envelope.message:
            case wire.Ask(_, verb) as ask if verb not in OF_THE_INCARNATION:
                found.append((ask, envelope.sender))
            case wire.Handed(ask, sender):
                found.append((ask, sender))
    return found


class Room:
    """How much may still be kept."""

    def __init__(self) -> None:
        self._count, self._bytes = MOST, MOST_BYTES

    def take(self, work: Iterable[Work]) -> tuple[list[Work], int]:
        """Those that fit, the earliest first, and how many do not."""
        fits, dropped = list[Work](), 0
        for ask, sender in work:
            size = len(pickle.dumps(ask.args))
            if self._count < 1 or size > self._bytes:
                dropped += 1
                continue
            self._count, self._bytes = self._count - 1, self._bytes - size
            fits.append((ask, sender))
        return fits, dropped


# ---- its supervisor ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Kept:
    """What waits for one child, and until when."""

    until: float
    work: list[Work] = field(default_factory=list)


class Keeping:
    """The kept requests of a supervisor's children."""

    def __init__(self, supervisor: SupervisorActor) -> None:
        self._supervisor = supervisor
        self._kept: dict[str, _Kept] = {}
        self._served: dict[str, tuple[int, Any, Collection[str]]] = {}
        """To whom a child's requests were given last: generation, address, whose come first."""

    def take(self, handover: wire.Handover) -> None:
        """A child that ends hands over what it has not answered."""
        name = handover.name
        kept = self._kept.setdefault(name, _Kept(time.monotonic() + KEEP_S))
        kept.work += handover.work
        self._supervisor.names.events.emit("requests.kept", name, {"count": len(handover.work), "gen": handover.gen})
        if handover.dropped:
            self._drop(name, handover.dropped, f"more than {MOST} requests or {MOST_BYTES} bytes waited")
        gen, address, first = self._served.get(name, (0, None, ()))
        if gen > handover.gen:  # the next one was quicker: what it says of its start overtakes a handover
            self.deliver(name, gen, address, first)
        else:
            self._supervisor.after(KEEP_S, lambda: self._expire(name))

    def deliver(self, name: str, gen: int, address: Any, first: Collection[str] = ()) -> None:
        """Give the child that serves the name now what was kept, unless nobody is there any more to be answered. What
        those in `first` have asked comes before what others have."""
        self._served[name] = (gen, address, first)
        kept = self._kept.pop(name, None)
        if kept is None:
            return
        wanted = [(ask, asker) for ask, asker in kept.work if not ask.id or is_there(asker)]
        for ask, asker in sorted(wanted, key=lambda work: work[0].sender not in first):
            self._supervisor.send(address, wire.Handed(ask, asker))
        told = {"count": len(wanted), "unwanted": len(kept.work) - len(wanted)}
        self._supervisor.names.events.emit("requests.redelivered", name, told)

    def _expire(self, name: str) -> None:
        """Whoever had them kept has not come back to it."""
        kept = self._kept.get(name)
        if kept is None or kept.until > time.monotonic():
            return
        inc = self._supervisor.living.get(name)
        if inc is not None and inc.ready:
            self.deliver(name, inc.gen, inc.address)
        else:
            del self._kept[name]
            self._drop(name, len(kept.work), f"{name} has not come back within {KEEP_S:g} s")

    def _drop(self, name: str, count: int, reason: str) -> None:
        self._supervisor.names.events.emit("requests.dropped", name, {"count": count, "reason": reason})


def is_there(address: Any) -> bool:
    """Whether the endpoint may still live: the socket file of one that is gone is removed."""
    path = str(address.addressDetails)
    return path.startswith(TCP_PREFIX) or Path(path).exists()
