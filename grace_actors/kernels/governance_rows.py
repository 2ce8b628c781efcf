"""The tables of governance and how approvals and rules look in them and in answers.

Shapes only: it must not know when a row is written. Invariant: an approval read back equals the one that was stored.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from grace_actors.kernel import Data
from grace_actors.kernels.approvals import Approval, ApprovalState
from grace_actors.kernels.policy import Rule
from grace_actors.kernels.rows import moment, schema

migrations = schema(
    "governance",
    {
        "approvals_and_audit": (
            """create table approvals (
                id text primary key, action text not null, actor text not null, risk text not null,
                question text not null, requested_at real not null, expires_at real not null, context text not null,
                reason text not null, state text not null, version integer not null, decided_by text not null,
                decided_at real, note text not null
            )""",
            "create index approvals_by_state on approvals (state, expires_at)",
            "create index approvals_by_question on approvals (question, state)",
            """create table audit (
                number integer primary key autoincrement, at real not null, what text not null, action text not null,
                actor text not null, asked_by text not null, decision text not null, risk text not null,
                environment text not null, reason text not null, approval text not null
            )""",
            "create index audit_by_action on audit (action, number)",
        ),
        "notices": ("create table untold (approval text primary key)",),
    },
)


def approval_row(approval: Approval) -> Data:
    """An approval as a row."""
    return asdict(approval) | {"state": approval.state.value, "context": json.dumps(dict(approval.context))}


def approval_of(row: Data) -> Approval:
    """An approval from a row."""
    return Approval(**(row | {"state": ApprovalState(row["state"]), "context": json.loads(row["context"])}))


def shown(approval: Approval) -> Data:
    """An approval as an answer, with its subject and readable times."""
    times = {"requested": moment(approval.requested_at), "expires": moment(approval.expires_at)}
    known = asdict(approval) | {"state": approval.state.value, "context": dict(approval.context)}
    return known | {"subject": approval.subject} | times


def question_notice(approval: Approval) -> Data:
    """What the event about a new approval carries."""
    return {key: getattr(approval, key) for key in ("action", "actor", "subject", "risk", "reason", "expires_at")}


def notice(approval: Approval) -> Data:
    """What an event about an approval that has ended carries."""
    told = {"state": approval.state.value, "by": approval.decided_by, "action": approval.action}
    return told | {key: getattr(approval, key) for key in ("subject", "actor", "note")} | {"approval": approval.id}


def rule_data(rule: Rule) -> Data:
    """A rule as an answer, with the keys of the policy file."""
    return {
        "action": rule.action,
        "risk": rule.risk.value,
        "decision": rule.outcome.value if rule.outcome else None,
        "actors": list(rule.actors),
        "auto_when": [{key: list(values) for key, values in condition.items()} for condition in rule.auto_when],
        "reason": rule.reason,
    }
