"""Messages that must arrive: outcomes for the knowledge base, trust, records of decisions.

They are written with what they tell of, sent in order to each receiver, and deleted when they are answered. It must not
know what they mean, but for a decision, whose id is kept. Invariant: a message is sent again until it is answered, by a
result or by a refusal that would be the same the next time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from grace_actors.errors import NotFound, StoreFailed
from grace_actors.healing.incident_rows import Incidents
from grace_actors.kernel import Answer, Context, Data

AGAIN_S = 5.0
PATIENCE_S = 6.0
"""The knowledge base itself may be what is ill: after so long it is done without."""
_HOPELESS = ("refused", "not_found")


def message(receiver: str, verb: str, args: Data, incident: str) -> Data:
    """A row of the outbox."""
    return {"receiver": receiver, "verb": verb, "args": json.dumps(args, default=str), "incident": incident}


class Outbox:
    """Sends what waits. `flush` after each save; `drained(receiver)` says whether nothing waits for it."""

    def __init__(self, ctx: Context, incidents: Incidents) -> None:
        self._ctx, self._incidents = ctx, incidents
        self._waiting: dict[str, list[Data]] = {}
        self._sending: dict[str, Data] = {}
        self._then: list[tuple[str, Callable[[], None]]] = []
        self._newest = 0
        self._is_again = False

        self.heard: Callable[[Data, Any], None] = lambda row, answer: None
        """Called with each message that was taken, and the answer."""

    def flush(self) -> None:
        """Send the first message of each receiver to whom none is on its way."""
        try:
            rows = self._incidents.outbox(self._newest)
        except StoreFailed:
            self._later()
            return
        for row in rows:
            self._newest = row["number"]
            self._waiting.setdefault(row["receiver"], []).append(row)
        for receiver in list(self._waiting):
            self._send(receiver)

    def unsent(self) -> list[Data]:
        """All that waits, to be written to another file; from then on that file's numbers count."""
        left = [row for queue in self._waiting.values() for row in queue]
        self._waiting, self._sending, self._newest = {}, {}, 0
        left.sort(key=lambda row: int(row["number"]))
        return [{key: value for key, value in row.items() if key != "number"} for row in left]

    def after_drained(self, receiver: str, then: Callable[[], None]) -> None:
        """Call when nothing waits for the receiver any more, but at the latest after PATIENCE_S."""
        if not self._waiting.get(receiver):
            then()
            return
        pair = (receiver, then)
        self._then.append(pair)

        def enough() -> None:
            if pair in self._then:
                self._then.remove(pair)
                then()

        self._ctx.after(PATIENCE_S, enough)

    def _send(self, receiver: str) -> None:
        queue = self._waiting.get(receiver)
        if not queue or receiver in self._sending:
            return
        row = queue[0]
        self._sending[receiver] = row
        args = json.loads(row["args"])
        try:
            if row["verb"] == "resolve":  # without a record it is refused as the record was, and then it is done with
                args["id"] = self._decision_of(row["incident"]) or "none"
        except StoreFailed:
            del self._sending[receiver]
            self._later()
            return
        self._ctx.ask(receiver, row["verb"], args, lambda answer: self._answered(receiver, row, answer))

    def _decision_of(self, incident: str) -> str:
        try:
            return str(self._incidents.get(incident)["decision"])
        except NotFound:
            return ""

    def _answered(self, receiver: str, row: Data, answer: Answer) -> None:
        if self._sending.get(receiver) is not row:  # the file was replaced meanwhile
            return
        del self._sending[receiver]
        if not answer.ok and (answer.error or {}).get("code") not in _HOPELESS:
            self._later()
            return
        try:
            if answer.ok and row["verb"] == "record":
                self._incidents.set_decision(row["incident"], str(answer.value["id"]))
            self._incidents.sent(row["number"])
        except StoreFailed:  # it is sent again, and the receiver knows it already
            self._later()
            return
        self._done(receiver, row)
        if answer.ok:
            self.heard(row, answer.value)

    def _done(self, receiver: str, row: Data) -> None:
        self._waiting[receiver].remove(row)
        self._send(receiver)
        if not self._waiting.get(receiver):
            ready = [then for name, then in self._then if name == receiver]
            self._then = [pair for pair in self._then if pair[0] != receiver]
            for then in ready:
                then()

    def _later(self) -> None:
        if not self._is_again:
            self._is_again = True
            self._ctx.after(AGAIN_S, self._again)

    def _again(self) -> None:
        self._is_again = False
        self.flush()
