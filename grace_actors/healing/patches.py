"""Waits for work orders of coding_agent: by its notices, and by asking in case one was missed.

It must not know who waits or why. Invariant: a wait ends exactly once, however often either side restarts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grace_actors.kernel import Answer, Context, Data

CODING_AGENT = "coding_agent"
NOTICE = "coding_agent.work_order_updated"
LOOK_S = 30.0
_ENDED = {"completed": True, "failed": False, "withdrawn": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How an order ended. `is_withdrawn`: nobody did it, for nobody needed it any more."""

    order: str
    ok: bool
    message: str
    data: Data
    is_withdrawn: bool = False


class Patches:
    """The orders somebody waits for."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._waits: dict[tuple[str, str], Callable[[Done], None]] = {}
        self._due: set[str] = set()
        """Orders that are looked at by the clock, each by one clock however often it is waited for."""

    def wait(self, order: str, who: str, done: Callable[[Done], None]) -> None:
        """Have `done` called when the order is; the same wait again replaces the first."""
        self._waits[order, who] = done
        self._look(order)
        self._later(order)

    def forget(self, who: str) -> None:
        """Nobody waits there any more."""
        self._waits = {key: done for key, done in self._waits.items() if key[1] != who}

    def heard(self, order: str) -> None:
        """Something happened to the order."""
        if self._is_awaited(order):
            self._look(order)

    def _is_awaited(self, order: str) -> bool:
        return any(key[0] == order for key in self._waits)

    def _later(self, order: str) -> None:
        if order in self._due:
            return
        self._due.add(order)

        def look() -> None:
            self._due.discard(order)
            if self._is_awaited(order):
                self._look(order)
                self._later(order)

        self._ctx.after(LOOK_S, look)

    def _look(self, order: str) -> None:
        self._ctx.ask(CODING_AGENT, "show", {"id": order}, lambda answer: self._looked(order, answer))

    def _looked(self, order: str, answer: Answer) -> None:
        if answer.ok:
            found = answer.value
            if found["status"] in _ENDED:
                result = found.get("patch_result") or {}
                message = str(found.get("error") or f"{result.get('files_changed', 0)} files changed, tests passed")
                if found["status"] == "withdrawn":
                    message = f"withdrawn: {message}"
                ok, is_withdrawn = _ENDED[found["status"]], found["status"] == "withdrawn"
                done = Done(order=order, ok=ok, message=message, data=dict(result), is_withdrawn=is_withdrawn)
                self._end(done)
        elif (answer.error or {}).get("code") == "not_found":
            self._end(Done(order=order, ok=False, message=f"there is no work order {order} any more", data={}))

    def _end(self, done: Done) -> None:
        for key in [key for key in self._waits if key[0] == done.order]:
            if (call := self._waits.pop(key, None)) is not None:
                call(done)
