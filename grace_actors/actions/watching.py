"""Actions on the events of the tree: remember where they stand, and wait for one.

They read what the status actor keeps. Invariant: an event from before the remembered place is never taken for the one
that is waited for.
"""

from __future__ import annotations

from grace_actors.actions.action import (
    POLL_S,
    Ask,
    Call,
    Result,
    Steps,
    Wait,
    ask,
    fields,
    given,
    needed,
    positive,
    reads,
)
from grace_actors.errors import Refused, TimedOut
from grace_actors.kernel import Answer

LOOK_S = 5.0
LONG_S = 600.0


@reads()
def event_position(call: Call) -> Steps:
    """Reads the number of the newest event, for `after` of wait_for_event. `value` is that number."""
    last = yield from _position()
    return Result(True, message=f"the newest event is #{last}", data={"value": last})


@reads(
    type=needed("the type of the event; `*` stands for anything, as in child.*"),
    subject=given("", "whom or what it must be about; empty: anybody"),
    after=given(-1, "the number of an event (event_position): only later ones count; -1: from now on"),
    within_s=given(30.0, "how long to wait, in seconds"),
    timeout_s=LONG_S,
)
def wait_for_event(call: Call) -> Steps:
    """Waits until there is such an event. data is the event; `value` is its number."""
    positive(call, "within_s")
    if call["within_s"] > LONG_S - 10.0:
        raise Refused(f"within_s is {call['within_s']}", hint=f"at most {LONG_S - 10.0:g}")
    deadline = call.ctx.now() + call["within_s"]
    since = call["after"] if call["after"] >= 0 else (yield from _position())
    while True:
        left = deadline - call.ctx.now()
        query = {"since": since, "type": call["type"], "subject": call["subject"] or None, "limit": 1}
        query["wait_s"] = max(0.0, min(left, LOOK_S))
        answer: Answer = yield Ask(to="status", verb="events", args=query, timeout_s=LOOK_S + 2.0)
        if answer.ok and answer.value["events"]:
            event = answer.value["events"][0]
            text = f"#{event['seq']} {event['type']} of {event['subject']}"
            return Result(True, message=text, data={"value": event["seq"], **event})
        if left <= 0:
            of = f" of {call['subject']}" if call["subject"] else ""
            text = f"no event {call['type']}{of} after #{since} within {call['within_s']:g} s"
            raise TimedOut(text, hint="see: events")
        if not answer.ok:  # it is being restarted
            yield Wait(delay_s=POLL_S)


def _position() -> Steps:
    answer = fields((yield from ask("status", "events", {"limit": 1})), "status", "events", "last")
    return int(answer["last"])
