"""The verbs by which self_healing shows incidents, explains them, and counts what healing comes to.

Reads requests and shows answers; what others know (decisions, signatures, patches) is asked for and left out while they
are silent. Invariant: showing changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from grace_actors.errors import GraceError, NotFound
from grace_actors.healing import dossier, figures
from grace_actors.healing.casework import Casework
from grace_actors.healing.incident_rows import shown
from grace_actors.healing.telling import of_node, sentences
from grace_actors.healing.verbs import PlaybookVerbs
from grace_actors.kernel import LATER, Answer, Data, Request
from grace_actors.kernels.arguments import choice as choice_of
from grace_actors.kernels.arguments import text, text_or, whole_or
from grace_actors.stores.sqlite import Store
from playbooks.incidents import CaseState

ASK_S = 2.0
_OF_SIGNATURES = ("known_signatures", "auto_apply", "auto_apply_share", "high_confidence", "success_rate")


class IncidentVerbs(PlaybookVerbs):
    """What a kernel needs to show incidents; it keeps `cases` and `store` itself."""

    cases: Casework
    store: Store

    def figures(self) -> Data:
        """All figures of this kernel; `open` counts the incidents that are not over."""
        return figures.figures(self.store) | {"open": len(self.incidents.going_on())}

    def do_incidents(self, request: Request) -> Any:
        """Incidents, the last failed first; `state` and `kernel` narrow them."""
        state = text_or(request, "state")
        if state:
            choice_of(request, "state", CaseState)
        kernel, limit = text_or(request, "kernel", max_chars=200), whole_or(request, "limit", 50, low=1, high=500)
        found = [
            shown(dossier.named(self.ctx.home, row))
            for row in self.incidents.list(state=state, kernel=kernel, limit=limit)
        ]
        return {"incidents": found, "count": len(found)}

    def do_incident(self, request: Request) -> Any:
        """The incident with `id`: its signature, evidence, what was tried, the decision, the story."""
        row = self.incidents.get(text(request, "id", max_chars=100))
        specific, full, broad = json.loads(row["hashes"]) or ("", "", "")
        signature = {"id": row["signature"], "specific": specific, "full": full, "broad": broad}
        signature["components"] = json.loads(row["components"])
        whole = shown(dossier.named(self.ctx.home, row)) | {"signature": signature} | self.incidents.details(row["id"])
        self._with_decision(row, lambda decision: self.ctx.answer(request, whole | {"decision": decision}))
        return LATER

    def _with_decision(self, row: Data, then: Callable[[Data | None], None]) -> None:
        def on_answer(answer: Answer) -> None:
            found = answer.value["decisions"][0] if answer.ok and answer.value.get("decisions") else None
            then(_decision(found) if found else None)

        if row["decision"]:
            self.ctx.ask("clarity_framework", "explain", {"id": row["decision"]}, on_answer, timeout_s=ASK_S)
        else:
            then(None)

    def do_resolve(self, request: Request) -> Any:
        """Close the incident `id`, with who (`by`) and a `note`. A later failure opens a new one."""
        id, note = text(request, "id", max_chars=100), text_or(request, "note", max_chars=2000)
        by = text_or(request, "by", request.sender or "unknown", max_chars=200)
        self.take_up()
        row = self.cases.resolve(id, by, note)
        self.ctx.emit("incident.resolved", id, {"kernel": row["kernel"], "by": by})
        self.did = f"resolved {id} for {by}"
        return shown(row)

    # ---- why ------------------------------------------------------------------------------------------

    def do_why(self, request: Request) -> Any:
        """Why `subject`, an incident or an actor, is as it is: sentences, and the next step."""
        subject = text(request, "subject", max_chars=300)
        row = self._incident_of(subject)
        if row is None:
            self._why_node(request, subject)
            return LATER
        details = self.incidents.details(row["id"])

        def told(decision: Data | None) -> None:
            story = sentences(row, details, decision)
            answer = {"subject": subject, "sentences": story, "incident": row["id"]}
            step = dossier.named(self.ctx.home, row)["next_step"]
            self.ctx.answer(request, answer | {"next_step": step or None})

        self._with_decision(row, told)
        return LATER

    def _incident_of(self, subject: str) -> Data | None:
        try:
            return self.incidents.get(subject)
        except NotFound:
            found = self.incidents.list(state="", kernel=subject, limit=1)
            return found[0] if found else None

    def _why_node(self, request: Request, subject: str) -> None:
        def on_answer(answer: Answer) -> None:
            if answer.ok:
                told = [*of_node(subject, answer.value), "It has no incident."]
                look = f"events --subject {subject}" if answer.value.get("last_exit") else None
                self.ctx.answer(request, {"subject": subject, "sentences": told, "incident": None, "next_step": look})
                return
            words = (answer.error or {}).get("message", "status is silent")
            error: GraceError = NotFound(f"neither incident nor actor: {words}", hint="see: incident list, tree")
            self.ctx.answer(request, error=error)

        self.ctx.ask("status", "status", {"name": subject}, on_answer, timeout_s=ASK_S)

    # ---- figures --------------------------------------------------------------------------------------

    def do_stats(self, request: Request) -> Any:
        """Counts by state and kernel, and how long healing takes."""
        return self.figures()

    def do_healing(self, request: Request) -> Any:
        """Every figure of healing: incidents, signatures, patches, per signature and per playbook."""
        found: Data = {}

        def taker(who: str) -> Callable[[Answer], None]:
            def on_answer(answer: Answer) -> None:
                found[who] = answer.value if answer.ok else {}
                if len(found) == 2:
                    self.ctx.answer(request, self._all_figures(found["signature"], found["coding_agent"]))

            return on_answer

        for who in ("signature", "coding_agent"):
            self.ctx.ask(who, "stats", {}, taker(who), timeout_s=ASK_S)
        return LATER

    def _all_figures(self, signatures: Data, orders: Data) -> Data:
        own = self.figures()
        learned = {key: signatures.get(key) for key in _OF_SIGNATURES}
        known, auto = learned["known_signatures"], learned["auto_apply"]
        if learned["auto_apply_share"] is None and known:
            learned["auto_apply_share"] = round((auto or 0) / known, 4)
        patches = {key: value for key, value in orders.items() if isinstance(value, int | float)}
        return learned | own | {"work_orders": patches, "total_playbook_runs": self.runs.counts()}


def _decision(found: Data) -> Data:
    """A record of clarity_framework as far as an incident shows it."""
    result = f"{found.get('outcome') or 'open'}{': ' + found['outcome_note'] if found.get('outcome_note') else ''}"
    kept = {"id": found.get("id"), "evidence": found.get("why"), "alternatives": found.get("alternatives")}
    return kept | {"choice": found.get("choice"), "confidence": found.get("confidence"), "result": result}
