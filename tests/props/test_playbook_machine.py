"""Random lives of a playbook run: whatever answers, fails, falls silent, is cancelled or restarted, its promises hold.

The machine plays the world: it answers calls late, twice or never, lets time pass, asks for the end, and stops
everything to go on from what was saved. It checks every command against what the playbook allows.
"""

from __future__ import annotations

import json
from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from playbooks import messages as m
from playbooks.conditions import Expression
from playbooks.engine import Run
from playbooks.messages import Status
from playbooks.spec import (
    ActionKind,
    ActionSpec,
    Approval,
    Check,
    Condition,
    OnFailure,
    Playbook,
    Policy,
    Retry,
    Step,
    Tolerance,
)
from supervisors.yaml_source import Place
from tests.harness.examples import examples

ACTIONS = {
    spec.name: spec
    for spec in (
        ActionSpec(name="read", kind=ActionKind.READS, idempotent=False, timeout_s=5.0),
        ActionSpec(name="again", kind=ActionKind.ACTS, idempotent=True, timeout_s=5.0),
        ActionSpec(name="once", kind=ActionKind.ACTS, idempotent=False, timeout_s=5.0),
    )
}
CONDITIONS = ["true", "false", "issue.missing", "run.failure == null", "not r_s0.ok"]
RIGHT, WRONG = 1, 2


def condition(text):
    return Condition(test=Expression(text), place=Place("p.yaml", 1, 1))


@st.composite
def steps(draw, prefix, least, failures):
    return tuple(
        Step(
            id=f"{prefix}{number}",
            action=draw(st.sampled_from(list(ACTIONS))),
            register=f"r_{prefix}{number}",
            when=tuple(condition(text) for text in draw(st.lists(st.sampled_from(CONDITIONS), max_size=1))),
            retry=Retry(count=draw(st.integers(0, 2)), delay_s=draw(st.sampled_from([0.0, 3.0]))),
            timeout_s=draw(st.sampled_from([2.0, 5.0, 60.0])),
            on_failure=draw(st.sampled_from(failures)),
        )
        for number in range(draw(st.integers(least, 3)))
    )


@st.composite
def playbooks(draw):
    rescue = draw(steps("c", 0, [OnFailure.FAIL, OnFailure.CONTINUE]))
    wishes = [OnFailure.FAIL, OnFailure.CONTINUE, *([OnFailure.RESCUE] if rescue else [])]
    return Playbook(
        name="p",
        title="t",
        policy=Policy(timeout_s=draw(st.sampled_from([None, 4.0, 40.0]))),
        approval=Approval(required=draw(st.booleans()), ttl_s=None),
        steps=draw(steps("s", 1, wishes)),
        rescue=rescue,
        always=draw(steps("z", 0, [OnFailure.FAIL, OnFailure.CONTINUE])),
        verify=tuple(
            Check(id=f"v{number}", action="read", tolerance=draw(st.sampled_from([None, Tolerance(values=(RIGHT,))])))
            for number in range(draw(st.integers(0, 2)))
        ),
        digest=draw(st.sampled_from(["d1", "d2"])),
    )


