"""Starts drills, one at a time, follows the one that runs, and keeps what came of it.

Whether one may start is decided in `chaos.drill.admission`. Invariant: a drill that was begun has a row and, unless the
disk refuses, a journal; a gate that failed is an incident and a work order.
"""

from __future__ import annotations

import platform
import random
from collections.abc import Callable, Mapping
from typing import Any

from chaos.card import Card
from chaos.drill.admission import objection
from chaos.drill.journal import journal
from chaos.drill.messages import Verdict
from chaos.weights import choose
from grace_actors.actions.action import Call, Result, Steps, reads
from grace_actors.actions.tree import nodes
from grace_actors.drills.faults import Faults
from grace_actors.drills.host import stage
from grace_actors.drills.host.cards import Cards, past
from grace_actors.drills.host.drill import Hosted
from grace_actors.drills.host.kong import KongRun
from grace_actors.drills.host.rows import KONG, Runs
from grace_actors.drills.host.schedule import Schedule, open_incidents
from grace_actors.errors import NotFound, Refused, StoreFailed
from grace_actors.kernel import Context, Data
from grace_actors.kernels.tree_events import TreeEvent

EVENTS = (
    *("drill.started", "drill.injected", "drill.detected", "drill.recovered"),
    *("drill.passed", "drill.deviated", "drill.aborted", "drill.interrupted", "drill.failed"),
)
Answered = Callable[[Data | None, Refused | None], None]
SCHEDULE = "micro_chaos"


@reads()
def tree_names(call: Call) -> Steps:
    """Reads the names of the tree."""
    found = yield from nodes(call)
    return Result(True, data={"value": [node.name for node in found]})


