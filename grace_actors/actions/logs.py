"""Actions on logs: the audit log and what each process printed.

Invariant: nothing that was logged is lost; it is compressed at most.
"""

from __future__ import annotations

from grace_actors.actions.action import Call, Result, Steps, acts, ask, fields, given, needed, reads
from grace_actors.actions.commands import tool
from grace_actors.errors import Refused
from grace_actors.kernel import Data

AUDIT = "immutable_log"
PASS_S = 300.0


@reads(timeout_s=PASS_S)
def verify_log_integrity(call: Call) -> Steps:
    """Checks the hash chain of the audit log from its first entry to its last."""
    value = fields(
        (yield from ask(AUDIT, "verify", timeout_s=PASS_S)), AUDIT, "ok", "records_checked", "problem", "gaps"
    )
    data = {"value": value["ok"], "checked": value["records_checked"], "gaps": value["gaps"]}
    if value["ok"]:
        return Result(True, message=f"{value['records_checked']} entries are valid", data=data)
    text = value["problem"] or f"gaps: {value['gaps']}"
    return Result(False, message=f"verify_log_integrity: {text}; a restart of {AUDIT} repairs what it can", data=data)


@acts(timeout_s=PASS_S, keep=given(0, "how many of the newest sealed segments stay uncompressed"))
def archive_audit_log(call: Call) -> Steps:
    """Seals and compresses the segments of the audit log; every entry stays readable."""
    if call.check:
        return Result(True, changed=True, message="sealed segments would be compressed")
    args = {"keep": call["keep"]}
    value = fields((yield from ask(AUDIT, "archive", args, timeout_s=PASS_S, acts=True)), AUDIT, "packed")
    packed = value["packed"]
    return Result(
        True, changed=bool(packed), message=f"{len(packed)} segments were compressed", data={"packed": packed}
    )


@acts(
    timeout_s=PASS_S,
    older_than_days=given(7.0, "logs not written for so long are archived"),
    larger_than_mb=given(0.0, "logs of at least this size are archived whatever their age; 0: age alone counts"),
)
def archive_logs(call: Call) -> Steps:
    """Compresses rotated logs, and logs that no process holds open, into logs/archive."""
    if call["older_than_days"] < 0 or call["larger_than_mb"] < 0:
        raise Refused("a limit is below 0", hint="0 or more is allowed")
    order = {"logs": str(call.ctx.home / "logs"), "now": call.ctx.wall(), "check": call.check, **call.params}
    found: Data = yield from tool("archive", order, timeout_s=PASS_S, acts=not call.check)
    names = found["found"]
    if call.check:
        return Result(True, changed=bool(names), message=f"{len(names)} logs would be archived", data=found)
    done, failures = found["archived"], found["failures"]
    if failures:
        text = "; ".join(f"{name}: {why}" for name, why in failures.items())
        return Result(
            False, changed=bool(done), message=f"archive_logs: {text}; nothing is lost, look at the disk", data=found
        )
    saved = sum(one["bytes"] - one["packed"] for one in done)
    return Result(True, changed=bool(done), message=f"{len(done)} logs were archived, {saved} bytes freed", data=found)


@acts(
    idempotent=False,
    message=needed("what to write"),
    subject=given("playbook", "what it is about"),
)
def log(call: Call) -> Steps:
    """Writes an entry into the audit log; ok once it is on disk."""
    if call.check:
        return Result(True, changed=True, message=f"the audit log would get: {call['message']}")
    entry = {"action": "playbook.log", "resource": call["subject"], "metadata": {"message": call["message"]}}
    value = fields((yield from ask(AUDIT, "append", entry, acts=True)), AUDIT, "entry_id")
    return Result(True, changed=True, message=f"entry {value['entry_id']}", data={"value": value["entry_id"]})
