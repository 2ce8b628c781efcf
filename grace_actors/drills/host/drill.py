"""Hosts one drill: performs the commands of the core, and brings it events, answers and time.

Everything that is decided is decided in `chaos.drill`. Invariant: every command is answered once or not at all, and
after the verdict nothing is performed any more but the undoing of what was injected too late.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chaos.card import Card, Kind
from chaos.drill import messages as m
from chaos.drill.core import Drill
from grace_actors.actions.action import Result
from grace_actors.actions.watching import event_position
from grace_actors.drills.faults import Faults
from grace_actors.drills.host.activities import LEFT, Activities, Outcome
from grace_actors.drills.taking_back import Undone
from grace_actors.kernel import Context, Data, Timer
from grace_actors.kernels.tree_events import TreeEvent

AGAIN_S = 0.2


class Hosted:
    """One drill that runs. `on_judged` is called once, after its last command."""

    def __init__(
        self,
        ctx: Context,
        card: Card,
        run: str,
        by: str,
        faults: Faults,
        on_judged: Callable[[Hosted], None],
    ) -> None:
        self._ctx, self._faults, self._on_judged = ctx, faults, on_judged
        self._activities = Activities(ctx, faults)
        self.run, self.card, self.by = run, card, by
        self.drill = Drill(card, id=run, by=by)
        self.title, self.started_at = f"drill {card.id}", ctx.wall()
        self._timers: dict[str, Timer] = {}
        self._last = 0

    def begin(self) -> None:
        """Start it, from the newest event on."""
        self._position(lambda seq: self._feed(m.Begin(seq)))

    def _position(self, done: Callable[[int], None]) -> None:
        """The number of the newest event, once status tells it: a guess might let in what came before."""

        def read(found: Result) -> None:
            if found.ok:
                done(int(found.data["value"]))
            elif not self.drill.is_over:
                self._ctx.after(AGAIN_S, lambda: self._position(done))

        event_position.perform(self._ctx, {}, False, read)

    # ---- from outside -----------------------------------------------------------------------------------

    def see(self, event: TreeEvent) -> None:
        """An event of the log."""
        self._last = max(self._last, event.seq)
        self._feed(m.Seen(event.seq, event.type, event.subject, event.data, event.at))

    def halt(self, by: str) -> None:
        """Somebody wants it to end."""
        if self.drill.phase is m.Phase.WAITING:  # what ends must have begun; nothing is injected yet
            self._feed(m.Begin(self._last))
        self._feed(m.Halt(by))

    def shown(self) -> Data:
        """The drill as `drill_run` answers it."""
        return self.drill.as_data()

    # ---- the core ---------------------------------------------------------------------------------------

    def _feed(self, event: m.Event) -> None:
        if self.drill.is_over:
            return
        for command in self.drill.handle(event, self._ctx.wall()):
            self._perform(command)

    def _perform(self, command: m.Command) -> None:
        match command:
            case m.RunProbe(key, activity):
                probed = partial(self._probed, key, self._ctx.wall())
                self._activities.perform(activity, self.run, probed, goes_on=lambda: not self._is_ending())
            case m.RunAction(_, _, counts):
                if counts:
                    self._position(lambda seq: self._count(command, seq))
                else:
                    self._act(command, None)
            case m.UndoAll(key):
                self._faults.undo_all(self.run, partial(self._undone, key))
            case m.SetTimer(key, delay_s):
                self._timers[key] = self._ctx.after(delay_s, partial(self._rang, key))
            case m.CancelTimer(key):
                timer = self._timers.pop(key, None)
                if timer is not None:
                    timer.cancel()
            case m.Approve(approval):
                by, why = self._ctx.name, f"for drill {self.run}, which caused the failure"
                words = {"id": approval, "response": "approve", "by": by, "reason": why}
                self._ctx.tell("governance", "respond", words)
            case m.CompleteOrder(order, text):
                done = {"id": order, "tests_passed": True, "files_changed": 1, "note": text}
                self._ctx.tell("coding_agent", "complete", done)
            case m.Tell(type, data):
                self._ctx.emit(type, self.card.id, {"card": self.card.id, "run": self.run, **data})
            case m.Judged():
                self._judged()

    def _rang(self, key: str) -> None:
        self._timers.pop(key, None)
        self._feed(m.TimerFired(key))

    def _is_ending(self) -> bool:
        return self.drill.phase in (m.Phase.ROLLING_BACK, m.Phase.JUDGED)

    def _count(self, command: m.RunAction, seq: int) -> None:
        """The place in the log is known; if the drill was ended meanwhile, it is not begun any more."""
        if self._is_ending():
            self._feed(m.ActionDone(command.key, ok=False, seq=seq, message=LEFT))
        else:
            self._act(command, seq)

    def _act(self, command: m.RunAction, seq: int | None) -> None:
        is_rollback = self._is_ending()
        goes_on = lambda: is_rollback or not self._is_ending()  # noqa: E731
        acted = partial(self._acted, command, seq, self._ctx.wall())
        self._activities.perform(command.activity, self.run, acted, goes_on=goes_on)

    def _probed(self, key: str, began: float, found: Outcome) -> None:
        self._feed(m.ProbeDone(key, found.ok, found.value, found.message, self._ctx.wall() - began))

    def _acted(self, command: m.RunAction, seq: int | None, began: float, found: Outcome) -> None:
        if self.drill.is_over and command.activity.kind is Kind.FAULT and found.record:
            self._faults.undo(found.record, lambda undone: None)  # one that fails says so itself
            return
        seconds, record = self._ctx.wall() - began, found.record or None
        value, refused = found.value, found.is_refused
        self._feed(m.ActionDone(command.key, found.ok, record, seq, found.message, seconds, value, refused))

    def _undone(self, key: str, undone: list[Undone]) -> None:
        problems = tuple(f"{each.record}: {each.message}" for each in undone if not each.ok)
        self._feed(m.Undone(key, not problems, problems))

    def _judged(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._on_judged(self)
