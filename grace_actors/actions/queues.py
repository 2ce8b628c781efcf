"""Actions on the message bus: how full its queues are, who violates access, and access itself.

Invariant: a bus that does not answer is never taken for one with empty queues, and a change of access is ok only when
the bus shows it.
"""

from __future__ import annotations

from grace_actors.actions.action import Call, Result, Steps, Wait, acts, ask, fields, given, needed, positive, reads
from grace_actors.errors import Refused, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.bus.rules import BLOCK_S, CHANGES
from playbooks.spec import Severity

BUS = "message_bus"


@reads(max_waiting=given(1000, "how many messages may wait for any one subscriber"))
def verify_queue_health(call: Call) -> Steps:
    """Checks how many messages wait for each subscriber of the message bus. `value` is the longest queue."""
    rows = fields((yield from ask(BUS, "stats")), BUS, "subscribers")["subscribers"]
    waiting = {str(row.get("subscriber")): int(row.get("waiting") or 0) for row in rows}
    longest = max(waiting.values(), default=0)
    data = {"value": longest, "waiting": waiting}
    if longest <= call["max_waiting"]:
        return Result(True, message=f"{sum(waiting.values())} messages wait for {len(rows)} subscribers", data=data)
    slow = ", ".join(f"{name}: {count}" for name, count in waiting.items() if count > call["max_waiting"])
    return Result(False, message=f"verify_queue_health: {slow} wait; look at these subscribers", data=data)


@reads(timeout_s=600.0, wait_s=given(30.0, "how long to wait, in seconds"))
def drain_queue(call: Call) -> Steps:
    """Waits until the message bus has delivered everything that waits. `value` is what still does."""
    positive(call, "wait_s")
    args = {"timeout_s": min(call["wait_s"], 600.0)}
    value = fields((yield from ask(BUS, "drain", args, timeout_s=args["timeout_s"] + 5.0)), BUS, "drained", "waiting")
    data = {"value": value["waiting"]}
    if value["drained"]:
        return Result(True, message="no message waits", data=data)
    text = f"{value['waiting']} messages still wait after {args['timeout_s']:g} s"
    return Result(False, message=f"drain_queue: {text}; verify_queue_health names the subscriber", data=data)


@reads(timeout_s=600.0, window_s=given(30.0, "how long to look, in seconds"))
def verify_no_acl_violations(call: Call) -> Steps:
    """Looks for a while whether anybody publishes where it may not. data names who did."""
    positive(call, "window_s")
    if call["window_s"] > 590:
        raise Refused(f"window_s is {call['window_s']}", hint="at most 590")
    before = yield from _violations()
    yield Wait(delay_s=call["window_s"])
    after = yield from _violations()
    grown = {name: new for name, total in after.items() if (new := _new(before.get(name, 0), total))}
    if not grown:
        return Result(True, message=f"no violation within {call['window_s']:g} s", data={"value": 0, "by": {}})
    text = ", ".join(f"{name}: {count}" for name, count in grown.items())
    data = {"value": sum(grown.values()), "by": grown}
    return Result(False, message=f"verify_no_acl_violations: {text}; see: ask message_bus topics", data=data)


@reads()
def validate_acl_rules(call: Call) -> Steps:
    """Checks that the message bus has its access rules and that they keep strangers out. data shows whom it blocks and
    what was granted beyond its table."""
    data = fields((yield from ask(BUS, "acl")), BUS, "blocked", "granted", "loaded")
    data["value"] = data["loaded"]
    if data["value"]:
        text = f"strangers are kept out; {len(data['blocked'])} senders blocked, {len(data['granted'])} grants"
        return Result(True, message=text, data=data)
    text = "strangers may publish to restricted topics; see `acl` of message_bus in the tree file"
    return Result(False, message=f"validate_acl_rules: {text}", data=data)


@acts(
    sender=needed("whose access is changed"),
    change=given("block", "what to change", CHANGES),
    topic=given("", "the topic of allow and disallow, with everything below it"),
    for_s=given(BLOCK_S, "how long a block lasts, in seconds"),
    risk=Severity.MEDIUM,
)
def update_acl_config(call: Call) -> Steps:
    """Changes who may publish: blocks a sender for a time, grants it a topic, or takes either back. It is in force at
    once and after restarts of the message bus; the table of the tree file stays."""
    sender, change, topic = call["sender"], call["change"], call["topic"]
    if bool(topic) is not (change in ("allow", "disallow")):
        raise Refused(f"{change} {'with' if topic else 'without'} a topic", hint="allow and disallow are of a topic")
    if not 1 <= call["for_s"] <= 86_400:
        raise Refused(f"for_s is {call['for_s']}", hint="1 to 86400 seconds are allowed")
    before = fields((yield from ask(BUS, "acl")), BUS, "blocked", "granted")
    wanted = change in ("block", "allow")
    if change != "block" and _is_in_force(before, sender, topic) is wanted:
        return Result(True, message=f"{change} of {sender} {topic} is in force already", data=before)
    if call.check:
        return Result(True, changed=True, message=f"{change} of {sender} {topic} would be in force".replace("  ", " "))
    args: Data = {"change": change, "sender": sender, "for_s": call["for_s"]} | ({"topic": topic} if topic else {})
    yield from ask(BUS, "acl", args, acts=True)
    after = fields((yield from ask(BUS, "acl")), BUS, "blocked", "granted")
    if _is_in_force(after, sender, topic) is not wanted:
        raise WorldFailed(f"{change} of {sender} {topic} is not in force", hint="see: ask message_bus acl")
    how = f" for {call['for_s']:g} s" if change == "block" else f" on {topic}" if topic else ""
    return Result(True, changed=True, message=f"{sender}: {change}{how} is in force", data=after)


def _is_in_force(acl: Data, sender: str, topic: str) -> bool:
    return {"topic": topic, "sender": sender} in acl["granted"] if topic else sender in acl["blocked"]


def _violations() -> Steps:
    """Sender -> violations so far."""
    found = fields((yield from ask(BUS, "stats")), BUS, "violations")["violations"]
    return {str(name): int(row.get("violations") or 0) for name, row in found.items()}


def _new(before: int, total: int) -> int:
    """A bus that was restarted meanwhile counts from 0 again."""
    return total - before if total >= before else total
