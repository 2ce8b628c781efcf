"""Actions on what kernels keep: SQLite stores, snapshots of stores, snapshots of kernels.

The work on files is done by a command of its own; here is the order of it. Invariant: a store is replaced only while
its kernel is down, and the kernel is started again whether or not that worked.
"""

from __future__ import annotations

from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, acts, ask, fields, given, positive, reads
from grace_actors.actions.commands import tool
from grace_actors.actions.control import KERNEL, PATIENCE, stop
from grace_actors.actions.tree import DOWN, UP, find, refuse_itself, start, until
from grace_actors.errors import NotFound, Refused, StoreFailed, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.tree_nodes import TreeNode
from grace_actors.snapshots import PREVIOUS, SUFFIX
from grace_actors.stores.files import quarantine
from playbooks.spec import Severity

WORK_S = 120.0
START = given(True, "start the kernel afterwards; else it stays down")
FORCE = given(False, "go back to the snapshot although the store is intact")


@reads(kernel=KERNEL, timeout_s=WORK_S)
def verify_kernel_store(call: Call) -> Steps:
    """Runs SQLite's full integrity check on every store of a kernel, and that of its search indexes; data names what is
    wrong in `damaged` (files) and `indexes`."""
    files = stores_of(call, call["kernel"])
    if not files:
        where = call.ctx.home / "data" / call["kernel"]
        raise NotFound(f"{call['kernel']} has no store in {where}", hint="nothing could be verified")
    found: Data = yield from examined(files)
    damaged = {Path(file).name: one["problem"] for file, one in found.items() if one["problem"]}
    indexes = {index: problem for one in found.values() for index, problem in one["indexes"].items()}
    names = [file.name for file in files]
    data = {"value": not damaged and not indexes, "stores": names, "damaged": damaged, "indexes": indexes}
    if data["value"]:
        return Result(True, message=f"{', '.join(names)}: intact", data=data)
    text = "; ".join(f"{name}: {problem}" for name, problem in (damaged | indexes).items())
    use = "restore_from_snapshot" if damaged else "rebuild_search_index: the rows are sound"
    return Result(False, message=f"verify_kernel_store: {text}; use {use}", data=data)


def examined(files: list[Path]) -> Steps:
    """File -> {problem, indexes: {name: problem}}."""
    return (yield from tool("stores", {"do": "examine", "files": [str(file) for file in files]}, timeout_s=WORK_S))


@acts(kernel=KERNEL, timeout_s=WORK_S)
def capture_store_snapshot(call: Call) -> Steps:
    """Takes a snapshot with checksum of a kernel's store, also while it is in use."""
    name = call["kernel"]
    file = _store(call, name)
    if call.check:
        return Result(True, changed=True, message=f"a snapshot of {file.name} would be taken")
    order = {"do": "capture", "file": str(file), "directory": str(_snapshots(call, name))}
    taken: Data = yield from tool("stores", order, timeout_s=WORK_S, acts=True)
    if taken["file"] != taken["taken"]:
        raise WorldFailed(f"{taken['taken']} was taken and is not good", hint="see: verify_kernel_store")
    return Result(True, changed=True, message=f"snapshot {Path(taken['file']).name} of {name}", data=taken)


@acts(kernel=KERNEL, wait_s=PATIENCE, force=FORCE, risk=Severity.HIGH, timeout_s=3 * WORK_S)
def restore_from_snapshot(call: Call) -> Steps:
    """Stops a kernel whose store is damaged, puts the newest good snapshot in its place and starts it. The damaged file
    goes to quarantine. At the end the kernel runs on an intact store, or the result says why not."""
    name = call["kernel"]
    refuse_itself(call, name, "restore")
    node: TreeNode = yield from find(call, name, "kernel", "actor")
    file = _store(call, name)
    problem = yield from _problem(file)
    if not problem and not call["force"]:
        if node.state in DOWN and not call.check:
            yield from start_again(call, name)
        return Result(True, changed=call.changed, message=f"{file.name} of {name} is intact: nothing was restored")
    directory = _snapshots(call, name)
    good: Data | None = yield from tool("stores", {"do": "newest", "directory": str(directory)}, timeout_s=WORK_S)
    if good is None:
        raise NotFound(f"{name} has no good snapshot in {directory}", hint="restart it: it begins with an empty store")
    snapshot = Path(good["file"]).name
    if call.check:
        text = f"{file.name} of {name} ({problem or 'intact'}) would be replaced by {snapshot}"
        return Result(True, changed=True, message=text, data={"snapshot": good})
    if node.state not in DOWN:
        yield from stop(call, node, call["wait_s"])
    order = {"do": "restore", "file": str(file), "snapshot": good, "home": str(call.ctx.home), "name": name}
    trouble, put = "", {}
    try:
        put = yield from tool("stores", order, timeout_s=WORK_S, acts=True)
        trouble = put["problem"]
    except WorldFailed as error:
        trouble = error.message
    yield from start_again(call, name)
    trouble = trouble or (yield from _problem(file))
    if trouble:
        raise WorldFailed(f"{file.name} of {name} was not restored: {trouble}", hint=f"see: status {name}")
    text = f"{name} runs on {snapshot}; the file before is in {put['quarantine']}"
    return Result(True, changed=True, message=text, data={"snapshot": good, "quarantine": put["quarantine"]})


