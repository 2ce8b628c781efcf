"""A kernel that locks itself while it serves a transfer, for which it asks another one: two can lock each other.

What it has accepted is in its snapshot until it is done. After a restart it does what was left without locking itself,
which is the cautious way: so a restart of both ends a deadlock and loses nothing. It must not notice deadlocks itself.
Invariant: a transfer that was accepted is done once, or is still in the snapshot.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

from grace_actors.errors import Refused
from grace_actors.kernel import LATER, Answer, Context, Data, Kernel, Request, need

PREPARE_S = 0.5
"""Between the lock and the question: the time in which the other one can lock itself, too."""
WAIT_S = 600.0
AGAIN_S = 0.5


class Locker(Kernel):
    """Verbs: `transfer` {other}, `reserve`, `transfers`."""

    emits = ("transfer.made",)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._left: list[str] = []
        """To whom transfers are to be made, the oldest first; the first one is under way."""
        self.done = 0
        self._is_locked = False
        self._waiting: deque[Request] = deque()

    def setup(self) -> None:
        if self._left:
            self.did = f"{len(self._left)} transfers are left from before"
            self.ctx.after(0.0, partial(self._ask, locking=False))

    def snapshot(self) -> Data:
        return {"left": list(self._left), "done": self.done}

    def restore(self, state: Data) -> None:
        left, done = state.get("left"), state.get("done")
        if not isinstance(left, list) or not isinstance(done, int):
            raise ValueError(f"not the snapshot of a locker: {sorted(state)}")
        self._left, self.done = [str(to) for to in left], done

    def metrics(self) -> dict[str, float]:
        return {"transfers_total": float(self.done), "transfers_left": float(len(self._left))}

    # ---- verbs --------------------------------------------------------------------------------------

    def do_transfer(self, request: Request) -> Data:
        """Accept a transfer to another locker; it is made when its turn has come."""
        to = need(request, "other", str)
        if to == self.ctx.name:
            raise Refused("transfer: other is this locker itself", hint="name another one")
        self._left.append(to)
        self.ctx.save()
        if len(self._left) == 1:
            self._lock()
        return {"left": len(self._left)}

    def do_reserve(self, request: Request) -> Any:
        """Answered at once by one that is not locked, else when it is free again."""
        if self._is_locked:
            self._waiting.append(request)
            self.did = f"is locked; {len(self._waiting)} wait"
            return LATER
        return True

    def do_transfers(self, request: Request) -> Data:
        """How many are done, how many are left, and whether it is locked."""
        return {"done": self.done, "left": len(self._left), "locked": self._is_locked, "waiting": len(self._waiting)}

    # ---- a transfer ---------------------------------------------------------------------------------

    def _lock(self) -> None:
        self._is_locked = True
        self.did = f"is locked for a transfer to {self._left[0]}"
        self.ctx.after(PREPARE_S, partial(self._ask, locking=True))

    def _ask(self, *, locking: bool) -> None:
        to = self._left[0]

        def on_answer(answer: Answer) -> None:
            if answer.ok:
                self._made(locking=locking)
            else:  # the other one was restarted with our question, or is away
                self.ctx.after(AGAIN_S, partial(self._ask, locking=locking))

        self.ctx.ask(to, "reserve", {}, on_answer, timeout_s=WAIT_S)

    def _made(self, *, locking: bool) -> None:
        to = self._left.pop(0)
        self.done += 1
        self.ctx.save()
        self._is_locked = False
        self.did = f"made a transfer to {to}"
        self.ctx.emit("transfer.made", self.ctx.name, {"to": to, "left": len(self._left)})
        while self._waiting:
            self.ctx.answer(self._waiting.popleft(), True)
        if self._left:
            if locking:
                self._lock()
            else:
                self._ask(locking=False)
