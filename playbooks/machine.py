"""What every part of a run leans on: its state, its timers and tokens, the commands of the event in hand.

It decides nothing but the end. Invariant: a token is never used twice, not even by a run that was restored, and no
timer outlives the run.
"""

from __future__ import annotations

from typing import Any

from playbooks import messages as m
from playbooks.messages import Command, Status
from playbooks.spec import ActionKind, Actions, Check, Playbook, Step
from playbooks.state import Awaited, Block, State


class Machine:
    """A run without its ways."""

    def __init__(self, state: State, playbook: Playbook, actions: Actions) -> None:
        self.playbook = playbook
        self._actions = actions
        self._state = state
        self._now = 0.0
        self._out: list[Command] = []

    def variables(self) -> dict[str, Any]:
        """What expressions see now."""
        state = self._state
        run = {"id": state.id, "playbook": state.playbook, "check": state.check}
        run |= {"failed_step": state.failed_step, "failure": state.failure}
        return {"inputs": state.inputs, "issue": state.issue, "run": run, **state.results}

    def _items(self) -> tuple[Step, ...] | tuple[Check, ...]:
        match self._state.block:
            case Block.RESCUE:
                return self.playbook.rescue
            case Block.VERIFY:
                return self.playbook.verify
            case Block.ALWAYS:
                return self.playbook.always
            case _:
                return self.playbook.steps

    def _item(self) -> Step | Check:
        return self._items()[self._state.index]

    def _is_repeatable(self, item: Step | Check) -> bool:
        """Whether the action may be called again although it may have been done."""
        spec = self._actions.get(item.action)
        return spec is not None and (spec.idempotent or spec.kind is ActionKind.READS or self._state.check)

    def _awaits(self, what: Awaited, token: int) -> bool:
        waiting = self._state.waiting
        return waiting is not None and waiting.what is what and waiting.token == token

    def _stop_waiting(self, *, quietly: bool = False) -> None:
        """Forget what is awaited; a paused run goes on. `quietly`: its timer does not run any more."""
        state = self._state
        waiting, state.waiting = state.waiting, None
        if waiting is not None and waiting.timer is not None:
            self._cancel_timer(waiting.timer, quietly=quietly)
        if state.status is Status.PAUSED and state.block is not None:
            state.status = Status.RUNNING
            self._report("run.resumed")
            if state.left_s is not None:
                state.run_timer, state.left_s = self._set_timer(state.left_s), None

    def _rule(self, verdict: Status, reason: str) -> None:
        self._state.verdict, self._state.reason = verdict, reason

    def _end(self, status: Status, reason: str) -> None:
        state = self._state
        for token in list(state.timers):
            self._cancel_timer(token)
        state.waiting, state.run_timer, state.status, state.reason = None, None, status, reason
        outcome = m.Outcome(reason, state.failed_step, state.changed, tuple(state.verified))
        self._report("run.ended", status=status, message=reason, changed=state.changed)
        self._out.append(m.Ended(status, outcome))

    def _token(self) -> int:
        self._state.next_token += 1
        return self._state.next_token - 1

    def _set_timer(self, delay_s: float) -> int:
        token = self._token()
        self._state.timers[token] = self._now + delay_s
        self._out.append(m.SetTimer(token, self._now + delay_s))
        return token

    def _cancel_timer(self, token: int, *, quietly: bool = False) -> None:
        if self._state.timers.pop(token, None) is not None and not quietly:
            self._out.append(m.CancelTimer(token))

    def _report(self, type: str, **data: Any) -> None:
        self._out.append(m.Report(type, {"run": self._state.id, **data}))
