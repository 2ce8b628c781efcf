"""What the reports of a run come to: columns of its row, notes on its steps, events for the log.

Pure translation. Invariant: a text that leaves here was masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grace_actors.healing.run_store import Changes, StepBegan, StepEnded
from grace_actors.kernel import Data
from grace_actors.kernels.masking import masked
from playbooks.messages import Report

EVENTS = ("run.requested", "run.started", "run.step_ended", "run.paused", "run.resumed", "run.ended")
MAX_MESSAGE_CHARS = 2000
_ATTEMPTS = {
    "step.succeeded": "succeeded",
    "step.failed": "failed",
    "step.skipped": "skipped",
    "step.retried": "retried",
    "check.passed": "passed",
    "check.failed": "failed",
}

Happening = tuple[str, str, Data]
"""Type, subject and data of an event."""


class Journal:
    """Collects what must be written and told about one event, over all runs it touched."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.happenings: list[Happening] = []

    def take(self, run: str, playbook: str, report: Report, now: float) -> None:
        """Note one report of a run."""
        data = report.data
        match report.type:
            case "step.started":
                began = StepBegan(run=run, step=data["step"], action=data["action"], attempt=data["attempt"], at=now)
                self.changes.notes.append(began)
            case type if type in _ATTEMPTS:
                self._attempt(run, playbook, type, data, now)
            case "run.scheduled":
                self.changes.put(run, message=text(f"waits: {data['reason']}"))
            case "run.paused":
                self.changes.put(run, message=text(f"waits for {_awaited(data)}"))
                told = {key: value for key, value in data.items() if key != "run"}
                self.happenings.append(("run.paused", run, {"playbook": playbook, **told}))
            case "run.started":
                self.changes.put(run, started_at=now, message="")
                self.happenings.append(("run.started", run, {"playbook": playbook, "check": data["check"]}))
            case "run.resumed":
                self.changes.put(run, message="")
                self.happenings.append(("run.resumed", run, {"playbook": playbook}))

    def _attempt(self, run: str, playbook: str, type: str, data: Mapping[str, Any], now: float) -> None:
        kind, status = type.partition(".")[0], _ATTEMPTS[type]
        message = text(str(data.get("message") or ""))
        if kind == "check":
            message = text(f"expected {data['expected']}, seen {data['seen']!r:.200} {message}".strip())
        step, changed = str(data[kind]), bool(data.get("changed", False))
        ended = StepEnded(run=run, step=step, kind=kind, status=status, at=now, changed=changed, message=message)
        self.changes.notes.append(ended)
        if status != "retried":
            told = {"playbook": playbook, "step": step, "status": status, "changed": changed, "message": message}
            self.happenings.append(("run.step_ended", run, told))

    def ended(self, run: str, playbook: str, status: str, message: str, changed: bool, now: float) -> None:
        """The run is over."""
        self.changes.put(run, status=status, message=text(message), changed=int(changed), ended_at=now)
        told = {"playbook": playbook, "status": status, "message": text(message), "changed": changed}
        self.happenings.append(("run.ended", run, told))


def text(message: str) -> str:
    """A message fit to be kept and told."""
    return masked(message[:MAX_MESSAGE_CHARS])


def _awaited(data: Mapping[str, Any]) -> str:
    return f"approval by {data['route']}" if data["waits_for"] == "approval" else f"the patch {data['work_order']}"
