"""A case as the columns of its incident's row, and as messages for those who learn from it.

Pure translation. Invariant: a text that leaves here was masked.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

from grace_actors.healing.intake import Seen, clipped
from grace_actors.healing.redaction import masked_data
from grace_actors.kernel import Data
from grace_actors.kernels.masking import first_line, masked
from playbooks.incidents import CaseState, Phase, Record
from playbooks.incidents.messages import Decide, Event, Learn
from playbooks.matching import TriggerEvent
from playbooks.recognition import FailureKind, Signature

MAX_REASON_CHARS = 500
MAX_DETAIL_CHARS = 2000
MAX_TEXT_CHARS = 1000
MAX_EVENT_CHARS = 4000
_WORDS = ("cause", "why", "message", "problem", "note")
_AS_START = (FailureKind.CRASH, FailureKind.NOT_READY)


def text(words: str) -> str:
    """Words of others as they may be kept and told. A secret that the end cuts off is masked before."""
    return masked(words[: 4 * MAX_TEXT_CHARS])[:MAX_TEXT_CHARS]


def cleaned(event: Event) -> Event:
    """The event with what others said in it fit to be kept."""
    said: Data = {each.name: getattr(event, each.name) for each in fields(event) if each.name in _WORDS}
    changed: Any = {name: clean for name, words in said.items() if (clean := text(words)) != words}
    return replace(event, **changed) if changed else event


def unreadable(row: Data) -> Data:
    """What becomes of an incident whose case cannot be read: a person has to look."""
    told = {"state": CaseState.FAILED.value, "is_over": 1, "cause": "its case could not be read after a restart"}
    return told | {"next_step": f"see: why {row['kernel']}; when it is over: incident resolve {row['id']}"}


def new_record(id: str, seen: Seen, signature: Signature, lived_s: float | None) -> Record:
    """The case of a failure that was just seen."""
    failure = seen.failure
    return Record(
        id=id,
        kernel=failure.kernel,
        specific=signature.specific,
        signature=signature.id,
        failed_at=seen.at,
        kind=_kind(seen),
        reason=masked(first_line(failure.reason))[:MAX_REASON_CHARS] or failure.kind.value,
        lived_s=lived_s,
        decide=seen.decide,
    )


def _kind(seen: Seen) -> str:
    """How it failed, for people: of a start that failed, that it was a start."""
    if seen.event.type == "supervisor.gave_up":
        return "gave_up"
    is_start = seen.event.type == "child.start_failed" and seen.failure.kind in _AS_START
    return FailureKind.START_FAILED.value if is_start else seen.failure.kind.value


def new_row(record: Record, seen: Seen, signature: Signature, now: float) -> Data:
    """The row of its incident."""
    components = [part.as_dict() | {"value": text(part.value)} for part in signature.components]
    return {
        "id": record.id,
        "kernel": record.kernel,
        "kind": record.kind,
        "reason": record.reason,
        "detail": "",
        "fingerprint": record.specific,
        "state": record.state.value,
        "opened_at": seen.at,
        "failed_at": seen.at,
        "last_at": seen.at,
        "count": 1,
        "recovered_at": None,
        "recovery_s": None,
        "resolved_at": None,
        "resolved_by": "",
        "note": "",
        "reported_by": seen.by,
        "seq": seen.seq,
        "signature": signature.id,
        "hashes": json.dumps(signature.hashes),
        "components": json.dumps(components),
        "events": json.dumps([event_data(seen.event)], default=str),
        "detected_s": max(0.0, now - seen.at),
        "data": "",
        "is_over": 0,
    }


def columns_of(record: Record) -> Data:
    """What people see of a case, and the case itself."""
    is_healed = record.state is CaseState.HEALED and record.healed_at is not None
    return {
        "state": record.state.value,
        "data": json.dumps(record.to_data(), default=str),
        "cause": masked(record.cause),
        "next_step": record.next_step,
        "work_order": record.work_order,
        "repair": record.repair,
        "auto": int(record.is_auto),
        "was_known": int(record.was_known),
        "healed_at": record.healed_at,
        "heal_s": max(0.0, (record.healed_at or 0.0) - record.failed_at) if is_healed else None,
        "action_at": record.first_action_at,
        "failed_at": record.failed_at,
        "is_over": int(record.phase is Phase.OVER),
    }


def event_data(event: TriggerEvent) -> Data:
    """The event of an incident, for its row."""
    return {"type": event.type, "issue": masked_data(clipped(dict(event.issue), MAX_EVENT_CHARS))}


def sighting(row: Data, times: int) -> Data:
    """Tells the knowledge base that a failure was seen."""
    seen = {"signature": row["signature"], "kernel": row["kernel"], "aliases": json.loads(row["hashes"])}
    seen |= {"incident": row["id"]}  # its repairs are no further occurrences
    return seen | {"components": json.loads(row["components"]), "at": row["last_at"], "count": times}


def outcome(row: Data, learned: Learn, now: float) -> Data:
    """Tells it how a repair went."""
    told = {"signature": row["signature"], "kernel": row["kernel"], "aliases": json.loads(row["hashes"])}
    told |= {"repair": {"playbook": learned.playbook, "params": dict(learned.params)}, "ok": learned.ok}
    # Ids of runs and incidents may come again when a damaged file was replaced by an older one; its time does not.
    run = f"{learned.run or learned.playbook}/{row['id']}/{row['opened_at']:.3f}"
    told |= {"verified": True, "run": run, "incident": row["id"]}
    return told | {"detail": masked(learned.detail)[:MAX_DETAIL_CHARS], "at": now}


def decision(id: str, kernel: str, decided: Decide) -> Data:
    """The record of a decision."""
    told: Data = {"what": f"repair {kernel}", "why": list(decided.evidence), "alternatives": list(decided.alternatives)}
    told |= {"subject": kernel, "choice": decided.choice, "confidence": decided.confidence, "place": id}
    return told | {"risk": "medium", "details": {"incident": id}}
