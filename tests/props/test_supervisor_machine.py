"""Random lives of a supervisor: whatever the world does in whatever order, the invariants of the core hold.

The machine plays the world (children that become ready, fail, die, hang, obey late), the operator and the clock, and
checks every command. It knows the core's language only, apart from the windows and the order of slots.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors import Restart, SlotState, Startup, Strategy, Supervisor
from supervisors import messages as m
from supervisors.messages import Exit, ExitKind, OpKind, StopHow
from supervisors.slots import HELD
from tests.harness.examples import examples
from tests.props.supervisor_specs import IDS, child_specs, ends_the_start, is_covered, supervisor_specs

REASONS = [
    Exit(ExitKind.NORMAL),
    Exit(ExitKind.SHUTDOWN, "shutdown"),
    Exit(ExitKind.CRASH, "ValueError: x"),
    Exit(ExitKind.CRASH, "Hopeless: y"),
    Exit(ExitKind.KILLED, "SIGKILL"),
]
EXITS = st.sampled_from(REASONS)


@dataclass
class Process:
    gen: int
    ready: bool = False
    asked: list[StopHow] = field(default_factory=list)


class SupervisorMachine(RuleBasedStateMachine):
    @initialize(spec=supervisor_specs(), draw=st.floats(0.0, 0.99))
    def begin(self, spec, draw):
        self.spec = spec
        self.core = Supervisor(spec, rng=lambda: draw)
        self.now = 50.0
        self.alive: dict[str, Process] = {}
        self.first_gens: dict[str, tuple[object, int]] = {}
        self.came: set[object] = set()
        self.failed_first: set[str] = set()
        self.unheard: set[str] = set()
        self.last_gens: dict[str, int] = {}
        self.timers: dict[int, float] = {}
        self.tokens: set[int] = set()
        self.open_calls: set[int] = set()
        self.calls = 0
        self.is_starting_up = True
        self.started_first: list[str] = []
        self.stopping = False
        self.is_reloaded = False
        self.signalled: list[tuple[str, int]] = []
        self.restarts: list[float] = []
        self.gone: Exit | None = None
        self.views = {}
        self.tell(m.Start())

    # ---- the conversation -------------------------------------------------------------------------

    def tell(self, event):
        """Deliver one event and check every command that follows."""
        self.is_broken = True
        self.deliver(event)
        self.is_broken = False

    def deliver(self, event):
        before = {view.id for view in self.core.view()}
        self.core.take_changed()
        self.was_idle = not self.core.is_busy
        commands = self.core.handle(event, self.now)
        after = {view.id: view for view in self.core.view()}
        if self.gone is not None:
            assert all(isinstance(c, m.Reply) for c in commands), "nothing but noproc follows Gone"
        self.check_hold(event, commands)
        for command in commands:
            self.check(command, before | set(after))
        changed = self.core.changed
        differing = {id for id in self.views.keys() | after.keys() if self.views.get(id) != after.get(id)}
        states = {
            id
            for id in differing
            if (self.views.get(id) and self.views[id].state) != (after.get(id) and after[id].state)
        }
        assert states <= changed, "every change of state is told"
        self.views = after

    def check(self, command, known):
        match command:
            case m.StartChild(id, gen, spec):
                assert id in known, "no effect for a slot after its delete"
                self.check_start(id, gen, spec)
                self.alive[id] = Process(gen)
            case m.StopChild(id, gen, how):
                assert id in known
                self.check_stop(id, gen, how)
            case m.Ping(id, gen):
                assert self.alive[id].gen == gen
                assert self.alive[id].ready, "heartbeats before READY are not required"
            case m.SetTimer(token, delay_s):
                assert token not in self.tokens, "tokens are never reused"
                assert delay_s >= 0
                self.tokens.add(token)
                self.timers[token] = self.now + delay_s
            case m.CancelTimer(token):
                del self.timers[token]
            case m.Reply(id):
                self.open_calls.remove(id)
            case m.Started():
                assert self.is_starting_up
                failed = [c for c in self.spec.children if c.id in self.failed_first]
                assert not any(ends_the_start(c) and not is_covered(c, self.spec) for c in failed)
                self.is_starting_up = False
            case m.Gone(exit):
                assert self.gone is None
                assert not self.alive, "after Gone no live child"
                if self.is_starting_up and not self.stopping:
                    assert any(ends_the_start(c) for c in self.spec.children if c.id in self.failed_first)
                self.gone = exit

    def check_hold(self, event, commands):
        """What follows when a child that ran is held at once."""
        held = [c.subject for c in commands if isinstance(c, m.Report) and c.type == "child.awaiting_repair"]
        is_held = self.was_idle and isinstance(event, m.ChildExited) and event.child in held
        if is_held and self.views[event.child].state is SlotState.RUNNING:
            assert not any(isinstance(c, m.StopChild) for c in commands), "siblings of a held child keep running"

    def check_start(self, id, gen, spec):
        assert id not in self.alive, "at most one live incarnation per slot"
        if id in self.views and self.views[id].state in HELD:
            cause = self.core._engine.slots.get(id).cause
            assert cause in ("restart_child", "start_child"), "nothing automatic starts a held child"
        assert gen > self.last_gens.get(id, 0), "generations grow, also over delete and re-add"
        assert not self.stopping, "after StopRequested nothing is started"
        self.last_gens[id] = gen
        slot = self.core._engine.slots.get(id)
        known, first = self.first_gens.get(id, (slot, gen))
        if known is not slot:
            first = gen
        self.first_gens[id] = (slot, first)
        if spec.restart is Restart.TEMPORARY and not self.is_reloaded:
            assert first == gen, "a temporary child is never restarted"
        starting = {other for other, process in self.alive.items() if not process.ready}
        if self.core.spec.startup is Startup.ORDERED:
            assert not starting, "the next start waits for the one before"
        assert not starting & set(spec.depends_on), "a child waits for what it depends on"
        if slot.cause == "start" and not self.is_reloaded:
            assert not self.missing_for(spec), "a first start waits for what never came up, an ignored start counts"
        if self.is_starting_up:
            self.started_first.append(id)
            if self.spec.startup is Startup.ORDERED:
                order = [c.id for c in self.spec.children]
                assert self.started_first == sorted(set(self.started_first), key=order.index), "once each, in order"
        if slot.cause == "restart" and slot.window is None and spec.backoff is None:
            self.check_rate()

    def missing_for(self, spec):
        """What it depends on and what has never come up."""
        needed = {id: self.core._engine.slots.get(id) for id in spec.depends_on}
        return {id for id, slot in needed.items() if slot is not None and slot not in self.came}

    def check_rate(self):
        """Without delays each start for a restart was counted at this very time."""
        if self.core.spec.strategy in (Strategy.ONE_FOR_ONE, Strategy.DYNAMIC):
            self.restarts.append(self.now)
            recent = [at for at in self.restarts if at >= self.now - self.core.spec.period_s]
            assert len(recent) <= self.core.spec.intensity, "restarts within the period stay within the limit"

    def check_stop(self, id, gen, how):
        process = self.alive.get(id)
        if id in self.unheard:
            return
        assert process is not None, "only what lives is signalled"
        assert process.gen == gen
        is_first = not process.asked
        process.asked.append(how)
        if self.stopping and is_first and process.ready and self.spec.strategy is not Strategy.DYNAMIC:
            order = self.core._engine.slots.get(id).order
            for other, other_order in self.signalled:
                assert other not in self.alive, "the next is stopped after the death of the one before"
                assert other_order > order, "stopped in reverse order"
            self.signalled.append((id, order))

    # ---- the world -----------------------------------------------------------------------------------

    def some(self, data, among):
        return data.draw(st.sampled_from(sorted(among)))

    def starting(self):
        return [id for id, process in self.alive.items() if not process.ready]

    @precondition(lambda self: self.starting())
    @rule(data=st.data())
    def becomes_ready(self, data):
        id = self.some(data, self.starting())
        self.alive[id].ready = True
        slot = self.core._engine.slots.get(id)
        if slot.state is SlotState.STARTING and not slot.timed_out:
            self.came.add(slot)
        self.tell(m.ChildReady(id, self.alive[id].gen, "info"))

    @precondition(lambda self: self.starting())
    @rule(data=st.data())
    def ignores_its_start(self, data):
        id = self.some(data, self.starting())
        if self.core.child(id).state is SlotState.STARTING:
            self.came.add(self.core._engine.slots.get(id))
        self.tell(m.ChildIgnored(id, self.alive.pop(id).gen))

    @precondition(lambda self: self.starting())
    @rule(data=st.data(), exit=EXITS)
    def fails_its_start(self, data, exit):
        self.ends(self.some(data, self.starting()), exit)

    def ends(self, id, exit):
        self.note_failed_start(id)
        self.tell(m.ChildExited(id, self.alive.pop(id).gen, exit))

    def note_failed_start(self, id):
        """Also one that was ready too late: it was being killed already."""
        if self.is_starting_up and self.core.child(id).state is SlotState.STARTING:
            self.failed_first.add(id)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), exit=EXITS)
    def dies(self, data, exit):
        self.ends(self.some(data, self.alive), exit)

    @precondition(lambda self: len(self.alive) > 1)
    @rule(exit=EXITS, data=st.data())
    def several_die_at_once(self, exit, data):
        ids = data.draw(st.permutations(sorted(self.alive)))[:3]
        gens = [(id, self.alive.pop(id).gen) for id in ids]
        self.unheard = set(ids)
        for id, gen in gens:
            self.unheard.discard(id)
            self.note_failed_start(id)
            self.tell(m.ChildExited(id, gen, exit))

    @precondition(lambda self: any(p.asked for p in self.alive.values()))
    @rule(data=st.data())
    def obeys(self, data):
        id = self.some(data, [id for id, process in self.alive.items() if process.asked])
        killed = StopHow.KILL in self.alive[id].asked
        self.ends(id, Exit(ExitKind.KILLED, "SIGKILL") if killed else Exit(ExitKind.SHUTDOWN, "shutdown"))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), memory_mb=st.sampled_from([10.0, 90.0]))
    def shows_life(self, data, memory_mb):
        id = self.some(data, self.alive)
        self.tell(m.HeartbeatSeen(id, self.alive[id].gen))
        self.tell(m.ChildMeasured(id, self.alive[id].gen, memory_mb))

    @precondition(lambda self: self.timers)
    @rule()
    def next_timer(self):
        token = min(self.timers, key=lambda t: (self.timers[t], t))
        self.now = max(self.now, self.timers.pop(token))
        self.tell(m.TimerFired(token))

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0]))
    def time_passes(self, seconds):
        until = self.now + seconds
        for _ in range(200):
            if not self.timers or min(self.timers.values()) > until:
                break
            self.next_timer()
        self.now = max(self.now, until)

    @rule(id=st.sampled_from([*IDS, "ghost"]), back=st.integers(1, 3), exit=EXITS)
    def late_notices(self, id, back, exit):
        gen = self.last_gens.get(id, 0) - back
        before = self.core.view()
        for event in (m.ChildExited(id, gen, exit), m.ChildReady(id, gen), m.ChildIgnored(id, gen)):
            self.tell(event)
        self.tell(m.TimerFired(10_000 + back))
        assert self.core.view() == before, "notices of old generations change nothing"

    # ---- the operator --------------------------------------------------------------------------------

    def call(self, op):
        self.calls += 1
        self.open_calls.add(self.calls)
        self.tell(m.Call(self.calls, op))

    @rule(
        kind=st.sampled_from([k for k in OpKind if k not in (OpKind.START_CHILD, OpKind.RELOAD)]),
        id=st.sampled_from([*IDS, "b#2", "ghost"]),
    )
    def operates(self, kind, id):
        self.call(m.Op(kind, id))

    @rule(data=st.data(), id=st.sampled_from(IDS))
    def adds_a_child(self, data, id):
        self.call(m.Op(OpKind.START_CHILD, spec=data.draw(child_specs(id, self.core.spec.auto_shutdown))))

    @precondition(lambda self: not self.is_starting_up)
    @rule(data=st.data())
    def reloads(self, data):
        spec = data.draw(supervisor_specs(self.spec.strategy))
        self.restarts.clear()
        self.is_reloaded = True
        self.call(m.Op(OpKind.RELOAD, spec=replace(spec, intensity=self.spec.intensity, period_s=self.spec.period_s)))

    @precondition(lambda self: len(self.last_gens) > 3)
    @rule()
    def stops(self):
        self.stop()

    def stop(self):
        self.stopping = True
        self.tell(m.StopRequested())

    # ---- what must always hold ------------------------------------------------------------------------

    @invariant()
    def windows_are_within_their_limits(self):
        engine = self.core._engine
        assert engine.window.stamps <= engine.window.intensity + 1
        if engine.ending is None and self.gone is None:
            assert engine.window.used(self.now) <= engine.window.intensity
        for slot in engine.slots:
            if slot.window is not None:
                assert slot.window.stamps <= slot.window.intensity + 1

    @invariant()
    def slots_agree_with_the_world(self):
        for view in self.core.view():
            if view.state in (SlotState.STARTING, SlotState.STOPPING) or view.state is SlotState.RUNNING:
                slot = self.core._engine.slots.get(view.id)
                is_dealt_with = view.state is SlotState.STOPPING and slot.doomed
                assert view.id in self.alive or slot.dead is not None or is_dealt_with
            else:
                assert view.id not in self.alive

    @invariant()
    def a_busy_supervisor_waits_for_somebody_and_an_idle_one_keeps_nobody_waiting(self):
        if self.gone is not None:
            assert not self.open_calls
        elif self.core.is_busy:
            assert any(not p.ready or p.asked for p in self.alive.values())
        else:
            assert not self.core._engine.queue
            assert not self.open_calls

    @invariant()
    def a_child_waits_exactly_while_something_it_depends_on_never_came_up(self):
        if self.core.is_busy or self.core._engine.ending is not None or self.is_reloaded:
            return
        for view in self.core.view():
            if view.state is SlotState.WAITING:
                missing = self.missing_for(view.spec)
                assert view.waits_for
                assert set(view.waits_for) <= missing
            else:
                assert view.waits_for == ()

    @invariant()
    def only_one_timer_brings_a_child_back(self):
        for slot in self.core._engine.slots:
            if slot.next_retry_at is not None:
                assert slot.state is SlotState.RESTARTING
                assert slot.retry_timer in self.timers or self.core._engine.queue or self.core.is_busy

    @invariant()
    def each_hold_has_one_deadline_while_it_lasts_and_nothing_else_has_one(self):
        hosted = [hosted for hosted in self.core._policies._hosted if hosted.name == "repair"]
        if not hosted or self.gone is not None or self.core._engine.ending is not None or self.is_reloaded:
            return
        awaiting = {v.id for v in self.core.view() if v.state is SlotState.AWAITING_REPAIR}
        covered = {id for id in awaiting if is_covered(self.core.child(id).spec, self.core.spec)}
        deadlines = set(hosted[0].timers)
        if self.core.is_busy:
            covered = {id for id in covered if id in deadlines}
            deadlines -= {v.id for v in self.core.view() if v.state in (SlotState.STARTING, SlotState.STOPPING)}
        assert deadlines == covered
        assert set(hosted[0].timers.values()) <= set(self.timers)

    def teardown(self):
        """Every life can be ended: all obey, and nothing is left."""
        if not hasattr(self, "core") or self.is_broken:
            return  # the failure that was found shall be the one that is shown
        if self.gone is None:
            self.stop()
        for _ in range(10 * len(IDS)):
            for id in [id for id, process in self.alive.items() if process.asked]:
                if id in self.alive:
                    process = self.alive.pop(id)
                    self.tell(m.ChildExited(id, process.gen, Exit(ExitKind.SHUTDOWN)))
        assert self.gone is not None, "the stop completes"
        assert not self.alive
        assert not self.open_calls, "each Call gets exactly one Reply"
        assert not self.timers, "every timer was cancelled or fired"


TestSupervisorMachine = SupervisorMachine.TestCase
TestSupervisorMachine.settings = settings(
    max_examples=examples(100), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
