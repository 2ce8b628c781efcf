"""The way of a run through its blocks: which item is begun, what an answer leads to, what was verified.

Blocks follow each other in one direction: steps, rescue if a failed step asks for it, verify, always. It is told of
answers and silences; from whom and through which event they came is the engine's. Invariant: `_advance` returns only
when something is awaited or the run has ended.
"""

from __future__ import annotations

from typing import Any

from playbooks import messages as m
from playbooks.conditions import EvaluationError
from playbooks.machine import Machine
from playbooks.messages import Status
from playbooks.params import bind
from playbooks.spec import RESULT_FIELDS, ActionKind, Check, OnFailure, Step
from playbooks.state import Awaited, Block, Waiting
from playbooks.templates import fill
from playbooks.tolerance import described, value_of, within

Result = dict[str, Any]


def result(ok: bool, changed: bool, message: str, data: Any) -> Result:
    """What an action answered, as expressions see it."""
    return dict(zip(RESULT_FIELDS, (ok, changed, message, data), strict=True))


class Progress(Machine):
    """A run that finds its way when it is told of answers."""

    def _enter(self, block: Block) -> None:
        """Go to the beginning of a block and on from there. Blocks follow each other in one direction only."""
        self._jump(block)
        self._advance()

    def _jump(self, block: Block) -> None:
        state = self._state
        state.block, state.index, state.attempt = block, 0, 0
        if block is Block.ALWAYS and state.run_timer is not None:
            self._cancel_timer(state.run_timer)
            state.run_timer = None

    def _advance(self) -> None:
        """Begin items until one has to be waited for or the run has ended."""
        state = self._state
        while state.waiting is None and not state.status.is_final:
            if state.index < len(self._items()):
                self._begin_item()
            elif state.block is Block.ALWAYS:
                assert state.verdict is not None
                self._end(state.verdict, state.reason)
            elif state.block is Block.VERIFY:
                self._judge_all()
                self._jump(Block.ALWAYS)
            else:
                self._jump(Block.VERIFY)

    def _begin_item(self) -> None:
        item = self._item()
        try:
            if isinstance(item, Step) and not all(each.test.value(self.variables()) for each in item.when):
                self._skip(item)
            else:
                self._call(item)
        except EvaluationError as error:
            self._uncalled(item, str(error))

    def _skip(self, step: Step) -> None:
        self._register(step, result(False, False, "skipped", None))
        self._report("step.skipped", step=step.id)
        self._next()

    def _next(self) -> None:
        self._state.index += 1
        self._state.attempt = 0

    def _call(self, item: Step | Check, *, again: bool = False) -> None:
        """Call the action of the item; `again` is the same attempt once more, after a restart of everything."""
        state = self._state
        spec = self._actions.get(item.action)
        if spec is None:
            self._uncalled(item, f"there is no action {item.action!r}")
            return
        params, problems = bind(spec.params, fill(item.params, self.variables()))
        if problems:
            self._uncalled(item, f"{item.action}: {'; '.join(problems)}")
            return
        state.attempt += not again
        token = self._token()
        state.waiting = Waiting(what=Awaited.CALL, token=token, timer=self._set_timer(item.timeout_s))
        check = state.check and spec.kind is ActionKind.ACTS
        self._report("step.started", step=item.id, action=item.action, attempt=state.attempt, check=check)
        self._out.append(m.CallAction(item.id, item.action, params, state.attempt, check, token))

    # ---- answers ---------------------------------------------------------------------------------------

    def _answered(self, item: Step | Check, answer: Result) -> None:
        state = self._state
        state.changed |= bool(answer["changed"])
        self._register(item, answer)
        if state.status is Status.CANCELING and state.block is not Block.ALWAYS:
            self._report("step.succeeded" if answer["ok"] else "step.failed", step=item.id, message=answer["message"])
            self._enter(Block.ALWAYS)
        elif isinstance(item, Check):
            self._verified(item, answer)
            self._advance()
        elif answer["ok"]:
            told = {"changed": answer["changed"], "message": answer["message"]}
            self._report("step.succeeded", step=item.id, **told)
            self._next()
            self._advance()
        else:
            self._again_or_failed(item, answer["message"] or "it failed without a word")

    def _unanswered(self, item: Step | Check, message: str) -> None:
        """The answer will not be waited for: what is not repeatable has failed, done or not."""
        self._register(item, result(False, False, message, None))
        if self._state.status is Status.CANCELING and self._state.block is not Block.ALWAYS:
            self._report("step.failed", step=item.id, message=message)
            self._enter(Block.ALWAYS)
        elif isinstance(item, Step) and self._is_repeatable(item):
            self._again_or_failed(item, message)
        else:
            self._failed(item, message)
            self._advance()

    def _uncalled(self, item: Step | Check, message: str) -> None:
        self._register(item, result(False, False, message, None))
        self._failed(item, message)

    def _register(self, item: Step | Check, answer: Result) -> None:
        if isinstance(item, Step) and item.register:
            self._state.results[item.register] = answer

    def _again_or_failed(self, step: Step, message: str) -> None:
        state = self._state
        if state.attempt > step.retry.count:
            self._failed(step, message)
        else:
            self._report("step.retried", step=step.id, attempt=state.attempt, message=message)
            state.waiting = Waiting(what=Awaited.DELAY, timer=self._set_timer(step.retry.delay_s))
        self._advance()

    def _failed(self, item: Step | Check, message: str) -> None:
        """The item has failed for good; go where that leads."""
        state = self._state
        if isinstance(item, Check):
            self._verified(item, result(False, False, message, None))
            return
        self._report("step.failed", step=item.id, message=message)
        if item.on_failure is not OnFailure.CONTINUE and state.failure is None:
            state.failed_step, state.failure = item.id, message
        if state.block is Block.ALWAYS:
            self._next()
            if item.on_failure is not OnFailure.CONTINUE and state.verdict is Status.SUCCEEDED:
                self._rule(Status.FAILED, f"{item.id}: {message}")
        elif item.on_failure is OnFailure.CONTINUE:
            self._next()
        elif item.on_failure is OnFailure.RESCUE and state.block is Block.STEPS:
            self._report("run.rescued", step=item.id)
            self._jump(Block.RESCUE)
        else:
            self._rule(Status.FAILED, f"{item.id}: {message}")
            self._jump(Block.ALWAYS)

    def _verified(self, check: Check, answer: Result) -> None:
        seen = value_of(answer["data"])
        ok = bool(answer["ok"]) and (check.tolerance is None or within(check.tolerance, seen))
        expected = "ok" if check.tolerance is None else described(check.tolerance)
        self._state.verified.append(m.Verified(check.id, ok, expected, seen, answer["message"]))
        type = "check.passed" if ok else "check.failed"
        self._report(type, check=check.id, expected=expected, seen=seen, message=answer["message"])
        self._next()

    def _judge_all(self) -> None:
        """Only what was verified has succeeded."""
        wrong = [each for each in self._state.verified if not each.ok]
        if wrong:
            told = "; ".join(
                f"{e.check}: expected {e.expected}, seen {e.seen!r:.60} {e.message}".strip() for e in wrong
            )
            self._rule(Status.FAILED, f"not verified: {told}")
        else:
            self._rule(Status.SUCCEEDED, "verified" if self._state.verified else "done, nothing to verify")
