"""Orders the incidents that need attention by impact and says what should be done next, and why.

Every 30 s and on demand it asks self_healing for incidents and the status actor for what is critical; `impact.py`
scores them. It must not act: it decides and gives its decision to clarity_framework.
Invariant: a plan names when it was made and which of its sources were silent; an old plan is never shown as new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grace_actors.errors import GraceError, NotFound, WorldFailed
from grace_actors.kernel import LATER, Answer, Check, Data, Kernel, Request
from grace_actors.kernels.arguments import text
from grace_actors.kernels.impact import Impact, impact_of, in_order, is_due
from grace_actors.kernels.tree_nodes import tree_nodes

REFRESH_S = 30.0
FIRST_REFRESH_S = 11.0
ANSWER_S = 3.0
MAX_INCIDENTS = 200
ALWAYS_CRITICAL = ("message_bus", "immutable_log", "health_monitor")
"""Used until the status actor has said which kernels are critical."""


class AgenticSpine(Kernel):
    """Verbs: plan, next, explain."""

    emits = ("plan.changed",)

    def setup(self) -> None:
        self.plan: list[Impact] = []
        self.planned_at: float | None = None
        self.silent: list[str] = []
        self.critical: frozenset[str] = frozenset(ALWAYS_CRITICAL)
        self._top = ""
        self._then: list[Callable[[], None]] = []
        self.ctx.after(FIRST_REFRESH_S, self._refresh)
        self.ctx.every(REFRESH_S, self._refresh)

    def ready(self) -> list[Check]:
        base: Data = {"id": "a", "kernel": "message_bus", "kind": "crash", "reason": "x", "count": 1, "failed_at": 0.0}
        base["state"] = "open"
        critical = impact_of(base, self.critical, 0.0)
        other = impact_of(base | {"id": "b", "kernel": "librarian", "count": 2}, self.critical, 0.0)
        ordered = in_order([other, critical]) == [critical, other]
        return [Check(name="critical_kernels_first", ok=ordered, detail=f"{critical.score:g} over {other.score:g}")]

    # ---- answers --------------------------------------------------------------------------------------

    def do_plan(self, request: Request) -> Any:
        """Every incident that needs attention in the order of its impact, from fresh data."""
        return self._answer_fresh(request, self._plan_data)

    def do_next(self, request: Request) -> Any:
        """What to do first; null when nothing needs attention."""
        return self._answer_fresh(request, self._next_data)

    def do_explain(self, request: Request) -> Any:
        """Why the incident `id` stands where it stands."""
        id = text(request, "id", max_chars=100)

        def explain() -> Data:
            for place, impact in enumerate(self.plan, start=1):
                if impact.incident == id:
                    return {"text": impact.words(), "place": place, "of": len(self.plan)} | impact.as_data()
            raise NotFound(f"explain: {id!r} is not in the plan", hint="`plan` lists what is")

        return self._answer_fresh(request, explain)

    def _answer_fresh(self, request: Request, value: Callable[[], Data]) -> Any:
        def answer() -> None:
            try:
                if "self_healing" in self.silent:
                    raise WorldFailed(
                        f"{request.verb}: self_healing did not tell its incidents",
                        hint="ask again when it runs; `status self_healing` says what is wrong",
                    )
                self.ctx.answer(request, value())
            except GraceError as error:
                self.ctx.answer(request, error=error)

        self._refresh(answer)
        return LATER

    def _plan_data(self) -> Data:
        return {
            "at": self.planned_at,
            "count": len(self.plan),
            "plan": [impact.as_data() for impact in self.plan],
            "silent": list(self.silent),
        }

    def _next_data(self) -> Data:
        first = self.plan[0] if self.plan else None
        return {
            "at": self.planned_at,
            "next": first.as_data() if first else None,
            "text": first.words() if first else "Nothing needs attention.",
            "silent": list(self.silent),
        }

    def metrics(self) -> dict[str, float]:
        return {"incidents_planned": float(len(self.plan)), "top_score": self.plan[0].score if self.plan else 0.0}

    # ---- planning -------------------------------------------------------------------------------------

    def _refresh(self, then: Callable[[], None] | None = None) -> None:
        """Ask both sources, plan, then call. One refresh at a time serves everybody who waits for it."""
        self._then.append(then or _nothing)
        if len(self._then) > 1:
            return
        answers: dict[str, Answer] = {}

        def take(source: str, answer: Answer) -> None:
            answers[source] = answer
            if len(answers) == 2:
                self._make_plan(answers["self_healing"], answers["status"])

        wanted = {"limit": MAX_INCIDENTS}
        self.ctx.ask("self_healing", "incidents", wanted, lambda a: take("self_healing", a), timeout_s=ANSWER_S)
        self.ctx.ask("status", "status", {}, lambda a: take("status", a), timeout_s=ANSWER_S)

    def _make_plan(self, incidents: Answer, tree: Answer) -> None:
        self.silent = [name for name, a in (("self_healing", incidents), ("status", tree)) if not a.ok]
        self.degraded = [f"plans without {name}: it does not answer" for name in self.silent]
        if tree.ok:
            told = {node.name for node in tree_nodes(tree.value) if node.critical}
            self.critical = frozenset(told) or self.critical
        if incidents.ok:
            now = self.ctx.wall()
            due = [row for row in incidents.value["incidents"] if is_due(row, now)]
            self.plan = in_order([impact_of(row, self.critical, now) for row in due])
            self.planned_at = now
            self._tell_change()
        waiting, self._then = self._then, []
        for then in waiting:
            then()

    def _tell_change(self) -> None:
        """A new first incident is a decision worth a record."""
        top = self.plan[0].incident if self.plan else ""
        self.did = f"ordered {len(self.plan)} incidents" + (f", first {top}" if top else "")
        if top == self._top:
            return
        self._top = top
        self.ctx.emit("plan.changed", top or "none", {"planned": len(self.plan)})
        if self.plan:
            self._record_decision(self.plan[0])

    def _record_decision(self, first: Impact) -> None:
        others = [f"{impact.incident} ({impact.score:g})" for impact in self.plan[1:6]]
        record = {
            "subject": first.incident,
            "what": f"{first.kernel} comes first: {first.step.value}",
            "why": [first.words()],
            "alternatives": others,
            "choice": first.step.value,
            "risk": "low",
        }
        self.ctx.tell("clarity_framework", "record", record)


def _nothing() -> None:
    """Nobody waits for this refresh."""
