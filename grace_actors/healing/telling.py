"""Why something is as it is, in sentences: the story of an incident, or of a kernel's last one.

Pure: rows in, words out. Invariant: every sentence rests on something that was recorded; what is not known is said to
be unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from grace_actors.kernel import Data
from grace_actors.kernels.rows import moment
from playbooks.incidents import ITSELF

_HOW = {
    "auto": "at once, because it had worked for this very failure often enough",
    "approved": "because it had worked before, after a person agreed",
    "matched": "because its trigger matches; nothing was known about the failure",
}


def sentences(row: Data, details: Data, decision: Mapping[str, Any] | None = None) -> list[str]:
    """The story of one incident."""
    times = "once" if row["count"] == 1 else f"{row['count']} times"
    told = [f"{row['kernel']} failed {times}, first at {moment(row['opened_at'])}: {row['kind']}: {row['reason']}."]
    told += _recognised(row)
    told += [_attempt(each) for each in details["attempts"]]
    told += _ordered(row)
    told += _decided(decision)
    told += _now(row)
    return told


def _recognised(row: Data) -> list[str]:
    parts = [part for part in json.loads(row["components"]) if part["contributes"]]
    what = ", ".join(f"{part['name']} {part['value']}" for part in parts[:4])
    known = "an automatic repair was known" if row["was_known"] else "no automatic repair was known"
    return [f"It is recognised as {row['signature']} by {what}; {known}."] if row["signature"] else []


def _attempt(attempt: Mapping[str, Any]) -> str:
    how = _HOW.get(attempt["how"], attempt["how"])
    went = {"healed": "it was verified", "failed": "it did not heal it", "running": "it has not ended"}
    went["dropped"] = "it was given up"
    result = went.get(attempt["status"], f"it ended {attempt['status']}")
    message = f": {attempt['message']}" if attempt["message"] else ""
    return f"{attempt['playbook']} ({attempt['run'] or 'no run'}) was run {how}; {result}{message}."


def _ordered(row: Data) -> list[str]:
    order = row["work_order"]
    if not order:
        return []
    if row["state"] == "awaiting_patch":
        return [f"A change of code is waited for: the work order {order}."]
    return [f"A change of code was ordered for it: {order}."]


def _decided(decision: Mapping[str, Any] | None) -> list[str]:
    if not decision:
        return []
    others = ", ".join(str(other) for other in decision.get("alternatives") or ()) or "nothing"
    return [f"The choice was to {decision['choice']}; also possible: {others}."]


def _now(row: Data) -> list[str]:
    match row["state"]:
        case "healed" if row["repair"] == ITSELF:
            took = f" after {row['heal_s']:.2f} s" if row["heal_s"] is not None else ""
            return [f"It was over by itself{took}: the trigger does not find it any more. No repair healed it."]
        case "healed" if row["repair"] == "by hand":
            by = f" by {row['resolved_by']}" if row["resolved_by"] else " by hand"
            return [f"It was closed{by}{': ' + row['note'] if row['note'] else ''}."]
        case "healed":
            how = f"by {row['repair']}" if row["repair"] else ""
            asked = "nobody was asked" if row["auto"] else "a person took part, or it was new"
            took = f" after {row['heal_s']:.2f} s" if row["heal_s"] is not None else ""
            return [f"It was healed {how}{took}; {asked}."]
        case "open" | "repairing":
            return [
                "It is not over: " + ("its supervisor restarts it." if row["state"] == "open" else "a repair runs.")
            ]
        case state:
            cause = f" because {row['cause']}" if row["cause"] else ""
            return [f"It is {state.replace('_', ' ')}{cause}."]


def of_node(name: str, node: Mapping[str, Any]) -> list[str]:
    """What the tree says of an actor that has no incident."""
    last = node.get("last_exit")
    restarts = f"{node['restarts']} restart{'' if node['restarts'] == 1 else 's'}"
    told = [f"{name} is {node['state']}, generation {node['generation']}, {restarts}."]
    if isinstance(last, dict):
        words = dict.fromkeys(str(last[key]) for key in ("kind", "reason") if last.get(key))  # they may be the same
        told.append(f"It ended last with {': '.join(words)}.")
    degraded: Sequence[Any] = node.get("degraded") or ()
    return [*told, *(f"It works with less: {reason}." for reason in degraded)]
