"""Random lives under the policies that act by themselves: whatever happens in whatever order, their invariants hold.

Each machine drives the real core with the virtual world of `driver`, reads what the policy does from the reports and
commands alone, and knows its parameters. What the policy remembers it does not look at, but for its timers.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from supervisors import Backoff, ChildSpec, PolicySpec, SlotState
from supervisors import messages as m
from supervisors.messages import ExitKind, OpKind
from tests.harness.examples import examples
from tests.unit.supervisors.driver import Driver

IDS = "abc"
SETTINGS = settings(
    max_examples=examples(100), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
HAND_OPS = [
    OpKind.TERMINATE_CHILD,
    OpKind.RESTART_CHILD,
    OpKind.RECYCLE,
    OpKind.RESET,
    OpKind.HOLD,
    OpKind.QUARANTINE,
    OpKind.DELETE_CHILD,
]
SOME = st.sampled_from(IDS)


def child(id, **fields):
    return ChildSpec(id=id, start="x", shutdown_s=5.0, backoff=Backoff(min_s=1.0, max_s=4.0), **fields)


class Life(RuleBasedStateMachine):
    """The world, the operator and the clock; `read` is called once for each new report or command, in order."""

    POLICY: PolicySpec
    CHILDREN = tuple(child(id) for id in IDS)

    def __init__(self):
        super().__init__()
        self.seen = 0
        self.unheard: set[str] = set()
        """Who is dead, which the core may not have heard yet."""
        self.reloads: dict[int, dict[str, object]] = {}
        """The parameters by the number of the call, which may have to wait."""
        self.d = Driver(self.CHILDREN, intensity=1000, period_s=1.0, policies=(self.POLICY,))
        self.catch_up()

    def catch_up(self):
        commands, self.seen = self.d.commands[self.seen :], len(self.d.commands)
        for command in commands:
            self.read(command)

    def read(self, command):
        raise NotImplementedError

    @property
    def is_over(self):
        return self.d.exit is not None

    def tell(self, *events):
        if not self.is_over:
            self.d.do(*events)
            self.catch_up()

    @rule(id=SOME, kind=st.sampled_from([ExitKind.CRASH, ExitKind.KILLED, ExitKind.HUNG, ExitKind.NORMAL]))
    def dies(self, id, kind):
        if id in self.d.alive:
            self.tell(self.d.end(id, kind, "boom"))

    @rule(data=st.permutations(IDS))
    def two_die_at_once(self, data):
        self.unheard = set(data[:2])
        self.tell(*[self.d.end(id) for id in data[:2] if id in self.d.alive])
        self.unheard = set()

    @rule(id=SOME, times=st.integers(0, 4))
    def starts_will_fail(self, id, times):
        self.d.fails[id] = times

    @rule(id=SOME, obeys=st.booleans())
    def stops_slowly_or_at_once(self, id, obeys):
        (self.d.stubborn.discard if obeys else self.d.stubborn.add)(id)

    @rule(seconds=st.sampled_from([0.5, 2.0, 11.0, 31.0, 70.0]))
    def time_passes(self, seconds):
        self.wait(seconds)

    def wait(self, seconds):
        """Timer by timer, so that what is read is read at its time."""
        until = self.d.now + seconds
        while not self.is_over and self.d.timers and min(self.d.timers.values()) <= until:
            self.d.advance(min(self.d.timers.values()) - self.d.now)
            self.catch_up()
        if not self.is_over:
            self.d.advance(until - self.d.now)
            self.catch_up()

    @rule(kind=st.sampled_from(HAND_OPS), id=SOME)
    def operates(self, kind, id):
        if not self.is_over:
            self.by_hand(kind, id)
            self.d.post(kind, id)
            self.catch_up()

    def by_hand(self, kind, id):
        """An operator is about to do that."""

    @rule(id=SOME)
    def adds_again(self, id):
        if not self.is_over and self.d.core.child(id) is None:
            self.by_hand(OpKind.START_CHILD, id)
            self.d.post(OpKind.START_CHILD, spec=next(c for c in self.CHILDREN if c.id == id))
            self.catch_up()

    def measure(self, id, **figures):
        if id in self.d.alive:
            self.tell(m.ChildMeasured(id, self.d.alive[id], 10.0, **figures))

    def reload(self, **params):
        policies = (replace(self.POLICY, params={**self.POLICY.params, **params}),)
        self.reloads[self.d.post(OpKind.RELOAD, spec=replace(self.d.core.spec, policies=policies))] = params
        self.catch_up()

    def teardown(self):
        if not self.is_over:
            self.d.stop()
            self.catch_up()
        self.wait(5.0 * len(IDS))
        assert self.d.exit is not None
        assert not self.d.timers, "no timer outlives the supervisor"


ATTEMPTS, COOLDOWN_S, WELL_S, DEADLINE_S = 2, 5.0, 20.0, 12.0


class PairMachine(Life):
    """mutual_repair: `a` and `b` are the pair."""

    POLICY = PolicySpec(
        name="mutual_repair",
        params={
            "pair": ["a", "b"],
            "criteria": [
                {"down_s": 3.0},
                {"measure": "cpu_percent", "above": 95, "times": 2},
                {"measure": "failed_runs", "above": 7, "mode": "safe"},
                {"measure": "suspicion", "above": 0},
            ],
            "cooldown_s": COOLDOWN_S,
            "attempts": ATTEMPTS,
            "window_s": WELL_S,
            "deadline_s": DEADLINE_S,
        },
    )

    def __init__(self):
        self.under_repair: str | None = None
        self.began = self.ended = -1000.0
        self.last = {"a": (0, -1000.0), "b": (0, -1000.0)}
        self.given_up: dict[str, float] = {}
        self.params: dict[str, object] = {"cooldown_s": COOLDOWN_S}
        self.touched: set[str] = set()
        super().__init__()

    def by_hand(self, kind, id):
        if kind in (OpKind.RESTART_CHILD, OpKind.RESET, OpKind.RECYCLE, OpKind.START_CHILD):
            self.touched.add(id)

    def read(self, command):
        match command:
            case m.Report("mutual_repair.requested", id, data):
                self.requested(id, data)
            case m.Report("mutual_repair.healed" | "mutual_repair.failed", id, data):
                assert self.under_repair == id, "exactly one end for each repair"
                assert data["attempt"] == self.last[id][0]
                self.under_repair, self.ended = None, self.d.now
            case m.Reply(id=number) if self.reloads.get(number, self.params) != self.params:
                self.params = self.reloads[number]
                self.touched.update("ab")  # the new policy knows nothing
                self.ended = self.d.now - COOLDOWN_S
            case m.Report("mutual_repair.exhausted", id, data):
                assert id not in self.given_up or self.is_forgotten(id, self.given_up[id]), "a person is told once"
                assert self.last[id][0] == ATTEMPTS
                assert data["next_step"]
                self.given_up[id] = self.d.now
                self.touched.discard(id)
            case m.Report("mutual_repair.both_unwell"):
                assert self.under_repair is None, "neither is repaired then"
            case m.Report("child.recycled", id, {"by": "mutual_repair"}):
                assert self.under_repair in (id, None), "the helper is left alone meanwhile"

    def is_forgotten(self, id, since):
        return id in self.touched or self.d.now - since >= WELL_S

    def requested(self, id, data):
        other = "b" if id == "a" else "a"
        assert self.under_repair is None, "never both, never twice"
        assert self.d.now >= self.ended + COOLDOWN_S
        assert data["by"] in (other, "top"), "by the other one, or by the supervisor where that is not there"
        if data["by"] == other:
            assert other in self.d.alive or other in self.unheard, "who is known to be down helps nobody"
        attempt, at = self.last[id]
        if data["attempt"] == 1:
            assert attempt == 0 or self.is_forgotten(id, at), "counted from the beginning only after wellness"
        else:
            assert data["attempt"] == attempt + 1 <= ATTEMPTS
        if id in self.given_up:
            assert self.is_forgotten(id, self.given_up.pop(id)), "no more repairs than attempts"
        self.touched.discard(id)
        self.last[id] = (data["attempt"], self.d.now)
        self.under_repair, self.began = id, self.d.now

    @rule(id=SOME, cpu=st.sampled_from([10.0, 99.0]), failed=st.sampled_from([0, 9]))
    def is_measured(self, id, cpu, failed):
        self.measure(id, cpu_percent=cpu, gauges={"failed_runs": failed})

    @rule(id=st.sampled_from("ab"))
    def is_stuck_while_the_other_works(self, id):
        self.measure("b" if id == "a" else "a", cpu_percent=10.0)
        self.measure(id, cpu_percent=99.0)
        self.measure(id, cpu_percent=99.0)

    @rule(seconds=st.sampled_from([0.5, 6.0]))
    def both_work(self, seconds):
        self.wait(seconds)
        for id in "ab":
            self.tell(m.Observed("health.recovered", id))
            self.measure(id, cpu_percent=10.0)

    @rule(id=SOME, topic=st.sampled_from(["health.suspected", "health.recovered"]))
    def is_suspected(self, id, topic):
        self.tell(m.Observed(topic, id, {"level": 9.0}))

    @rule(more=st.sampled_from([0.0, 1.0]))
    def policy_is_replaced(self, more):
        if not self.is_over:
            self.reload(cooldown_s=COOLDOWN_S + more)

    @invariant()
    def every_repair_ends_in_time(self):
        if self.under_repair is not None and not self.is_over:
            assert self.d.now < self.began + DEADLINE_S


class ShedMachine(Life):
    """load_shed: `a` is critical."""

    POLICY = PolicySpec(name="load_shed", params={"cpu_percent": 80, "samples": 2, "relief": 20})
    CHILDREN = (child("a", critical=True), child("b"), child("c"))

    def __init__(self):
        self.shed: set[str] = set()
        self.paused: dict[str, int] = {}
        self.of_operator: set[str] = set()
        super().__init__()

    def read(self, command):
        match command:
            case m.PauseChild(id, gen, paused):
                assert id != "a", "what is critical never waits"
                assert id not in self.of_operator, "what an operator paused is not touched"
                if paused:
                    self.paused[id] = gen
                else:
                    assert id in self.paused, "nothing is resumed that was not paused"
                    del self.paused[id]
            case m.Report("load.shed", id):
                self.shed.add(id)
            case m.Report("load.restored", id):
                self.shed.remove(id)

    @rule(cpu=st.sampled_from([30.0, 70.0, 95.0, 95.0]), times=st.integers(1, 3))
    def host_is_measured(self, cpu, times):
        self.tell(*[m.Observed("host.measured", "host", {"cpu_percent": cpu, "memory_percent": None})] * times)

    @rule(id=SOME)
    def one_fails_under_pressure(self, id):
        self.host_is_measured(95.0, 2)
        self.dies(id, ExitKind.CRASH)
        self.wait(2.0)

    @rule(id=st.sampled_from("bc"), paused=st.booleans())
    def operator_pauses_or_resumes(self, id, paused):
        if self.is_over or self.d.core.child(id) is None:
            return
        self.tell(m.Observed("child.paused" if paused else "child.resumed", id, {"by": "operator"}))
        (self.of_operator.add if paused else self.of_operator.discard)(id)
        self.shed.discard(id)
        self.paused.pop(id, None)

    def catch_up(self):
        super().catch_up()
        for id in [id for id in IDS if self.d.core.child(id) is None]:
            for known in (self.shed, self.of_operator):
                known.discard(id)
            self.paused.pop(id, None)

    @rule(step=st.integers(1, 2))
    def policy_is_replaced(self, step):
        if self.is_over or self.of_operator:
            return
        self.reload(step=step)

    @rule()
    def pressure_is_over(self):
        for _ in range(2 * len(IDS)):
            self.tell(m.Observed("host.measured", "host", {"cpu_percent": 10.0}))
        assert self.is_over or not self.shed, "everything it paused is resumed"
        assert self.is_over or not self.waiting()

    def waiting(self):
        """Who waits in fact: the hold of a generation ends with it."""
        return {id for id, gen in self.paused.items() if self.d.alive.get(id) == gen}

    @invariant()
    def who_waits_is_accounted_for_also_over_restarts(self):
        if self.is_over:
            return
        running = {id for id in self.d.alive if self.d.core.child(id).state is SlotState.RUNNING}
        assert self.waiting() <= self.shed
        assert self.shed & running <= self.waiting()

    def teardown(self):
        self.wait(61.0)
        assert self.is_over or not self.shed, "nobody waits for ever for a measurement"
        super().teardown()


FAILURES, PROOF_S, RELEASES = 2, 10.0, 2


class QuarantineMachine(Life):
    """quarantine: two failures in 10 s, released after 4 s and 8 s."""

    POLICY = PolicySpec(
        name="quarantine",
        params={"failures": FAILURES, "window_s": PROOF_S, "release_after_s": 4.0, "releases": RELEASES},
    )

    def __init__(self):
        self.released = dict.fromkeys(IDS, 0)
        self.came_at = dict.fromkeys(IDS, 1e9)
        self.asked: set[str] = set()
        self.quarantined_by: dict[str, str] = {}
        super().__init__()

    def by_hand(self, kind, id):
        if kind in (OpKind.RESTART_CHILD, OpKind.RESET, OpKind.START_CHILD):
            self.asked.add(id)

    def read(self, command):
        match command:
            case m.Report("quarantine.released", id):
                assert self.quarantined_by.get(id) == "", "what others have quarantined is not released"
                self.released[id] += 1
                assert self.released[id] <= RELEASES
            case m.Report("quarantine.exhausted", id):
                assert self.released[id] == RELEASES
            case m.Report("child.quarantined", id, data):
                self.quarantined_by[id] = data.get("by", "")
            case m.Report("child.started", id):
                self.came_at[id] = self.d.now
                self.quarantined_by.pop(id, None)
                if id in self.asked:
                    self.released[id] = 0
            case m.Report("child.exited" | "child.stopped", id):
                if self.d.now - self.came_at[id] >= PROOF_S:
                    self.released[id] = 0
                self.came_at[id] = 1e9

    @invariant()
    def who_has_proved_itself_is_as_good_as_new(self):
        self.asked.clear()
        for id in IDS:
            if self.d.now - self.came_at[id] >= PROOF_S:
                self.released[id] = 0

    @invariant()
    def each_that_waits_for_its_release_has_one_timer_and_nobody_else_has_one(self):
        if self.is_over:
            return
        timers = {key for key in self.d.core._policies._hosted[0].timers if key.startswith("release ")}
        held = {id for id, by in self.quarantined_by.items() if by == "" and self.d.core.child(id) is not None}
        waiting = {id for id in held if self.d.state(id) == "quarantined" and self.released[id] < RELEASES}
        due = {f"release {id}" for id in waiting}
        assert timers <= due
        assert timers == due or self.d.core.is_busy, "who was released may have to wait for its start"

    def teardown(self):
        if not self.is_over:
            self.d.fails.clear()
            self.wait(1000.0)
            for id, by in self.quarantined_by.items():
                is_spent = self.released[id] >= RELEASES
                gone = self.d.core.child(id) is None or self.d.state(id) != "quarantined"
                assert by or is_spent or gone, "whoever can be released is, in the end"
        super().teardown()


class EmergencyMachine(Life):
    """emergency: `a` is a child of this supervisor, `x` and `y` are somewhere below."""

    POLICY = PolicySpec(name="emergency", params={"set": ["a", "x", "y"], "for_s": 3.0, "deadline_s": 20.0})

    def __init__(self):
        self.declared_at: float | None = None
        self.told_at: float | None = None
        self.down: dict[str, float] = {}
        super().__init__()

    def read(self, command):
        match command:
            case m.Report("emergency.declared", "top", data):
                assert self.declared_at is None, "one emergency at a time"
                assert set(data["down"]) <= set(self.down)
                assert len(data["down"]) >= 2
                assert all(self.d.now >= self.down[id] + 3.0 for id in data["down"])
                self.declared_at, self.told_at = self.d.now, None
            case m.Report("emergency.ended", "top", data):
                assert self.declared_at is not None
                assert data["seconds"] == round(self.d.now - self.declared_at, 3)
                self.declared_at = None
            case m.Report("emergency.unresolved", "top", data):
                assert self.told_at is None, "a person is told once"
                assert data["next_step"]
                self.told_at = self.d.now
            case m.Report("emergency.warned", id):
                assert self.declared_at is None
                assert self.d.now >= self.down[id] + 3.0
            case m.Report("child.exited", "a", {"kind": kind}):
                self.goes("a", kind)
            case m.Report("child.started" | "child.stopped", "a"):
                self.down.pop("a", None)

    def goes(self, id, kind):
        if kind in ("normal", "shutdown"):
            self.down.pop(id, None)
        else:
            self.down.setdefault(id, self.d.now)

    @rule(id=st.sampled_from("xyz"), kind=st.sampled_from(["crash", "killed", "shutdown"]))
    def member_exits(self, id, kind):
        if id != "z":
            self.goes(id, kind)
        self.tell(m.Observed("member.exited", f"top/mid/{id}", {"kind": kind}))

    @rule(id=st.sampled_from("xy"), topic=st.sampled_from(["member.started", "member.stopped"]))
    def member_is_back(self, id, topic):
        self.down.pop(id, None)
        self.tell(m.Observed(topic, id))

    @rule()
    def two_are_down_until_all_are_back(self):
        for id in "xy":
            self.member_exits(id, "crash")
        self.wait(4.0)
        for id in "xy":
            self.member_is_back(id, "member.started")

    @invariant()
    def an_emergency_lasts_exactly_as_long_as_it_should(self):
        if self.is_over:
            return
        settled = [id for id, since in self.down.items() if self.d.now >= since + 3.0]
        if len(settled) >= 2:
            assert self.declared_at is not None
        if not self.down:
            assert self.declared_at is None
        if self.declared_at is not None:
            assert (self.told_at is not None) == (self.d.now >= self.declared_at + 20.0)


TestPair, TestShed = PairMachine.TestCase, ShedMachine.TestCase
TestQuarantine, TestEmergency = QuarantineMachine.TestCase, EmergencyMachine.TestCase
for case in (TestPair, TestShed, TestQuarantine, TestEmergency):
    case.settings = SETTINGS
del case
