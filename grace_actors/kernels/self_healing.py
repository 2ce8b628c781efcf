"""Turns failures into incidents and has them repaired; runs playbooks on request.

Failures arrive as events of the log and as reports of other actors. Recognition, the choice of a repair and its
verification are in `playbooks`; here they meet the world. Kernels are started and held through their supervisors only.
Invariant: a failure that was accepted is on the disk before it is answered, and no event of the log counts twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grace_actors.errors import Refused, StoreFailed
from grace_actors.healing import intake, journal, run_store
from grace_actors.healing.case_host import KEPT
from grace_actors.healing.casework import Casework
from grace_actors.healing.config_history import ConfigHistory
from grace_actors.healing.diagnostics import Diagnostics
from grace_actors.healing.dossier import QUARANTINED, Dossiers
from grace_actors.healing.incident_rows import CASES, TABLES, Incidents
from grace_actors.healing.incident_verbs import IncidentVerbs
from grace_actors.healing.intake import Seen
from grace_actors.healing.knowing import Knowing
from grace_actors.healing.outbox import Outbox
from grace_actors.healing.patches import NOTICE
from grace_actors.healing.performing import Performing
from grace_actors.healing.redaction import Redaction, masked_data
from grace_actors.kernel import Check, Data, Request
from grace_actors.kernels.arguments import number_or, text, text_or
from grace_actors.kernels.masking import masked
from grace_actors.kernels.rows import schema
from grace_actors.kernels.tree_events import EventFeed, TreeEvent
from grace_actors.stores.sqlite import EVENTS, Store
from playbooks.incidents.choice import Candidate, candidates_of
from playbooks.matching import TriggerEvent
from supervisors.durations import parse_duration

APPROVAL_NOTICES = ("approval.responded", "approval.timed_out")
ALWAYS = (*intake.TREE_EVENTS, *APPROVAL_NOTICES, NOTICE)
migrations = schema("incidents", {**TABLES, **run_store.TABLES, **CASES})
LOOK_S = 30.0
SETTLE_S = 0.25
MAX_COLLECTIONS = 5
"""Diagnostics under way at once; in a storm the rest does without."""


class SelfHealing(IncidentVerbs):
    """Verbs: report, incidents, incident, resolve, why, healing, stats, event, and those of playbooks and runs.
    Config: `settle` (how long a signature must stay away), `confirm` (ask before a repair that worked once)."""

    emits = (
        *("incident.opened", "incident.recurred", "incident.healed", "incident.failed", "incident.quarantined"),
        *("incident.resolved", "incident.folded", "playbook.broken"),
        *("self_healing.triggered", "self_healing.escalated", "self_healing.patch_applied", "self_healing.completed"),
        *journal.EVENTS,
        *EVENTS,
    )

    def setup(self) -> None:
        settle_s = _settle(self.ctx.config)
        self.store = Store(
            self.ctx.data / "incidents.db", migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )
        self.incidents = Incidents(self.store)
        self.outbox = Outbox(self.ctx, self.incidents)
        self.cases = Casework(self.ctx, self.incidents, self.outbox, settle_s=settle_s)
        self.config_history = ConfigHistory(self.ctx.home, self.ctx.data / "config")
        self.diagnostics = Diagnostics(self.ctx, self.config_history)
        self.redaction = Redaction(self.ctx, self.incidents.set_diagnostics)
        self.dossiers = Dossiers(self.ctx, self.diagnostics)
        self._collecting = 0
        self._folded = 0
        self._wanted: frozenset[str] = frozenset()
        self.feed = EventFeed(self.ctx, ALWAYS, self._take, last=self.incidents.last_event, on_page=self.cases.settle)
        self.open_playbooks(self.store)
        self.did = f"knows {self.incidents.totals()[0]} incidents"
        self.ctx.every(LOOK_S, self._look_after)

    def playbooks_read(self) -> None:
        """Ask for the events that playbooks are started by; the first time, take up the incidents of before."""
        types = {trigger.type for entry in self.library.entries.values() for trigger in entry.playbook.triggers}
        self._wanted = frozenset(types)
        if self.cases.performing is None:
            confirm = self.ctx.config.get("confirm", True) is not False
            knowing = Knowing(self.ctx, self.cases, self.library, self.outbox, confirm=confirm)
            self.cases.performing = Performing(
                self.ctx, self.cases, self.incidents, self.runs, self.take_up(), self.library, self.patches, knowing
            )
            self.cases.start()
            self.outbox.flush()
            self.feed.start()
        self.feed.listen(dict.fromkeys((*ALWAYS, *sorted(types))))

    def ready(self) -> list[Check]:
        known, going_on = self.incidents.totals()
        return [
            self.store.writable(),
            Check(name="incidents_readable", ok=True, detail=f"{known} incidents, {going_on} go on"),
        ]

    def stop(self, reason: str) -> None:
        self.store.close()

    # ---- failures come in -----------------------------------------------------------------------------

    def do_report(self, request: Request) -> Any:
        """Report a failure of `kernel`: its `kind`, `reason`, `detail`, and when (`at`, Unix seconds)."""
        kernel, kind = text(request, "kernel", max_chars=200), text(request, "kind", max_chars=60)
        reason, detail = text(request, "reason"), text_or(request, "detail")
        at = number_or(request, "at", self.ctx.wall(), low=0, high=1e11)
        self.take_up()
        id = self._failed(intake.reported(kernel, kind, reason, detail, at, request.sender))
        self.cases.settle()
        if self.cases.problem:
            raise StoreFailed(self.cases.problem, hint=KEPT)
        if not id:
            count = sum(self.cases.counts.values())
            raise Refused(f"report: {count} incidents are open", hint="it was counted; see: incident list")
        row = self.cases.row(id)
        return {"id": id, "count": row["count"], "new": row["count"] == 1, "state": row["state"]}

    def do_event(self, request: Request) -> Any:
        """Take an event of the log."""
        self.take_up()
        self.feed.hint(request)
        self.cases.settle()

    def _take(self, event: TreeEvent) -> None:
        """One event; what comes of it is written with the rest of its page."""
        self.cases.taking(event.seq)
        self._take_sound(intake.sound(event, self.ctx.wall()))
        self.cases.taken(event.seq)

    def _take_sound(self, event: TreeEvent) -> None:
        if event.type in intake.UP_EVENTS:
            self.config_history.started(event.subject)
            self.cases.up(event.subject, event.at)
        elif event.type in intake.HELD_EVENTS:
            self._held(event)
        elif event.type == intake.CLEARED:
            if (over := intake.cleared(event)) is not None:
                self.cases.cleared(over, event.seq)
        elif event.type in APPROVAL_NOTICES:
            self.take_up().heard_of_approval(event.subject)
            if self.cases.performing is not None:
                self.cases.performing.heard_of_approval(event.subject)
        elif event.type == NOTICE:
            self.patches.heard(event.subject)
        elif event.type == "child.exited" and event.kind == "hung" and self.cases.is_open(event.subject, "hung"):
            pass  # the exit of a child whose hang is an incident already
        elif (found := intake.failure_of(event, self._wanted)) is not None and self._concerns(found):
            self._failed(found)
        is_own_exit = event.type == "child.exited" and event.subject == self.ctx.name  # which nothing holds for repair
        if event.type in self._wanted and (intake.is_good_news(event.type) or is_own_exit):
            self._run_for(event)

    def _held(self, event: TreeEvent) -> None:
        """What is held without an incident, because a storm left no room for its failure, gets one now. What somebody
        asked for is no failure."""
        state, cause = event.type.partition(".")[2], str(event.data.get("cause") or event.reason)
        if event.type == QUARANTINED:
            self.dossiers.take(event)
        told = (event.subject, state, cause, intake.event_of(event), str(event.data.get("signature") or ""))
        if not self.cases.held(*told) and not event.data.get("by") and self._failed(intake.held(event), is_held=True):
            self.cases.held(*told)

    def _concerns(self, seen: Seen) -> bool:
        """An event that only playbooks ask for is a failure if it starts one of them."""
        is_asked_for = seen.event.type in self._wanted and seen.event.type not in intake.TREE_EVENTS
        return not is_asked_for or seen.data.get("trigger") is not None or bool(self._matching(seen.event))

    def _matching(self, event: TriggerEvent) -> list[Candidate]:
        return candidates_of((entry.playbook for entry in self.library.entries.values()), [event])

    def _failed(self, seen: Seen, *, is_held: bool = False) -> str:
        id, is_new = self.cases.failed(seen, is_held=is_held)
        if is_new:
            self._look_into(id, seen)
        if id:
            reason = masked(seen.failure.reason[:500])[:80]
            self.did = f"saw {id}: {seen.failure.kernel} {seen.failure.kind.value}: {reason}"
        return id

    def _run_for(self, event: TreeEvent) -> None:
        """Playbooks that good news start run without an incident, once for each event however often it is read."""
        runner, seen = self.take_up(), intake.event_of(event)
        issue = {**masked_data(dict(seen.issue)), "event": event.seq, "event_at": event.at}
        for found in self._matching(seen):
            playbook = self.library.get(found.playbook).playbook
            if event.seq and self.runs.has_run_for(found.playbook, event.seq, event.at):
                continue
            try:
                runner.request(playbook, dict(found.inputs), issue=issue, by=event.type)
            except Refused as error:
                self.did = f"could not run {found.playbook} for {event.type}: {error.message}"

    # ---- evidence -------------------------------------------------------------------------------------

    def _look_into(self, id: str, seen: Seen) -> None:
        """Collect the diagnostics of a new incident at once, before a restart changes what there is to see; they are
        stored without secrets."""
        if self._collecting >= MAX_COLLECTIONS:
            self.cases.note(id, f"no diagnostics: {self._collecting} others were being collected", settle=False)
            return
        self._collecting += 1

        def done(found: Data) -> None:
            self._collecting -= 1
            self.redaction.take(id, found)

        failure = seen.failure
        known: Data = {"incident": id, "kernel": failure.kernel, "kind": failure.kind.value, "reason": failure.reason}
        known |= {"detail": failure.detail, "at": seen.at, "generation": seen.generation, "event": seen.data}
        self.diagnostics.collect(known, done)

    def _look_after(self) -> None:
        """Try again what did not work; say what does not work meanwhile."""
        self.take_up()
        self.redaction.again()
        self.dossiers.redaction.again()
        self.outbox.flush()
        folded = sum(self.cases.folded.values())
        if folded > self._folded:
            data = {"count": folded - self._folded, "by": dict(self.cases.folded.most_common(10))}
            self.ctx.emit("incident.folded", self.ctx.name, data)
            self._folded = folded
        reasons = (
            self.feed.problem,
            self.cases.problem,
            self.redaction.problem,
            self.dossiers.redaction.problem,
            self.config_history.problem,
            *self.playbook_problems(),
        )
        self.degraded = [reason for reason in reasons if reason]

    def metrics(self) -> dict[str, float]:
        known = self.figures()
        names = ("incidents", "failures", "mean_time_to_detect_s", "mean_time_to_heal_s", "zero_touch_rate")
        figures = {name: float(known[name]) for name in names if known[name] is not None}
        return figures | {"incidents_open": float(known["open"]), "runs_active": float(self.active_runs)}


def _settle(config: Mapping[str, Any]) -> float:
    given = config.get("settle", SETTLE_S)
    try:
        return parse_duration(given)
    except ValueError as error:
        raise Refused(f"with: settle is {given!r:.60}: {error}", hint="a duration such as 250ms or 2s") from None
