"""Looks at the tree and steers one child of it, as the steps of actions.

The tree is what the status actor answers; a child is steered through its supervisor. It decides nothing. Invariant: a
child counts as up or down only when the status actor shows it, whatever the supervisor answered.
"""

from __future__ import annotations

import difflib
from typing import Any

from grace_actors.actions.action import POLL_S, Ask, Call, Steps, Wait, ask, fields
from grace_actors.errors import NotFound, Refused, TimedOut, WorldFailed
from grace_actors.kernel import Answer, Data
from grace_actors.kernels.tree_nodes import TreeNode, tree_nodes

UP = ("running", "paused")
HELD = ("failed", "quarantined", "awaiting_repair")
DOWN = (*HELD, "stopped")
TREE_S = 10.0
_WORDS = {
    "not_found": "its supervisor does not know it",
    "not_running": "it is not running",
    "start_failed": "its start failed",
    "ignored": "it declined to run",
    "temporary": "it is temporary, and such a child is not started again",
    "simple_one_for_one": "it belongs to a dynamic supervisor, which starts its children only itself",
    "max_children": "its supervisor has as many children as it may have (max_children)",
    "noproc": "its supervisor is ending",
}


def nodes(call: Call) -> Steps:
    """Every node of the tree. A status actor that has just been restarted knows it a moment later."""
    deadline = call.ctx.now() + TREE_S
    while True:
        answer = fields((yield from ask("status", "status")), "status", "tree")
        found = tree_nodes(answer)
        if found:
            return found
        if call.ctx.now() >= deadline:
            raise TimedOut(f"status has shown no tree for {TREE_S:g} s", hint="see: tail status")
        yield Wait(delay_s=POLL_S)


def find(call: Call, name: str, *kinds: str) -> Steps:
    """The node called so. Raises NotFound with what is near, Refused when it is of another kind than these."""
    found: list[TreeNode] = yield from nodes(call)
    for node in found:
        if node.name == name:
            if kinds and node.kind not in kinds:
                raise Refused(f"{name} is a {node.kind}", hint=f"this action is for a {' or '.join(kinds)}")
            return node
    near = difflib.get_close_matches(name, [node.name for node in found], n=1)
    raise NotFound(f"there is no {name!r} in the tree", hint=f"did you mean {near[0]}?" if near else "see: tree")


def look(name: str) -> Steps:
    """What status shows of one node now, or None while it does not answer."""
    answer: Answer = yield Ask(to="status", verb="status", args={"name": name}, timeout_s=2.0)
    return answer.value if answer.ok and isinstance(answer.value, dict) else None


def refuse_itself(call: Call, name: str, word: str) -> None:
    """Raises Refused when the kernel that performs the action is asked to end or hold itself."""
    if name == call.ctx.name:
        hint = f"its supervisor can: `{word} {name}` at the prompt, or the policy that watches over it"
        raise Refused(f"{name} performs this action and cannot {word} itself", hint=hint)


def operate(node: TreeNode, op: str, timeout_s: float, **more: Any) -> Steps:
    """Have the supervisor of a node do `op`; its answer in a word. Raises WorldFailed when it would not."""
    if not node.parent:
        raise Refused(f"{node.name} is the root of the tree", hint="name what is below it")
    args: Data = {"op": op, "child": node.name, **more}
    value = fields((yield from ask(node.parent, "call", args, timeout_s=timeout_s, acts=True)), node.parent, "result")
    result = str(value["result"])
    if result not in ("ok", "running", "restarting"):
        raise WorldFailed(f"{node.name}: {_WORDS.get(result, result)}", hint=f"see: status {node.name}")
    return result


def bring_up(node: TreeNode, timeout_s: float, **more: Any) -> Steps:
    """Have the supervisor of a node start it; a held one also gets a new budget. What was stopped a moment ago and is
    still shown as held, a reset would leave alone; what runs already, a start leaves alone."""
    if node.state in HELD:
        yield from operate(node, "reset", timeout_s, **more)
    yield from operate(node, "restart_child", timeout_s, **more)


def start(call: Call, node: TreeNode, timeout_s: float, *, mode: str = "") -> Steps:
    """Bring up what is down and see it up; what status then shows of it. What status still tells of the life before
    is not taken for the new one's."""
    before: Data = (yield from look(node.name)) or {}
    yield from bring_up(node, timeout_s, **({"mode": mode} if mode else {}))
    return (yield from until(call, node.name, UP, timeout_s, after=life_of(before)))


def life_of(node: Data) -> int:
    """The generation that status shows; -1 when it shows none."""
    generation = node.get("generation")
    return generation if isinstance(generation, int) else -1


def until(call: Call, name: str, wanted: tuple[str, ...], timeout_s: float, *, after: int = -1) -> Steps:
    """Look until `name` is in one of these states, in a generation above `after`. Raises TimedOut, or WorldFailed as
    soon as such a generation is held down instead."""
    deadline = call.ctx.now() + timeout_s
    while True:
        node: Data | None = yield from look(name)
        state, generation = (node or {}).get("state"), (node or {}).get("generation")
        is_new = not isinstance(generation, int) or generation > after
        if state in wanted and is_new:
            return node
        if state in HELD and wanted == UP and is_new:
            raise WorldFailed(f"{name} is {state}: {last_words(node)}", hint=f"see: status {name}")
        if call.ctx.now() >= deadline:
            seen = f"it is {state}" if node else "status does not answer"
            text = f"{name} was not {' or '.join(wanted)} after {timeout_s:g} s: {seen}"
            raise TimedOut(text, hint=f"see: status {name}")
        yield Wait(delay_s=POLL_S)


def last_words(node: Any) -> str:
    """Why it ended last."""
    last = (node or {}).get("last_exit")
    return str(last.get("reason") or "no reason known") if isinstance(last, dict) else "no reason known"


def shown(node: Data) -> Data:
    """What an action hands on of a node."""
    keys = ("name", "kind", "state", "pid", "generation", "restarts", "uptime_s", "last_exit", "memory_mb", "mailbox")
    return {"value": node.get("state"), **{key: node.get(key) for key in keys}, "degraded": node.get("degraded") or []}
