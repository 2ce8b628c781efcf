"""Carries out the blasts of Chaos Kong, each at its time; one that cannot be carried out is tried again for a while.

What is broken when is decided in `chaos.kong`. Invariants: a blast counts as made only when whoever carried it out said
so; after `stop` nothing is begun any more, and what was under way then is taken back when it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from chaos.kong import Blast
from grace_actors.actions.action import Result
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.drills.faults import Faults
from grace_actors.drills.taking_back import Injection
from grace_actors.errors import GraceError
from grace_actors.kernel import Answer, Context, Data, Timer

AGAIN_S, AGAIN_FOR_S = 0.5, 10.0
"""Whoever is needed for a blast may have been struck by another one a moment ago."""
ACT_S = 60.0
LEAST_S = 1.0
Marked = Callable[[str, str, str, float], None]
"""(what, subject, text), for the time line."""


class Blasts:
    """The blasts of one run. `lines` are those of the table."""

    def __init__(self, ctx: Context, run: str, faults: Faults, mark: Marked) -> None:
        self._ctx, self._run, self._faults, self._mark = ctx, run, faults, mark
        self._timers: list[Timer] = []
        self._is_over = False
        self._ends_at = 0.0
        self.lines: list[Data] = []
        self.made = self.again = self.rotated = 0
        self.last_at: float | None = None
        """When the last one that was made was begun."""

    def begin(self, blasts: Iterable[Blast], seconds: float) -> None:
        """From now on, for so long."""
        self._ends_at = self._ctx.now() + seconds
        for blast in blasts:
            line = {"name": f"{blast.fault} {blast.target}", "what": "inject", "state": "waiting"}
            self.lines.append(line | {"seconds": None, "message": blast.why})
            start = partial(self._strike, blast, self.lines[-1], self._ctx.now() + blast.at_s + AGAIN_FOR_S)
            self._timers.append(self._ctx.after(blast.at_s, start))

    def stop(self) -> None:
        """No more of them. What was under way and did not come about has failed; what was never begun is skipped."""
        self._is_over = True
        for timer in self._timers:
            timer.cancel()
        for line in self.lines:
            if line["state"] in ("waiting", "running"):
                line["state"] = "skipped" if line["state"] == "waiting" else "failed"

    def figures(self) -> Data:
        """How many there were, and those that failed in the end, in words."""
        failed = [f"{line['name']}: {line['message']}" for line in self.lines if line["state"] == "failed"]
        figures: Data = {"blasts": len(self.lines), "blasts_made": self.made, "blasts_failed": failed}
        return figures | {
            "blasts_again": self.again,
            "snapshots_rotated": self.rotated,
            "last_injection_at": self.last_at,
        }

    # ---- one blast ------------------------------------------------------------------------------------------

    def _strike(self, blast: Blast, line: Data, until: float) -> None:
        if self._is_over:
            return
        line["state"], began = "running", self._ctx.wall()
        done = partial(self._done, blast, line, until, began)
        params = dict(blast.params)
        if "seconds" in params:  # begun late, it must not last beyond the end
            params["seconds"] = max(LEAST_S, min(params["seconds"], round(self._ends_at - self._ctx.now(), 3)))

        def injected(found: Injection) -> None:
            if found.ok and self._is_over:
                self._faults.undo(found.record, lambda undone: None)
            done(found.ok, found.message)

        def acted(result: Result) -> None:
            done(result.ok, result.message)

        def answered(answer: Answer) -> None:
            self.rotated += int(answer.ok)
            done(answer.ok, "" if answer.ok else str((answer.error or {}).get("message")))

        try:
            if blast.via == "fault":
                self._faults.inject(blast.fault, blast.target, params, by=self._run, done=injected)
            elif blast.via == "act":
                CATALOGUE[blast.fault].perform(self._ctx, params, False, acted)
            else:
                self._ctx.ask(blast.target, blast.fault, params, answered, timeout_s=ACT_S)
        except GraceError as error:
            done(False, error.message)

    def _done(self, blast: Blast, line: Data, until: float, began: float, ok: bool, message: str) -> None:
        line["seconds"], line["message"] = round(self._ctx.wall() - began, 3), message or blast.why
        if self._is_over:
            return
        if ok:
            line["state"] = "ok"
            self.made += 1
            self.last_at = max(self.last_at or began, began)
            self._mark("injected", blast.target, f"{blast.fault}: {blast.why}", began)
        elif self._ctx.now() < min(until, self._ends_at):
            self.again += 1
            self._timers.append(self._ctx.after(AGAIN_S, partial(self._strike, blast, line, until)))
        else:
            line["state"] = "failed"
