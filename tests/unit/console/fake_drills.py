"""A chaos_runner that answers from memory: each look at a run shows it one step further.

Speaks the verbs of the kernel and injects nothing. Invariant: the same requests get the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.unit.console.fake import NOT_FOUND, RemoteError, Script, kernels

T0 = 1_795_000_000.0
PASSED = {"trigger": True, "playbook": True, "work_order": True, "slo": True}
SAID = {
    "trigger": "child.exited of librarian, 0.2 s after the fault",
    "playbook": "its supervisor restarted librarian",
    "work_order": "none was made, as it should be",
    "slo": "noticed within 5 s, healed within 60 s, librarian is running",
}
REFUSED = RemoteError(
    code="refused", message="drill KH001 has been running for 12 s, started by eve", hint="see: drill follow"
)
CARD: dict[str, Any] = {
    "title": "KH002 - librarian is killed",
    "description": "A SIGKILL must be healed within a minute.",
    "tags": ["kernel_health"],
    "extensions": [
        {
            "name": "grace",
            "card": "KH002",
            "weight": 2.0,
            "radius": ["librarian"],
            "expect": {
                "trigger": {"type": "child.exited", "subject": "librarian"},
                "playbook": "restart",
                "work_orders": 0,
                "detect_within": "5s",
                "heal_within": "60s",
            },
        }
    ],
    "steady-state-hypothesis": {
        "title": "librarian answers",
        "probes": [
            {
                "type": "probe",
                "name": "librarian-running",
                "tolerance": "running",
                "provider": {"func": "kernel_state", "arguments": {"kernel": "librarian"}},
            }
        ],
    },
    "method": [
        {
            "type": "action",
            "name": "kill-librarian",
            "provider": {"func": "kill", "arguments": {"kernel": "librarian"}},
        }
    ],
    "rollbacks": [
        {
            "type": "action",
            "name": "ensure-librarian",
            "provider": {"func": "ensure_running", "arguments": {"kernel": "librarian"}},
        }
    ],
}
FIELDS = ("what", "name", "seconds", "message")
ACTIVITIES = (
    ("probe", "librarian-running", 0.1, "running"),
    ("inject", "kill-librarian", 0.02, "killed, pid 4711"),
    ("probe", "librarian-running", 1.2, "running"),
    ("rollback", "ensure-librarian", 0.1, "it runs already"),
)


def row(id: str, **more: Any) -> dict[str, Any]:
    """A drill of the list."""
    return {
        "id": id,
        "title": f"{id} is drilled",
        "category": "kernel_health",
        "weight": 2.0,
        "micro": False,
        "last_run": None,
        "passed": None,
        "runs": 0,
        "deviations": 0,
        "detect_s": None,
        "heal_s": None,
        "due": True,
    } | more


def looks(run: str, id: str, *, gates: Mapping[str, bool | None] = PASSED, reason: str = "") -> list[dict[str, Any]]:
    """A run, as it is seen look by look; the last one is judged."""
    found = []
    passed = all(gates.values())
    for done in range(len(ACTIVITIES) + 1):
        states = ["ok"] * done + ["running"] + ["waiting"] * len(ACTIVITIES)
        is_over = done == len(ACTIVITIES)
        judged = list(gates)[: max(done - 1, 0)] if not is_over else list(gates)
        found.append(
            {
                "run": run,
                "id": id,
                "title": f"{id} is drilled",
                "by": "alice",
                "status": "completed" if is_over else "running",
                "phase": ("checking", "injecting", "healing", "rolling_back", "judged")[done],
                "started_at": T0,
                "ended_at": T0 + 2.5 if is_over else None,
                "activities": [
                    dict(zip(FIELDS, each, strict=True))
                    | {"state": state}
                    | ({} if state == "ok" else {"seconds": None, "message": ""})
                    for each, state in zip(ACTIVITIES, states, strict=False)
                ],
                "gates": {gate: gates[gate] if gate in judged else None for gate in gates},
                "said": {gate: SAID[gate] for gate in judged},
                "detect_s": 0.2 if done > 1 else None,
                "heal_s": 1.4 if done > 2 else None,
                "passed": passed if is_over else None,
                "reason": reason if is_over else "",
                "journal": f"/srv/grace/chaos/journals/{run}.json" if is_over else "",
            }
        )
    return found


class FakeRunner:
    """chaos_runner; `answers` may replace what a verb answers."""

    def __init__(self, *rows: dict[str, Any], **answers: Any) -> None:
        self.rows = list(rows) or [row("KH001"), row("KH002", title="librarian is killed"), row("SEC001")]
        self.answers = answers
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.newest: str | None = None

    def script(self) -> Script:
        own = {"drills": self._drills, "drill": self._drill, "run_drill": self._begin, "drill_run": self._look}
        own["read_drills"] = lambda args: {"cards": len(self.rows), "problems": []}
        verbs = own | {"kong": self._kong} | self.answers
        return kernels({("chaos_runner", verb): answer for verb, answer in verbs.items()})

    def add(self, run: str, found: list[dict[str, Any]]) -> None:
        """A run that goes on."""
        self.runs[run], self.newest = found, run

    def _drills(self, args: dict[str, Any]) -> Any:
        return {"drills": self.rows, "count": len(self.rows)}

    def _drill(self, args: dict[str, Any]) -> Any:
        found = next((each for each in self.rows if each["id"] == args["id"]), None)
        if found is None:
            return NOT_FOUND
        history = [found_run(name, looks[-1]) for name, looks in self.runs.items() if looks[-1]["id"] == found["id"]]
        return {"card": CARD, "history": history} | found

    def _begin(self, args: dict[str, Any]) -> Any:
        run = f"drill_{len(self.runs) + 1:04d}"
        self.add(run, looks(run, args["id"]))
        return {"run": run, "id": args["id"]}

    def _kong(self, args: dict[str, Any]) -> Any:
        run = f"kong_{len(self.runs) + 1:04d}"
        self.add(run, looks(run, "KONG"))
        return {"run": run}

    def _look(self, args: dict[str, Any]) -> Any:
        found = self.runs.get(args.get("run") or self.newest or "")
        if not found:
            return NOT_FOUND
        return found.pop(0) if len(found) > 1 else found[0]


def found_run(run: str, judged: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the history."""
    kept = ("status", "passed", "gates", "detect_s", "heal_s", "reason")
    return {"run": run, "at": T0, **{key: judged[key] for key in kept}}
