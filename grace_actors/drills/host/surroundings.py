"""Reads what goes on around a drill: who is in the tree, and which incidents are open.

It judges nothing. Invariant: what could not be read is a failure, never an empty list; a tree without self_healing has
no incidents.
"""

from __future__ import annotations

from collections.abc import Collection

from grace_actors.actions.action import Call, Result, Steps, ask, fields, reads
from grace_actors.actions.tree import nodes
from grace_actors.kernels.tree_nodes import TreeNode

HEALER = "self_healing"
OPEN = ("open", "repairing", "awaiting_approval", "awaiting_patch")
"""States of incidents that go on."""
MOST = 500


@reads()
def surroundings(call: Call) -> Steps:
    """Reads the names of the tree and the incidents that go on."""
    tree: list[TreeNode] = yield from nodes(call)
    names = [node.name for node in tree]
    found = yield from _open(names)
    return Result(True, data={"value": {"tree": names, "incidents": found}})


@reads()
def children(call: Call) -> Steps:
    """Reads the names of the children of the tree, supervisors too, without its root."""
    tree: list[TreeNode] = yield from nodes(call)
    return Result(True, data={"value": [node.name for node in tree if node.parent]})


@reads()
def open_incidents(call: Call) -> Steps:
    """Reads the incidents that go on, as id -> kernel."""
    tree: list[TreeNode] = yield from nodes(call)
    found = yield from _open([node.name for node in tree])
    return Result(True, message=f"{len(found)} incidents go on", data={"value": found})


def _open(names: Collection[str]) -> Steps:
    if HEALER not in names:
        return {}
    answer = fields((yield from ask(HEALER, "incidents", {"limit": MOST})), HEALER, "incidents", "incidents")
    return {one["id"]: one["kernel"] for one in answer["incidents"] if one["state"] in OPEN}
