"""Actions on the queues of the message bus. They only look: the bus delivers by itself.

Invariant: a bus that does not answer is never taken for one with empty queues.
"""

from __future__ import annotations

from grace_actors.actions.action import Call, Result, Steps, Wait, ask, fields, given, positive, reads
from grace_actors.errors import Refused

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


def _violations() -> Steps:
    """Sender -> violations so far."""
    found = fields((yield from ask(BUS, "stats")), BUS, "violations")["violations"]
    return {str(name): int(row.get("violations") or 0) for name, row in found.items()}


def _new(before: int, total: int) -> int:
    """A bus that was restarted meanwhile counts from 0 again."""
    return total - before if total >= before else total
