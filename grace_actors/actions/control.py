"""Actions on single kernels and processes of the tree: restart, start, stop, pause, resume, and how they are.

Who is started and when stays the supervisors' decision; these actions ask them, as an operator would. Invariant: none
is ok before the status actor has shown the state that was wanted.
"""

from __future__ import annotations

from grace_actors.actions.action import (
    POLL_S,
    Ask,
    Call,
    Result,
    Steps,
    Wait,
    acts,
    ask,
    given,
    needed,
    positive,
    reads,
)
from grace_actors.actions.tree import (
    DOWN,
    UP,
    bring_up,
    find,
    life_of,
    look,
    nodes,
    operate,
    refuse_itself,
    shown,
    start,
    until,
)
from grace_actors.errors import Refused
from grace_actors.kernel import Answer, Data
from grace_actors.kernels.tree_nodes import TreeNode
from playbooks.spec import Severity

START_S = 60.0
STEP_S = 2 * START_S + 10.0
"""Room for the answer of the supervisor and then for its being seen."""
KERNEL = needed("the name of the kernel in the tree")
PATIENCE = given(START_S, "how long to wait until it is seen, in seconds")


@acts(kernel=KERNEL, timeout_s=STEP_S, risk=Severity.MEDIUM, wait_s=PATIENCE)
def restart_kernel(call: Call) -> Steps:
    """Ends a kernel in order and starts it again; one that is down is started. Not counted as a restart."""
    return (yield from _restart(call, call["kernel"], "kernel", "actor"))


@acts(
    service=needed("the name of the OS process in the tree"),
    timeout_s=STEP_S,
    risk=Severity.MEDIUM,
    wait_s=PATIENCE,
)
def restart_service(call: Call) -> Steps:
    """Ends an OS process of the tree in order and starts it again; one that is down is started."""
    return (yield from _restart(call, call["service"], "process"))


@acts(kernel=KERNEL, timeout_s=STEP_S, risk=Severity.HIGH, wait_s=PATIENCE)
def force_restart_kernel(call: Call) -> Steps:
    """Kills a kernel that does not react, without a chance to end in order, and starts it again; one that is down is
    started. What it had not saved is lost. Not counted as a restart."""
    return (yield from _restart(call, call["kernel"], "kernel", "actor", force=True))


def _restart(call: Call, name: str, *kinds: str, force: bool = False) -> Steps:
    positive(call, "wait_s")
    refuse_itself(call, name, "restart")
    node: TreeNode = yield from find(call, name, *kinds)
    before: Data = (yield from look(name)) or {}
    if call.check:
        return Result(True, changed=True, message=f"{name} is {node.state} and would be restarted")
    if node.state in UP:
        yield from operate(node, "recycle", call["wait_s"], **({"force": True} if force else {}))
    else:
        yield from bring_up(node, call["wait_s"])
    now = yield from until(call, name, UP, call["wait_s"], after=life_of(before))
    return Result(True, changed=True, message=f"{name} was restarted and is {now['state']}", data=shown(now))


@acts(kernel=KERNEL, timeout_s=STEP_S, wait_s=PATIENCE)
def start_kernel(call: Call) -> Steps:
    """Starts a kernel that is down; one that is held (failed, quarantined) gets a new budget."""
    positive(call, "wait_s")
    name = call["kernel"]
    node: TreeNode = yield from find(call, name, "kernel", "actor")
    if node.state in UP:
        return Result(True, message=f"{name} is {node.state} already", data=shown((yield from look(name)) or {}))
    if call.check:
        return Result(True, changed=True, message=f"{name} is {node.state} and would be started")
    now = yield from start(call, node, call["wait_s"])
    return Result(True, changed=True, message=f"{name} was {node.state} and is {now['state']}", data=shown(now))


@acts(kernel=KERNEL, timeout_s=STEP_S, risk=Severity.HIGH, wait_s=PATIENCE)
def stop_kernel(call: Call) -> Steps:
    """Ends a kernel in order; it stays down until it is started."""
    positive(call, "wait_s")
    name = call["kernel"]
    refuse_itself(call, name, "stop")
    node: TreeNode = yield from find(call, name, "kernel")
    if node.state in DOWN:
        return Result(True, message=f"{name} is {node.state} already")
    if call.check:
        return Result(True, changed=True, message=f"{name} is {node.state} and would be stopped")
    now = yield from stop(call, node, call["wait_s"])
    return Result(True, changed=True, message=f"{name} is {now['state']}", data=shown(now))


def stop(call: Call, node: TreeNode, wait_s: float) -> Steps:
    """Have it ended and see it down; what status then shows of it."""
    yield from operate(node, "terminate_child", wait_s)
    return (yield from until(call, node.name, DOWN, wait_s))


