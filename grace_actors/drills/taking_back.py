"""Takes faults back while the tree runs: what runs for them here is ended, supervisors are asked, files are restored.

Holds what is alive of each fault: its timer, its processes, its flood. It must not know how a fault is begun.
Invariants: a fault is undone once at a time, and whoever asked is told its outcome; nothing of it runs afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from grace_actors.drills import file_steps, tree_faults, undoing
from grace_actors.drills.crews import Crew
from grace_actors.drills.flood import Flood
from grace_actors.drills.proxy import DRAIN_S
from grace_actors.drills.records import Record, Records, Step
from grace_actors.errors import NotFound
from grace_actors.kernel import Context, Data, Timer

STOP_S = 3.0
"""So long an orderly end may undo; its limit is 5 s, and a file of the largest size takes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """What became of a fault: `record` is its id, empty when nothing was noted; `message` says what or why not."""

    ok: bool
    record: str = ""
    message: str = ""
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """How an undoing went; `message` says what was found, or what is wrong."""

    ok: bool
    record: str
    message: str


OnInjected = Callable[[Injection], None]
OnUndone = Callable[[Undone], None]


class TakingBack:
    """The faults that are active in this life, and those that a former one left."""

    def __init__(self, ctx: Context, records: Records) -> None:
        self._ctx, self._records = ctx, records
        self.pending: dict[str, OnInjected] = {}
        """Of the faults that are being injected. One that is undone meanwhile is no more among them."""
        self.timers: dict[str, Timer] = {}
        self.crews: dict[str, Crew] = {}
        self.floods: dict[str, Flood] = {}
        self._undoing: dict[str, list[OnUndone]] = {}

    def recover(self) -> None:
        """Undo what a former life left: what needs no tree at once, the rest when its supervisor answers."""
        for record in reversed(self._records.active()):
            if any(step["do"] == undoing.OF_TREE for step in record.undo):
                self._ctx.after(0.0, lambda id=record.id: self.take_back(id, "recovery", lambda undone: None))  # type: ignore[misc]
            else:
                self._finish(record, [], [], "recovery")
        for name, why in self._records.unreadable.items():
            self._ctx.emit("fault.undo_failed", self._ctx.name, {"record": name, "fault": "", "problem": why})
        self._records.prune()

    def undo(self, record: str, done: OnUndone) -> None:
        """Take a fault back; again, too, when that failed before. Raises NotFound."""
        if self._records.get(record) is None:
            raise NotFound(f"there is no record {record!r:.80} of a fault", hint="see which there are: faults")
        self.take_back(record, "asked for", done)

    def undo_all(self, by: str | None, done: Callable[[list[Undone]], None]) -> None:
        """Take back everything that is active, or what this one injected; `done` gets them all at once."""
        wanted = [record.id for record in reversed(self._records.active()) if by is None or record.by == by]
        found: list[Undone] = []

        def one(undone: Undone) -> None:
            found.append(undone)
            if len(found) == len(wanted):
                done(found)

        for id in wanted:
            self.take_back(id, "asked for", one)
        if not wanted:
            self._later(lambda: done([]))

    def end(self) -> None:
        """This life ends in order. What needs no tree is undone at once, the newest first, for STOP_S. Supervisors are
        asked to let go what lasts in actors, but nobody is left to hear their answers: those records stay active, and
        the next life, or the next boot, is done with them."""
        until = self._ctx.now() + STOP_S
        for record in reversed(self._records.active()):
            waits = [step for step in record.undo if step["do"] == undoing.OF_TREE]
            for step in waits:
                tree_faults.let_go(self._ctx, step)
            if not waits and self._ctx.now() < until:
                self._finish(record, self._stop(record.id), [], "the runner ends")

    def take_back(self, id: str, by: str, done: OnUndone) -> None:
        """Once at a time: who asks while it is being undone is told its outcome, too."""
        if id in self._undoing:
            self._undoing[id].append(done)
            return
        record = self._records.get(id)
        if record is None or not record.is_active:
            was = "; ".join(record.said) if record else "its record is gone"
            self._later(lambda: done(Undone(ok=record is not None, record=id, message=was)))
            return
        self._undoing[id] = [done]
        crew = self.crews.get(id)
        if crew is not None and crew.hang_up(lambda: self._restore_early(record)):
            self._ctx.after(DRAIN_S, lambda: self._go_on(record, by))
        else:
            self._go_on(record, by)

    def _restore_early(self, record: Record) -> None:
        """Nobody must find the way to a proxy that goes. What fails here is done again, and told, at the end."""
        for step in record.undo:
            if step["do"] != "end":
                with contextlib.suppress(OSError, file_steps.NotUndone):
                    undoing.done(self._records, record.id, step)

    def _go_on(self, record: Record, by: str) -> None:
        said = self._stop(record.id)
        waits = [step for step in record.undo if step["do"] == undoing.OF_TREE]
        self._pardon(record, waits, said, [], by)

    def _stop(self, id: str) -> list[str]:
        """End what runs here for a fault."""
        if (timer := self.timers.pop(id, None)) is not None:
            timer.cancel()
        if (done := self.pending.pop(id, None)) is not None:
            self._later(lambda: done(Injection(ok=False, record=id, message="it was undone before it had begun")))
        if (crew := self.crews.pop(id, None)) is not None:
            crew.end()
        if (flood := self.floods.pop(id, None)) is not None:
            flood.cancel()
            return [flood.said()]
        return []

    def _pardon(self, record: Record, waits: Sequence[Step], said: list[str], problems: list[str], by: str) -> None:
        """One request after the other, then the steps that need no tree."""
        if not waits:
            self._finish(record, said, problems, by)
            return

        def told(what: str, problem: str) -> None:
            is_over = self._ctx.wall() >= record.until  # whatever lasts in an actor has ended by itself
            more = [problem] if problem and not is_over else []
            self._pardon(record, waits[1:], [*said, what or problem], [*problems, *more], by)

        tree_faults.pardon(self._ctx, waits[0], told)

    def _finish(self, record: Record, said: list[str], problems: list[str], by: str) -> None:
        outcome = undoing.undo(self._records, record, said=said, problems=problems)
        self._records.tidy()
        noted = outcome.record
        told = {"record": noted.id, "fault": noted.fault}
        if outcome.problem:
            self._ctx.emit("fault.undo_failed", noted.target, {**told, "problem": outcome.problem})
            self._again_when_over(record)
        else:
            self._ctx.emit("fault.undone", noted.target, {**told, "by": by, "said": list(noted.said)})
        message = outcome.problem or "; ".join(noted.said)
        for done in self._undoing.pop(record.id, []):
            undone = Undone(ok=not outcome.problem, record=record.id, message=message)
            self._later(lambda done=done, undone=undone: done(undone))  # type: ignore[misc]

    def _again_when_over(self, record: Record) -> None:
        """What lasts in an actor ends by itself then, so that the record must not stay active until the next boot."""
        left_s = record.until - self._ctx.wall()
        if left_s > 0:
            again = partial(self.take_back, record.id, "its time is over", lambda undone: None)
            self.timers[record.id] = self._ctx.after(left_s, again)

    def _later(self, call: Callable[[], Any]) -> None:
        """From the mailbox: who asks is never called before its request has returned."""
        self._ctx.after(0.0, call)
