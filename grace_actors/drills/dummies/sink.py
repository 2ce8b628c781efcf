"""A kernel that takes durable messages, and keeps ledgers of the numbers that were delivered: one for each session.

It acknowledges a message when its number is written down. Invariant: a number that was acknowledged to the bus stands
in the ledger, also after a kill; one that comes twice stands there twice.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from chaos.kong import compare
from grace_actors.drills.dummies.kinds import TOPIC
from grace_actors.drills.dummies.ledger import FILE, Ledger, read
from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import LATER, Answer, Check, Data, Kernel, Request
from grace_actors.kernels.arguments import number_or, text

BUS = "message_bus"
AGAIN_S = 0.25
LOOK_S = 0.2


class Sink(Kernel):
    """Verbs: `deliver` from the bus, `figures`, `compare` {source, within_s}, `leave`. Config: `topic`."""

    emits = ("load.compared",)

    def setup(self) -> None:
        self.topic = str(self.ctx.config.get("topic", TOPIC))
        self._ledgers: dict[str, Ledger] = {}
        self._steps: list[tuple[str, Data]] = [
            ("declare", {"durable": True}),
            ("subscribe", {"durable": True, "from": "start"}),
        ]
        self.is_listening = False
        self._listen()

    def ready(self) -> list[Check]:
        return [Check(name="folder", ok=self.ctx.data.is_dir(), detail=str(self.ctx.data))]

    def stop(self, reason: str) -> None:
        for ledger in self._ledgers.values():
            ledger.close()

    def metrics(self) -> dict[str, float]:
        return {"delivered_total": float(sum(len(ledger.numbers) for ledger in self._ledgers.values()))}

    def _listen(self) -> None:
        """Make the topic durable, then subscribe, until the bus has done both."""
        verb, args = self._steps[0]

        def on_answer(answer: Answer) -> None:
            if not answer.ok:
                self.ctx.after(AGAIN_S, self._listen)
                return
            self._steps.pop(0)
            self.is_listening = not self._steps
            if self._steps:
                self._listen()

        self.ctx.ask(BUS, verb, {"topic": self.topic, **args}, on_answer, timeout_s=2.0)

    # ---- verbs --------------------------------------------------------------------------------------

    def do_deliver(self, request: Request) -> bool:
        """Write a message down; that is the acknowledgement."""
        payload = request.args.get("payload")
        session, number = (payload.get("session"), payload.get("number")) if isinstance(payload, dict) else (None, None)
        if not isinstance(session, str) or not session.isalnum() or not isinstance(number, int):
            raise Refused(f"deliver: {payload!r:.80} is no message of a source", hint="{session, number}")
        if session not in self._ledgers:
            self._ledgers[session] = Ledger(self.ctx.data / f"{FILE}-{session}", session=session)
        self._ledgers[session].add([number])
        self.did = f"message {number} delivered"
        return True

    def do_figures(self, request: Request) -> Data:
        """How many were delivered in this life, and whether it is subscribed."""
        return {"delivered": int(self.metrics()["delivered_total"]), "listening": self.is_listening}

    def do_compare(self, request: Request) -> Any:
        """Holds the ledger of a `source` against ours, once nothing is missing or after `within_s` (30)."""
        source, within_s = text(request, "source", max_chars=200), number_or(request, "within_s", 30.0, low=0, high=600)
        if "/" in source or not (self.ctx.home / "data" / source / FILE).exists():
            raise NotFound(f"compare: {source!r} keeps no ledger", hint="name a source that has published")
        self._compare(request, source, self.ctx.now() + within_s)
        return LATER

    def _compare(self, request: Request, source: str, until: float) -> None:
        session, acknowledged = read(self.ctx.home / "data" / source / FILE)
        found = compare(acknowledged, read(self.ctx.data / f"{FILE}-{session}")[1])
        if found["lost"] and self.ctx.now() < until:
            self.ctx.after(LOOK_S, partial(self._compare, request, source, until))
        else:
            self.ctx.emit("load.compared", self.ctx.name, {"source": source, **found})
            self.ctx.answer(request, found)

    def do_leave(self, request: Request) -> Any:
        """Unsubscribe and forget the ledgers: what nobody takes would fill the bus."""

        def on_answer(answer: Answer) -> None:
            if not answer.ok:
                self.ctx.ask(BUS, "unsubscribe", {"topic": self.topic}, on_answer, timeout_s=2.0)
                return
            for ledger in self._ledgers.values():
                ledger.close()
            self._ledgers.clear()
            for file in self.ctx.data.glob(f"{FILE}-*"):
                file.unlink()
            self.is_listening = False
            self.did = "has left"
            self.ctx.answer(request, {"left": True})

        self.ctx.ask(BUS, "unsubscribe", {"topic": self.topic}, on_answer, timeout_s=2.0)
        return LATER
