"""The life of one approval: who asks for what, until when, and what a person decided.

Pure: the time comes in as an argument and storing is the caller's. It must not know the policy that asked.
Invariant: an approval is decided at most once, never after its time, and never by the actor that asked for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from grace_actors.errors import Refused

DEFAULT_TTL_S = 3600.0
MAX_TTL_S = 30 * 86400.0
"""People go on holiday: whatever waits for one may wait that long."""
MAX_SUBJECT_CHARS = 200


class ApprovalState(StrEnum):
    """`used` is an approved one that has let its action through: it counts for one action only."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    USED = "used"


class Response(StrEnum):
    """What a person can say."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Times are Unix seconds. `version` grows with each change: a response names the version it has seen."""

    id: str
    action: str
    actor: str
    risk: str
    question: str
    requested_at: float
    expires_at: float
    context: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    state: ApprovalState = ApprovalState.PENDING
    version: int = 1
    decided_by: str = ""
    decided_at: float | None = None
    note: str = ""

    @property
    def subject(self) -> str:
        """What it is about: the `subject` of its context (a kernel, an incident), else the action."""
        subject = self.context.get("subject")
        text = subject.strip() if isinstance(subject, str) else ""
        return text[:MAX_SUBJECT_CHARS] or self.action


def question_of(action: str, actor: str, context: Mapping[str, Any]) -> str:
    """A fingerprint of what is asked, so that asking twice gives one approval and an approval fits one question."""
    text = json.dumps([action, actor, context], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def respond(approval: Approval, response: Response, *, by: str, note: str, version: int, now: float) -> Approval:
    """The approval after a person's response; who asked may take the question back, which rejects it. Raises Refused:
    decided already, too late, an old version, an approval of one's own."""
    approval = expire(approval, now)
    if approval.state is not ApprovalState.PENDING:
        who = f" by {approval.decided_by}" if approval.decided_by else ""
        raise Refused(f"{approval.id} is {approval.state.value}{who} already", hint="ask for the action again")
    if version != approval.version:
        raise Refused(
            f"{approval.id} is at version {approval.version}, not {version}", hint="look at it again, then respond"
        )
    if by == approval.actor and response is Response.APPROVE:
        raise Refused(f"{by} asked for {approval.id} and cannot decide it", hint="somebody else must respond")
    state = ApprovalState.APPROVED if response is Response.APPROVE else ApprovalState.REJECTED
    return replace(approval, state=state, decided_by=by, decided_at=now, note=note, version=approval.version + 1)


def expire(approval: Approval, now: float) -> Approval:
    """The approval, timed out if it waited too long. An approved one that was not used in time expires too."""
    waiting = approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED)
    if not waiting or now < approval.expires_at:
        return approval
    note = "nobody responded in time"
    if approval.state is ApprovalState.APPROVED:
        said = f" ({approval.note})" if approval.note else ""
        note = f"approved by {approval.decided_by}{said}, but not used in time"
    return replace(approval, state=ApprovalState.TIMED_OUT, note=note, version=approval.version + 1)


def use(approval: Approval, question: str, now: float) -> Approval:
    """The approval after it let its action through. Raises Refused when it does not cover this question now."""
    approval = expire(approval, now)
    if approval.question != question:
        raise Refused(
            f"{approval.id} is for another action or another context",
            hint="repeat the question exactly as it was approved",
        )
    if approval.state is not ApprovalState.APPROVED:
        raise Refused(f"{approval.id} is {approval.state.value}", hint="only an approved one lets an action through")
    return replace(approval, state=ApprovalState.USED, version=approval.version + 1)