class PlaybookRun(RuleBasedStateMachine):
    """The world around one run."""

    def __init__(self):
        super().__init__()
        self.run = None

    @initialize(playbook=playbooks(), check=st.booleans())
    def start(self, playbook, check):
        self.playbook, self.check = playbook, check
        self.run = Run("r", playbook, ACTIONS, issue={"kind": "k"}, check=check)
        self.now = 100.0
        self.timers: dict[int, float] = {}
        self.open: dict[int, m.CallAction] = {}
        self.question: int | None = None
        self.patch: int | None = None
        self.calls: list[m.CallAction] = []
        self.answers: dict[tuple[str, int], bool] = {}
        self.tokens: set[int] = set()
        self.restored_calls: set[int] = set()
        self.values: dict[str, tuple[bool, int | None]] = {}
        self.begun = self.abandoned = False
        self.end: m.Ended | None = None

    # ---- the wire ----------------------------------------------------------------------------------------

    def send(self, event):
        was_over = self.end is not None
        commands = self.run.handle(event, self.now)
        assert not (was_over and commands), "an ended run says nothing more"
        for command in commands:
            assert self.end is None, "nothing follows the end"
            self.take(command, restored=isinstance(event, m.Restored))

    def take(self, command, restored):
        match command:
            case m.CallAction():
                self.new_token(command.token)
                self.called(command, restored)
            case m.SetTimer(token, at):
                if not restored or token not in self.tokens:
                    self.new_token(token)
                self.timers[token] = at
            case m.CancelTimer(token):
                self.timers.pop(token)
            case m.AskApproval(token):
                if not restored:
                    self.new_token(token)
                assert not self.begun
                self.question = token
            case m.AwaitPatch(_, _, token):
                if not restored:
                    self.new_token(token)
                self.patch = token
            case m.Report("run.started"):
                assert not self.begun
                self.begun = True
            case m.Ended():
                self.end = command

    def new_token(self, token):
        assert token not in self.tokens, "a token is used once"
        self.tokens.add(token)

    def called(self, call, restored):
        spec, check = ACTIONS[call.action], self.check and ACTIONS[call.action].kind is ActionKind.ACTS
        assert call.check == check
        assert self.begun, "nothing is called before the run has started"
        earlier = [each for each in self.calls if each.step == call.step]
        step = self.step(call.step)
        assert call.attempt <= 1 + (step.retry.count if step else 0)
        if restored and earlier and earlier[-1].attempt == call.attempt:
            self.restored_calls.add(call.token)
            assert spec.idempotent or spec.kind is ActionKind.READS or self.check
        else:
            assert call.attempt == (earlier[-1].attempt if earlier else 0) + 1, "attempts are counted"
            if earlier and not (spec.idempotent or spec.kind is ActionKind.READS or self.check):
                assert self.answers.get((call.step, call.attempt - 1)) is False, "called again after a silence"
        self.calls.append(call)
        self.open[call.token] = call

    def step(self, id):
        return next((step for step in self.playbook.all_steps() if step.id == id), None)

    # ---- what may happen ---------------------------------------------------------------------------------

    @rule()
    def begin(self):
        self.send(m.Begin())

    @rule()
    def delay(self):
        self.send(m.Delayed("wait"))

    @precondition(lambda self: self.run and self.open)
    @rule(data=st.data(), ok=st.booleans(), value=st.sampled_from([RIGHT, WRONG]), patched=st.integers(0, 5))
    def answer(self, data, ok, value, patched):
        token = data.draw(st.sampled_from(sorted(self.open)))
        call = self.open.pop(token) if patched != 1 else self.open[token]
        waiting = self.run.to_data()["waiting"]
        is_late = waiting is None or (waiting["what"], waiting["token"]) != ("call", token)
        before = self.run.to_data()
        if not is_late:
            self.answers[call.step, call.attempt] = ok
            self.values[call.step] = (ok, value)
        self.send(m.ActionDone(token, ok, changed=True, data=value, work_order="wo" if patched == 2 else None))
        if is_late:
            assert self.run.to_data() == before, "a late answer changes nothing"

    @precondition(lambda self: self.run and self.timers)
    @rule(late=st.sampled_from([0.0, 0.0, 1.0, 50.0]))
    def time_passes(self, late):
        at, token = min((at, token) for token, at in self.timers.items())
        self.now = max(self.now, at) + late
        del self.timers[token]
        self.send(m.TimerFired(token))

    @rule(seconds=st.sampled_from([0.5, 3.0]))
    def wait(self, seconds):
        self.now = min([self.now + seconds, *self.timers.values()])

    @rule(token=st.integers(0, 40))
    def stale_timer(self, token):
        if token not in self.timers:
            before = self.run.to_data()
            self.send(m.TimerFired(token))
            assert self.run.to_data() == before

    @precondition(lambda self: self.run and self.question is not None)
    @rule(answer=st.sampled_from([m.Approved, m.Approved, m.Approved, m.Rejected, m.ApprovalExpired]))
    def decide(self, answer):
        self.send(answer(self.question))

    @precondition(lambda self: self.run and self.patch is not None)
    @rule(ok=st.booleans())
    def patch_done(self, ok):
        waiting = self.run.to_data()["waiting"]
        if waiting and (waiting["what"], waiting["token"]) == ("patch", self.patch):
            self.answers[self.calls[-1].step, self.calls[-1].attempt] = ok
        self.send(m.PatchDone(self.patch, ok))

    @rule(really=st.integers(0, 3))
    def cancel(self, really):
        if not really:
            self.send(m.Cancel("enough"))

    @rule(really=st.integers(0, 15))
    def abandon(self, really):
        if not really and self.end is None:
            self.abandoned = True
            self.send(m.Abandon("lost"))

    @rule(after=st.sampled_from([0.0, 1.0, 100.0]))
    def everything_restarts(self, after):
        data = json.loads(json.dumps(self.run.to_data()))
        self.run = Run.from_data(data, self.playbook, ACTIONS)
        assert self.run.to_data() == data
        self.now += after
        self.timers = {}
        self.send(m.Restored())

    # ---- what always holds ---------------------------------------------------------------------------------

    @invariant()
    def timers_of_the_world_are_those_of_the_run(self):
        if self.run:
            assert self.timers == {int(token): at for token, at in self.run.to_data()["timers"].items()}

    @invariant()
    def a_live_run_waits_for_something_that_will_come(self):
        if self.run and self.begun and self.end is None:
            waiting = self.run.to_data()["waiting"]
            assert waiting is not None
            assert waiting["timer"] in self.timers

    @invariant()
    def the_end_is_what_was_seen(self):
        if not self.run or self.end is None:
            return
        assert self.run.status is self.end.status
        assert self.run.status.is_final
        assert self.timers == {}
        assert (self.end.status is Status.ABANDONED) == self.abandoned
        if self.end.status is Status.SUCCEEDED:
            for check in self.playbook.verify:
                ok, value = self.values[check.id]
                assert ok
                assert check.tolerance is None or value == RIGHT

    @invariant()
    def the_always_block_is_gone_through_once(self):
        if not self.run or self.abandoned:
            return
        by_block = {"s": 0, "c": 1, "v": 2, "z": 3}
        path = [(by_block[call.step[0]], int(call.step[1:]), call.attempt) for call in self.calls]
        fresh = [at for call, at in zip(self.calls, path, strict=True) if call.token not in self.restored_calls]
        assert fresh == sorted(set(fresh)), "no block and no attempt is gone through twice"
        if self.end is not None and self.begun:
            called = {call.step for call in self.calls}
            for step in self.playbook.always:
                if not step.when or step.when[0].test.text == "true":
                    assert step.id in called, "the always block was left out"

    def teardown(self):
        """Whatever happened, when the world does no more than let time pass, the run ends."""
        if not self.run:
            return
        if self.question is not None and not self.begun:
            self.send(m.ApprovalExpired(self.question))
        if self.end is None and not self.begun:
            self.send(m.Begin())
            if self.question is not None and not self.begun:
                self.send(m.Approved(self.question))
        limit = 10 * (1 + len(list(self.playbook.all_steps())) + len(self.playbook.verify))
        for _ in range(limit):
            if self.end is not None:
                break
            self.time_passes(0.0)
        assert self.end is not None, "the run does not end"
        self.the_end_is_what_was_seen()
        self.the_always_block_is_gone_through_once()
        attempts = defaultdict(set)
        for call in self.calls:
            attempts[call.step].add(call.attempt)
        assert all(found == set(range(1, len(found) + 1)) for found in attempts.values())


TestPlaybookRun = PlaybookRun.TestCase
TestPlaybookRun.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
