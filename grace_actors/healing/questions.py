"""Asks governance whether a run may begin, and comes back with what people decided.

Its events say when an approval is decided; it is looked at again and again as well, for an event may be missed. It must
not know how a run goes on. Invariant: a question that is open gets exactly one answer, however often governance or this
kernel restarts; an approval counts for the run it was asked for and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grace_actors.kernel import Answer, Context, Data
from grace_actors.kernels.approvals import MAX_TTL_S, ApprovalState
from playbooks.messages import ApprovalExpired, Approved, Rejected

LOOK_S = 5.0
GOVERNANCE = "governance"
Decision = Approved | Rejected | ApprovalExpired


@dataclass(slots=True, kw_only=True)
class Question:
    """One run that waits for people. `ttl_s` None stands for ever; `approval` is known once governance asked them."""

    run: str
    token: int
    action: str
    context: Mapping[str, Any]
    reason: str
    ttl_s: float | None
    approval: str = ""
    is_due: bool = False


class Questions:
    """The open questions. `decided` gets the answer, `asked` the approval that stands for the question."""

    def __init__(
        self, ctx: Context, decided: Callable[[str, Decision], None], asked: Callable[[str, str], None]
    ) -> None:
        self._ctx, self._decided, self._asked = ctx, decided, asked
        self._open: dict[str, Question] = {}

    def ask(self, question: Question) -> None:
        """Open a question, or take one up again after a restart."""
        self._open[question.run] = question
        if question.approval:
            self._look(question)
        else:
            self._evaluate(question)

    def forget(self, run: str) -> None:
        """The run does not wait any more: nobody is to answer what nobody asks."""
        question = self._open.pop(run, None)
        if question is not None and question.approval:
            self._ctx.after(0.0, lambda: self._withdraw(question.approval))

    def _withdraw(self, approval: str) -> None:
        why = "it is over: nothing waits for the answer any more"
        told = {"id": approval, "response": "reject", "by": self._ctx.name, "reason": why}
        self._ctx.tell(GOVERNANCE, "respond", told)

    def heard(self, approval: str) -> None:
        """Something happened to an approval: look at once."""
        for question in list(self._open.values()):
            if question.approval == approval:
                self._look(question)

    def _is_open(self, question: Question) -> bool:
        return self._open.get(question.run) is question

    def _evaluate(self, question: Question) -> None:
        """Ask for a verdict; with an approval that was given, use it."""
        ttl_s = MAX_TTL_S if question.ttl_s is None else min(max(1.0, question.ttl_s), MAX_TTL_S)
        args: Data = {"action": question.action, "actor": self._ctx.name, "context": dict(question.context)}
        args |= {"reason": question.reason, "ttl_s": ttl_s, "approval": question.approval}

        def on_answer(answer: Answer) -> None:
            verdict = answer.value if answer.ok else {}
            approval = verdict.get("approval") or {}
            if not self._is_open(question):
                if approval.get("state") == ApprovalState.PENDING and question.run not in self._open:
                    self._withdraw(str(approval["id"]))  # it was forgotten before people were asked
                return
            if not answer.ok:
                self._not_judged(question, answer.error or {})
                return
            if verdict["decision"] == "allow":
                self._decide(question, Approved(question.token, str(approval.get("decided_by") or "policy")))
            elif verdict["decision"] == "deny":
                self._decide(question, Rejected(question.token, GOVERNANCE, str(verdict["reason"])))
            else:
                question.approval = str(approval.get("id", ""))
                self._asked(question.run, question.approval)
                self._later(question)

        self._ctx.ask(GOVERNANCE, "evaluate", args, on_answer)

    def _not_judged(self, question: Question, error: Mapping[str, str]) -> None:
        """A question that governance cannot take is not taken the next time either."""
        if error.get("code") == "refused" and not question.approval:
            self._decide(question, Rejected(question.token, GOVERNANCE, str(error.get("message"))))
        else:
            self._later(question)

    def _later(self, question: Question) -> None:
        """One look is due for each question at most."""
        if question.is_due:
            return
        question.is_due = True

        def again() -> None:
            question.is_due = False
            if self._is_open(question):
                self.ask(question)

        self._ctx.after(LOOK_S, again)

    def _look(self, question: Question) -> None:
        asked_for = question.approval

        def on_answer(answer: Answer) -> None:
            if not self._is_open(question) or question.approval != asked_for:
                return
            if answer.ok:
                self._judge(question, answer.value)
                return
            if (answer.error or {}).get("code") == "not_found":  # its store was begun anew
                question.approval = ""
            self._later(question)

        self._ctx.ask(GOVERNANCE, "approval", {"id": question.approval}, on_answer)

    def _judge(self, question: Question, approval: Data) -> None:
        by = str(approval["decided_by"])
        match approval["state"]:
            case ApprovalState.APPROVED:
                self._evaluate(question)
            case ApprovalState.USED:  # by this run, before a restart
                self._decide(question, Approved(question.token, by))
            case ApprovalState.REJECTED:
                self._decide(question, Rejected(question.token, by, str(approval["note"])))
            case ApprovalState.TIMED_OUT if question.ttl_s is None:
                question.approval = ""
                self._evaluate(question)
            case ApprovalState.TIMED_OUT:
                self._decide(question, ApprovalExpired(question.token))
            case _:
                self._later(question)

    def _decide(self, question: Question, decision: Decision) -> None:
        del self._open[question.run]
        self._decided(question.run, decision)
