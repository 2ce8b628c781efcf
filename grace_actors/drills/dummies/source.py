"""A kernel that publishes durable messages at a rate, and keeps a ledger of the numbers that were acknowledged.

A number that was not acknowledged is published again, with the same id, for as long as that takes: over kills of the
bus and of itself. It must not judge what became of them. Invariant: a number stands in the ledger only after the bus
has acknowledged it, and counts as acknowledged only when it stands there.
"""

from __future__ import annotations

from collections import deque
from functools import partial

from grace_actors.drills.dummies.kinds import TOPIC
from grace_actors.drills.dummies.ledger import FILE, Ledger
from grace_actors.errors import Refused
from grace_actors.kernel import Answer, Check, Data, Kernel, Request, need

BUS = "message_bus"
TICK_S = 0.02
ANSWER_S = 2.0
AGAIN_S = 0.25
WINDOW = 1000
"""So many are on their way at most: a bus that is away is not buried when it comes back."""
MOST_RATE = 5000.0
MOST_BEHIND_S = 0.5
"""What a rate promised longer ago than this, while nothing could be sent, is not made up for."""


class Source(Kernel):
    """Verbs: `rate` {per_s}, `figures`, `retire`. Config: `topic`, `rate` in messages a second."""

    def setup(self) -> None:
        self.topic = str(self.ctx.config.get("topic", TOPIC))
        self.rate = _rate(self.ctx.config.get("rate", 50.0))
        self.ledger = Ledger(self.ctx.data / FILE)
        done = set(self.ledger.numbers)
        self._next = max(done, default=0) + 1
        self._again = deque(number for number in range(1, self._next) if number not in done)
        self._on_way: set[int] = set()
        self._acknowledged: list[int] = []
        self._owed, self._at = 0.0, self.ctx.now()
        self.retried = 0
        self._is_declared = self._is_retired = False
        self._declare()
        self.ctx.every(TICK_S, self._tick)

    def ready(self) -> list[Check]:
        return [Check(name="ledger", ok=self.ledger.path.exists(), detail=f"session {self.ledger.session}")]

    def stop(self, reason: str) -> None:
        self._write()
        self.ledger.close()

    def metrics(self) -> dict[str, float]:
        return {"acknowledged_total": float(len(self.ledger.numbers)), "retried_total": float(self.retried)}

    # ---- verbs --------------------------------------------------------------------------------------

    def do_rate(self, request: Request) -> Data:
        """Publish so many a second from now on; 0 rests."""
        self.rate, self._owed = _rate(need(request, "per_s", (int, float))), 0.0
        return {"per_s": self.rate}

    def do_figures(self, request: Request) -> Data:
        """What was acknowledged so far, what is on its way, and what had to be sent again."""
        return {
            "session": self.ledger.session,
            "acknowledged": len(self.ledger.numbers),
            "last": self._next - 1,
            "on_way": len(self._on_way) + len(self._again),
            "retried": self.retried,
            "per_s": self.rate,
        }

    def do_retire(self, request: Request) -> Data:
        """Publish nothing any more and forget the ledger; a later start begins a new one."""
        self._is_retired = True
        self._again.clear()
        self.ledger.path.unlink(missing_ok=True)
        self.did = "is retired"
        return {"acknowledged": len(self.ledger.numbers)}

    # ---- publishing ---------------------------------------------------------------------------------

    def _declare(self) -> None:
        """Only what the bus keeps on disk is worth a ledger."""

        def on_answer(answer: Answer) -> None:
            self._is_declared = answer.ok
            if not answer.ok:
                self.ctx.after(AGAIN_S, self._declare)

        self.ctx.ask(BUS, "declare", {"topic": self.topic, "durable": True}, on_answer, timeout_s=ANSWER_S)

    def _tick(self) -> None:
        self._write()
        if not self._is_declared or self._is_retired:
            return
        now = self.ctx.now()
        self._owed = min(self._owed + self.rate * (now - self._at), max(1.0, self.rate * MOST_BEHIND_S))
        self._at = now
        while self._again and len(self._on_way) < WINDOW:  # also at rest: what was begun is brought to its end
            self._publish(self._again.popleft())
        while self._owed >= 1.0 and len(self._on_way) < WINDOW:
            self._owed -= 1.0
            self._publish(self._next)
            self._next += 1

    def _publish(self, number: int) -> None:
        self._on_way.add(number)
        session = self.ledger.session
        args = {
            "topic": self.topic,
            "payload": {"session": session, "number": number},
            "id": f"{self.ctx.name}-{session}-{number}",
        }
        self.ctx.ask(BUS, "publish", args, partial(self._answered, number), timeout_s=ANSWER_S)

    def _answered(self, number: int, answer: Answer) -> None:
        if answer.ok and answer.value.get("durable"):
            self._on_way.discard(number)
            self._acknowledged.append(number)
        else:
            self.retried += 1
            self.ctx.after(AGAIN_S, partial(self._retry, number))

    def _retry(self, number: int) -> None:
        self._on_way.discard(number)
        if not self._is_retired:
            self._again.append(number)

    def _write(self) -> None:
        """Once a tick: a disk that is asked for every single message would be what is measured."""
        if self._acknowledged and not self._is_retired:
            numbers, self._acknowledged = self._acknowledged, []
            self.ledger.add(numbers)
            self.did = f"{len(self.ledger.numbers)} messages acknowledged"


def _rate(given: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= MOST_RATE:
        raise Refused(f"the rate is {given!r:.40}", hint=f"a number from 0 to {MOST_RATE:g} messages a second")
    return float(given)
