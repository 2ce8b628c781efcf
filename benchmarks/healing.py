"""How long healing takes on the whole built-in tree: a fault that restarts cannot heal, new and known.

The fault is the damaged search index of a kernel that is killed with it. Times come from the event log: from the fault
to the first action, and to the verified end. The floor is the same kernel killed with nothing damaged.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import Any

from benchmarks.figures import spread
from benchmarks.instance import Instance, instance
from grace_actors.console.errors import Interrupted, RemoteFailed
from grace_actors.kernels.tree_events import read_event

KNOWN, NEW, FLOOR = 15, 5, 10
KERNEL = "librarian"
HEALED_LIMIT_S, ACTION_LIMIT_S, DECISION_LIMIT_S = 1.0, 2.0, 0.1
DEADLINE_S = 30.0


def run() -> dict[str, Any]:
    """Medians over several faults, one after the other."""
    with instance() as grace:
        _documents(grace)
        floor = [_round(grace, "kill")["healed"] for _ in range(FLOOR)]
        new = []
        for _ in range(NEW):
            new.append(_round(grace, "corrupt"))
            _forget(grace)
        for _ in range(2):  # the second is approved, and makes it automatic
            _round(grace, "corrupt", approve=True)
        known = [_round(grace, "corrupt") for _ in range(KNOWN)]
        asked = [row for row in grace.ask("self_healing", "incidents", kernel=KERNEL)["incidents"] if _was_asked(row)]
    healed = statistics.median(one["healed"] for one in known)
    action = statistics.median(one["action"] for one in new)
    decision = statistics.median(one["decision"] for one in known)
    return {
        "name": "healing",
        "known": {"healed": spread([one["healed"] for one in known]), "limit_s": HEALED_LIMIT_S, "asked": len(asked)},
        "new": {
            "first_action": spread([one["action"] for one in new]),
            "limit_s": ACTION_LIMIT_S,
            "healed": spread([one["healed"] for one in new]),
        },
        "detected_to_decided": {**spread([one["decision"] for one in known]), "limit_s": DECISION_LIMIT_S},
        "floor": {"restarted_and_verified": spread(floor)},
        "ratio_of_known_to_floor": round(healed / statistics.median(floor), 2),
        "ok": healed <= HEALED_LIMIT_S and action <= ACTION_LIMIT_S and decision <= DECISION_LIMIT_S and not asked,
    }


def _was_asked(row: dict[str, Any]) -> bool:
    """Of the last rounds, those in which a person had to say something."""
    return row["kind"] == "start_failed" and row["was_known"] and not row["auto"]


def _documents(grace: Instance) -> None:
    for number in range(3):
        text = "\n".join(f"line {line} of document {number} about supervision trees" for line in range(300))
        (grace.home.root / "inbox" / f"doc{number}.txt").write_text(text, encoding="utf-8")
    _until(lambda: grace.ask(KERNEL, "stats")["documents"] == 3)


def _round(grace: Instance, fault: str, *, approve: bool = False) -> dict[str, float]:
    """One fault, and its times in seconds since it was injected."""
    last = max((event["seq"] for event in _events(grace, 0)), default=0)
    grace.call("inject", fault=fault, target=KERNEL, params={})

    def over() -> dict[str, float] | None:
        if approve:
            _approve(grace)
        return _times(_events(grace, last), fault)

    found: dict[str, float] = _until(over)
    return found


def _times(events: list[dict[str, Any]], fault: str) -> dict[str, float] | None:
    """The times of one round once it is over: every incident that it opened is healed."""
    at: dict[str, float] = {}
    ours = ("killed", "start_failed")  # a trigger may find five failures in a row worth an incident of its own
    news = [event for event in events if event["type"] in ("incident.opened", "incident.recurred")]
    opened = {event["subject"] for event in news if event["data"]["kind"] in ours}
    healed = {event["subject"]: event["at"] for event in events if event["type"] == "incident.healed"}
    for event in events:
        at.setdefault(event["type"], event["at"])
    if not opened or not opened <= healed.keys() or len(opened) < (2 if fault == "corrupt" else 1):
        return None
    began = at["fault.injected"]
    action = at.get("self_healing.triggered", at.get("child.started", began))
    decision = action - at.get("child.awaiting_repair", action)
    return {"healed": max(healed.values()) - began, "action": action - began, "decision": decision}


def _events(grace: Instance, since: int) -> list[dict[str, Any]]:
    return [{**event, "at": read_event(event, 0.0).at} for event in grace.events(since)]


def _approve(grace: Instance) -> None:
    for row in grace.ask("governance", "approvals", state="pending")["approvals"]:
        if row["action"].startswith("playbook."):
            grace.ask("governance", "respond", id=row["id"], response="approve", by="benchmark", reason="measured")


def _forget(grace: Instance) -> None:
    for row in grace.ask("signature", "list")["signatures"]:
        if row["kernel"] == KERNEL and row["playbook_name"]:
            grace.ask("signature", "forget", signature=row["signature_id"])


def _until(condition: Any) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(RemoteFailed, Interrupted):
            if value := condition():
                return value
        time.sleep(0.05)
    raise RuntimeError("it did not happen in time")
