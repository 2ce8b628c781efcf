"""Actions on the schema of a kernel's store: is everything there that its migrations make, and create what is not.

The work on files is done by a command of its own. Invariant: a store is changed only while its kernel is down, after a
copy of it was put into quarantine, and the kernel is started again whether or not that worked.
"""

from __future__ import annotations

from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, acts, reads
from grace_actors.actions.commands import tool
from grace_actors.actions.control import KERNEL, PATIENCE, stop
from grace_actors.actions.stores import WORK_S, start_again, stores_of
from grace_actors.actions.tree import DOWN, find, refuse_itself
from grace_actors.errors import NotFound, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.tree_nodes import TreeNode
from grace_actors.stores.files import quarantine
from playbooks.spec import Severity


@reads(kernel=KERNEL, timeout_s=WORK_S)
def verify_store_schema(call: Call) -> Steps:
    """Compares tables, columns, indexes and triggers of a kernel's stores with those its migrations make (without
    migrations: with its newest good snapshot). data lists what is missing, and what is there beyond that."""
    found: Data = yield from _compared(call)
    lacking = {file: one["missing"] for file, one in found.items() if one["missing"]}
    data = {"value": not lacking, "missing": lacking, "extra": {file: one["extra"] for file, one in found.items()}}
    if not lacking:
        basis = "; ".join(f"{file} has all of {one['basis']}" for file, one in found.items())
        return Result(True, message=basis, data=data)
    text = "; ".join(f"{file} lacks {', '.join(names[:5])}" for file, names in lacking.items())
    return Result(False, message=f"verify_store_schema: {text}; use repair_store_schema", data=data)


@acts(kernel=KERNEL, wait_s=PATIENCE, risk=Severity.HIGH, timeout_s=3 * WORK_S)
def repair_store_schema(call: Call) -> Steps:
    """Stops a kernel whose store lacks tables, columns or indexes, creates them and starts it. Rows of a missing table
    come from the newest good snapshot; a copy of the file as it was is in quarantine."""
    name = call["kernel"]
    refuse_itself(call, name, "repair")
    node: TreeNode = yield from find(call, name, "kernel")
    found: Data = yield from _compared(call)
    lacking = {file: one["missing"] for file, one in found.items() if one["missing"]}
    if not lacking:
        if node.state in DOWN and not call.check:
            yield from start_again(call, name)
        return Result(True, changed=call.changed, message=f"the stores of {name} lack nothing")
    if call.check:
        text = "; ".join(f"{', '.join(names)} in {file}" for file, names in lacking.items())
        return Result(True, changed=True, message=f"{name} would be stopped, and get {text}", data={"missing": lacking})
    if node.state not in DOWN:
        yield from stop(call, node, call["wait_s"])
    kept = quarantine(call.ctx.home, name, [], call.ctx.wall())
    trouble, done = "", {}
    try:
        for file in lacking:
            order = _order(call, file) | {"do": "repair", "backup": str(kept / file)}
            done[file] = yield from tool("schemas", order, timeout_s=WORK_S, acts=True)
            trouble = trouble or done[file]["problem"]
    except WorldFailed as error:
        trouble = error.message
    yield from start_again(call, name)
    left = [] if trouble else [one for each in (yield from _compared(call)).values() for one in each["missing"]]
    if trouble or left:
        raise WorldFailed(
            f"the store of {name} is not repaired: {trouble or ', '.join(left)}", hint=f"the file before is in {kept}"
        )
    created = [one for each in done.values() for one in each["created"]]
    rows = {table: count for each in done.values() for table, count in each["rows"].items()}
    told = ", ".join(f"{table}: {count} rows of the snapshot" for table, count in rows.items())
    text = f"{name} has {', '.join(created)} again{f' ({told})' if told else ''}; the file before is in {kept}"
    return Result(True, changed=True, message=text, data={"created": created, "rows": rows, "quarantine": str(kept)})


def _compared(call: Call) -> Steps:
    """File -> basis, missing, extra."""
    files = stores_of(call, call["kernel"])
    if not files:
        where = call.ctx.home / "data" / call["kernel"]
        raise NotFound(f"{call['kernel']} has no store in {where}", hint="restart it: it makes one")
    found: dict[str, Data] = {}
    for file in files:
        order = _order(call, file.name) | {"do": "compare"}
        found[file.name] = yield from tool("schemas", order, timeout_s=WORK_S)
    return found


def _order(call: Call, file: str) -> Data:
    name, home = call["kernel"], call.ctx.home
    only = len(stores_of(call, name)) == 1  # snapshots do not say to which of several files they belong
    snapshots: Path = home / "snapshots" / "stores" / name
    at = {"file": str(home / "data" / name / file), "snapshots": str(snapshots) if only else ""}
    return {**at, "home": str(home), "kernel": name}
