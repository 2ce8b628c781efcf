"""Hosts runs of playbooks: performs their commands, keeps their state, takes them up again after a restart.

What a run does next is the engine's, which runs may start is the admission's. Invariant: the state after an event is
on the disk before any of its commands is performed; while the disk refuses, nothing is performed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grace_actors.actions.action import Action, Result
from grace_actors.errors import Refused, StoreFailed
from grace_actors.healing import journal
from grace_actors.healing.journal import Journal
from grace_actors.healing.library import Library
from grace_actors.healing.patches import Done, Patches
from grace_actors.healing.questions import Decision, Question, Questions
from grace_actors.healing.run_store import RunStore, new_row
from grace_actors.kernel import Context, Data, Timer
from grace_actors.kernels.rows import as_json
from playbooks import messages as m
from playbooks import policy
from playbooks.engine import Run
from playbooks.params import bind
from playbooks.policy import Admission
from playbooks.spec import ActionSpec, Playbook
from playbooks.state import Awaited, RunDataError

SAVE_AGAIN_S = 5.0
MAX_RESTORES = 3
"""So often a run is taken up in the same call of an action; one more, and the action is what ends the kernel."""
MAX_DATA_CHARS = 100_000
News = Callable[[str, str, Data], None]
"""Told of each event about a run: its type, the run, the data."""


@dataclass(slots=True, kw_only=True)
class Hosted:
    """A run that has not ended, and what is remembered beside its state."""

    run: Run
    playbook: Playbook
    inputs: Mapping[str, Any]
    issue: Mapping[str, Any]
    check: bool
    approval: str = ""
    restores: int = 0


class Runner:
    """All runs. `start` takes up those of before; `request` begins one."""

    def __init__(
        self, ctx: Context, store: RunStore, library: Library, catalogue: Mapping[str, Action], patches: Patches
    ) -> None:
        self._ctx, self._store, self._library, self._catalogue = ctx, store, library, catalogue
        self._patches = patches
        self._specs: dict[str, ActionSpec] = {name: action.spec for name, action in catalogue.items()}
        self._hosted: dict[str, Hosted] = {}
        self._admission = Admission()
        self._timers: dict[tuple[str, int], Timer] = {}
        self._questions = Questions(ctx, self._decided, self._asked)
        self._journal = Journal()
        self._todo: list[tuple[str, m.Command]] = []
        self._over: list[str] = []
        """Runs whose end the admission has not heard of. It hears of it last, when all others are as they are."""
        self._again: Timer | None = None
        self.problem = ""
        """Why nothing goes on; empty when all is well."""
        self.listeners: list[News] = []

    # ---- from outside --------------------------------------------------------------------------------------

    def request(
        self,
        playbook: Playbook,
        inputs: Data,
        *,
        issue: Data,
        check: bool = False,
        incident: str = "",
        by: str = "",
        approved_by: str = "",
    ) -> str:
        """Have a playbook run; the id of the run. With `approved_by` it asks nobody. Raises Refused for wrong inputs,
        StoreFailed when it cannot be kept: then nothing was begun."""
        values, problems = bind(playbook.inputs, inputs)
        if problems:
            takes = f"its inputs: {', '.join(playbook.inputs)}" if playbook.inputs else "it takes no inputs"
            raise Refused(f"{playbook.name}: {'; '.join(problems)}", hint=takes)
        shown, now = as_json(values, "inputs"), self._ctx.wall()
        id = self._store.next_id(now)
        run = Run(id, playbook, self._specs, inputs=values, issue=issue, check=check, approved_by=approved_by)
        row = new_row(id=run.id, playbook=playbook.name, is_check=int(check), inputs=shown, requested_at=now)
        row |= {"incident": incident, "requested_by": by, "data": _json(run.to_data())}
        self._store.insert(row)
        self._hosted[run.id] = Hosted(run=run, playbook=playbook, inputs=values, issue=issue, check=check)
        told = {"playbook": playbook.name, "check": check, "by": by, "incident": incident}
        self._journal.happenings.append(("run.requested", run.id, told))
        self._knock(run.id)
        self._settle()
        return run.id

    def cancel(self, id: str, *, by: str, reason: str) -> None:
        """Stop a run in order. Raises NotFound, or Refused when it has ended."""
        if id not in self._hosted:
            status = self._store.get(id)["status"]
            raise Refused(f"{id} is {status} already", hint="only a run that has not ended can be cancelled")
        self._feed(id, m.Cancel(reason, by))

    def start(self) -> None:
        """Take up every run that has not ended. Called once, with the library loaded."""
        known = self._restore_admission()
        rows = self._store.unfinished()
        for row in rows:
            self._restore(row)
        for id in [row["id"] for row in rows if row["id"] in self._hosted]:
            self._take_up(id)
        self._admit(policy.Rearmed())
        for id in [row["id"] for row in rows]:
            hosted = self._hosted.get(id)
            if hosted and (not known or hosted.run.status in (m.Status.REQUESTED, m.Status.SCHEDULED)):
                self._knock(id)
        if rows:
            self._settle()

    def heard_of_approval(self, approval: str) -> None:
        """Somebody decided, or nobody in time."""
        self._questions.heard(approval)

    @property
    def active(self) -> int:
        """How many runs have not ended."""
        return len(self._hosted)

    # ---- after a restart -----------------------------------------------------------------------------------

    def _restore_admission(self) -> bool:
        """Whether what was saved could be taken; without it, every run asks to be admitted anew."""
        try:
            self._admission = Admission.from_data(self._store.admission() or {})
        except (ValueError, KeyError, TypeError):
            return False
        return True

    def _restore(self, row: Data) -> None:
        id, entry = row["id"], self._library.entries.get(row["playbook"])
        if entry is None:
            self._give_up(row, f"the playbook {row['playbook']!r} is not there any more")
            return
        try:
            data = json.loads(row["data"])
            run = Run.from_data(data, entry.playbook, self._specs)
        except (RunDataError, ValueError) as error:
            self._give_up(row, f"{error}: it cannot go on after a restart")
            return
        in_call = (data["waiting"] or {}).get("what") == Awaited.CALL
        self._hosted[id] = Hosted(
            run=run,
            playbook=entry.playbook,
            inputs=data["inputs"],
            issue=data["issue"],
            check=bool(row["is_check"]),
            approval=row["approval"],
            restores=row["restores"] + in_call,
        )

    def _take_up(self, id: str) -> None:
        restores = self._hosted[id].restores
        if restores > MAX_RESTORES:
            self._handle(id, m.Abandon(f"{self._ctx.name} ended {restores} times during the same action"))
        else:
            self._handle(id, m.Restored())

    def _give_up(self, row: Data, reason: str) -> None:
        """End a run that cannot be read as one."""
        changed = bool(json.loads(row["data"]).get("changed"))
        self._journal.ended(row["id"], row["playbook"], m.Status.ABANDONED.value, reason, changed, self._ctx.wall())
        if not row["is_check"]:
            self._over.append(row["id"])

    # ---- events in, commands out -----------------------------------------------------------------------------

    def _feed(self, id: str, event: m.Event) -> None:
        """Tell a run what happened; one that has ended needs no telling."""
        if id in self._hosted:
            self._handle(id, event)
            self._settle()

    def _handle(self, id: str, event: m.Event) -> None:
        hosted, now = self._hosted[id], self._ctx.wall()
        if isinstance(event, m.ActionDone | m.PatchDone):
            hosted.restores = 0
        commands = hosted.run.handle(event, now)
        self._journal.changes.put(
            id,
            status=hosted.run.status.value,
            data=_json(hosted.run.to_data()),
            approval=hosted.approval,
            restores=hosted.restores,
        )
        for command in commands:
            match command:
                case m.Report():
                    self._journal.take(id, hosted.playbook.name, command, now)
                case m.Ended(status, outcome):
                    name = hosted.playbook.name
                    self._journal.ended(id, name, status.value, outcome.message, outcome.changed, now)
                    del self._hosted[id]
                    self._questions.forget(id)
                    self._patches.forget(id)
                    if not hosted.check:
                        self._over.append(id)
                case _:
                    self._todo.append((id, command))

    def _knock(self, id: str) -> None:
        """Ask whether it may begin. A run in check mode changes nothing: it neither waits nor makes others wait."""
        hosted = self._hosted[id]
        if hosted.check:
            self._handle(id, m.Begin())
            return
        self._admit(policy.Requested(id, hosted.playbook, hosted.inputs, hosted.issue))

    def _admit(self, event: policy.Event) -> None:
        for command in self._admission.handle(event, self._ctx.wall()):
            match command:
                case m.SetTimer() | m.CancelTimer():
                    self._todo.append(("", command))
                case policy.Admit(run) if run not in self._hosted:
                    self._over.append(run)
                case policy.Admit(run):
                    self._handle(run, m.Begin())
                case policy.Delay(run, reason):
                    self._handle(run, m.Delayed(reason))
                case policy.Refuse(run, reason) if self._hosted[run].run.status is m.Status.REQUESTED:
                    self._handle(run, m.Cancel(reason, "its policy"))

    def _settle(self) -> None:
        """Write what was decided, then do it; later, all of it, if the disk refuses now."""
        while self._over:
            self._admit(policy.RunEnded(self._over.pop(0)))
        try:
            self._store.save(self._journal.changes, self._admission.to_data())
        except StoreFailed as error:
            self.problem = f"runs of playbooks stand still: {error.message}"
            if self._again is None:
                self._again = self._ctx.after(SAVE_AGAIN_S, self._try_again)
            return
        self.problem = ""
        happenings, todo = self._journal.happenings, self._todo
        self._journal, self._todo = Journal(), []
        for type, subject, data in happenings:
            self._ctx.emit(type, subject, data)
        for id, command in todo:
            self._perform(id, command)
        for type, subject, data in happenings:
            for tell in self.listeners:
                tell(type, subject, data)

    def _try_again(self) -> None:
        self._again = None
        self._settle()

    # ---- performing --------------------------------------------------------------------------------------------

    def _perform(self, id: str, command: m.Command) -> None:
        match command:
            case m.SetTimer(token, at):
                delay_s = max(0.0, at - self._ctx.wall())
                self._timers[id, token] = self._ctx.after(delay_s, lambda: self._fired(id, token))
            case m.CancelTimer(token):
                if timer := self._timers.pop((id, token), None):
                    timer.cancel()
            case m.CallAction():
                self._call(id, command)
            case m.AskApproval():
                self._ask(id, command)
            case m.AwaitPatch(_, work_order, token):
                self._patches.wait(work_order, id, lambda done: self._patched(id, token, done))

    def _fired(self, id: str, token: int) -> None:
        self._timers.pop((id, token), None)
        if id:
            self._feed(id, m.TimerFired(token))
        else:
            self._admit(m.TimerFired(token))
            self._settle()

    def _patched(self, id: str, token: int, done: Done) -> None:
        if done.ok and id in self._hosted:
            self._journal.happenings.append(("self_healing.patch_applied", id, {"work_order": done.order}))
        self._feed(id, m.PatchDone(token, done.ok, done.ok, f"{done.order}: {done.message}", done.data))

    def _call(self, id: str, call: m.CallAction) -> None:
        hosted = self._hosted.get(id)
        waiting = hosted.run.to_data()["waiting"] if hosted else None
        if waiting is None or waiting["token"] != call.token:  # given up while the disk refused
            return

        def done(result: Result) -> None:
            data = _plain(result.data)
            order = data.get("work_order") if isinstance(data, dict) and result.ok and not call.check else None
            message = journal.text(result.message)
            done = m.ActionDone(call.token, result.ok, result.changed, message, data, order or None)
            self._feed(id, done)

        self._catalogue[call.action].perform(self._ctx, call.params, call.check, done)

    def _ask(self, id: str, ask: m.AskApproval) -> None:
        hosted = self._hosted.get(id)
        if hosted is None:  # it was cancelled while the disk refused
            return
        name, severity = hosted.playbook.name, hosted.playbook.severity.value
        context = {"run": id, "route": ask.route, "severity": severity, "check": hosted.check}
        context["subject"] = str(hosted.issue.get("incident") or hosted.issue.get("subject") or id)
        question = Question(
            run=id,
            token=ask.token,
            action=f"playbook.{name}",
            context={**context, "inputs": dict(hosted.inputs)},
            reason=f"{name}: {hosted.playbook.title}",
            ttl_s=ask.ttl_s,
            approval=hosted.approval,
        )
        self._questions.ask(question)

    def _asked(self, id: str, approval: str) -> None:
        if id in self._hosted:
            self._hosted[id].approval = approval
            self._journal.changes.put(id, approval=approval)
            self._settle()

    def _decided(self, id: str, decision: Decision) -> None:
        self._feed(id, decision)


def _json(data: Data) -> str:
    return json.dumps(data, ensure_ascii=False, default=str)


def _plain(data: Any) -> Any:
    """What an action handed on, as a run can keep it."""
    text = json.dumps(data, ensure_ascii=False, default=str)
    if len(text) <= MAX_DATA_CHARS:
        return json.loads(text)
    value = data.get("value") if isinstance(data, dict) else None
    return {"value": value if isinstance(value, int | float | str | bool) else None, "left_out_characters": len(text)}
