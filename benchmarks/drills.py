"""How long each drill's fault goes unnoticed and unhealed, on the whole built-in tree: every card, five times.

The rounds go through all cards, so that what must rest after a repair rests while others are drilled. Times are those
of the journals: from the injection to the event that noticed it, and to the moment when everything was seen to be as
before. They are compared with the limits of the cards.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from typing import Any

from benchmarks.figures import spread
from benchmarks.instance import Instance, instance
from grace_actors.console.errors import Interrupted, RemoteFailed

RUNNER = "chaos_runner"
ROUNDS = 5
DRILL_S, WHOLE_S = 900.0, 300.0
STEP_S = 0.2


def run(rounds: int = ROUNDS, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Medians of each card."""
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with instance() as grace:
        ids = list(only) or [row["id"] for row in grace.ask(RUNNER, "drills")["drills"]]
        for number in range(rounds):
            for id in ids:
                runs[id].append(drill(grace, id))
                _say(number, id, runs[id][-1])
        cards = {id: _of_card(grace.ask(RUNNER, "drill", id=id), found) for id, found in runs.items()}
    failed = {id: card["failed"] for id, card in cards.items() if card["failed"]}
    return {"name": "drills", "rounds": rounds, "cards": cards, "failed": failed, "ok": not failed}


def drill(grace: Instance, id: str) -> dict[str, Any]:
    """Run one drill to its verdict, once nothing of the one before is left."""
    try:
        run = _retried(lambda: grace.ask(RUNNER, "run_drill", id=id, by="benchmark"), WHOLE_S)["run"]
    except RemoteFailed as error:  # what keeps it from beginning is a finding too
        return {"passed": False, "detect_s": None, "heal_s": None, "reason": f"did not begin: {error}{_open(grace)}"}

    def judged() -> dict[str, Any]:
        found: dict[str, Any] = grace.ask(RUNNER, "drill_run", run=run)
        if found["status"] == "running":
            raise _NotYetError
        return found

    return _retried(judged, DRILL_S)


def _open(grace: Instance) -> str:
    """The incidents that go on, in words."""
    rows = grace.ask("self_healing", "incidents", limit=50)["incidents"]
    keys = ("id", "kernel", "state", "kind", "reason", "repair", "next_step", "cause")
    return "".join(f"; {[row.get(key) for key in keys]}" for row in rows if row["healed_at"] is None)


class _NotYetError(Exception):
    """It goes on."""


def _retried(call: Any, within_s: float) -> dict[str, Any]:
    """The answer, over restarts of whoever gives it. What is refused is asked for again until there is no time left."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            found: dict[str, Any] = call()
            return found
        except (RemoteFailed, Interrupted, _NotYetError):
            if time.monotonic() > deadline:
                raise
            time.sleep(STEP_S)


def _of_card(card: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any]:
    times = {key: [run[key] for run in runs if run[key] is not None] for key in ("detect_s", "heal_s")}
    extension = next(each for each in card["card"]["extensions"] if each["name"] == "grace")
    limits = {key: extension["expect"].get(key) for key in ("detect_within", "heal_within")}
    return {
        **{key: spread(values) if len(values) > 1 else {"values": values} for key, values in times.items()},
        "median": {key: round(statistics.median(values), 3) if values else None for key, values in times.items()},
        **limits,
        "failed": [run["reason"] or str(run["said"]) for run in runs if not run["passed"]],
    }


def _say(number: int, id: str, run: dict[str, Any]) -> None:
    """Progress, for it takes long; the result alone goes to standard output."""
    word = "passed" if run["passed"] else f"FAILED: {run['reason'] or run['said']}"
    times = f"detected {run['detect_s']}, healed {run['heal_s']}"
    print(f"round {number + 1}: {id} {word}; {times}", file=sys.stderr, flush=True)
