"""Floods a kernel with requests, some at a time, so that whoever floods still serves his own mailbox.

A send waits when too many bytes wait for one receiver, so no more are under way than are sure to be taken at once. It
counts what becomes of the requests and judges nothing. Invariant: after `cancel` nothing more is sent and nothing is
called.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from grace_actors.errors import Refused
from grace_actors.kernel import Answer, Context, Data

SLICE = 50
TICK_S = 0.02
UNDER_WAY_BYTES = 96 * 1024
"""Below what makes a send wait, see `transport.flow`."""
_ENVELOPE_BYTES = 120
ANSWER_S = 30.0
MOST = 200_000
SPARE_S = 60.0
RUNTIME_VERBS = frozenset(
    {"call", "inject", "pause", "resume", "subscribe", "unsubscribe", "describe", "record", "record_many"}
)


class Flood:
    """One flood. `on_over` is called when every request was answered or given up."""

    def __init__(self, ctx: Context, target: str, params: Data, on_over: Callable[[str], None]) -> None:
        self._ctx, self._target, self._on_over = ctx, target, on_over
        self._verb, self._args = params["verb"], arguments(params["args"])
        self._count, self._rate = params["count"], float(params["rate"])
        if self._count > MOST:
            raise Refused(f"flood: count is {self._count}", hint=f"from 1 to {MOST}")
        if self._verb in RUNTIME_VERBS:
            raise Refused(f"flood: {self._verb} belongs to the runtime", hint="a verb of the kernel's own, or ping")
        size = len(json.dumps(self._args)) + len(self._verb) + _ENVELOPE_BYTES
        self._most = max(1, UNDER_WAY_BYTES // size)
        self.counts: Counter[str] = Counter()
        self._sent = self._under_way = 0
        self._began = ctx.now()
        self._is_cancelled = self._is_due = False

    @property
    def lasts_s(self) -> float:
        """When it is over at the latest."""
        return (self._count / self._rate if self._rate else 0.0) + SPARE_S

    def start(self) -> None:
        self._began = self._ctx.now()
        self._pump()

    def cancel(self) -> None:
        """Send no more."""
        self._is_cancelled = True

    def said(self) -> str:
        """What became of it so far."""
        of = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        return f"{self._sent} of {self._count} requests sent" + (f": {of}" if of else "")

    def _pump(self) -> None:
        self._is_due = False
        if self._is_cancelled:
            return
        room = min(SLICE, self._count - self._sent, self._most - self._under_way)
        if self._rate:
            room = min(room, int((self._ctx.now() - self._began + TICK_S) * self._rate) - self._sent)
        for _ in range(room):
            self._sent += 1
            self._under_way += 1
            self._ctx.ask(self._target, self._verb, self._args, self._answered, timeout_s=ANSWER_S)
        if self._sent < self._count and self._under_way < self._most:
            self._soon(TICK_S if self._rate else 0.0)

    def _soon(self, delay_s: float) -> None:
        if not self._is_due:
            self._is_due = True
            self._ctx.after(delay_s, self._pump)

    def _answered(self, answer: Answer) -> None:
        if self._is_cancelled:
            return
        self._under_way -= 1
        code = "answered" if answer.ok else str((answer.error or {}).get("code", "refused"))
        self.counts[code] += 1
        if self._sent < self._count:
            self._soon(TICK_S if self._rate else 0.0)
        elif not self._under_way:
            self._is_cancelled = True
            self._ctx.after(0.0, lambda: self._on_over(self.said()))


def arguments(text: Any) -> Data:
    """The arguments of a request from JSON. Raises Refused."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(f"flood: args are not JSON: {error}", hint='an object, such as {"topic": "drill"}') from None
    if not isinstance(found, dict):
        raise Refused(f"flood: args are {text!r:.80}", hint='an object, such as {"topic": "drill"}')
    return found
