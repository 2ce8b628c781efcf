"""Kernels as a user might write them that can lock each other out: a booking locks the account while it asks the other.

For tests only. Invariant: an account serves one booking at a time, in order of arrival.
"""

from __future__ import annotations

from collections import deque

from grace_actors.errors import WorldFailed
from grace_actors.kernel import LATER, Answer, Data, Kernel, Later, Request

ASK_S = 25.0


class Account(Kernel):
    """Verbs: `debit` {note, think_s}, `credit` {note}, `slow` {for_s}, `chat` {rounds, for_s}. With: `peer`."""

    def setup(self) -> None:
        self.peer: str = self.ctx.config["peer"]
        self.is_locked = False
        self.line: deque[Request] = deque()

    def gauges(self) -> dict[str, float]:
        return {"line_requests": len(self.line)}

    # ---- bookings -----------------------------------------------------------------------------------

    def do_debit(self, request: Request) -> Later:
        self.line.append(request)
        self._next()
        return LATER

    def do_credit(self, request: Request) -> Later:
        self.line.append(request)
        self._next()
        return LATER

    def _next(self) -> None:
        while self.line and not self.is_locked:
            request = self.line.popleft()
            if request.verb == "credit":
                self.ctx.answer(request, {"credited": request.args["note"], "by": self.ctx.name})
            else:
                self._debit(request)

    def _debit(self, request: Request) -> None:
        self.is_locked = True
        note = request.args["note"]

        def booked(answer: Answer) -> None:
            self.is_locked = False
            if answer.ok:
                self.ctx.answer(request, {"debited": note, "by": self.ctx.name, "other": answer.value})
            else:
                self.ctx.answer(request, error=WorldFailed(f"{note} was not booked: {answer.error}"))
            self._next()

        def ask() -> None:
            self.ctx.ask(self.peer, "credit", {"note": note}, booked, timeout_s=ASK_S)

        self.ctx.after(float(request.args.get("think_s", 0.0)), ask)

    # ---- slow and well ------------------------------------------------------------------------------

    def do_slow(self, request: Request) -> Later:
        """Takes its time."""
        self.ctx.after(float(request.args["for_s"]), lambda: self.ctx.answer(request, {"slow": True}))
        return LATER

    def do_chat(self, request: Request) -> Later:
        """Ask the other something slow, again and again."""
        left = int(request.args["rounds"])

        def answered(answer: Answer) -> None:
            nonlocal left
            left -= 1
            ask() if left and answer.ok else self.ctx.answer(request, _outcome(answer))

        def ask() -> None:
            self.ctx.ask(self.peer, "slow", {"for_s": request.args["for_s"]}, answered, timeout_s=ASK_S)

        ask()
        return LATER


def _outcome(answer: Answer) -> Data:
    return {"ok": answer.ok}