def start_again(call: Call, name: str) -> Steps:
    """Bring a kernel up that may be down, and see it up."""
    node: TreeNode = yield from find(call, name)
    if node.state in UP:
        yield from until(call, name, UP, call["wait_s"])
    else:
        yield from start(call, node, call["wait_s"])


def _problem(file: Path) -> Steps:
    found: Data = yield from tool("stores", {"do": "check", "files": [str(file)]}, timeout_s=WORK_S)
    return found[str(file)]


def stores_of(call: Call, name: str) -> list[Path]:
    """The SQLite files of a kernel. Raises Refused for a name that is none."""
    if not name or "/" in name or name.startswith("."):
        raise Refused(f"{name!r} is no kernel name", hint="see: tree")
    return sorted((call.ctx.home / "data" / name).glob("*.db"))


def _store(call: Call, name: str) -> Path:
    """Its only store: snapshots belong to one file. Raises NotFound or Refused."""
    files = stores_of(call, name)
    if not files:
        raise NotFound(
            f"{name} has no store in {call.ctx.home / 'data' / name}", hint="only SQLite stores have snapshots"
        )
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise Refused(f"{name} has several stores: {names}", hint="its snapshots do not say to which they belong")
    return files[0]


def _snapshots(call: Call, name: str) -> Path:
    return call.ctx.home / "snapshots" / "stores" / name


# ---- snapshots of kernels -------------------------------------------------------------------------------------------


@acts()
def capture_kernel_snapshots(call: Call) -> Steps:
    """Has memory_fusion archive every kernel snapshot that changed."""
    if call.check:
        return Result(True, changed=True, message="the snapshots that changed would be archived")
    value = fields(
        (yield from ask("memory_fusion", "capture", acts=True, timeout_s=WORK_S)), "memory_fusion", "captured"
    )
    names = value["captured"]
    return Result(True, changed=bool(names), message=f"{len(names)} snapshots were archived", data={"kernels": names})


@acts(kernel=KERNEL, start=START, wait_s=PATIENCE, risk=Severity.HIGH, timeout_s=2 * WORK_S)
def reset_kernel_snapshot(call: Call) -> Steps:
    """Stops a kernel if it runs, moves the snapshot files of its memory to quarantine and starts it, so that it begins
    afresh. Its stores stay as they are. ok without a change when there is no snapshot."""
    positive(call, "wait_s")
    name = call["kernel"]
    refuse_itself(call, name, "reset")
    node: TreeNode = yield from find(call, name, "kernel")
    directory = call.ctx.home / "snapshots"
    files = [file for suffix in (SUFFIX, PREVIOUS) if (file := directory / f"{name}{suffix}").exists()]
    if not files:
        return Result(True, message=f"{name} has no snapshot in {directory}: nothing was moved", data={"value": 0})
    names = ", ".join(file.name for file in files)
    if call.check:
        return Result(True, changed=True, message=f"{names} would be moved to quarantine", data={"value": len(files)})
    was_up = node.state not in DOWN
    if was_up:
        yield from stop(call, node, call["wait_s"])
    trouble, kept = "", call.ctx.home
    try:
        kept = quarantine(call.ctx.home, name, files, call.ctx.wall())
        call.changed = True
    except StoreFailed as error:
        trouble = error.message
    if call["start"] and (was_up or not trouble):
        yield from start_again(call, name)
    if trouble:
        raise WorldFailed(f"{names} were not moved: {trouble}", hint="look at the disk and the permissions of the home")
    text = f"{names} moved to {kept}" + (f"; {name} runs afresh" if call["start"] else "")
    return Result(True, changed=True, message=text, data={"value": len(files), "quarantine": str(kept)})


@reads(kernel=given("", "the kernel whose snapshots are checked; empty: all"))
def verify_kernel_snapshots(call: Call) -> Steps:
    """Has memory_fusion check the checksums of kernel snapshots; none at all is a failure."""
    args = {"name": call["kernel"]} if call["kernel"] else {}
    value = fields((yield from ask("memory_fusion", "verify", args)), "memory_fusion", "ok", "checked", "damaged")
    data = {"value": value["checked"], "damaged": value["damaged"]}
    if value["ok"] and value["checked"]:
        return Result(True, message=f"{value['checked']} snapshots are valid", data=data)
    files = ", ".join(str(one.get("file")) for one in value["damaged"])
    text = f"damaged: {files}" if files else "there is no snapshot to verify"
    return Result(False, message=f"verify_kernel_snapshots: {text}; see: ask memory_fusion list", data=data)
