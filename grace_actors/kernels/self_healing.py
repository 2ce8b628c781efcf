"""Records what goes wrong as incidents, measures how long recovery takes, and runs playbooks on request.

Failures arrive as reports of other actors and as events of the supervision tree; one that repeats is one incident.
Details are stored only after the secret manager has redacted them. It restarts nothing on its own account: that is
the supervisors' work. Invariant: a failure that was accepted is on the disk before it is answered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from grace_actors.errors import StoreFailed
from grace_actors.healing import journal, run_store
from grace_actors.healing.verbs import PlaybookVerbs
from grace_actors.kernel import Answer, Check, Request
from grace_actors.kernels.arguments import choice as choice_of
from grace_actors.kernels.arguments import number_or, text, text_or, whole_or
from grace_actors.kernels.incident_store import TABLES, WITHHELD, Incidents, IncidentState, shown
from grace_actors.kernels.masking import masked
from grace_actors.kernels.rows import schema
from grace_actors.kernels.tree_events import EventFeed, TreeEvent
from grace_actors.stores.sqlite import EVENTS, Store

EVENT_TYPES = (
    *("child.exited", "child.hung", "child.start_failed", "child.started"),
    *("supervisor.gave_up", "supervisor.started"),
)
migrations = schema("incidents", {**TABLES, **run_store.TABLES})
KIND_OF_EVENT = {"child.hung": "hung", "child.start_failed": "start_failed"}
RECOVERY_EVENTS = ("child.started", "supervisor.started")
RETRY_S = 30.0
MAX_WAITING_DETAILS = 50
MAX_DETAIL_CHARS = 20_000


class SelfHealing(PlaybookVerbs):
    """Verbs: report, incidents, incident, resolve, stats, event, and those of playbooks and runs."""

    emits = (
        *("incident.opened", "incident.recurred", "incident.recovered", "incident.resolved"),
        *journal.EVENTS,
        *EVENTS,
    )

    def setup(self) -> None:
        self.store = Store(
            self.ctx.data / "incidents.db", migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )
        self.incidents = Incidents(self.store)
        self.open_playbooks(self.store)
        self.waiting: OrderedDict[str, str] = OrderedDict()
        """Details not yet redacted, by incident: the secret manager may start later than this kernel."""
        self.feed = EventFeed(
            self.ctx,
            EVENT_TYPES,
            self._take,
            last=self.incidents.last_event,
            on_page=self.incidents.remember_event,
        )
        self.feed.start()
        self.did = f"knows {self.incidents.stats()['incidents']} incidents"
        self.ctx.every(RETRY_S, self._look_after)

    def ready(self) -> list[Check]:
        known = self.incidents.stats()
        return [
            self.store.writable(),
            Check(name="incidents_readable", ok=True, detail=f"{known['incidents']} incidents, {known['open']} open"),
        ]

    def stop(self, reason: str) -> None:
        self.store.close()

    # ---- failures come in -----------------------------------------------------------------------------

    def do_report(self, request: Request) -> Any:
        """Report a failure of `kernel`: its `kind`, `reason`, `detail`, and when (`at`, Unix seconds)."""
        kernel, kind = text(request, "kernel", max_chars=200), text(request, "kind", max_chars=60)
        reason, detail = text(request, "reason"), text_or(request, "detail")
        at = number_or(request, "at", self.ctx.wall(), low=0, high=1e11)
        return self._record(kernel, kind, reason, detail, at, request.sender)

    def do_event(self, request: Request) -> Any:
        """Take an event of the tree."""
        self.feed.hint(request)

    def _take(self, event: TreeEvent) -> None:
        if event.type in RECOVERY_EVENTS:
            self._recovered(event)
        elif event.kind == "hung" and self.incidents.is_open(event.subject, "hung"):
            return  # the exit of a child whose hang is an incident already
        elif event.is_abnormal_exit:
            self._record_event(event, event.kind or "crash", event.reason)
        elif event.type == "supervisor.gave_up":
            cause, last_exit = event.data.get("cause", ""), event.data.get("last_exit", "")
            self._record_event(event, "gave_up", f"{event.reason}: {cause}: {last_exit}")
        elif event.type in KIND_OF_EVENT:
            self._record_event(event, KIND_OF_EVENT[event.type], event.reason)

    def _record_event(self, event: TreeEvent, kind: str, reason: str) -> None:
        self._record(event.subject, kind, reason or kind, event.detail, event.at, "tree", event.seq)

    def _record(self, kernel: str, kind: str, reason: str, detail: str, at: float, by: str, seq: int = 0) -> Any:
        row, is_new = self.incidents.record(kernel=kernel, kind=kind, reason=reason, at=at, reported_by=by, seq=seq)
        type = "incident.opened" if is_new else "incident.recurred"
        self.ctx.emit(type, row["id"], {"kernel": kernel, "kind": kind, "reason": row["reason"], "count": row["count"]})
        times = "" if row["count"] == 1 else f", {row['count']} times"
        self.did = f"recorded {row['id']}: {kernel} {kind}{times}: {row['reason']:.80}"
        if detail and row["detail"] in ("", WITHHELD) and row["id"] not in self.waiting:
            self._wait_for_redaction(row["id"], detail)
        return {"id": row["id"], "count": row["count"], "new": is_new, "state": row["state"]}

    def _recovered(self, event: TreeEvent) -> None:
        for row in self.incidents.recovered(event.subject, event.at, event.seq):
            data = {"kernel": row["kernel"], "recovery_s": row["recovery_s"], "count": row["count"]}
            self.ctx.emit("incident.recovered", row["id"], data)
            self.did = f"{row['kernel']} recovered from {row['id']} after {row['recovery_s']:.2f} s"

    # ---- details without secrets ----------------------------------------------------------------------

    def _wait_for_redaction(self, id: str, detail: str) -> None:
        self.incidents.set_detail(id, WITHHELD)
        self.waiting[id] = detail[:MAX_DETAIL_CHARS]
        while len(self.waiting) > MAX_WAITING_DETAILS:
            self.waiting.popitem(last=False)
        self._redact(id)

    def _redact(self, id: str) -> None:
        def on_answer(answer: Answer) -> None:
            clean = _redacted(answer)
            if clean is None or id not in self.waiting:
                return
            try:
                self.incidents.set_detail(id, masked(clean))
            except StoreFailed as error:  # it stays waiting and is tried again
                self.did = f"could not store the detail of {id}: {error.message}"
                return
            del self.waiting[id]

        self.ctx.ask("secret_manager", "redact", {"text": self.waiting[id]}, on_answer)

    def _look_after(self) -> None:
        """Try again what could not be redacted; say what does not work meanwhile."""
        withheld = f"details of {len(self.waiting)} incidents are withheld: secret_manager does not redact"
        reasons = (self.feed.problem, withheld if self.waiting else "", *self.playbook_problems())
        self.degraded = [reason for reason in reasons if reason]
        for id in list(self.waiting):
            self._redact(id)

    # ---- answers --------------------------------------------------------------------------------------

    def do_incidents(self, request: Request) -> Any:
        """Incidents, the last failed first; `state` (open, recovered, resolved) and `kernel` narrow them."""
        state = text_or(request, "state")
        if state:
            choice_of(request, "state", IncidentState)
        kernel, limit = text_or(request, "kernel", max_chars=200), whole_or(request, "limit", 50, low=1, high=500)
        found = [shown(row) for row in self.incidents.list(state=state, kernel=kernel, limit=limit)]
        return {"incidents": found, "count": len(found)}

    def do_incident(self, request: Request) -> Any:
        """The incident with `id`."""
        return shown(self.incidents.get(text(request, "id", max_chars=100)))

    def do_resolve(self, request: Request) -> Any:
        """Close the incident `id`, with who (`by`) and a `note`. A later failure opens a new one."""
        id, note = text(request, "id", max_chars=100), text_or(request, "note", max_chars=2000)
        by = text_or(request, "by", request.sender or "unknown", max_chars=200)
        row = self.incidents.resolve(id, by=by, note=note, at=self.ctx.wall())
        self.waiting.pop(id, None)
        self.ctx.emit("incident.resolved", id, {"kernel": row["kernel"], "by": by})
        self.did = f"resolved {id} for {by}"
        return shown(row)

    def do_stats(self, request: Request) -> Any:
        """Counts by state and kernel, mean and longest time to recovery."""
        return self.incidents.stats()

    def metrics(self) -> dict[str, float]:
        known = self.incidents.stats()
        figures = {"incidents_open": float(known["open"]), "incidents_total": float(known["incidents"])}
        figures["runs_active"] = float(self.active_runs)
        if known["mean_time_to_recovery_s"] is not None:
            figures["mean_time_to_recovery_seconds"] = known["mean_time_to_recovery_s"]
        return figures


def _redacted(answer: Answer) -> str | None:
    """The clean text of an answer to `redact`; None when there is none."""
    if not answer.ok:
        return None
    value = answer.value.get("text") if isinstance(answer.value, dict) else answer.value
    return value if isinstance(value, str) else None
