"""The verbs by which self_healing shows playbooks and runs them.

Reads requests and shows answers; the work is the library's and the runner's. Invariant: the files are read and the
runs of before are taken up before the first of these verbs answers.
"""

from __future__ import annotations

import json
from typing import Any

from grace_actors.actions.catalogue import CATALOGUE, specs
from grace_actors.errors import Refused, StoreFailed
from grace_actors.healing.incident_rows import Incidents
from grace_actors.healing.library import Library, description, fault_data, summary
from grace_actors.healing.patches import Patches
from grace_actors.healing.redaction import masked_data
from grace_actors.healing.run_store import RunStore, shown
from grace_actors.healing.runner import Runner
from grace_actors.kernel import Data, Kernel, Request
from grace_actors.kernels.arguments import choice, flag, mapping_or_empty, text, text_or, whole_or
from grace_actors.stores.sqlite import Store
from playbooks.messages import FINAL, Status

_OF_AN_INCIDENT = ("id", "kernel", "kind", "reason", "state", "count")
"""What a playbook that a person runs sees as `issue`."""


class PlaybookVerbs(Kernel):
    """What a kernel needs to run playbooks; it keeps `incidents` itself."""

    incidents: Incidents

    def open_playbooks(self, store: Store) -> None:
        """Use the kernel's store; the files are read, and runs taken up, when it is ready or first asked."""
        self.runs = RunStore(store)
        self._began_at = self.ctx.wall()
        self.library = Library(self.ctx.home, specs())
        self.patches = Patches(self.ctx)
        self._runner: Runner | None = None
        self.ctx.after(0.0, self._begin)

    def _begin(self) -> None:
        self.take_up()
        self.degraded += self.playbook_problems()

    def take_up(self) -> Runner:
        """The runner; the first time, the files are read and the runs of before go on."""
        if self._runner is None:
            self._read_library()
            self._runner = Runner(self.ctx, self.runs, self.library, CATALOGUE, self.patches)
            self._runner.start()
            self.playbooks_read()
        return self._runner

    def _read_library(self) -> None:
        """Read the files, and tell of each that cannot be used: whoever mends it need not look for it."""
        self.library.load()
        for broken in self.library.broken:
            fault = broken.fault
            told = {"file": str(broken.file), "line": fault.place.line, "fault": fault.message}
            told |= {"faults": broken.count, "in_use": broken.in_use}
            self.ctx.emit("playbook.broken", broken.file.stem, masked_data(told))

    def playbooks_read(self) -> None:
        """The library has been read, for the first time or again."""

    def gauges(self) -> dict[str, float]:
        """`failed_runs`: how many of the last ten runs that this incarnation ended have failed; a restart is a new
        chance. Nothing while its store cannot be read."""
        try:
            return {"failed_runs": float(self.runs.failed_of_last(self._began_at))}
        except StoreFailed:
            return {}

    @property
    def active_runs(self) -> int:
        """How many runs have not ended."""
        return self._runner.active if self._runner else 0

    def playbook_problems(self) -> list[str]:
        """Why playbooks work with less than their full function."""
        return [problem for problem in (self.library.problem, self.take_up().problem) if problem]

    # ---- playbooks -----------------------------------------------------------------------------------------

    def do_playbooks(self, request: Request) -> Any:
        """Every playbook there is, and every mistake in the files that are left out."""
        self.take_up()
        found = [summary(entry) for entry in self.library.entries.values()]
        return {"playbooks": found, "count": len(found), "faults": self._faults()}

    def do_playbook(self, request: Request) -> Any:
        """What the playbook `name` takes and does."""
        self.take_up()
        return description(self.library.get(text(request, "name", max_chars=200)))

    def do_reload_playbooks(self, request: Request) -> Any:
        """Read the files again. Runs that have begun go on with the text they began with."""
        self.take_up()
        self._read_library()
        self.playbooks_read()
        replaced = [name for name, entry in self.library.entries.items() if entry.replaces]
        self.did = f"read {len(self.library.entries)} playbooks, {len(self.library.faults)} mistakes"
        return {"count": len(self.library.entries), "replaced": replaced, "faults": self._faults()}

    def _faults(self) -> list[Data]:
        return [fault_data(fault) for fault in self.library.faults]

    # ---- runs ----------------------------------------------------------------------------------------------

    def do_run_playbook(self, request: Request) -> Any:
        """Run the playbook `name` with `inputs`; with `check` nothing is changed. `incident` is what it is about."""
        runner = self.take_up()
        entry = self.library.get(text(request, "name", max_chars=200))
        inputs, check = mapping_or_empty(request, "inputs"), flag(request, "check", False)
        incident, issue = text_or(request, "incident", max_chars=100), {}
        if incident:
            row = self.incidents.get(incident)
            issue = {key: row[key] for key in _OF_AN_INCIDENT} | {"incident": incident}
        by = request.sender or "unknown"
        id = runner.request(entry.playbook, inputs, issue=issue, check=check, incident=incident, by=by)
        self.did = f"{'checks' if check else 'runs'} {entry.playbook.name} for {by}: {id}"
        return self._shown(id)

    def do_retry_run(self, request: Request) -> Any:
        """Run the playbook of the run `id` again, with the same inputs, issue and incident; answers the new run."""
        runner, old = self.take_up(), self.runs.get(text(request, "id", max_chars=100))
        if Status(old["status"]) not in FINAL:
            raise Refused(f"{old['id']} is {old['status']}", hint=f"wait for its end, or: run cancel {old['id']}")
        entry, state = self.library.get(old["playbook"]), json.loads(old["data"])
        inputs = {key: value for key, value in state["inputs"].items() if key in entry.playbook.inputs}
        given = {"issue": state["issue"], "check": bool(old["is_check"]), "incident": old["incident"]}
        id = runner.request(entry.playbook, inputs, by=request.sender or "unknown", **given)
        self.did = f"runs {entry.playbook.name} again: {id}, after {old['id']}"
        return self._shown(id)

    def do_runs(self, request: Request) -> Any:
        """Runs, the newest first; `status`, `playbook` and `incident` narrow them."""
        status, playbook = text_or(request, "status"), text_or(request, "playbook", max_chars=200)
        if status:
            choice(request, "status", Status)
        incident, limit = text_or(request, "incident", max_chars=100), whole_or(request, "limit", 50, low=1, high=500)
        self.take_up()
        found = self.runs.list(status=status, playbook=playbook, incident=incident, limit=limit)
        return {"runs": [shown(row) for row in found], "count": len(found), "counts": self.runs.counts()}

    def do_run(self, request: Request) -> Any:
        """The run `id` with its steps."""
        self.take_up()
        return self._shown(text(request, "id", max_chars=100))

    def do_cancel_run(self, request: Request) -> Any:
        """Stop the run `id` in order: the call under way may answer, then its always block is done."""
        id, reason = text(request, "id", max_chars=100), text_or(request, "reason", max_chars=2000)
        by = text_or(request, "by", request.sender or "unknown", max_chars=200)
        self.take_up().cancel(id, by=by, reason=reason)
        self.did = f"cancelled {id} for {by}"
        return self._shown(id)

    def _shown(self, id: str) -> Data:
        return shown(self.runs.get(id), self.runs.steps(id))
