"""Waits until a fault can be noticed and repaired anew: after a run and a finding both rest for a while.

It reads what trigger_mesh and self_healing tell of themselves, and breaks and repairs nothing. Invariant: it is ok only
if the finding is over and its time has passed, and the playbook may run again.
"""

from __future__ import annotations

from grace_actors.actions.action import Call, Result, Steps, Wait, ask, fields, given, positive, reads
from grace_actors.errors import Refused, TimedOut, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.storm import AGAIN_AFTER_S

MESH, HEALER = "trigger_mesh", "self_healing"
KNOWN_FINDINGS, KNOWN_RUNS = 200, 50
EVALUATE_S = 20.0
LONG_S = 600.0
AT_LEAST_S = 0.1
"""Clocks of two processes are read at two moments."""


@reads(
    trigger=given("", "the trigger; empty: findings do not matter"),
    subject=given("", "whom or what the finding is about"),
    playbook=given("", "the playbook; empty: runs do not matter"),
    rest_s=given(60.0, "how long the playbook rests after a run: its `cooldown`, in seconds"),
    within_s=given(400.0, "how long to wait, in seconds"),
    timeout_s=LONG_S + 10.0,
)
def wait_until_rested(call: Call) -> Steps:
    """Waits until a trigger tells a finding anew should it come back (a minute after the last time), and until the
    rest of a playbook after its last run is over. `value` is how long that took, in seconds."""
    positive(call, "within_s")
    if not call["trigger"] and not call["playbook"]:
        raise Refused("neither a trigger nor a playbook is named", hint="name at least one of them")
    if call["trigger"] and not call["subject"]:
        raise Refused("a trigger without a subject", hint="name whom or what its finding is about")
    began, wall = call.ctx.now(), call.ctx.wall()
    until = max((yield from _told_until(call)), (yield from _rests_until(call)))
    rest_s = max(0.0, until + AT_LEAST_S - wall) if until else 0.0
    if rest_s > call["within_s"]:
        raise TimedOut(f"it rests for {rest_s:.0f} s more", hint="wait for that, or raise within_s")
    if rest_s:
        yield Wait(delay_s=rest_s)
    if call["trigger"]:
        yield from _is_over(call)
    took_s = round(call.ctx.now() - began, 3)
    return Result(True, message=f"rested after {took_s:g} s", data={"value": took_s})


def _told_until(call: Call) -> Steps:
    """Until when the newest finding of this kind is kept to itself, should it come back; 0 when there is none."""
    if not call["trigger"]:
        return 0.0
    answer = fields((yield from ask(MESH, "fired", {"limit": KNOWN_FINDINGS})), MESH, "fired")
    return max((event["at"] + AGAIN_AFTER_S for event in answer["fired"] if _is_it(call, event)), default=0.0)


def _rests_until(call: Call) -> Steps:
    """Until when the playbook rests after its last run, whatever that was for; 0 when it has not run."""
    if not call["playbook"]:
        return 0.0
    asked = {"playbook": call["playbook"], "limit": KNOWN_RUNS}
    runs: list[Data] = fields((yield from ask(HEALER, "runs", asked)), HEALER, "runs")["runs"]
    ends = [run["ended_at"] for run in runs if run["ended_at"] is not None]
    if len(ends) < len(runs):
        raise WorldFailed(f"{call['playbook']} is running", hint="wait for its end; see: run list")
    return max(ends) + call["rest_s"] if ends else 0.0


def _is_over(call: Call) -> Steps:
    """Have the mesh look: only what it has seen to be over is news when it comes back."""
    answer = fields((yield from ask(MESH, "evaluate", timeout_s=EVALUATE_S)), MESH, "fired")
    if any(_is_it(call, event) for event in answer["fired"]):
        hint = "see what is wrong: events --type trigger.fired"
        raise WorldFailed(f"{call['trigger']} of {call['subject']} is found now", hint=hint)


def _is_it(call: Call, event: Data) -> bool:
    return bool(event["data"]["trigger"] == call["trigger"] and event["subject"] == call["subject"])