@acts(kernel=KERNEL, risk=Severity.MEDIUM)
def pause_kernel(call: Call) -> Steps:
    """Holds back the requests to a kernel. They wait and are handled in order once it is resumed."""
    name = call["kernel"]
    refuse_itself(call, name, "pause")
    node: TreeNode = yield from find(call, name, "kernel")
    if node.state == "paused":
        return Result(True, message=f"{name} is paused already")
    if node.state != "running":
        raise Refused(f"{name} is {node.state}", hint="only a running kernel can be paused")
    if call.check:
        return Result(True, changed=True, message=f"{name} is running and would be paused")
    now = yield from switch(call, node, "pause")
    return Result(True, changed=True, message=f"{name} is paused", data=shown(now))


@acts(kernel=KERNEL)
def resume_kernel(call: Call) -> Steps:
    """Lets the requests to a paused kernel through again."""
    name = call["kernel"]
    node: TreeNode = yield from find(call, name, "kernel")
    if node.state == "running":
        return Result(True, message=f"{name} is running already")
    if node.state != "paused":
        raise Refused(
            f"{name} is {node.state}, not paused", hint=f"start it: `start {name}`, or the action start_kernel"
        )
    if call.check:
        return Result(True, changed=True, message=f"{name} is paused and would be resumed")
    now = yield from switch(call, node, "resume")
    return Result(True, changed=True, message=f"{name} is running", data=shown(now))


def switch(call: Call, node: TreeNode, verb: str) -> Steps:
    """Pause or resume it and see that it is so; what status then shows of it."""
    yield from ask(node.parent, verb, {"child": node.name}, acts=True)
    return (yield from until(call, node.name, ("paused",) if verb == "pause" else ("running",), 10.0))


# ---- looking --------------------------------------------------------------------------------------------------------


@reads(kernel=needed("the name of anything in the tree"))
def kernel_state(call: Call) -> Steps:
    """Reads what the tree shows of one node. `value` is its state; ok says only that it was read."""
    yield from find(call, call["kernel"])
    node: Data | None = yield from look(call["kernel"])
    if node is None:
        raise Refused(f"status shows no {call['kernel']} any more", hint="see: tree")
    return Result(True, message=f"{call['kernel']} is {node['state']}", data=shown(node))


@reads(kernel=needed("the name of a kernel, process or supervisor"), timeout_s=STEP_S, wait_s=PATIENCE)
def wait_until_ready(call: Call) -> Steps:
    """Waits until it runs and its self-test passes."""
    positive(call, "wait_s")
    name, deadline = call["kernel"], call.ctx.now() + call["wait_s"]
    yield from find(call, name)
    while True:
        node: Data | None = yield from look(name)
        state = (node or {}).get("state", "not shown by status")
        problem = f"it is {state}"
        if state == "running":
            answer: Answer = yield Ask(to=name, verb="ready", timeout_s=5.0)
            problem = _failed_checks(answer)
        if not problem:
            return Result(True, message=f"{name} runs and its self-test passes", data=shown(node or {}))
        if call.ctx.now() >= deadline:
            text = f"wait_until_ready: {name} is not ready after {call['wait_s']:g} s: {problem}; see: status {name}"
            return Result(False, message=text, data=shown(node or {}))
        yield Wait(delay_s=POLL_S)


def _failed_checks(answer: Answer) -> str:
    """What a self-test found; empty when everything is well."""
    if not answer.ok:
        return str((answer.error or {}).get("message") or "it does not answer")
    checks = answer.value.get("checks") if isinstance(answer.value, dict) else None
    if not isinstance(checks, list):
        return f"its self-test answered {answer.value!r:.100}"
    bad = [check for check in checks if isinstance(check, dict) and not check.get("ok")]
    return "; ".join(f"{check.get('name')}: {check.get('detail') or 'failed'}" for check in bad)


@reads(
    kernels=given([], "names that must run; empty: every kernel of the tree"),
    wait_s=given(10.0, "how long to wait for those that do not run yet, in seconds"),
)
def verify_kernels_running(call: Call) -> Steps:
    """Checks that kernels run; data names those that do not, with their states."""
    wanted, deadline = [str(name) for name in call["kernels"]], call.ctx.now() + call["wait_s"]
    while True:
        found: list[TreeNode] = yield from nodes(call)
        states = {node.name: node.state for node in found if node.kind == "kernel"}
        names = wanted or list(states)
        down = {name: states.get(name, "not in the tree") for name in names if states.get(name) != "running"}
        if not names:
            raise Refused("there is no kernel in the tree", hint="nothing could be verified")
        if not down:
            return Result(True, message=f"{len(names)} kernels run", data={"value": len(names), "down": {}})
        if call.ctx.now() >= deadline:
            text = ", ".join(f"{name} is {state}" for name, state in list(down.items())[:10])
            data = {"value": len(names) - len(down), "down": down}
            return Result(False, message=f"verify_kernels_running: {text}; start or repair them", data=data)
        yield Wait(delay_s=POLL_S)
