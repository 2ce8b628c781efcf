"""Starts drills, one at a time, and follows the one that runs.

Whether one may start is found out by `admission`, what came of it is kept by `outcomes`. Invariant: a drill that was
begun has a row, and whoever asks how it goes is told, until it is judged and afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from functools import partial

from chaos.card import Card
from chaos.drill.evidence import OPENED
from chaos.weights import choose
from grace_actors.drills.faults import Faults
from grace_actors.drills.host.admission import Admission, Answered
from grace_actors.drills.host.cards import Cards, past
from grace_actors.drills.host.drill import Hosted
from grace_actors.drills.host.kong import KongRun
from grace_actors.drills.host.kong_load import clear_load
from grace_actors.drills.host.outcomes import Outcomes
from grace_actors.drills.host.problems import Problems
from grace_actors.drills.host.rows import KONG, Runs
from grace_actors.drills.host.schedule import Schedule
from grace_actors.drills.host.stage import Sweep
from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Context, Data
from grace_actors.kernels.tree_events import TreeEvent
from playbooks.recognition.signature import FailureKind
from supervisors.policies.micro_chaos import MicroChaos

EVENTS = (
    *("drill.started", "drill.injected", "drill.detected", "drill.recovered"),
    *("drill.passed", "drill.deviated", "drill.aborted", "drill.interrupted", "drill.failed"),
)
SHOWN = ("title", "by", "status", "started_at", "ended_at", "gates", "said", "detect_s", "heal_s", "passed", "reason")
SWEEP_S = 5.0


class Drilling:
    """The drill that runs, if one does."""

    def __init__(
        self,
        ctx: Context,
        cards: Cards,
        runs: Runs,
        faults: Faults,
        schedule: Schedule,
        problems: Problems,
        hears: Callable[[], bool],
    ) -> None:
        self._ctx, self._cards, self._runs, self._faults, self._schedule = ctx, cards, runs, faults, schedule
        self._problems = problems
        self._sweep = Sweep(ctx)
        self._admission = Admission(ctx, self._sweep, self.described, hears)
        self._outcomes = Outcomes(ctx, runs, problems)
        self._running: Hosted | KongRun | None = None

    def recover(self) -> None:
        """After a start: close what a former life had begun, take off the stage what it left there."""
        for id in self._runs.interrupt_left(self._ctx.wall()):
            card = self._runs.get(id)["card"]
            self._ctx.emit("drill.interrupted", card, {"card": card, "run": id, "reason": "the runner was restarted"})
        self._ctx.after(0.0, self._clear)

    # ---- what there is ----------------------------------------------------------------------------------

    def running_id(self) -> str | None:
        """The run that goes on."""
        return self._running.run if self._running else None

    def described(self) -> str:
        """What runs, in words; empty when nothing does."""
        running = self._running
        if running is None:
            return ""
        for_s = self._ctx.wall() - running.started_at
        return f"{running.title} has been running for {for_s:.0f} s, started by {running.by}"

    def shown(self, id: str) -> Data:
        """A run as it stands, or as it ended; the newest for an empty id. Raises NotFound."""
        if self._running is not None and id in ("", self._running.run):
            return {**self._running.shown(), "journal": ""}
        found = self._runs.get(id) if id else self._runs.newest()
        if found is None:
            raise NotFound("no drill was run yet", hint="see: drill list; begin one: drill run ID")
        path = self._runs.journal_path(found["id"])
        told = {"run": found["id"], "id": found["card"], "phase": "judged", "journal": path}
        told["activities"] = self._runs.activities(found["id"])
        return told | {key: found[key] for key in SHOWN}

    # ---- starting ---------------------------------------------------------------------------------------

    def request(self, card: Card, by: str, answered: Answered) -> None:
        """Begin a drill if nothing speaks against it."""
        self._admission.admit(f"drill {card.id}", by, lambda tree: card, partial(self._begin_drill, by), answered)

    def request_kong(self, seconds: float, seed: int, load: int, by: str, answered: Answered) -> None:
        """Begin Kong if nothing speaks against it."""

        def begin(card: Card | None) -> Data:
            run = self._runs.begin(KONG, f"Chaos Kong for {seconds:g} s", by, self._ctx.wall())
            kong = KongRun(self._ctx, run, by, self._faults, self._kong_judged, seconds=seconds, seed=seed, load=load)
            return self._begin(kong, KONG)

        self._admission.admit("Chaos Kong", by, lambda tree: None, begin, answered)

    def run_due(self) -> None:
        """The policy wants a drill: of those that this tree allows, the one that is most needed."""

        def answered(value: Data | None, refused: Refused | None) -> None:
            if refused is not None:
                self._schedule.withheld = refused.message

        by = MicroChaos.name
        self._admission.admit("a drill that is due", by, self._most_needed, partial(self._begin_drill, by), answered)

    def _most_needed(self, tree: Collection[str]) -> Card:
        fitting = [card for card in self._cards.cards.values() if set(card.kernels) <= set(tree)]
        draw = random.random()  # noqa: S311 - a lot
        card = choose(fitting, past(self._runs.of()), self._ctx.wall(), draw, micro=True)
        if card is None:
            raise Refused("no card with micro: true fits this tree", hint="see: drill list")
        return card

    def _begin_drill(self, by: str, card: Card | None) -> Data:
        assert card is not None
        run = self._runs.begin(card.id, card.title, by, self._ctx.wall())
        return self._begin(Hosted(self._ctx, card, run, by, self._faults, self._judged), card.id)

    def _begin(self, run: Hosted | KongRun, card: str) -> Data:
        self._running = run
        self._schedule.tell("drill.started", run.run, {"card": card})
        run.begin()
        return {"run": run.run, "id": card}

    # ---- following --------------------------------------------------------------------------------------

    def see(self, event: TreeEvent) -> None:
        """An event of the log. That a gate of the drill before failed is no trouble of this one."""
        is_own = event.data.get("kernel") == self._ctx.name and event.data.get("kind") == FailureKind.REPORTED
        if self._running is not None and not (event.type in OPENED and is_own):
            self._running.see(event)

    def halt(self, by: str) -> str | None:
        """End what runs, and keep out what is about to begin; which run it was."""
        self._admission.halt(by)
        running = self._running
        if running is not None:
            running.halt(by)
        return running.run if running else None

    # ---- the end ----------------------------------------------------------------------------------------

    def _judged(self, hosted: Hosted) -> None:
        verdict = hosted.drill.verdict
        assert verdict is not None
        self._outcomes.of_drill(hosted, verdict)
        self._over(hosted.run, hosted.card.id)

    def _kong_judged(self, kong: KongRun) -> None:
        self._outcomes.of_kong(kong)
        self._over(kong.run, KONG)

    def _over(self, run: str, card: str) -> None:
        self._running = None
        self._schedule.tell("drill.ended", run, {"card": card})
        self._clear()

    def _clear(self) -> None:
        """Nobody stays on the stage; whoever does not go yet is asked again, unless the next drill has begun."""
        if self._running is None:
            self._sweep.sweep(self._cleared)

    def _cleared(self, left: list[str]) -> None:
        self._problems.say("stage", f"not taken off the stage: {'; '.join(left)}" if left else "")
        if left:
            self._ctx.after(SWEEP_S, self._clear)
        elif self._running is None:
            clear_load(self._ctx, self._unloaded)

    def _unloaded(self, problem: str) -> None:
        self._problems.say("load", problem)
        if problem:
            self._ctx.after(SWEEP_S, self._clear)
