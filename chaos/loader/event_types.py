"""The types of events that Grace tells, and whether a pattern of a card can be met by one.

A type that Grace does not tell may be one of a user's own kernel. It is refused when it can only be a mistake: one of a
family of Grace's, or one that is nearly a type of Grace's. Invariant: the list is that of docs/events.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase

SURELY = 0.85
"""How like a type of Grace's one must be, from 0 to 1, to be a mistake: types of users are words, too."""
EVENT_ALLOWED = "a type of docs/events.md, or one that a kernel of yours tells, best named after it: till.emptied"
_FAMILIES: Mapping[str, str] = {
    "action": "denied",
    "alert": "raised",
    "api": "port_taken",
    "approval": "requested responded timed_out",
    "boot": "completed",
    "chaos": "leashed unleashed",
    "child": (
        "awaiting_repair exited failed hung ignored paused quarantined recycle_due recycled "
        "restart_delayed resumed start_failed started stopped waiting"
    ),
    "code": "changed",
    "coding_agent": (
        "patch_generated repair_acted repair_ended repair_started tests_passed work_order_created work_order_updated"
    ),
    "connection": "lost",
    "deadlock": "broken found unresolved",
    "decision": "recorded resolved",
    "description": "refused",
    "document": "forgotten",
    "drill": "aborted detected deviated due failed injected interrupted passed planned recovered started withheld",
    "emergency": "declared ended unresolved warned",
    "events": "dropped malformed tail_repaired unreadable",
    "fault": "injected undo_failed undone",
    "group": "restarted",
    "health": "recovered suspected",
    "host": "pressured relieved",
    "hygiene": "part_damaged part_restored",
    "incident": "failed folded healed opened quarantined recurred resolved",
    "ingestion": "completed failed",
    "job": "failed finished missed skipped",
    "kernel": "degraded verified",
    "load": "compared restored shed unrelieved",
    "log": "corrupt degraded recovered restored tail_repaired",
    "log_lines": "skipped",
    "log_pattern": "critical error",
    "memory": "key_replaced pressured tampered",
    "message_bus": "acl_changed acl_violation message_died message_dropped opened",
    "mutual_repair": "both_unwell exhausted failed healed requested returned",
    "overrides": "ignored",
    "pipeline": "timeout",
    "plan": "changed",
    "playbook": "broken",
    "policy": "broken loaded",
    "proposal": "applied judged made",
    "quarantine": "exhausted released",
    "question": "answered",
    "requests": "dropped kept redelivered",
    "risk": "raised",
    "rule": "broken restored",
    "run": "ended paused requested resumed started step_ended",
    "sandbox": "run_finished run_refused",
    "schema": "invalid",
    "secret": "deleted denied keys_recovered keys_unusable leaked read rotated stored",
    "self_healing": "completed escalated patch_applied triggered",
    "signature": "demoted forgotten imported merged promoted recorded",
    "snapshot": "captured damaged discarded failed found_damaged reinstalled",
    "snapshot_set": "failed found_damaged pruned taken",
    "store": "recreated replaced restored",
    "storm": "began ended",
    "supervisor": "auto_shutdown gave_up refused",
    "syntax": "broken scanned",
    "system": "recovered stopping",
    "transfer": "made",
    "trigger": "cleared fired",
    "trust": "changed",
    "verification": "failed",
}
"""What there is of each family."""
EVENT_TYPES = frozenset(f"{family}.{what}" for family, whats in _FAMILIES.items() for what in whats.split())


def problem_of(type: str, own: Collection[str] = ()) -> str:
    """Why no event can be of this type or pattern, in words; empty when one can. `own` are names of the card, each of
    which may be a family of its own."""
    if any(fnmatchcase(known, type) for known in EVENT_TYPES):
        return ""
    family = type.partition(".")[0]
    if family in own:
        return ""
    if family in _FAMILIES:
        return f"no event of the family {family} is of this type"
    return "there is no such event" if nearest(type) else ""


def nearest(type: str) -> str | None:
    """The type or the pattern that was probably meant."""
    family, _, what = type.partition(".")
    if near := _near(type, sorted(EVENT_TYPES), 0.6 if family in _FAMILIES else SURELY):
        return near
    near = _near(family, _FAMILIES, 0.75)
    return f"{near}.{what}" if near and any(fnmatchcase(known, f"{near}.{what}") for known in EVENT_TYPES) else None


def _near(word: str, allowed: Iterable[str], likeness: float) -> str | None:
    return next(iter(get_close_matches(word[:100], list(allowed), n=1, cutoff=likeness)), None)
