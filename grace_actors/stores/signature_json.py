"""The JSON form of the knowledge base, as lists show it and files hold it.

Pure; `signature_entries` reads what is written here. Invariant: what is exported can be imported, and says the same of
every repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from grace_actors.kernel import Data
from grace_actors.stores.confidence import THRESHOLD


def time_text(at: float | None) -> str | None:
    """RFC 3339 in UTC, null for never."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z") if at else None


def listed(row: Mapping[str, Any]) -> Data:
    """A repair as lists show it; one without a playbook stands for a signature without repair."""
    return {
        "signature_id": row["signature"],
        "kernel": row["kernel"],
        "playbook_name": row["playbook"],
        "success_count": row["successes"] or 0,
        "failure_count": row["failures"] or 0,
        "confidence": (row["confidence"] or 0) / 100,
        "last_used": time_text(row["last_used"]),
        "auto_apply": bool(row["auto_apply"]),
    }


def exported(found: Mapping[str, Any]) -> Data:
    """One signature as a file holds it; `found` is what the rows say of it."""
    first, *more = found["repairs"] or [{}]
    return (
        {"signature_id": found["signature"]}
        | _repair_fields(first)
        | {
            "kernel": found["kernel"],
            "aliases": found["aliases"],
            "hints": found["hints"],
            "first_seen": time_text(found["first_seen"]),
            "last_seen": time_text(found["last_seen"]),
            "seen": found["seen"],
            "components": found["components"],
            "repairs": [_repair_fields(repair) for repair in more],
        }
    )


def _repair_fields(repair: Mapping[str, Any]) -> Data:
    fields = {
        "playbook_name": repair.get("playbook"),
        "params": repair.get("params", {}),
        "success_count": repair.get("successes", 0),
        "failure_count": repair.get("failures", 0),
        "confidence": repair.get("confidence", 0) / 100,
        "last_used": time_text(repair.get("last_used")),
        "auto_apply": repair.get("auto_apply", False),
    }
    # At exactly the threshold the rules leave automatic as it was, which the other fields do not say.
    held = fields["auto_apply"] and repair["confidence"] == THRESHOLD
    return fields | ({"auto_apply_held": True} if held else {})
