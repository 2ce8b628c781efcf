"""Actions on the full-text indexes of kernels' stores.

The work on files is done by one command beside the mailbox. Invariant: an index is rebuilt only while its kernel is
down, and a kernel that ran before runs again unless the caller wants it down, whether or not that worked.
"""

from __future__ import annotations

from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, acts, positive
from grace_actors.actions.commands import tool
from grace_actors.actions.control import KERNEL, PATIENCE, stop
from grace_actors.actions.stores import START, WORK_S, examined, start_again, stores_of
from grace_actors.actions.tree import DOWN, find, refuse_itself
from grace_actors.errors import NotFound, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.tree_nodes import TreeNode
from playbooks.spec import Severity


@acts(kernel=KERNEL, start=START, wait_s=PATIENCE, risk=Severity.MEDIUM, timeout_s=3 * WORK_S)
def rebuild_search_index(call: Call) -> Steps:
    """Stops a kernel if it runs, builds every full-text index of its stores anew from their rows, checks each against
    the rows, and starts the kernel. No row is changed; an index that cannot be rebuilt is left as it was."""
    positive(call, "wait_s")
    name = call["kernel"]
    refuse_itself(call, name, "rebuild")
    node: TreeNode = yield from find(call, name, "kernel")
    files = stores_of(call, name)
    if not files:
        raise NotFound(f"{name} has no store in {call.ctx.home / 'data' / name}", hint="there is no index to rebuild")
    if call.check:
        return (yield from _predicted(name, files))
    was_up = node.state not in DOWN
    if was_up:
        yield from _refuse_without(name, files)
        yield from stop(call, node, call["wait_s"])
    trouble, done = "", {}
    try:
        order = {"do": "rebuild", "files": [str(file) for file in files]}
        done = yield from tool("stores", order, timeout_s=WORK_S, acts=True)
        trouble = "; ".join(f"{Path(file).name}: {one['problem']}" for file, one in done.items() if one["problem"])
    except WorldFailed as error:
        trouble = error.message
    if call["start"] and (was_up or not trouble):
        yield from start_again(call, name)
    names = [index for one in done.values() for index in one["indexes"]]
    if trouble:
        raise WorldFailed(
            f"no index of {name} is sound: {trouble}", hint="if the file is damaged: restore_from_snapshot"
        )
    _some(name, names)
    rows = sum(one["rows"] for one in done.values())
    text = f"{', '.join(names)} of {name} rebuilt from {rows} rows and checked"
    return Result(True, changed=True, message=text, data={"value": len(names), "indexes": names, "rows": rows})


def _refuse_without(name: str, files: list[Path]) -> Steps:
    """Raises NotFound before a kernel is stopped for nothing."""
    found: Data = yield from tool("stores", {"do": "indexes", "files": [str(file) for file in files]})
    _some(name, [index for names in found.values() for index in names])


def _some(name: str, indexes: list[str]) -> None:
    if not indexes:
        raise NotFound(f"no store of {name} has a search index", hint="there is none to rebuild")


def _predicted(name: str, files: list[Path]) -> Steps:
    found: Data = yield from examined(files)
    damaged = {Path(file).name: one["problem"] for file, one in found.items() if one["problem"]}
    if damaged:
        text = "; ".join(f"{file}: {problem}" for file, problem in damaged.items())
        raise WorldFailed(f"a file of {name} is damaged: {text}", hint="use restore_from_snapshot")
    yield from _refuse_without(name, files)
    bad = [index for one in found.values() for index in one["indexes"]]
    text = f"the search indexes of {name} would be rebuilt; damaged: {', '.join(bad) or 'none'}"
    return Result(True, changed=True, message=text, data={"value": len(bad), "damaged": bad})
