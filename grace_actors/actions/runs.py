"""Actions about runs of playbooks: look back at those that self_healing keeps, and let time pass in one.

Invariant: a run that is still going on is never counted as one that failed.
"""

from __future__ import annotations

from collections import Counter

from grace_actors.actions.action import Call, Result, Steps, Wait, ask, fields, given, needed, positive, reads
from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Data
from playbooks.spec import ParamType

HEALER = "self_healing"
MOST = 50
MOST_S = 600.0
LIMIT = given(10, f"how many of the newest runs, at most {MOST}")
FAILED = "failed"


@reads(
    run=given("", "the id of one run"), playbook=given("", "or the playbook whose newest runs are meant"), limit=LIMIT
)
def capture_run_log(call: Call) -> Steps:
    """Reads past runs with their steps: what each did, and what was said."""
    if bool(call["run"]) == bool(call["playbook"]):
        raise Refused("run and playbook are both given or both missing", hint="give one of them")
    if call["run"]:
        found: list[Data] = [fields((yield from ask(HEALER, "run", {"id": call["run"]})), HEALER, "id", "steps")]
    else:
        found = yield from _runs(call)
    told = [
        {
            **{key: run.get(key) for key in ("id", "playbook", "status", "message", "inputs", "check")},
            "steps": [{key: step.get(key) for key in ("id", "kind", "status", "message")} for step in run["steps"]],
        }
        for run in found
    ]
    steps = sum(len(run["steps"]) for run in found)
    return Result(True, message=f"{len(told)} runs with {steps} steps", data={"value": len(told), "runs": told})


@reads(playbook=needed("the playbook"), limit=LIMIT)
def identify_failing_step(call: Call) -> Steps:
    """Which step or check of a playbook failed most often in its newest runs, and what it said last. ok if there is
    one."""
    found = yield from _runs(call)
    failures: Counter[str] = Counter()
    said: dict[str, str] = {}
    for run in found:
        for step in run["steps"]:
            if step["status"] == FAILED:
                failures[step["id"]] += 1
                said.setdefault(step["id"], str(step.get("message") or ""))
    data: Data = {"value": None, "failures": dict(failures), "runs": len(found), "message": ""}
    if not failures:
        text = f"no step of {call['playbook']} failed in its last {len(found)} runs"
        return Result(False, message=f"identify_failing_step: {text}; look further back with limit", data=data)
    step, count = failures.most_common(1)[0]
    data |= {"value": step, "message": said[step]}
    return Result(True, message=f"{step} failed {count} times in {len(found)} runs: {said[step]}", data=data)


def _runs(call: Call) -> Steps:
    """The newest runs of the playbook with their steps, the newest first."""
    if not 1 <= call["limit"] <= MOST:
        raise Refused(f"limit is {call['limit']}", hint=f"1 to {MOST} are allowed")
    args = {"playbook": call["playbook"], "limit": call["limit"]}
    listed = fields((yield from ask(HEALER, "runs", args)), HEALER, "runs")["runs"]
    if not listed:
        raise NotFound(f"{call['playbook']} has no runs", hint="see: playbook list")
    found = []
    for run in listed:
        value = yield from ask(HEALER, "run", {"id": run["id"]})
        found += [fields(value, HEALER, "id", "steps")]
    return found


@reads(wait_s=needed(f"how long, in seconds; at most {MOST_S:g}", ParamType.NUMBER), timeout_s=MOST_S + 10)
def wait(call: Call) -> Steps:
    """Lets some time pass, for example between two attempts."""
    positive(call, "wait_s")
    if call["wait_s"] > MOST_S:
        raise Refused(f"wait_s is {call['wait_s']}", hint=f"at most {MOST_S:g}; `retry` and `cooldown` wait, too")
    yield Wait(delay_s=call["wait_s"])
    return Result(True, message=f"{call['wait_s']:g} s have passed", data={"value": call["wait_s"]})
