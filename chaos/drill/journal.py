"""The record of a drill in the form of the Chaos Toolkit's journal, with Grace's fields beside it.

Programs that read such journals find what they look for; a drill of Grace adds its run, the four gates and why, how
long detection and healing took, and a timeline. Pure: what the host is, it is told. Invariant: every entry of the
method and every rollback that was begun is in it, with its times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from chaos.card import Activity, Kind
from chaos.drill.core import Drill
from chaos.drill.records import Entry, State

FORM = "1.44.0"
"""The version of chaostoolkit-lib whose form this is."""
_STATUS = {State.OK: "succeeded", State.FAILED: "failed", State.RUNNING: "aborted"}


def journal(drill: Drill, *, platform: str = "", node: str = "") -> dict[str, Any]:
    """The journal as JSON data; of a drill that is not over, of what was so far."""
    experiment = dict(drill.card.experiment)
    activities = _written(experiment)
    end = drill.ended_at or max((entry.ended_at for entry in drill.records.entries()), default=0.0) or drill.started_at
    verdict = drill.verdict
    return {
        "chaoslib-version": FORM,
        "platform": platform,
        "node": node,
        "experiment": experiment,
        "start": moment(drill.started_at),
        "status": drill.status.value,
        "deviated": verdict.deviated if verdict is not None else False,
        "steady_states": {
            "before": _steady(drill.records.before, activities),
            "after": _steady(drill.records.after, activities),
            "during": [],
        },
        "run": [_run(entry, activities) for entry in drill.records.method if _was_begun(entry)],
        "rollbacks": [_run(entry, activities) for entry in drill.records.rollbacks if _was_begun(entry)],
        "end": moment(end),
        "duration": round(max(0.0, end - drill.started_at), 3),
        **_own(drill),
    }


def moment(at: float) -> str:
    """Unix seconds as the Chaos Toolkit writes a time."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def _own(drill: Drill) -> dict[str, Any]:
    """What a journal of the Chaos Toolkit does not have."""
    data = drill.as_data()
    keys = ("run", "id", "by", "passed", "gates", "said", "detect_s", "heal_s", "reason", "problems", "timeline")
    own = {("card" if key == "id" else key): data[key] for key in keys}
    return {"grace": {"run": own.pop("run"), "by": own.pop("by")}, **own}


def _written(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """The activities as they stand in the file, by name."""
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    parts: Iterable[Any] = (hypothesis.get("probes"), experiment.get("method"), experiment.get("rollbacks"))
    return {each["name"]: each for part in parts for each in part or ()}


def _was_begun(entry: Entry) -> bool:
    return entry.times > 0


def _steady(entries: list[Entry], activities: Mapping[str, Any]) -> dict[str, Any] | None:
    """The hypothesis as it was last looked at, up to the first probe that was not in tolerance."""
    begun = [entry for entry in entries if _was_begun(entry)]
    if not begun:
        return None
    probes = [_run(entry, activities) | {"tolerance_met": bool(entry.met)} for entry in begun]
    return {"steady_state_met": all(entry.met for entry in entries), "probes": probes}


def _run(entry: Entry, activities: Mapping[str, Any]) -> dict[str, Any]:
    """One activity with its times and what came of it."""
    output = entry.value if entry.activity.kind is Kind.PROBE else {"message": entry.message, "value": entry.value}
    ended_at = entry.ended_at or entry.began_at
    run = {
        "activity": activities.get(entry.activity.name) or _activity(entry.activity),
        "output": output,
        "start": moment(entry.began_at),
        "status": _STATUS.get(entry.state, "aborted"),
        "end": moment(ended_at),
        "duration": round(entry.seconds, 3),
    }
    if entry.state is State.FAILED and entry.was_read:
        run["status"] = "succeeded"  # that it is out of tolerance is told beside it
    elif entry.state is State.FAILED:
        run["exception"] = [entry.message]
    return run


def _activity(activity: Activity) -> dict[str, Any]:
    provider = {"type": "python", "module": activity.module, "func": activity.func}
    type = "probe" if activity.kind is Kind.PROBE else "action"
    return {"type": type, "name": activity.name, "provider": {**provider, "arguments": dict(activity.arguments)}}
