"""The playbook engine: `Run(...).handle(event, now) -> list[Command]`.

A run goes through its steps, through the rescue block if a step that failed asks for it, verifies, and then does the
always block, however it went. It knows no concrete action, no process and no clock.

Rules a host keeps: save `to_data()` before performing the commands of an event; after `from_data` the first event is
`Restored`. Then, whatever stops and whenever:

- a run ends, because everything it waits for has a timer, a patch and an action alike; only a person may take as long
  as the question stands;
- an action that is not idempotent is called again only after it answered that it failed and `retry` asks for it. If its
  answer never came (a timeout, a restart of everything) it may have been done, and the step has failed;
- a late answer names an old token and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playbooks import messages as m
from playbooks.conditions import EvaluationError
from playbooks.messages import Command, Event, Status
from playbooks.params import bind
from playbooks.progress import Progress, result
from playbooks.spec import Actions, Check, Playbook, Step
from playbooks.state import Awaited, Block, RunDataError, State, Waiting, state_of


class Run(Progress):
    """One run of one playbook. `inputs` are those given; defaults are filled in when it begins. `approved_by` names who
    has agreed already: then its question is not asked."""

    def __init__(
        self,
        id: str,
        playbook: Playbook,
        actions: Actions,
        *,
        inputs: Mapping[str, Any] | None = None,
        issue: Mapping[str, Any] | None = None,
        check: bool = False,
        approved_by: str = "",
    ) -> None:
        state = State(
            id=id,
            playbook=playbook.name,
            digest=playbook.digest,
            inputs=dict(inputs or {}),
            issue=dict(issue or {}),
            check=check,
            approved_by=approved_by,
        )
        super().__init__(state, playbook, actions)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], playbook: Playbook, actions: Actions) -> Run:
        """The run that `to_data` described. Raises RunDataError, also when it ran another text of the playbook."""
        state = state_of(data)
        if (state.playbook, state.digest) != (playbook.name, playbook.digest):
            raise RunDataError(f"run {state.id} is of another text of the playbook {state.playbook!r}")
        run = cls(state.id, playbook, actions)
        run._state = state
        return run

    def to_data(self) -> dict[str, Any]:
        """All there is to know about the run, as plain JSON data."""
        return self._state.to_data()

    @property
    def id(self) -> str:
        return self._state.id

    @property
    def status(self) -> Status:
        return self._state.status

    def handle(self, event: Event, now: float) -> list[Command]:
        """What to do about the event; `now` is wall time in seconds and may jump."""
        self._now = now
        out: list[Command] = []
        self._out = out
        if self._state.status.is_final:
            return out
        match event:
            case m.Delayed(reason):
                self._delayed(reason)
            case m.Begin():
                self._begin()
            case m.Restored():
                self._restored()
            case m.ActionDone():
                self._action_done(event)
            case m.PatchDone():
                self._patch_done(event)
            case m.TimerFired(token):
                self._timer_fired(token)
            case m.Approved() | m.Rejected() | m.ApprovalExpired():
                self._decided(event)
            case m.Cancel():
                self._cancel(event)
            case m.Abandon(reason):
                self._end(Status.ABANDONED, reason or "given up")
        return out

    # ---- the beginning -------------------------------------------------------------------------------

    def _delayed(self, reason: str) -> None:
        if self._state.status is Status.REQUESTED:
            self._state.status = Status.SCHEDULED
            self._report("run.scheduled", reason=reason)

    def _begin(self) -> None:
        state = self._state
        if state.status not in (Status.REQUESTED, Status.SCHEDULED):
            return
        state.inputs, problems = bind(self.playbook.inputs, state.inputs)
        if problems:
            self._end(Status.FAILED, f"inputs: {'; '.join(problems)}")
            return
        approval = self.playbook.approval
        if state.approved_by or not approval.required:
            if approval.required:
                self._report("run.approved", by=state.approved_by)
            self._go()
            return
        state.status = Status.PAUSED
        state.waiting = Waiting(what=Awaited.APPROVAL, token=self._token())
        self._report("run.paused", waits_for="approval", route=approval.route)
        self._ask()

    def _ask(self) -> None:
        assert self._state.waiting is not None
        approval = self.playbook.approval
        self._out.append(m.AskApproval(self._state.waiting.token, approval.route, approval.ttl_s))

    def _decided(self, event: m.Approved | m.Rejected | m.ApprovalExpired) -> None:
        if not self._awaits(Awaited.APPROVAL, event.token):
            return
        self._state.waiting = None
        match event:
            case m.Approved(_, by):
                self._report("run.approved", by=by)
                self._go()
            case m.Rejected(_, by, reason):
                who = f" by {by}" if by else ""
                self._end(Status.CANCELED, f"rejected{who}" + (f": {reason}" if reason else ""))
            case m.ApprovalExpired():
                self._end(Status.TIMED_OUT, "nobody answered the question in time")

    def _go(self) -> None:
        state = self._state
        state.status = Status.RUNNING
        state.results = {
            step.register: result(False, False, "not run", None) for step in self.playbook.all_steps() if step.register
        }
        if self.playbook.policy.timeout_s is not None:
            state.run_timer = self._set_timer(self.playbook.policy.timeout_s)
        self._report("run.started", playbook=state.playbook, inputs=state.inputs, check=state.check)
        self._enter(Block.STEPS)

    # ---- answers ---------------------------------------------------------------------------------------

    def _action_done(self, event: m.ActionDone) -> None:
        if not self._awaits(Awaited.CALL, event.token):
            return
        state = self._state
        item = self._item()
        self._stop_waiting()
        if event.work_order and event.ok and isinstance(item, Step) and state.status is not Status.CANCELING:
            state.changed |= event.changed
            self._pause_for(item, event.work_order)
        else:
            self._answered(item, result(event.ok, event.changed, event.message, event.data))

    def _pause_for(self, step: Step, work_order: str) -> None:
        state = self._state
        state.status = Status.PAUSED
        if state.run_timer is not None:
            state.left_s = max(0.0, state.timers[state.run_timer] - self._now)
            self._cancel_timer(state.run_timer)
            state.run_timer = None
        timer = self._set_timer(step.timeout_s)
        state.waiting = Waiting(what=Awaited.PATCH, token=self._token(), timer=timer, work_order=work_order)
        state.work_order = work_order
        self._report("run.paused", waits_for="patch", step=step.id, work_order=work_order)
        self._out.append(m.AwaitPatch(step.id, work_order, state.waiting.token))

    def _patch_done(self, event: m.PatchDone) -> None:
        if self._awaits(Awaited.PATCH, event.token):
            item = self._item()
            self._stop_waiting()
            self._answered(item, result(event.ok, event.changed, event.message, event.data))

    # ---- what comes in between ---------------------------------------------------------------------------

    def _timer_fired(self, token: int) -> None:
        state = self._state
        if state.timers.pop(token, None) is None:
            return
        if token == state.run_timer:
            self._run_timed_out()
            return
        waiting = state.waiting
        assert waiting is not None
        self._stop_waiting()
        item = self._item()
        if waiting.what is Awaited.DELAY:
            self._begin_item_again(item)
        else:
            what = "the patch" if waiting.what is Awaited.PATCH else item.action
            self._unanswered(item, f"no answer of {what} within {item.timeout_s:g} s")

    def _begin_item_again(self, item: Step | Check, *, same_attempt: bool = False) -> None:
        try:
            self._call(item, again=same_attempt)
        except EvaluationError as error:
            self._uncalled(item, str(error))
        self._advance()

    def _run_timed_out(self, *, quietly: bool = False) -> None:
        state = self._state
        state.run_timer = None
        message = f"not done within {self.playbook.policy.timeout_s or 0.0:g} s"
        if state.verdict is None:
            self._rule(Status.TIMED_OUT, message)
        if state.waiting is not None:
            self._report("step.failed", step=self._item().id, message=f"the run was {message}")
            self._register(self._item(), result(False, False, f"the run was {message}", None))
            self._stop_waiting(quietly=quietly)
        self._enter(Block.ALWAYS)

    def _cancel(self, event: m.Cancel) -> None:
        state = self._state
        why = ": ".join(part for part in (f"canceled by {event.by}" if event.by else "canceled", event.reason) if part)
        if state.block is None:
            self._end(Status.CANCELED, why)
            return
        if state.verdict is not None:  # it is at its end already, one way or another
            return
        self._rule(Status.CANCELED, why)
        self._report("run.cancel_requested", by=event.by, reason=event.reason)
        in_flight = state.waiting is not None and state.waiting.what is Awaited.CALL
        if not in_flight:
            self._stop_waiting()
        state.status = Status.CANCELING
        if not in_flight:
            self._enter(Block.ALWAYS)

    def _restored(self) -> None:
        state = self._state
        waiting = state.waiting
        self._report("run.restored", status=state.status)
        if state.run_timer is not None and state.timers[state.run_timer] <= self._now:
            del state.timers[state.run_timer]
            self._run_timed_out(quietly=True)
            return
        if waiting is not None and waiting.what is Awaited.CALL:
            self._stop_waiting(quietly=True)
        self._out += [m.SetTimer(token, at) for token, at in state.timers.items()]
        match waiting:
            case Waiting(what=Awaited.APPROVAL):
                self._ask()
            case Waiting(what=Awaited.PATCH, work_order=work_order, token=token):
                self._out.append(m.AwaitPatch(self._item().id, work_order, token))
            case Waiting(what=Awaited.CALL):
                item = self._item()
                is_over = state.status is Status.CANCELING and state.block is not Block.ALWAYS
                if self._is_repeatable(item) and not is_over:
                    self._begin_item_again(item, same_attempt=True)
                else:
                    self._unanswered(item, f"{item.action} was interrupted; whether it was done is unknown")
