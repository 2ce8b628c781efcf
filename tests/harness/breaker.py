"""A kernel that breaks things on request, through `Faults` alone. For tests only.

It knows nothing of drills: what it injects is undone by its next life, by the next boot, by request or in time.
"""

from __future__ import annotations

from typing import Any

from grace_actors.drills.faults import Faults
from grace_actors.kernel import LATER, Data, Kernel, Later, Request


class Breaker(Kernel):
    """Verbs: `break` {fault, target, params}, `undo` {record}, `halt`, `records`."""

    emits = Faults.emits

    def setup(self) -> None:
        self.faults = Faults(self.ctx)
        self.faults.recover()

    def do_break(self, request: Request) -> Later:
        args = request.args

        def done(injection: Any) -> None:
            told = {"ok": injection.ok, "record": injection.record, "message": injection.message}
            self.ctx.answer(request, told)

        self.faults.inject(args["fault"], args["target"], args.get("params", {}), by="test", done=done)
        return LATER

    def do_undo(self, request: Request) -> Later:
        def done(undone: Any) -> None:
            self.ctx.answer(request, {"ok": undone.ok, "message": undone.message})

        self.faults.undo(request.args["record"], done)
        return LATER

    def do_halt(self, request: Request) -> Later:
        def done(undone: list[Any]) -> None:
            told = [{"ok": each.ok, "record": each.record, "message": each.message} for each in undone]
            self.ctx.answer(request, {"undone": told})

        self.faults.undo_all(None, done)
        return LATER

    def do_records(self, request: Request) -> Data:
        """Id -> state."""
        return {record["id"]: record["state"] for record in self.faults.records()}
