"""Actions that take load off the system by pausing kernels, and give it back.

What was paused is remembered in a file of the kernel that performs, written before the first is paused, so that a crash
in between forgets none. Invariant: critical kernels, the tiers core and governance, and the performer are never paused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grace_actors.actions.action import Call, Result, Steps, acts, ask, fields, given
from grace_actors.actions.control import switch
from grace_actors.actions.tree import nodes
from grace_actors.errors import Refused, WorldFailed
from grace_actors.home import read_json_object
from grace_actors.kernel import Context, Data
from grace_actors.kernels.tree_nodes import TreeNode
from grace_actors.status.model import walk
from grace_actors.stores.files import replace
from playbooks.spec import Severity

KEPT_TIERS = ("core", "governance", "drills")
"""What a repair itself rests on: messages, log, memory, approvals; and who takes back what a drill has broken."""
MEASURES = "infrastructure_manager"
NOTICES = "trigger_mesh"
"""They must go on measuring and noticing, or nobody would know when the pressure ends, or what else is wrong."""
RECORD = "paused_kernels.json"
REASON = given("resource pressure", "why, for the record")


@acts(risk=Severity.MEDIUM, reason=REASON, keep=given([], "names of kernels that are not to be paused"))
def pause_non_critical_kernels(call: Call) -> Steps:
    """Pauses every running kernel that is not critical, not of the tiers core and governance, and not needed to measure
    and notice. resume_paused_kernels ends it."""
    chosen = [node for node in (yield from _candidates(call)) if node.name not in call["keep"]]
    return (yield from _pause_all(call, chosen))


@acts(
    idempotent=False,
    risk=Severity.MEDIUM,
    reason=REASON,
    resource=given("cpu", "what is short: the largest user of it is paused first", enum=("cpu", "memory")),
    count=given(1, "how many kernels to pause"),
)
def shed_load(call: Call) -> Steps:
    """Pauses the non-critical kernels that use most of what is short, as infrastructure_manager measures them.
    resume_paused_kernels ends it."""
    if call["count"] < 1:
        raise Refused(f"count is {call['count']}", hint="a whole number from 1 is allowed")
    candidates: list[TreeNode] = yield from _candidates(call)
    used = yield from _usage(call["resource"])
    largest = sorted(candidates, key=lambda node: used.get(node.name, 0.0), reverse=True)
    done: Result = yield from _pause_all(call, largest[: call["count"]])
    done.data["used"] = {name: used.get(name, 0.0) for name in done.data["kernels"]}
    return done


@acts()
def resume_paused_kernels(call: Call) -> Steps:
    """Resumes the kernels that shed_load and pause_non_critical_kernels paused and that still are."""
    noted = recorded(call.ctx)
    found: list[TreeNode] = yield from nodes(call)
    paused = [node for node in found if node.name in noted and node.state == "paused"]
    names = [node.name for node in paused]
    if call.check:
        return Result(True, changed=bool(paused), message=_told(names, "would be resumed"), data={"kernels": names})
    for node in paused:
        yield from switch(call, node, "resume")
    if noted:  # what was paused meanwhile stays on the list
        _record(call.ctx, {name: why for name, why in recorded(call.ctx).items() if name not in noted})
    return Result(True, changed=bool(paused), message=_told(names, "run again"), data={"kernels": names})


def _candidates(call: Call) -> Steps:
    """Kernels that may be paused."""
    found: list[TreeNode] = yield from nodes(call)
    tiers = {name: node.get("tier") for name, node in (yield from _described()).items()}
    return [
        node
        for node in found
        if (node.kind, node.state) == ("kernel", "running")
        and not node.critical
        and node.name not in (call.ctx.name, MEASURES, NOTICES)
        and tiers.get(node.name) not in KEPT_TIERS
    ]


def _usage(resource: str) -> Steps:
    """Name -> per cent of a core, or MB. Processes are known by pid, names by the tree."""
    value = fields((yield from ask(MEASURES, "processes", {"limit": 1000})), MEASURES, "processes")
    key = "cpu_percent" if resource == "cpu" else "memory_mb"
    by_pid = {process.get("pid"): process.get(key) or 0.0 for process in value["processes"]}
    found = yield from _described()
    return {name: float(by_pid.get(node.get("pid"), 0.0)) for name, node in found.items()}


def _described() -> Steps:
    """Name -> everything that status tells of it."""
    answer = fields((yield from ask("status", "status")), "status", "tree")
    return {str(node["name"]): node for node in walk(answer["tree"])} if answer["tree"] else {}


def _pause_all(call: Call, chosen: list[TreeNode]) -> Steps:
    names = [node.name for node in chosen]
    if not chosen:
        raise WorldFailed("no running kernel may be paused", hint="what runs is critical: stop what causes the load")
    if call.check:
        return Result(True, changed=True, message=_told(names, "would be paused"), data={"kernels": names})
    now = {name: {"at": call.ctx.wall(), "reason": call["reason"]} for name in names}
    _record(call.ctx, {**recorded(call.ctx), **now})
    for node in chosen:
        yield from switch(call, node, "pause")
    return Result(True, changed=True, message=_told(names, "are paused"), data={"kernels": names})


def _told(names: list[str], what: str) -> str:
    return f"{', '.join(names)}: {what}" if names else "no kernel is paused by these actions"


def recorded(ctx: Context) -> Data:
    """Name -> when and why it was paused by these actions."""
    return dict(read_json_object(_file(ctx)))


def _record(ctx: Context, paused: Mapping[str, Any]) -> None:
    replace(_file(ctx), json.dumps(paused, indent=2).encode() + b"\n")


def _file(ctx: Context) -> Path:
    return ctx.data / RECORD
