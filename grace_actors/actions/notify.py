"""Actions that tell somebody: an alert for whoever listens, a work order for the coding agent.

Invariant: an alert is ok once the message bus took it, a work order once it can be read back.
"""

from __future__ import annotations

import hashlib

from grace_actors.actions.action import (
    POLL_S,
    Ask,
    Call,
    Result,
    Steps,
    Wait,
    acts,
    ask,
    fields,
    given,
    needed,
    positive,
)
from grace_actors.errors import Refused, TimedOut, WorldFailed
from grace_actors.kernel import Answer, Data
from grace_actors.kernels.work_orders import OrderState, OrderType, Priority
from grace_actors.programs import PROGRAM
from playbooks.spec import Severity

AGENT = "coding_agent"
TYPES = tuple(kind.value for kind in OrderType if kind is not OrderType.SYNTAX_SCAN)


@acts(
    idempotent=False,
    message=needed("what to say"),
    severity=given("high", "how bad it is", enum=tuple(level.value for level in Severity)),
    subject=given("", "what it is about; empty: the kernel that performs"),
)
def alert(call: Call) -> Steps:
    """Raises an alert: the event `alert.raised`, and a message to the topic `alert.<severity>` of the message bus."""
    subject = call["subject"] or call.ctx.name
    topic, told = f"alert.{call['severity']}", {"message": call["message"], "severity": call["severity"]}
    if call.check:
        return Result(True, changed=True, message=f"an alert would go to {topic}: {call['message']}")
    call.ctx.emit("alert.raised", subject, told)
    args = {"topic": topic, "payload": {**told, "subject": subject, "at": call.ctx.wall()}}
    value = fields((yield from ask("message_bus", "publish", args, acts=True)), "message_bus", "id", "subscribers")
    data = {"value": value["subscribers"], "topic": topic, "id": value["id"]}
    return Result(True, changed=True, message=f"{topic}: {value['subscribers']} subscribers", data=data)


@acts(
    idempotent=False,
    risk=Severity.MEDIUM,
    description=needed("what is wrong and what would be right"),
    type=given(OrderType.FIX_BUG.value, "what kind of work it is", enum=TYPES),
    priority=given(Priority.HIGH.value, "how soon", enum=tuple(level.value for level in Priority)),
    context=given({}, "what helps: files, error, traceback"),
    incident=given("", "the incident it is for"),
    playbook=given("", "the playbook that asks"),
    run=given("", "the run of the playbook that asks"),
    wait=given(True, "whether the step ends only when the order is completed or failed"),
)
def create_work_order(call: Call) -> Steps:
    """Queues a work order for coding_agent; data.order is its id. A step of a run then waits, up to its timeout, for
    the order to be completed, unless `wait` is false."""
    if call.check:
        return Result(True, changed=True, message=f"a work order {call['type']} would be queued")
    args = {key: call[key] for key in ("description", "type", "priority", "context", "incident")}
    args |= {"playbook_id": call["playbook"], "self_healing_run_id": call["run"]}
    if call["run"]:  # a step that is tried again means the same order
        args["key"] = hashlib.sha256(f"{call['run']}\n{call['type']}\n{call['description']}".encode()).hexdigest()
    made = fields((yield from ask(AGENT, "create", args, acts=True)), AGENT, "id")
    seen = fields((yield from ask(AGENT, "show", {"id": made["id"]})), AGENT, "id", "status")
    if seen["id"] != made["id"]:
        raise WorldFailed(f"{AGENT} shows {seen['id']} for {made['id']}", hint=f"see: status {AGENT}")
    data = {"value": seen["status"], "order": made["id"]}
    if call["wait"]:  # this key makes the run wait
        data["work_order"] = made["id"]
    return Result(True, changed=True, message=f"{made['id']} is {seen['status']}", data=data)


@acts(
    path=given("grace_actors/version.py", "a Python file or a small folder, relative to where Grace is installed"),
    wait_s=given(120.0, "how long to wait until it is done, in seconds"),
    timeout_s=300.0,
)
def submit_test_task(call: Call) -> Steps:
    """Gives coding_agent work that it does by itself, a syntax scan, and waits until that is completed."""
    positive(call, "wait_s")
    path, deadline = PROGRAM / call["path"], call.ctx.now() + call["wait_s"]
    if not path.exists() or not path.resolve().is_relative_to(PROGRAM):
        raise Refused(f"{path} is no file of this installation", hint="name one that Grace brings along")
    if call.check:
        return Result(True, changed=True, message=f"{AGENT} would scan {path}")
    id = yield from _scan(call, str(path), deadline)
    while True:
        order: Data = fields((yield from ask(AGENT, "show", {"id": id})), AGENT, "id", "status")
        data = {"value": order["status"], "order": id}
        if order["status"] == OrderState.COMPLETED.value:
            return Result(True, changed=True, message=f"{AGENT} did {id}", data=data)
        if order["status"] == OrderState.FAILED.value:
            raise WorldFailed(f"{AGENT} failed {id}: {order.get('error')}", hint=f"see: status {AGENT}")
        if call.ctx.now() >= deadline:
            raise TimedOut(f"{id} is {order['status']} after {call['wait_s']:g} s", hint=f"see: status {AGENT}")
        yield Wait(delay_s=POLL_S)


def _scan(call: Call, path: str, deadline: float) -> Steps:
    """The order of a scan of this path. Only one scan is done at a time: another one is let end first."""
    while True:
        answer: Answer = yield Ask(to=AGENT, verb="scan", args={"paths": [path]}, acts=True)
        if answer.ok:
            return str(fields(answer.value, AGENT, "id")["id"])
        error = answer.error or {}
        if error.get("code") != "refused" or call.ctx.now() >= deadline:
            raise WorldFailed(f"{AGENT}: {error.get('message')}", hint=error.get("hint") or f"see: status {AGENT}")
        yield Wait(delay_s=1.0)
