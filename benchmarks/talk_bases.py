"""One running actor system and its talkers, for any system base, asked from outside.

Every wait has a deadline: a base that loses messages is measured by what came.
Invariant: an answer to an earlier question is never taken for one to this.
"""

from __future__ import annotations

import itertools
import socket
import time
from pathlib import Path
from typing import Any, TypeVar

from thespian.actors import ActorSystem

from benchmarks import talk
from grace_actors.transport.base import start

TALKERS = 10
_START_S, _LEAD_S = 5.0, 0.1

Answer = TypeVar("Answer", talk.Travelled, talk.Watching, talk.Seen, talk.Arrived)


class Base:
    """Ten talkers, an echo and a listener in a system of its own."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.system = _started(name, directory)
        self._runs = itertools.count(1)
        self._echo = self.system.createActor(talk.Echo)
        self._listener = self.system.createActor(talk.Listener)
        self._talkers = [self.system.createActor(talk.Talker) for _ in range(TALKERS)]

    def travel(self, count: int, patience_s: float) -> float | None:
        """Seconds for `count` round trips between two actors, by the clock of the one; None when it did not tell."""
        run = next(self._runs)
        self.system.tell(self._talkers[0], talk.Travel(run=run, count=count, to=self._echo))
        answer = self._answer(talk.Travelled, run, patience_s)
        return answer.seconds if answer else None

    def flood(self, senders: int, each: int, patience_s: float) -> talk.Seen | None:
        """What the listener saw of `each` notes from each of so many talkers at once."""
        run = self._begin(senders, each, 0, patience_s)
        return self._answer(talk.Seen, run, patience_s) or self._tell(run)

    def bulk(self, count: int, size_bytes: int, patience_s: float) -> float | None:
        """Seconds until the sender knew that all had come; None when it did not tell."""
        run = self._begin(1, count, size_bytes, patience_s)
        answer = self._answer(talk.Arrived, run, patience_s)
        return answer.seconds if answer else None

    def late(self) -> int | None:
        """How many notes came after their run was over; None when the listener does not say."""
        seen = self._tell(None)
        return seen.late if seen else None

    def close(self) -> None:
        self.system.shutdown()

    def _begin(self, senders: int, each: int, bulk_bytes: int, patience_s: float) -> int:
        run = next(self._runs)
        self.system.tell(self._listener, talk.Watch(run=run, senders=senders, each=each))
        self._answer(talk.Watching, run, patience_s)
        at = time.monotonic() + _LEAD_S
        for number, talker in enumerate(self._talkers[:senders]):
            flood = talk.Flood(run=run, sender=number, each=each, to=self._listener, at=at, bulk_bytes=bulk_bytes)
            self.system.tell(talker, flood)
        return run

    def _tell(self, run: int | None) -> talk.Seen | None:
        self.system.tell(self._listener, talk.Tell(run=0))
        return self._answer(talk.Seen, run, _START_S)

    def _answer(self, kind: type[Answer], run: int | None, patience_s: float) -> Answer | None:
        deadline = time.monotonic() + patience_s
        while (left := deadline - time.monotonic()) > 0:
            found = self.system.listen(left)
            if isinstance(found, kind) and run in (None, found.run):
                return found
        return None


def _started(name: str, directory: Path) -> Any:
    if name == "unix":
        return start(str(directory))
    return ActorSystem(name, capabilities={"Admin Port": _free_port(name)}, transientUnique=True)


def _free_port(name: str) -> int:
    """Not Thespian's fixed one: an admin of somebody else's may be there, and would be joined, and shut down by us."""
    kind = socket.SOCK_DGRAM if name == "multiprocUDPBase" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("", 0))
        port: int = sock.getsockname()[1]
        return port
