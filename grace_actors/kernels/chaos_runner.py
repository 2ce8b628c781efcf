"""Runs drills: breaks something on purpose, watches how Grace deals with it, takes it back and judges.

What a drill does and how it is judged is decided in `chaos`; when one is due by itself, by the policy of the
supervisor above. Here they meet the world. Invariant: two drills never run at once, and what was injected is undone
whatever becomes of the drill, of this kernel or of the instance.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from chaos.loader import FOLDER
from grace_actors.actions.action import Result
from grace_actors.actions.watching import event_position
from grace_actors.drills.faults import Faults
from grace_actors.drills.host import rows
from grace_actors.drills.host.activities import Activities, Outcome
from grace_actors.drills.host.cards import Cards
from grace_actors.drills.host.drilling import EVENTS as DRILL_EVENTS
from grace_actors.drills.host.drilling import Drilling
from grace_actors.drills.host.overview import Overview
from grace_actors.drills.host.problems import Problems
from grace_actors.drills.host.schedule import HEARD, Schedule
from grace_actors.drills.records import ACTIVE
from grace_actors.drills.taking_back import Injection, Undone
from grace_actors.errors import Refused, WorldFailed
from grace_actors.folder_watch import FolderWatch
from grace_actors.kernel import LATER, Check, Data, Kernel, Request
from grace_actors.kernels.arguments import flag, mapping_or_empty, number_or, text, text_or, whole_or
from grace_actors.kernels.tree_events import EventFeed, TreeEvent
from grace_actors.stores.sqlite import EVENTS, Store

AGAIN_S = 2.0
MAX_KONG_S = 3600.0
SEEN = (
    *("child.started", "child.exited", "child.hung", "child.start_failed", "trigger.fired"),
    *("incident.opened", "incident.recurred", "incident.healed", "incident.failed", "incident.quarantined"),
    *("incident.resolved", "self_healing.triggered", "self_healing.escalated", "run.requested", "run.started"),
    *("run.ended", "coding_agent.work_order_created", "coding_agent.work_order_updated", "approval.requested"),
)
"""Events by which drills are judged, beside the triggers of the cards."""


class ChaosRunner(Kernel):
    """Verbs: drills, drill, run_drill, drill_run, halt, coverage, schedule, leash, journal, report, kong, inject, undo,
    faults, step, probe, read_drills."""

    emits = (
        *DRILL_EVENTS,
        *("chaos.leashed", "chaos.unleashed", "fault.injected", "fault.undone", "fault.undo_failed"),
        *EVENTS,
    )

    def setup(self) -> None:
        self.faults = Faults(self.ctx)
        self.faults.recover()  # first: whatever fails below, nothing stays broken
        problems = Problems(self.degraded)
        self.store = Store(
            self.ctx.data / "drills.db", rows.migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )
        self.runs = rows.Runs(self.store, self.ctx.data / "journals")
        self.cards = Cards(self.ctx.home)
        self.feed: EventFeed | None = None
        self.schedule = Schedule(self.ctx, self.runs.leash, lambda: self.drilling.running_id())
        self.drilling = Drilling(
            self.ctx, self.cards, self.runs, self.faults, self.schedule, problems, lambda: self.feed is not None
        )
        self.overview = Overview(self.ctx, self.cards, self.runs)
        self._activities = Activities(self.ctx, self.faults)
        self._files = FolderWatch(self.ctx, self.ctx.home / FOLDER, self._read_cards)
        self._files.start()
        self.drilling.recover()
        self.schedule.begin()
        self.ctx.after(0.0, self._listen)
        self.did = f"knows {len(self.cards.cards)} drills"

    def _listen(self) -> None:
        """Take the events from now on."""

        def known(result: Result) -> None:
            if not result.ok:
                self.ctx.after(AGAIN_S, self._listen)
                return
            self.feed = EventFeed(self.ctx, self._types(), self._take, last=int(result.data["value"]))
            self.feed.start()

        event_position.perform(self.ctx, {}, False, known)

    def _types(self) -> tuple[str, ...]:
        triggers = {card.expect.trigger.type for card in self.cards.cards.values()}
        return tuple(dict.fromkeys((*SEEN, *HEARD, *sorted(triggers))))

    def ready(self) -> list[Check]:
        broken = self.cards.faults
        detail = f"{len(self.cards.cards)} cards" + (f"; not readable: {'; '.join(broken[:3])}" if broken else "")
        return [self.store.writable(), Check(name="cards_readable", ok=bool(self.cards.cards), detail=detail)]

    def stop(self, reason: str) -> None:
        self.faults.end()
        self._files.close()
        self.store.close()

    def does(self) -> str:
        return self.drilling.described() or self.did

    def metrics(self) -> dict[str, float]:
        return {"drills": float(len(self.cards.cards)), "faults_active": float(len(self.faults.records(ACTIVE)))}

    # ---- events ---------------------------------------------------------------------------------------

    def do_event(self, request: Request) -> Any:
        """Take an event of the log."""
        if self.feed is not None:
            self.feed.hint(request)

    def _take(self, event: TreeEvent) -> None:
        self.drilling.see(event)
        if self.schedule.hear(event):
            self.drilling.run_due()

    # ---- looking --------------------------------------------------------------------------------------

    def do_drills(self, request: Request) -> Any:
        """Every card, with what is known of it from its runs."""
        return self.overview.drills()

    def do_drill(self, request: Request) -> Any:
        """One card `id` with its history."""
        return self.overview.drill(text(request, "id", max_chars=100))

    def do_drill_run(self, request: Request) -> Any:
        """How the drill `run` goes, or went; the newest without it."""
        return self.drilling.shown(text_or(request, "run", max_chars=100))

    def do_coverage(self, request: Request) -> Any:
        """Which cards were drilled when, which kernels they are about and which have none, what deviated."""
        self.overview.coverage(partial(self.ctx.answer, request))
        return LATER

    def do_schedule(self, request: Request) -> Any:
        """The leash, the plan, when the next drill is due, and what withholds it."""
        self.schedule.show(partial(self.ctx.answer, request))
        return LATER

    def do_journal(self, request: Request) -> Any:
        """The journal of `run`, in the form of the Chaos Toolkit."""
        return self.runs.journal(text(request, "run", max_chars=100))

    def do_report(self, request: Request) -> Any:
        """The last `limit` runs with their time lines, and the coverage."""
        limit = whole_or(request, "limit", 50, low=1, high=rows.KEPT_RUNS)
        self.overview.report(limit, partial(self.ctx.answer, request))
        return LATER

    def do_read_drills(self, request: Request) -> Any:
        """Read the files of the cards anew."""
        self._read_cards()
        return {"cards": len(self.cards.cards), "problems": self.cards.faults}

    def _read_cards(self) -> None:
        self.cards.read()
        self.did = f"knows {len(self.cards.cards)} drills"
        if self.feed is not None:
            self.feed.listen(self._types())

    # ---- drills ---------------------------------------------------------------------------------------

    def do_run_drill(self, request: Request) -> Any:
        """Begin the drill `id`, in the name of `by`."""
        card = self.cards.get(text(request, "id", max_chars=100))
        by = text_or(request, "by", max_chars=200) or request.sender
        self.drilling.request(card, by, partial(self._answer, request))
        return LATER

    def do_kong(self, request: Request) -> Any:
        """Begin Chaos Kong for `seconds`, its plan by `seed`, under `load` durable messages a second."""
        seconds = number_or(request, "seconds", 300.0, low=10.0, high=MAX_KONG_S)
        seed = whole_or(request, "seed", 0, low=0, high=2**31)
        load = whole_or(request, "load", 0, low=0, high=2000)
        by = text_or(request, "by", max_chars=200) or request.sender
        self.drilling.request_kong(seconds, seed, load, by, partial(self._answer, request))
        return LATER

    def do_halt(self, request: Request) -> Any:
        """End the drill that runs and undo every fault, in the name of `by`."""
        by = text_or(request, "by", max_chars=200) or request.sender

        def done(undone: list[Undone]) -> None:
            bad = [{"record": each.record, "problem": each.message} for each in undone if not each.ok]
            good = [each.record for each in undone if each.ok]
            self.ctx.answer(request, {"halted": halted, "undone": good, "failed": bad})

        self.faults.undo_all(None, done)  # first, so that the answer tells what the drill had injected, too
        halted = self.drilling.halt(by)
        return LATER

    def do_leash(self, request: Request) -> Any:
        """Hold drills back (`on`), or let them start by themselves."""
        held, by = flag(request, "on"), text_or(request, "by", max_chars=200) or request.sender
        self.runs.set_leash(held, by, self.ctx.wall())
        self.schedule.tell_leash()
        self.ctx.emit("chaos.leashed" if held else "chaos.unleashed", self.ctx.name, {"by": by})
        return {"leashed": held}

    # ---- single faults --------------------------------------------------------------------------------

    def do_inject(self, request: Request) -> Any:
        """Cause the `fault` in `target` with `params`; it is undone when its time is over."""
        by = text_or(request, "by", max_chars=200) or request.sender
        fault, target = text(request, "fault", max_chars=60), text_or(request, "target", max_chars=200)

        def done(found: Injection) -> None:
            value = {"fault": fault, "target": target, "result": "injected", "record": found.record, **found.data}
            error = None if found.ok else WorldFailed(found.message, hint="see: chaos faults")
            self.ctx.answer(request, value, error=error)

        self.faults.inject(fault, target, mapping_or_empty(request, "params"), by=by, done=done)
        return LATER

    def do_undo(self, request: Request) -> Any:
        """Undo the fault of `record` now."""

        def done(undone: Undone) -> None:
            error = None if undone.ok else WorldFailed(undone.message, hint="see: chaos faults")
            self.ctx.answer(request, {"record": undone.record, "message": undone.message}, error=error)

        self.faults.undo(text(request, "record", max_chars=100), done)
        return LATER

    def do_faults(self, request: Request) -> Any:
        """The records of faults, the oldest first."""
        return {"records": self.faults.records()}

    def do_step(self, request: Request) -> Any:
        """Perform the step `func` of a card with `args`."""
        return self._activity(request, "step")

    def do_probe(self, request: Request) -> Any:
        """Read the probe `func` of a card with `args`."""
        return self._activity(request, "probe")

    def _activity(self, request: Request, kind: str) -> Any:
        func, args = text(request, "func", max_chars=100), mapping_or_empty(request, "args")

        def done(found: Outcome) -> None:
            error = None if found.ok else WorldFailed(found.message)
            self.ctx.answer(request, {"value": found.value, "message": found.message}, error=error)

        self._activities.single(kind, func, args, done)
        return LATER

    def _answer(self, request: Request, value: Data | None, refused: Refused | None) -> None:
        self.ctx.answer(request, value, error=refused)
