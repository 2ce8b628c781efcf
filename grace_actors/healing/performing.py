"""Performs what cases ask of others: knowledge, approvals, runs of playbooks, patches, the tree.

Each command comes back to its case as an event, whatever the other side does. It decides nothing. Invariant: a run, an
order and a question of a case exist once, however often it is asked for after a restart.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from grace_actors.actions.action import Result
from grace_actors.errors import GraceError, NotFound, Refused, StoreFailed
from grace_actors.healing.incident_rows import Incidents
from grace_actors.healing.knowing import Knowing
from grace_actors.healing.library import Library
from grace_actors.healing.patches import CODING_AGENT, NOTICE, Done, Patches
from grace_actors.healing.questions import Decision, Question, Questions
from grace_actors.healing.run_store import RunStore
from grace_actors.healing.runner import Runner
from grace_actors.healing.steering import READY_S, Steering
from grace_actors.kernel import Answer, Context, Data
from playbooks.incidents import messages as m
from playbooks.incidents.choice import Knowledge
from playbooks.incidents.messages import Command
from playbooks.incidents.state import CaseState, Phase
from playbooks.messages import FINAL, Approved, Rejected, Status

if TYPE_CHECKING:
    from grace_actors.healing.casework import Casework

AGAIN_S = 5.0
APPROVAL_TTL_S = 86_400.0
__all__ = ["NOTICE", "Performing"]


class Performing:
    """The hands of the casework."""

    def __init__(
        self,
        ctx: Context,
        cases: Casework,
        incidents: Incidents,
        runs: RunStore,
        runner: Runner,
        library: Library,
        patches: Patches,
        knowing: Knowing,
    ) -> None:
        self._ctx, self._cases, self._incidents = ctx, cases, incidents
        self._runs, self._runner, self._library, self._patches = runs, runner, library, patches
        self._knowing = knowing
        self._steering = Steering(ctx)
        self._questions = Questions(ctx, self._decided, self._asked)
        self._case_of: dict[str, str] = {}
        runner.listeners.append(self._news)

    def perform(self, id: str, command: Command) -> None:
        """Do it; what comes of it is told to the case."""
        match command:
            case m.LookUp():
                self._knowing.look_up(id, lambda knowledge: self._looked(id, knowledge))
            case m.AskApproval(playbook):
                self._ask(id, playbook)
            case m.StartRun():
                self._start_run(id, command)
            case m.LookAtRun(run):
                self._look_at_run(id, run)
            case m.MakeOrder():
                self._order(id, command)
            case m.AwaitOrder(order):
                self._patches.wait(order, id, lambda done: self._patched(id, done))
            case m.CancelRun(run, why):
                self._ctx.after(0.0, lambda: self._cancel(run, why))  # the run may be just telling that it waits
            case m.StartKernel():
                self._steering.start(self._kernel(id), lambda result: self._started(id, result))
            case m.Quarantine(cause):
                self._steering.quarantine(self._kernel(id), cause, lambda result: self._noted(id, result))
            case m.CheckReady():
                self._check(id)

    def _kernel(self, id: str) -> str:
        return str(self._cases.row(id)["kernel"])

    def _looked(self, id: str, knowledge: Knowledge) -> None:
        self._cases.tell(id, m.Looked(knowledge))

    # ---- approvals --------------------------------------------------------------------------------------

    def _ask(self, id: str, playbook: str) -> None:
        row = self._cases.row(id)
        context = {"incident": id, "subject": id, "kernel": row["kernel"], "signature": row["signature"]}
        question = Question(
            run=id,
            token=0,
            action=f"playbook.{playbook}",
            context={**context, "playbook": playbook},
            reason=f"{row['kernel']} failed ({row['reason']:.200}); {playbook} healed such a failure before",
            ttl_s=APPROVAL_TTL_S,
            approval=row.get("approval") or "",
        )
        self._questions.ask(question)

    def _asked(self, id: str, approval: str) -> None:
        self._cases.write(id, {"approval": approval})

    def _decided(self, id: str, decision: Decision) -> None:
        if isinstance(decision, Approved):
            self._cases.tell(id, m.Approved(decision.by))
        elif isinstance(decision, Rejected):
            self._cases.tell(id, m.NotApproved(f"rejected by {decision.by or 'somebody'}: {decision.reason}"))
        else:
            self._cases.tell(id, m.NotApproved("nobody answered the question in time"))

    def heard_of_approval(self, approval: str) -> None:
        """Somebody decided, or nobody in time."""
        self._questions.heard(approval)

    def forget(self, id: str) -> None:
        """The case does not wait any more."""
        self._questions.forget(id)
        self._patches.forget(id)

    # ---- runs -------------------------------------------------------------------------------------------

    def _start_run(self, id: str, command: m.StartRun) -> None:
        """A run that was begun before a restart is the run. Raises StoreFailed: then nothing was begun."""
        if self._cases.phase(id) is not Phase.RUN:  # closed by hand while the disk refused
            return
        try:
            begun = self._incidents.run_of(id, command.playbook, self._ctx.name)
            run = begun["id"] if begun else self._request(id, command)
        except StoreFailed:
            raise
        except GraceError as error:
            self._cases.tell(id, m.RunBegan(problem=f"{error.message}; {error.hint}".strip("; ")))
            return
        self._case_of[run] = id
        self._cases.began(id, command.playbook, run)
        self._cases.tell(id, m.RunBegan(run))
        self._look_at_run(id, run)

    def _request(self, id: str, command: m.StartRun) -> str:
        events = self._cases.events_of(id)
        return self._runner.request(
            self._library.get(command.playbook).playbook,
            dict(command.inputs),
            issue=dict(events[0].issue) if events else {},
            incident=id,
            by=self._ctx.name,
            approved_by=command.approved_by,
        )

    def _look_at_run(self, id: str, run: str) -> None:
        """Tell how it went so far; a run that is over may have ended before anybody listened. Of one that is not known
        any more nothing is learned."""
        self._case_of[run] = id
        try:
            row = self._runs.get(run)
        except NotFound as error:
            self._case_of.pop(run, None)
            self._cases.tell(id, m.RunEnded(run, False, error.message, is_refused=True))
            return
        status = Status(row["status"])
        if status in FINAL:
            self._ended(id, run, status, row["message"])
        elif status is Status.PAUSED:
            waiting = json.loads(row["data"])["waiting"] or {}
            self._cases.tell(id, m.RunPaused(run, str(waiting.get("what")), str(waiting.get("work_order") or "")))

    def _news(self, type: str, run: str, data: Data) -> None:
        id = self._case_of.get(run)
        if id is None:
            return
        match type:
            case "run.paused":
                ref = str(data.get("work_order") or "")
                self._cases.tell(id, m.RunPaused(run, str(data["waits_for"]), ref))
            case "run.resumed" | "run.started":
                self._cases.tell(id, m.RunResumed(run))
            case "run.ended":
                self._ended(id, run, Status(data["status"]), data["message"])

    def _ended(self, id: str, run: str, status: Status, message: str) -> None:
        self._case_of.pop(run, None)
        waited = self._cases.state(id) is CaseState.AWAITING_APPROVAL
        by_policy = status is Status.CANCELED and message.startswith("canceled by its policy")
        is_decision = not by_policy and (status is Status.CANCELED or (waited and status is Status.TIMED_OUT))
        ok = status is Status.SUCCEEDED
        self._cases.tell(id, m.RunEnded(run, ok, message or status.value, is_decision, by_policy))

    def _cancel(self, run: str, why: str) -> None:
        if run in self._case_of:
            with contextlib.suppress(Refused):  # it ended by itself
                self._runner.cancel(run, by=self._ctx.name, reason=why)

    # ---- patches ----------------------------------------------------------------------------------------

    def _order(self, id: str, command: m.MakeOrder) -> None:
        """Asked again until it is answered; the key keeps that from being two orders. Raises StoreFailed."""
        if self._cases.phase(id) is not Phase.ORDER:
            return
        row, details = self._cases.row(id), self._incidents.details(id)
        tried = [f"{one['playbook']}: {one['message'] or one['status']}" for one in details["attempts"]]
        context: Data = {"kernel": row["kernel"], "error_type": row["kind"], "signature": row["signature"]}
        traceback = (details["diagnostics"] or {}).get("traceback")
        context |= {"reason": row["reason"], "tried": tried, "traceback": traceback}
        args: Data = {"description": command.description[:1900], "type": "self_healing_patch", "context": context}
        args |= {"incident": id, "key": f"{id}/{command.number}", "priority": "high"}

        def on_answer(answer: Answer) -> None:
            if answer.ok:
                self._cases.tell(id, m.OrderMade(str(answer.value["id"])))
            elif (answer.error or {}).get("code") in ("refused", "not_found"):
                self._cases.tell(id, m.OrderMade(problem=str((answer.error or {}).get("message"))))
            else:
                self._ctx.after(AGAIN_S, lambda: self._cases.again(id, command))

        self._ctx.ask(CODING_AGENT, "create", args, on_answer)

    def _patched(self, id: str, done: Done) -> None:
        self._cases.tell(id, m.OrderDone(done.order, done.ok, done.message, done.is_withdrawn))

    # ---- the tree ---------------------------------------------------------------------------------------

    def _check(self, id: str) -> None:
        patience_s = READY_S if self._cases.phase(id) is Phase.VERIFY else 0.0

        def done(result: Result) -> None:
            data: Any = result.data or {}
            self._cases.tell(id, m.Checked(result.ok, result.message, str(data.get("value") or "")))

        self._steering.test(self._kernel(id), patience_s, self._cases.is_child(id), done)

    def _started(self, id: str, result: Result) -> None:
        if result.ok:
            self._check(id)
            return

        def done(test: Result) -> None:
            is_gone = (test.data or {}).get("value") == m.GONE
            self._cases.tell(id, m.Checked(is_gone, result.message, m.GONE if is_gone else ""))

        self._steering.test(self._kernel(id), 0.0, self._cases.is_child(id), done)

    def _noted(self, id: str, result: Result) -> None:
        if not result.ok:
            self._cases.note(id, result.message)
