"""Random lives under `staggered_restart`: whatever waits, dies, is stopped or does not start, its invariants hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from supervisors import Strategy
from supervisors import messages as m
from supervisors.messages import OpKind
from supervisors.slots import HELD, OPERATOR, SlotState
from tests.harness.examples import examples
from tests.unit.supervisors.test_staggered_restart import BROKEN, FOUND, UNRESOLVED, Room

IDS = "abcd"
ids = st.sampled_from(IDS)
groups = st.sets(ids, min_size=1, max_size=3)


class Deadlocks(RuleBasedStateMachine):
    @initialize(
        strategy=st.sampled_from([Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]),
        attempts=st.integers(1, 3),
        stagger_s=st.sampled_from([0.0, 0.5, 5.0]),
        is_safe=st.booleans(),
        group=st.none() | groups.map(sorted),
    )
    def begin(self, strategy, attempts, stagger_s, is_safe, group):
        params = {"attempts": attempts, "stagger_s": stagger_s, "safe": is_safe, "calm_s": 20.0}
        params |= {"group": group} if group else {}
        self.attempts, self.group = attempts, group or list(IDS)
        self.d = Room(IDS, strategy, **params)
        self.told = len(self.d.commands)
        self.is_restarting = False
        self.policies = self.d.spec.policies
        self.reloads: dict[int, Any] = {}
        self.stopped: set[str] = set()
        self.seen = len(self.d.commands)

    # ---- the world ----------------------------------------------------------------------------------

    @rule(names=st.permutations(IDS), size=st.integers(1, 4), for_s=st.sampled_from([0.75, 2.0]))
    def circle(self, names, size, for_s):
        names = names[:size]
        for n, who in enumerate(names):
            self.d.waits(who, names[(n + 1) % size], owes=names[n - 1], for_s=for_s)

    @rule(who=ids, to=ids, owes=ids)
    def some_wait(self, who, to, owes):
        self.d.waits(who, to, owes=owes)

    @rule(who=ids)
    def waits_no_longer(self, who):
        self.d.waits(who)

    @rule(values=st.lists(st.sampled_from([0, 500]), min_size=4, max_size=4))
    def measured(self, values):
        for id, queue in zip(IDS, values, strict=True):
            for _ in range(3):
                self.d.do(m.ChildMeasured(id, self.d.gen(id), 10.0, queue=queue))

    @rule(id=ids)
    def dies(self, id):
        if id in self.d.alive:
            self.d.crash(id)

    @rule(id=ids, times=st.integers(0, 5))
    def will_fail(self, id, times):
        self.d.fails[id] = times

    @rule(names=groups)
    def slow(self, names):
        self.d.slow = set(names)

    @rule()
    def fast(self):
        self.d.slow = set()
        for view in self.d.core.view():
            if view.state is SlotState.STARTING and self.d.alive.get(view.id) == view.gen:
                self.d.ready(view.id)

    @rule(id=ids)
    def operator_stops(self, id):
        if not self.d.core.is_busy:
            self.d.call(OpKind.TERMINATE_CHILD, id)
            self.stopped.add(id)

    @rule(id=ids)
    def operator_starts(self, id):
        if not self.d.core.is_busy:
            self.stopped.discard(id)
            self.d.post(OpKind.RESTART_CHILD, id)

    @rule(cooldown_s=st.none() | st.sampled_from([5.0, 6.0, 7.0]))
    def reload(self, cooldown_s):
        """With other parameters, or without the policy; it may have to wait until a start or a stop is over."""
        policies = self.d.spec.policies
        if cooldown_s is None:
            policies = ()
        elif policies:
            policies = (replace(policies[0], params={**policies[0].params, "cooldown_s": cooldown_s}),)
        self.reloads[self.d.post(OpKind.RELOAD, spec=replace(self.d.spec, policies=policies))] = policies

    @rule(seconds=st.sampled_from([0.2, 1.0, 6.0, 30.0]))
    def time_passes(self, seconds):
        self.d.advance(seconds)

    # ---- what always holds --------------------------------------------------------------------------

    @invariant()
    def one_restart_at_a_time_and_never_too_many(self):
        commands, self.told = self.d.commands[self.told :], len(self.d.commands)
        for command in commands:
            match command:
                case m.Report(type=type, data=data) if type == FOUND:
                    assert not self.is_restarting, "one at a time"
                    assert 1 <= data["attempt"] <= self.attempts
                    assert set(data["order"]) <= set(self.group)
                    self.is_restarting = True
                case m.Report(type=type) if type in (BROKEN, UNRESOLVED):
                    self.is_restarting = False
                case m.Reply(id=number) if self.reloads.get(number, self.policies) != self.policies:
                    self.policies = self.reloads[number]
                    self.is_restarting = False  # its successor starts whom it has stopped

    @invariant()
    def policy_starts_nobody_whom_an_operator_stopped(self):
        commands, self.seen = self.d.commands[self.seen :], len(self.d.commands)
        if self.d.spec.strategy is Strategy.ONE_FOR_ONE:  # a group restart starts all, as in OTP
            started = {command.child for command in commands if isinstance(command, m.StartChild)}
            assert not started & self.stopped
        for view in self.d.core.view():
            if view.state is SlotState.STOPPED and view.stopped_by not in ("", OPERATOR):
                assert view.id in self.group

    def teardown(self):
        """Left alone, everything ends: who is down is held or was stopped by hand."""
        if not hasattr(self, "d"):
            return
        self.d.fails = {}
        self.fast()
        for _ in range(40):
            self.d.advance(10.0)
        self.one_restart_at_a_time_and_never_too_many()
        assert not self.is_restarting
        for view in self.d.core.view():
            by_hand = view.id in self.stopped or view.stopped_by == OPERATOR
            assert view.state in HELD | {SlotState.RUNNING} or by_hand, (view.id, view.state, view.stopped_by)


TestDeadlocks = Deadlocks.TestCase
TestDeadlocks.settings = settings(
    max_examples=examples(60), stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
