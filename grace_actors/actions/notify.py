"""Actions that tell somebody: an alert for whoever listens, a work order for the coding agent.

Invariant: an alert is ok once the message bus took it, a work order once it can be read back.
"""

from __future__ import annotations

from grace_actors.actions.action import Call, Result, Steps, acts, ask, fields, given, needed
from grace_actors.errors import WorldFailed
from grace_actors.kernels.work_orders import OrderType, Priority
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
)
def create_work_order(call: Call) -> Steps:
    """Queues a work order for coding_agent. data.work_order is its id; it is done later, by whoever takes it."""
    if call.check:
        return Result(True, changed=True, message=f"a work order {call['type']} would be queued")
    args = {key: call[key] for key in ("description", "type", "priority", "context", "incident")}
    args |= {"playbook_id": call["playbook"], "self_healing_run_id": call["run"]}
    made = fields((yield from ask(AGENT, "create", args, acts=True)), AGENT, "id")
    seen = fields((yield from ask(AGENT, "show", {"id": made["id"]})), AGENT, "id", "status")
    if seen["id"] != made["id"]:
        raise WorldFailed(f"{AGENT} shows {seen['id']} for {made['id']}", hint=f"see: status {AGENT}")
    data = {"value": seen["status"], "work_order": made["id"]}
    return Result(True, changed=True, message=f"{made['id']} is {seen['status']}", data=data)
