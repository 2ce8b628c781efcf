"""Actions that break something on purpose, for drills: a fault in a child, a damaged entry of the audit log.

Each is an event (`fault.injected`), so that a drill can be told from an accident. They judge nothing. Invariant: an
entry of the audit log is damaged only where a good copy of it was seen.
"""

from __future__ import annotations

import os
from pathlib import Path

from chaos.faults.table import INJECTABLE, PARDON
from grace_actors import injection
from grace_actors.actions.action import Call, Result, Steps, Wait, acts, ask, given, needed
from grace_actors.actions.commands import tool
from grace_actors.actions.tree import find, nodes, refuse_itself
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.tree_nodes import TreeNode
from grace_actors.stores import damage
from grace_actors.stores.chain import segment, walk
from grace_actors.stores.chain.frames import HEADER_BYTES
from grace_actors.stores.chain.segment import Segment
from playbooks.spec import Severity

LOG = "immutable_log"
RUNNER_S = 25.0
"""A good copy of a large file is made before it is damaged."""


@acts(
    kernel=needed("the name of a kernel, actor or process; for faults of these: host, or home"),
    fault=given("kill", "what to do to it", tuple(INJECTABLE)),
    params=given({}, "the parameters of the fault, such as {seconds: 5}"),
    idempotent=False,
    risk=Severity.HIGH,
)
def inject_fault(call: Call) -> Steps:
    """Causes a failure on purpose, through the supervisor of what is to fail, or through chaos_runner where no
    supervisor can. ok once it was caused: what follows is another step's to see."""
    name, fault = call["kernel"], call["fault"]
    params = injection.admitted(fault, dict(call["params"]))
    refuse_itself(call, name, f"inject {fault} into")
    if injection.by_runner(fault):
        return (yield from _by_runner(call, name, fault, params))
    node: TreeNode = yield from find(call, name, "kernel", "actor", "process")
    injection.refuse_target(fault, name, node.kind)
    file = damage.chosen(call.ctx.home / "data", name) if fault == "corrupt" else None
    if call.check:
        return Result(True, changed=True, message=f"{fault} would be injected into {name}", data={"params": params})
    if file is not None:
        params = yield from _corrupt(node, file, params["bytes"])
    else:
        yield from ask(node.parent, "inject", {"fault": fault, "child": name, "params": params}, acts=True)
    text = f"what lasted in {name} was ended" if fault == PARDON.name else f"{fault} was injected into {name}"
    return Result(True, changed=True, message=text, data={"params": params})


def _by_runner(call: Call, target: str, fault: str, params: Data) -> Steps:
    """Ask chaos_runner, which keeps how the fault is undone."""
    found: list[TreeNode] = yield from nodes(call)
    if injection.RUNNER not in {node.name for node in found}:
        raise Refused(f"{fault} is caused by {injection.RUNNER}, which is not in the tree", hint=injection.NO_RUNNER)
    if target != INJECTABLE[fault].whole:
        node: TreeNode = yield from find(call, target)
        injection.refuse_target(fault, target, node.kind)
    if call.check:
        return Result(True, changed=True, message=f"{fault} would be injected into {target}", data={"params": params})
    asked = {"fault": fault, "target": target, "params": params, "by": call.ctx.name}
    done = yield from ask(injection.RUNNER, "inject", asked, timeout_s=RUNNER_S, acts=True)
    text = f"{fault} was injected into {target}"
    return Result(True, changed=True, message=text, data={"params": params, "injected": done})


def _corrupt(node: TreeNode, file: Path, count: int) -> Steps:
    """Damage its store while it stands still, then end it; what was damaged."""
    hold = {"fault": "hold", "child": node.name}
    yield from ask(node.parent, "inject", hold, acts=True)
    try:
        done: Data = yield from tool("stores", {"do": "corrupt", "file": str(file), "bytes": count}, acts=True)
    except WorldFailed:
        yield from ask(node.parent, "inject", {**hold, "fault": "release"}, acts=True)
        raise
    yield from ask(node.parent, "inject", {"fault": "corrupt", "child": node.name, "params": done}, acts=True)
    return done


@acts(idempotent=False, risk=Severity.HIGH)
def corrupt_log_entry(call: Call) -> Steps:
    """Overwrites one byte of one entry in the newest closed segment of the audit log, of which there is a good copy.
    The log finds that within a few checks and restores the segment from its copy."""
    yield Wait()
    found = _closed(call.ctx.home / "data" / LOG, call.ctx.home / "snapshots" / LOG)
    at = _middle(found)
    if call.check:
        text = f"byte {at} of segment {found.name} would be overwritten"
        return Result(True, changed=True, message=text, data={"segment": found.name, "at_byte": at})
    with found.path.open("r+b") as file:
        before = os.pread(file.fileno(), 1, at)
        os.pwrite(file.fileno(), bytes([before[0] ^ 0xFF]), at)
        call.changed = True
        os.fsync(file.fileno())
    data = {"segment": found.name, "file": str(found.path), "at_byte": at}
    call.ctx.emit("fault.injected", LOG, {"fault": "corrupt_log_entry", "params": data})
    return Result(True, changed=True, message=f"byte {at} of segment {found.name} was overwritten", data=data)


def _closed(directory: Path, mirror: Path) -> Segment:
    """The newest plain segment with a seal and a copy that fits it. Raises NotFound."""
    for path in reversed(segment.files(directory)):
        sealed, copy = segment.read_seal(path), mirror / path.name
        if sealed is None or sealed.packed or not sealed.count or not copy.is_file():
            continue
        if segment.matches(sealed, path.read_bytes()) and segment.matches(sealed, copy.read_bytes()):
            return sealed
    hint = "archive_audit_log with keep: 1 closes the segment that is written"
    raise NotFound(f"no closed segment in {directory} has a good copy in {mirror}", hint=hint)


def _middle(part: Segment) -> int:
    """Where the middle of the middle entry of a segment is."""
    spans = walk(part.path.read_bytes(), HEADER_BYTES, part.previous).spans
    begin, stop = spans[len(spans) // 2]
    return (begin + stop) // 2
