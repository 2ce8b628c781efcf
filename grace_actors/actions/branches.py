"""Actions on supervisors: restart a branch, restart several kernels one after the other, change a pool of workers.

Their parents decide and do; these actions ask. Invariant: the branch of the kernel that performs is never touched, and
a pool never falls below one worker, which is the pattern of those to come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grace_actors.actions.action import POLL_S, Call, Result, Steps, Wait, acts, given, needed, positive
from grace_actors.actions.control import PATIENCE, START_S, STEP_S, stop
from grace_actors.actions.tree import DOWN, UP, find, life_of, look, nodes, operate, start, until
from grace_actors.errors import Refused, TimedOut, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.tree_nodes import TreeNode
from playbooks.spec import ParamType, Severity

_CHANGE = re.compile(r"^([+-]?)(\d{1,4})$")
_NUMBERED = re.compile(r"^(.+)-\d+$")
LONG_S = 600.0


@acts(
    supervisor=needed("the name of the supervisor"),
    timeout_s=STEP_S,
    risk=Severity.HIGH,
    wait_s=PATIENCE,
)
def restart_supervisor(call: Call) -> Steps:
    """Ends a supervisor with everything below it in order, and starts it again. Not the root, and no branch in which
    the kernel is that performs the action."""
    positive(call, "wait_s")
    name = call["supervisor"]
    node: TreeNode = yield from find(call, name, "supervisor")
    found: list[TreeNode] = yield from nodes(call)
    if name in _above(call.ctx.name, found):
        hint = f"ask for it at the prompt: restart {name}"
        raise Refused(f"{call.ctx.name} performs this action and is below {name}", hint=hint)
    if not node.parent:
        raise Refused(f"{name} is the root of the tree, and nothing in the tree is above it", hint="the guard is")
    if call.check:
        return Result(True, changed=True, message=f"{name} is {node.state} and would be restarted")
    if node.state in DOWN:
        now: Data = yield from start(call, node, call["wait_s"])
    else:
        before: Data = (yield from look(name)) or {}
        yield from operate(node, "recycle", call["wait_s"])
        now = yield from until(call, name, UP, call["wait_s"], after=life_of(before))
    children = [child.get("name") for child in now.get("children") or []]
    text = f"{name} was restarted and is {now['state']}, with {len(children)} children"
    return Result(True, changed=True, message=text, data={"value": now["state"], "children": children})


def _above(name: str, found: list[TreeNode]) -> Iterator[str]:
    """The supervisors over a node, the nearest first."""
    parents = {node.name: node.parent for node in found}
    while name := parents.get(name, ""):
        yield name


# ---- several kernels ------------------------------------------------------------------------------------------------


@acts(
    kernels=needed("the names of the kernels, in the order in which they are started", ParamType.ARRAY),
    stagger_s=given(5.0, "the pause after each of them, in seconds"),
    mode=given("", "safe: with the settings of the tree file alone, without what was changed beside it", ("", "safe")),
    wait_s=given(START_S, "how long to wait for each of them, in seconds"),
    timeout_s=LONG_S,
    risk=Severity.HIGH,
)
def restart_staggered(call: Call) -> Steps:
    """Stops several kernels, then starts them one after the other, each once the one before it runs and the pause is
    over. The kernel that performs the action is left out, as data tells. The mode stays until a later start by hand."""
    positive(call, "wait_s")
    if not 0 <= call["stagger_s"] <= 300:
        raise Refused(f"stagger_s is {call['stagger_s']}", hint="0 to 300 seconds are allowed")
    names = list(dict.fromkeys(str(name) for name in call["kernels"] if name != call.ctx.name))
    skipped = [call.ctx.name] if call.ctx.name in call["kernels"] else []
    if not names:
        raise Refused(f"nothing to restart but {call.ctx.name}, which performs", hint="name at least one other kernel")
    several: list[TreeNode] = []
    for name in names:
        several.append((yield from find(call, name, "kernel")))  # noqa: PERF401 - a step of its own
    note = f"; {', '.join(skipped)} performs and was left out" if skipped else ""
    if call.check:
        return Result(True, changed=True, message=f"{', '.join(names)} would be restarted{note}")
    for node in several:
        if node.state not in DOWN:
            yield from stop(call, node, call["wait_s"])
    failed = yield from _one_by_one(call, names)
    data = {"value": len(names) - len(failed), "skipped": skipped, "failed": failed}
    if failed:
        text = "; ".join(f"{name}: {why}" for name, why in failed.items())
        return Result(False, changed=True, message=f"restart_staggered: {text}; see: tree", data=data)
    how = f" in the mode {call['mode']}" if call["mode"] else ""
    return Result(True, changed=True, message=f"{', '.join(names)} restarted{how}{note}", data=data)


def _one_by_one(call: Call, names: list[str]) -> Steps:
    """Start them in order; those that did not come up, with the reason."""
    failed: dict[str, str] = {}
    for place, name in enumerate(names):
        if place:
            yield Wait(delay_s=call["stagger_s"])
        try:
            node: TreeNode = yield from find(call, name)
            yield from start(call, node, call["wait_s"], mode=call["mode"])
        except (WorldFailed, Refused) as error:
            failed[name] = error.message
    return failed


# ---- pools ----------------------------------------------------------------------------------------------------------


@acts(
    supervisor=needed("the name of a supervisor with strategy: dynamic"),
    workers=needed("how many: +2 more, -1 less, or 3 in all"),
    wait_s=PATIENCE,
    timeout_s=LONG_S,
    idempotent=False,
    risk=Severity.MEDIUM,
)
def scale_workers(call: Call) -> Steps:
    """Starts more children of a dynamic supervisor, like its oldest one and called after it (name-2, name-3), or stops
    the newest. One at least stays, and max_children holds. `value` is how many there are."""
    positive(call, "wait_s")
    name = call["supervisor"]
    yield from find(call, name, "supervisor")
    seen: Data = (yield from look(name)) or {}
    if seen.get("strategy") != "dynamic":
        hint = "only a supervisor with `strategy: dynamic` in the tree file has a pool"
        raise Refused(f"the strategy of {name} is {seen.get('strategy')}", hint=hint)
    pool = _workers(seen)
    wanted = _wanted(call["workers"], len(pool))
    if not pool:
        raise Refused(f"{name} has no worker to make another like", hint="list one under `children:` of the tree file")
    if wanted == len(pool):
        return Result(True, message=f"{name} has {wanted} workers already", data={"value": wanted, "workers": pool})
    if call.check:
        text = f"{name} has {len(pool)} workers and would have {wanted}"
        return Result(True, changed=True, message=text, data={"value": wanted, "workers": pool})
    if wanted > len(pool):
        yield from _add(call, name, pool[0], wanted - len(pool))
    else:
        yield from _take(call, name, pool[wanted:])
    after = yield from _settled(call, name, wanted)
    text = f"{name} has {wanted} workers, {len(pool)} before"
    return Result(True, changed=True, message=text, data={"value": wanted, "workers": after})


def _workers(seen: Data) -> list[str]:
    """The children of a supervisor as status shows it, the oldest first."""
    return [str(child["name"]) for child in seen.get("children") or []]


def _settled(call: Call, name: str, wanted: int) -> Steps:
    """The workers, once status shows so many. Raises TimedOut."""
    deadline = call.ctx.now() + call["wait_s"]
    while True:
        workers = _workers((yield from look(name)) or {})
        if len(workers) == wanted:
            return workers
        if call.ctx.now() >= deadline:
            raise TimedOut(f"{name} has {len(workers)} workers, {wanted} were wanted", hint=f"see: status {name}")
        yield Wait(delay_s=POLL_S)


def _wanted(text: str, now: int) -> int:
    """How many there are to be. Raises Refused."""
    found = _CHANGE.match(text.strip())
    if not found:
        raise Refused(f"workers is {text!r}", hint='"+2", "-1" and "3" are allowed, in quotes')
    sign, number = found[1], int(found[2])
    wanted = now + number if sign == "+" else now - number if sign == "-" else number
    if wanted < 1:
        raise Refused(
            f"{text!r} of {now} workers leaves {wanted}", hint="one at least stays: new ones are made like it"
        )
    return wanted


def _add(call: Call, name: str, like: str, count: int) -> Steps:
    found: list[TreeNode] = yield from nodes(call)
    numbered = _NUMBERED.match(like)
    for id in _free(numbered[1] if numbered else like, {node.name for node in found}, count):
        worker = TreeNode(name=id, parent=name)
        yield from operate(worker, "start_child", call["wait_s"], like=like, id=id)
        yield from until(call, id, UP, call["wait_s"])


def _free(base: str, taken: set[str], count: int) -> list[str]:
    names = (f"{base}-{number}" for number in range(2, 10_000))
    return [name for name, _ in zip((name for name in names if name not in taken), range(count), strict=False)]


def _take(call: Call, name: str, newest: list[str]) -> Steps:
    for id in newest:
        yield from operate(TreeNode(name=id, parent=name), "terminate_child", call["wait_s"])
