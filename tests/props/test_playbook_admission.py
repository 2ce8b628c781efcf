"""Whatever is asked, ends, falls asleep or is restarted, no key has more runs than it may and nobody waits for ever."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from playbooks.conditions import Expression
from playbooks.messages import CancelTimer, SetTimer, TimerFired
from playbooks.policy import Admission, Admit, Delay, Rearmed, Refuse, Requested, RunEnded
from playbooks.spec import Concurrency, OnLimit, Playbook, Policy, Step
from tests.harness.examples import examples


@st.composite
def policies(draw):
    limit = Concurrency(
        key=draw(st.sampled_from([None, Expression("inputs.k")])),
        max=draw(st.integers(1, 2)),
        on_limit=draw(st.sampled_from(OnLimit)),
    )
    return Policy(concurrency=draw(st.sampled_from([limit, limit, None])), cooldown_s=draw(st.sampled_from([0.0, 5.0])))


class AdmissionMachine(RuleBasedStateMachine):
    """Runs of two playbooks that come and go."""

    @initialize(one=policies(), other=policies())
    def start(self, one, other):
        self.admission, self.now = Admission(), 10.0
        self.playbooks = [
            Playbook(name=name, title="t", policy=policy, steps=(Step(id="a", action="a"),))
            for name, policy in (("one", one), ("other", other))
        ]
        self.keys: dict[str, tuple[Playbook, str | None]] = {}
        self.running: dict[str, float] = {}
        self.waiting: list[str] = []
        self.ended_at: dict[tuple[str, str | None], float] = {}
        self.timers: dict[int, float] = {}

    def key(self, run):
        playbook, key = self.keys[run]
        return playbook.name, key

    def send(self, event, new=None):
        told = 0
        for command in self.admission.handle(event, self.now):
            match command:
                case Admit(run):
                    told += run == new
                    if run != new:
                        assert run == next(each for each in self.waiting if self.key(each) == self.key(run)), "in order"
                        self.waiting.remove(run)
                    rest = self.keys[run][0].policy.cooldown_s
                    assert self.now >= self.ended_at.get(self.key(run), -1e9) + rest, "not during the rest"
                    self.running[run] = self.now
                case Delay(run):
                    told += run == new
                    limit = self.keys[run][0].policy.concurrency
                    assert limit is not None
                    assert limit.on_limit is OnLimit.DELAY
                    self.waiting.append(run)
                case Refuse(run):
                    assert run == new
                    told += 1
                case SetTimer(token, at):
                    self.timers[token] = at
                case CancelTimer(token):
                    self.timers.pop(token)
        assert told == (new is not None), "one answer to each request"

    @rule(which=st.integers(0, 1), k=st.sampled_from("xy"))
    def request(self, which, k):
        playbook = self.playbooks[which]
        run = f"r{len(self.keys)}"
        limit = playbook.policy.concurrency
        self.keys[run] = (playbook, k if limit and limit.key else None)
        self.send(Requested(run, playbook, {"k": k}), new=run)

    @rule(data=st.data(), from_waiting=st.booleans())
    def end(self, data, from_waiting):
        runs = self.waiting if from_waiting else sorted(self.running)
        if runs:
            run = data.draw(st.sampled_from(runs))
            if from_waiting:
                self.waiting.remove(run)
            else:
                del self.running[run]
                self.ended_at[self.key(run)] = self.now
            self.send(RunEnded(run))

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.0]))
    def time_passes(self, seconds):
        end = self.now + seconds
        while due := min(((at, token) for token, at in self.timers.items() if at <= end), default=None):
            self.now = max(self.now, due[0])
            del self.timers[due[1]]
            self.send(TimerFired(due[1]))
        self.now = end

    @rule(after=st.sampled_from([0.0, 6.0]))
    def everything_restarts(self, after):
        self.admission = Admission.from_data(json.loads(json.dumps(self.admission.to_data())))
        self.timers = {}
        self.now += after
        self.send(Rearmed())

    @invariant()
    def no_key_has_more_runs_than_it_may(self):
        if not hasattr(self, "running"):
            return
        for run in self.running:
            limit = self.keys[run][0].policy.concurrency
            same = [each for each in self.running if self.key(each) == self.key(run)]
            assert limit is None or len(same) <= limit.max

    def teardown(self):
        """When those that run end and time passes, everyone who waits is admitted."""
        for _ in range(len(getattr(self, "keys", ())) + 1):
            for run in sorted(self.running):
                del self.running[run]
                self.ended_at[self.key(run)] = self.now
                self.send(RunEnded(run))
            self.time_passes(7.0)
        assert not getattr(self, "waiting", [])


TestAdmission = AdmissionMachine.TestCase
TestAdmission.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
