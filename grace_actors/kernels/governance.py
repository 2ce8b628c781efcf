"""Answers whether an action may happen, keeps the approvals people give, and audits every answer.

The rules are in `policy.py`, the life of an approval in `approvals.py`; here both meet the store. It must not perform
any action. Invariant: what was answered is in the audit trail before it is answered, nothing is ever deleted, and the
end of an approval is told at least once, after a crash too.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from grace_actors.errors import NotFound, Refused, StoreFailed
from grace_actors.kernel import Check, Data, Kernel, Request, Timer
from grace_actors.kernels import approvals
from grace_actors.kernels.approvals import Approval, ApprovalState, Response
from grace_actors.kernels.arguments import choice, flag, mapping_or_empty, number_or, text, text_or, whole_or
from grace_actors.kernels.governance_rows import (
    approval_of,
    approval_row,
    migrations,
    notice,
    question_notice,
    rule_data,
    shown,
)
from grace_actors.kernels.policy import DEFAULT_RULES, Environment, Outcome, PolicyTable, Rule, Verdict
from grace_actors.kernels.policy_file import load_policy
from grace_actors.kernels.rows import as_json, count, dated_id, rows
from grace_actors.stores.sqlite import EVENTS, Store
from supervisors.yaml_source import FileError

EXPIRY_CHECK_S = 30.0
POLICY_FILE = "config/governance.yaml"


class Governance(Kernel):
    """Verbs: evaluate, approvals, approval, respond, audit, policy, reload, stats."""

    emits = (
        *("approval.requested", "approval.responded", "approval.timed_out", "action.denied"),
        *("policy.loaded", "policy.broken"),
        *EVENTS,
    )

    def setup(self) -> None:
        self.store = Store(
            self.ctx.data / "governance.db", migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )
        self.table = self._base()
        self._load()
        self.wake: Timer | None = None
        self.wake_at = 0.0
        self._tell_untold()
        self._expire_on_time()
        self.ctx.every(EXPIRY_CHECK_S, self._expire_on_time)

    def ready(self) -> list[Check]:
        verdict = self.table.evaluate("no.such_action", "self_test", {})
        return [
            self.store.writable(),
            Check(
                name="unknown_is_not_allowed",
                ok=verdict.outcome is not Outcome.ALLOW,
                detail=f"{len(self.table.rules)} rules, {self.table.environment.value}",
            ),
        ]

    def stop(self, reason: str) -> None:
        self.store.close()

    # ---- decisions ----------------------------------------------------------------------------------

    def do_evaluate(self, request: Request) -> Any:
        """Judge `action` by `actor` (default: who asks) in `context`. A needed approval is requested unless `ask` is
        false; `approval` names one that was given. `ttl_s` is how long a person has to respond."""
        action = text(request, "action", max_chars=200)
        actor = text_or(request, "actor", request.sender, max_chars=200)
        context, reason = mapping_or_empty(request, "context"), text_or(request, "reason", max_chars=2000)
        as_json(context, "evaluate: context")
        ttl_s = number_or(request, "ttl_s", approvals.DEFAULT_TTL_S, low=1, high=approvals.MAX_TTL_S)
        given, ask = text_or(request, "approval", max_chars=100), flag(request, "ask", True)
        verdict = self.table.evaluate(action, actor, context)
        question = approvals.question_of(action, actor, context)
        approval: Approval | None = None
        is_new = False
        with self.store.write() as db:
            if verdict.outcome is Outcome.NEEDS_APPROVAL and given:
                verdict, approval = self._use(db, given, question, verdict)
            elif verdict.outcome is Outcome.NEEDS_APPROVAL and ask:
                approval = self._pending(db, question)
                if approval is None:
                    is_new = True
                    approval = self._request(db, action, actor, question, context, reason, verdict, ttl_s)
            self._audit(db, "evaluated", action, actor, request.sender, verdict, approval.id if approval else "")
        if approval is not None and is_new:
            self.ctx.emit("approval.requested", approval.id, question_notice(approval))
            self._wake_for(approval.expires_at)
        if verdict.outcome is Outcome.DENY:
            self.ctx.emit("action.denied", action, {"actor": actor, "reason": verdict.reason})
        self.did = f"answered {verdict.outcome.value} to {actor or 'nobody'} for {action} ({verdict.risk.value})"
        return verdict.as_data() | {
            "action": action,
            "actor": actor,
            "approval": shown(approval) if approval else None,
        }

    def _use(self, db: Any, id: str, question: str, verdict: Verdict) -> tuple[Verdict, Approval]:
        used = approvals.use(self._approval(id), question, self.ctx.wall())
        self._put(db, used)
        reason = f"{used.id} was approved by {used.decided_by}"
        return replace(verdict, outcome=Outcome.ALLOW, reason=reason), used

    def _pending(self, db: Any, question: str) -> Approval | None:
        sql = "select * from approvals where question = ? and state = 'pending' and expires_at > ?"
        found = rows(db, sql, [question, self.ctx.wall()])
        return approval_of(found[0]) if found else None

    def _request(
        self,
        db: Any,
        action: str,
        actor: str,
        question: str,
        context: Data,
        reason: str,
        verdict: Verdict,
        ttl_s: float,
    ) -> Approval:
        now = self.ctx.wall()
        approval = Approval(
            id=dated_id(db, "approvals", "ap", now),
            action=action,
            actor=actor,
            risk=verdict.risk.value,
            question=question,
            requested_at=now,
            expires_at=now + ttl_s,
            context=context,
            reason=reason or verdict.reason,
        )
        self._put(db, approval)
        return approval

    # ---- approvals ----------------------------------------------------------------------------------

    def do_respond(self, request: Request) -> Any:
        """Decide `id`: `response` approve or reject, `by` whom, with a `reason`, on the `version` that was seen."""
        id, response = text(request, "id", max_chars=100), choice(request, "response", Response)
        by, note = text(request, "by", max_chars=200), text_or(request, "reason", max_chars=2000)
        if response is Response.REJECT and not note:
            raise Refused("respond: a rejection needs a reason", hint="say why in `reason`")
        self._expire()
        seen = whole_or(request, "version", 0, low=0, high=1_000_000)
        with self.store.write() as db:
            before = self._approval(id)
            approval = approvals.respond(
                before, response, by=by, note=note, version=seen or before.version, now=self.ctx.wall()
            )
            self._put_end(db, approval)
            self._audit_approval(db, "responded", approval, by, note)
        self._tell(approval)
        self.did = f"{approval.state.value} {approval.action} for {approval.actor}, by {by}"
        return shown(approval)

    def do_approval(self, request: Request) -> Any:
        """The approval with `id`."""
        self._expire()
        return shown(self._approval(text(request, "id", max_chars=100)))

    def do_approvals(self, request: Request) -> Any:
        """Approvals, newest first; `state` and `action` narrow them."""
        self._expire()
        state, action = text_or(request, "state"), text_or(request, "action", max_chars=200)
        if state:
            choice(request, "state", ApprovalState)
        limit = whole_or(request, "limit", 50, low=1, high=500)
        sql = """select * from approvals where ? in ('', state) and ? in ('', action)
                 order by requested_at desc, id desc limit ?"""
        with self.store.read() as db:
            found = [shown(approval_of(row)) for row in rows(db, sql, [state, action, limit])]
            pending = count(db, "select count(*) from approvals where state = 'pending'")
        return {"approvals": found, "count": len(found), "pending": pending}

    def _expire(self) -> None:
        """Mark what nobody answered in time."""
        now = self.ctx.wall()
        sql = "select * from approvals where state in ('pending', 'approved') and expires_at <= ?"
        with self.store.read() as db:
            late = [approvals.expire(approval_of(row), now) for row in rows(db, sql, [now])]
        if not late:
            return
        with self.store.write() as db:
            for approval in late:
                self._put_end(db, approval)
                self._audit_approval(db, "timed_out", approval, "", approval.note)
        for approval in late:
            self._tell(approval)

    def _expire_on_time(self) -> None:
        """A store that cannot write must not end this kernel: every look expires again before it answers."""
        sql = "select min(expires_at) from approvals where state in ('pending', 'approved')"
        try:
            self._expire()
            with self.store.read() as db:
                self._wake_for(db.execute(sql).fetchone()[0])
        except StoreFailed as error:
            self.did = f"could not mark approvals as timed out: {error.message}"

    def _wake_for(self, expires_at: float | None) -> None:
        """Look again at the moment something expires, if the next regular look comes later. One timer: the look it
        leads to finds what expires next."""
        due_s = EXPIRY_CHECK_S if expires_at is None else expires_at - self.ctx.wall()
        if expires_at is None or due_s >= EXPIRY_CHECK_S:
            return
        if self.wake is not None and self.wake_at <= expires_at and self.wake_at > self.ctx.wall():
            return
        if self.wake is not None:
            self.wake.cancel()
        self.wake, self.wake_at = self.ctx.after(max(0.01, due_s), self._expire_on_time), expires_at

    def _approval(self, id: str) -> Approval:
        with self.store.read() as db:
            found = rows(db, "select * from approvals where id = ?", [id])
        if not found:
            raise NotFound(f"no approval {id!r}", hint="`approvals` lists them")
        return approval_of(found[0])

    def _put(self, db: Any, approval: Approval) -> None:
        db["approvals"].upsert(approval_row(approval), pk="id")

    def _put_end(self, db: Any, approval: Approval) -> None:
        """Keep an answer, and that it is still to be told."""
        self._put(db, approval)
        db["untold"].insert({"approval": approval.id}, replace=True)

    def _tell(self, approval: Approval) -> None:
        """Say how an approval ended, once that is on the disk. A disk that takes no mark makes it be told twice."""
        late = approval.state is ApprovalState.TIMED_OUT
        self.ctx.emit("approval.timed_out" if late else "approval.responded", approval.id, notice(approval))
        try:
            with self.store.write() as db:
                db.execute("delete from untold where approval = ?", [approval.id])
        except StoreFailed as error:
            self.did = f"told of {approval.id}, but could not note it: {error.message}"

    def _tell_untold(self) -> None:
        """What a crash kept from being told."""
        with self.store.read() as db:
            found = rows(db, "select * from approvals where id in (select approval from untold) order by requested_at")
        for row in found:
            self._tell(approval_of(row))

    # ---- audit and policy ---------------------------------------------------------------------------

    def do_audit(self, request: Request) -> Any:
        """The last `limit` entries of the audit trail, newest first; `action` and `actor` narrow it."""
        limit = whole_or(request, "limit", 50, low=1, high=1000)
        action, actor = text_or(request, "action"), text_or(request, "actor")
        sql = "select * from audit where ? in ('', action) and ? in ('', actor) order by number desc limit ?"
        with self.store.read() as db:
            return {"entries": rows(db, sql, [action, actor, limit]), "total": count(db, "select count(*) from audit")}

    def do_policy(self, request: Request) -> Any:
        """The rules in force."""
        return {
            "environment": self.table.environment.value,
            "require_all_approvals": self.table.require_all,
            "denies_everything": self.table.deny_all,
            "rules": [rule_data(rule) for rule in self.table.rules],
        }

    def do_reload(self, request: Request) -> Any:
        """Read the policy file again; with `check` only say what is wrong with it."""
        if flag(request, "check", False):
            try:
                load_policy(self.ctx.home / POLICY_FILE, self._base())
            except FileError as error:
                return {"ok": False, "faults": [str(fault) for fault in error.faults]}
            return {"ok": True, "faults": []}
        self._load()
        return {"ok": not self.degraded, "rules": len(self.table.rules), "faults": list(self.degraded)}

    def do_stats(self, request: Request) -> Any:
        """Approvals by state and answers by decision."""
        with self.store.read() as db:
            states = {row["state"]: row["n"] for row in rows(db, "select state, count(*) n from approvals group by 1")}
            sql = "select decision, count(*) n from audit where what = 'evaluated' group by 1"
            answers = {row["decision"]: row["n"] for row in rows(db, sql)}
        return {"approvals": states, "decisions": answers}

    def metrics(self) -> dict[str, float]:
        with self.store.read() as db:
            return {"approvals_pending": float(count(db, "select count(*) from approvals where state = 'pending'"))}

    def _load(self) -> None:
        """The file over the defaults; with a broken file nothing is allowed until it is repaired."""
        path = self.ctx.home / POLICY_FILE
        self.degraded = []
        self.table = self._base()
        if path.exists():
            try:
                self.table = load_policy(path, self.table)
            except FileError as error:
                self.degraded = [str(fault) for fault in error.faults]
                why = f"{POLICY_FILE} is broken, so everything is denied: {error.faults[0]}"
                self.table = replace(self.table, deny_all=why)
                self.ctx.emit("policy.broken", POLICY_FILE, {"faults": list(self.degraded)})
                return
        self.did = f"loaded {len(self.table.rules)} rules for {self.table.environment.value}"
        self.ctx.emit("policy.loaded", POLICY_FILE, {"rules": len(self.table.rules)})

    def _base(self) -> PolicyTable:
        """The table without a file: the environment of the tree file, else of GRACE_ENV, else production."""
        where = Environment.of(self.ctx.config.get("environment") or os.environ.get("GRACE_ENV"))
        rules: tuple[Rule, ...] = DEFAULT_RULES
        if os.environ.get("CODE_HEALING_REQUIRE_ALL_APPROVALS", "").lower() == "true":
            rules = tuple(replace(r, auto_when=()) if r.action.startswith("code.") else r for r in rules)
        require_all = self.ctx.config.get("require_all_approvals") is True
        return PolicyTable(rules=rules, environment=where, require_all=require_all)

    def _audit(
        self, db: Any, what: str, action: str, actor: str, asked_by: str, verdict: Verdict, approval: str
    ) -> None:
        data = verdict.as_data()
        row = {"at": self.ctx.wall(), "what": what, "action": action, "actor": actor, "asked_by": asked_by}
        row |= {key: data[key] for key in ("decision", "risk", "environment", "reason")} | {"approval": approval}
        db["audit"].insert(row)

    def _audit_approval(self, db: Any, what: str, approval: Approval, by: str, reason: str) -> None:
        row = {"at": self.ctx.wall(), "what": what, "action": approval.action, "actor": approval.actor}
        row |= {"asked_by": by, "decision": approval.state.value, "risk": approval.risk, "approval": approval.id}
        db["audit"].insert(row | {"environment": self.table.environment.value, "reason": reason})
