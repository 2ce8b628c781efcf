"""What healing asks of the tree outside of playbooks: a self-test, a start, a quarantine.

The steps are written like those of actions but stand in no catalogue. Invariant: a kernel that runs is never put into
quarantine.
"""

from __future__ import annotations

from collections.abc import Callable

from grace_actors.actions.action import Ask, Call, Result, Steps, Wait, acts, ask, given, needed, reads
from grace_actors.actions.control import start_kernel
from grace_actors.actions.tree import HELD, UP, find
from grace_actors.errors import WorldFailed
from grace_actors.kernel import Answer, Context, Data
from playbooks.incidents.messages import GONE

READY_S = 25.0
POLL_S = 0.05
KERNEL = needed("the child of the tree")
GONE_S = 5.0
_ON_ITS_WAY = ("starting", "restarting", "stopping", "waiting")


@reads(
    kernel=KERNEL,
    wait_s=given(READY_S, "how long it may take to come up"),
    is_child=given(False, "whether it was in the tree: status may not have heard of it again yet"),
)
def self_test(call: Call) -> Steps:
    """Runs the self-test of a child; what is no child of the tree has none. `value` is its state, or GONE."""
    name, began = call["kernel"], call.ctx.now()
    deadline = began + call["wait_s"]
    while True:
        shown: Answer = yield Ask(to="status", verb="status", args={"name": name}, timeout_s=2.0)
        if not shown.ok and (shown.error or {}).get("code") == "not_found":
            if not call["is_child"] or call.ctx.now() >= began + GONE_S:
                return Result(True, message=f"{name} is no part of the tree", data={"value": GONE})
            yield Wait(delay_s=GONE_S / 10)
            continue
        state = str(shown.value.get("state")) if shown.ok else ""
        if state in UP:
            return (yield from _checks(name, state))
        is_coming = not shown.ok or state in _ON_ITS_WAY
        if not is_coming or call.ctx.now() >= deadline:
            return Result(False, message=f"{name} is {state or 'not shown by status'}", data={"value": state})
        yield Wait(delay_s=POLL_S)


def _checks(name: str, state: str) -> Steps:
    answer: Answer = yield Ask(to=name, verb="ready", timeout_s=10.0)
    checks = answer.value.get("checks", []) if answer.ok and isinstance(answer.value, dict) else []
    failed = [f"{one['name']}: {one['detail'] or 'failed'}" for one in checks if not one["ok"]]
    if answer.ok and not failed:
        return Result(True, message=f"{name} passed its self-test", data={"value": state})
    why = "; ".join(failed) or str((answer.error or {}).get("message") or "no answer")
    return Result(False, message=f"{name} is {state} and fails its self-test: {why}", data={"value": state})


@acts(kernel=KERNEL, reason=given("", "why"))
def quarantine(call: Call) -> Steps:
    """Has the supervisor of a child that is held down keep it in quarantine, with the cause."""
    node = yield from find(call, call["kernel"])
    if node.state not in HELD or node.state == "quarantined":
        return Result(True, message=f"{node.name} is {node.state}")
    args: Data = {"op": "quarantine", "child": node.name, "reason": call["reason"]}
    answer = yield from ask(node.parent, "call", args, acts=True)
    if answer["result"] != "ok":
        raise WorldFailed(f"{node.parent} answered {answer['result']}", hint=f"see: status {node.name}")
    return Result(True, changed=True, message=f"{node.name} is in quarantine")


class Steering:
    """Asks the tree, and comes back with the result."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def test(self, kernel: str, wait_s: float, is_child: bool, done: Callable[[Result], None]) -> None:
        """The self-test of a kernel that may be on its way up for `wait_s`."""
        args = {"kernel": kernel, "wait_s": wait_s, "is_child": is_child}
        self_test.perform(self._ctx, args, False, done)

    def start(self, kernel: str, done: Callable[[Result], None]) -> None:
        """Start a child that is held, with a new budget."""
        start_kernel.perform(self._ctx, {"kernel": kernel}, False, done)

    def quarantine(self, kernel: str, reason: str, done: Callable[[Result], None]) -> None:
        """Keep a child that is held in quarantine."""
        quarantine.perform(self._ctx, {"kernel": kernel, "reason": reason[:500]}, False, done)