class Drilling:
    """The drill that runs, if one does."""

    def __init__(self, ctx: Context, cards: Cards, runs: Runs, faults: Faults, schedule: Schedule) -> None:
        self._ctx, self._cards, self._runs, self._faults, self._schedule = ctx, cards, runs, faults, schedule
        self._running: Hosted | KongRun | None = None
        self._asked_for = ""
        """A drill that is about to begin, in words."""
        self.problem = ""

    # ---- what there is ----------------------------------------------------------------------------------

    def running_id(self) -> str | None:
        """The run that goes on."""
        return self._running.run if self._running else None

    def does(self) -> str:
        """One line for `status`."""
        running = self._running
        return f"drills {running.title} since {self._ctx.wall() - running.started_at:.0f} s" if running else ""

    def shown(self, id: str) -> Data:
        """A run as it stands. Raises NotFound."""
        if self._running is not None and id in ("", self._running.run):
            return {**self._running.shown(), "journal": ""}
        found = self._runs.get(id) if id else self._runs.newest()
        if found is None:
            raise NotFound("no drill was run yet", hint="see: drill list; begin one: drill run ID")
        keys = ("title", "by", "status", "started_at", "ended_at", "gates", "said", "detect_s", "heal_s", "passed")
        path = self._runs.journal_path(found["id"])
        lines = self._runs.journal(found["id"]).get("activities", []) if path else []
        return {
            "run": found["id"],
            "id": found["card"],
            "phase": "judged",
            "activities": lines,
            "journal": path,
            **{key: found[key] for key in (*keys, "reason")},
        }

    # ---- starting ---------------------------------------------------------------------------------------

    def request(self, card: Card, by: str, answered: Answered) -> None:
        """Begin a drill if nothing speaks against it."""

        def go() -> None:
            run = self._runs.begin(card.id, card.title, by, self._ctx.wall())
            hosted = Hosted(self._ctx, card, run, by, self._faults, self._judged)
            self._begin(hosted, {"run": run, "id": card.id}, answered)

        self._admit(card, f"drill {card.id}", go, answered)

    def request_kong(self, seconds: float, seed: int, load: int, by: str, answered: Answered) -> None:
        """Begin Kong if nothing speaks against it."""

        def go() -> None:
            run = self._runs.begin(KONG, f"Chaos Kong for {seconds:g} s", by, self._ctx.wall())
            kong = KongRun(self._ctx, run, by, self._faults, self._kong_judged, seconds=seconds, seed=seed, load=load)
            self._begin(kong, {"run": run, "id": KONG}, answered)

        self._admit(None, "Kong", go, answered)

    def run_due(self) -> None:
        """The policy wants a drill: the one that is most needed."""
        draw = random.random()  # noqa: S311 - a lot
        card = choose(self._cards.cards.values(), past(self._runs.of()), self._ctx.wall(), draw, micro=True)
        if card is not None:
            self.request(card, SCHEDULE, self._due_answered)

    def _due_answered(self, value: Data | None, refused: Refused | None) -> None:
        if refused is not None:
            self._schedule.withheld = refused.message

    def _admit(self, card: Card | None, what: str, go: Callable[[], None], answered: Answered) -> None:
        try:
            self._refuse_second()
        except Refused as error:
            answered(None, error)
            return
        self._asked_for = what

        def judged(incidents: Mapping[str, str], tree: list[str] | None) -> None:
            self._asked_for = ""
            try:
                found = [(id, kernel) for id, kernel in incidents.items() if kernel != self._ctx.name]
                text = objection(card, incidents=found, tree=tree) if card else _of_kong(found)
                if text:
                    raise Refused(text, hint="see: incident list, drill show")
                go()
            except Refused as error:
                answered(None, error)
            except StoreFailed as error:
                answered(None, Refused(error.message, hint=error.hint))

        def known(open_ones: Result) -> None:
            incidents = open_ones.data["value"] if open_ones.ok else {"?": "self_healing, which does not answer"}
            tree_names.perform(
                self._ctx, {}, False, lambda found: judged(incidents, found.data["value"] if found.ok else None)
            )

        open_incidents.perform(self._ctx, {}, False, known)

    def _refuse_second(self) -> None:
        running = self._running
        if running is not None:
            since = f"runs since {self._ctx.wall() - running.started_at:.0f} s, started by {running.by}"
            raise Refused(f"{running.title}: {since}", hint="wait for it, or end it: drill halt")
        if self._asked_for:
            raise Refused(f"{self._asked_for} is about to begin", hint="wait for it, or end it: drill halt")

    def _begin(self, run: Hosted | KongRun, value: Data, answered: Answered) -> None:
        self._running = run
        self._schedule.tell("drill.started", run.run, {"card": value["id"]})
        run.begin()
        answered(value, None)

    # ---- following --------------------------------------------------------------------------------------

    def see(self, event: TreeEvent) -> None:
        """An event of the log."""
        if self._running is not None:
            self._running.see(event)

    def halt(self, by: str) -> str | None:
        """End what runs; which it was."""
        running = self._running
        if running is not None:
            running.halt(by)
        return running.run if running else None

    def interrupt_left(self) -> None:
        """Close what a former life had begun."""
        for id in self._runs.interrupt_left(self._ctx.wall()):
            card = self._runs.get(id)["card"]
            self._ctx.emit("drill.interrupted", card, {"card": card, "run": id, "reason": "the runner was restarted"})

    # ---- the end ----------------------------------------------------------------------------------------

    def _judged(self, hosted: Hosted) -> None:
        verdict, written = (
            hosted.drill.verdict,
            journal(hosted.drill, platform=platform.platform(), node=platform.node()),
        )
        assert verdict is not None
        kept = {**written, "activities": hosted.shown()["activities"]}
        self._keep(hosted.run, kept, _plain(verdict, written["timeline"]))
        if verdict.deviated:
            self._tell_healer(f"{hosted.card.id}: {_why(verdict)}", hosted.run)
        self._over(hosted.run, hosted.card.id)

    def _kong_judged(self, kong: KongRun) -> None:
        self._keep(kong.run, kong.journal(), kong.verdict())
        if kong.passed is False:
            self._tell_healer(f"Kong: {kong.reason}", kong.run)
        self._over(kong.run, KONG)

    def _keep(self, run: str, written: Data, verdict: Data) -> None:
        """A disk that takes nothing loses the record, never the drill."""
        self.problem = ""
        try:
            self._runs.write_journal(run, written)
        except StoreFailed as error:
            self.problem = f"the journal of {run} could not be written: {error.message}"
            verdict = {**verdict, "reason": f"{verdict['reason']}; {self.problem}".lstrip("; ")}
        try:
            self._runs.end(run, self._ctx.wall(), verdict)
        except StoreFailed as error:
            self.problem = f"what came of {run} could not be written: {error.message}"

    def _tell_healer(self, reason: str, run: str) -> None:
        """A gate that failed is a failure of Grace: an incident, which makes a work order when no playbook fits."""
        detail = f"the drill {run}; see: drill report"
        told = {"kernel": self._ctx.name, "kind": "drill", "reason": reason, "detail": detail}
        self._ctx.tell("self_healing", "report", told)

    def _over(self, run: str, card: str) -> None:
        self._running = None
        self._schedule.tell("drill.ended", run, {"card": card})
        stage.clear(self._ctx, self._left_on_stage)

    def _left_on_stage(self, left: list[str]) -> None:
        if left:
            self.problem = f"not taken off the stage: {'; '.join(left)}"


def _of_kong(incidents: list[tuple[str, str]]) -> str:
    return f"the incident {incidents[0][0]} of {incidents[0][1]} is open" if incidents else ""


def _plain(verdict: Verdict, timeline: Any) -> Data:
    return {
        "status": str(verdict.status),
        "passed": verdict.passed,
        "reason": verdict.reason,
        "gates": dict(verdict.gates),
        "said": dict(verdict.said),
        "timeline": timeline,
        "detect_s": verdict.detect_s,
        "heal_s": verdict.heal_s,
    }


def _why(verdict: Verdict) -> str:
    failed = [f"gate {name}: {verdict.said.get(name, '')}" for name, ok in verdict.gates.items() if ok is False]
    return "; ".join((*failed, *verdict.problems)) or verdict.reason
