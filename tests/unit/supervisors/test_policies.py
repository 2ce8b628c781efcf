"""Policies: the interface, and the two that come with the core."""

from dataclasses import dataclass, field

import pytest

from supervisors import POLICIES, Heartbeat, Policy, PolicySpec, Restart, Strategy
from supervisors.messages import Call, ChildMeasured, Observed, Op, OpKind, Report, Start
from supervisors.policy import Answered, Request, Ruling, Unwake, Verdict, Wake, Woken
from tests.unit.supervisors.driver import Driver, child


@dataclass
class Script:
    """What a test policy saw, and what it shall do."""

    seen: list = field(default_factory=list)
    commands: list = field(default_factory=list)
    do: dict = field(default_factory=dict)
    ruling: Ruling | None = None


def scripted(specs="a", strategy=Strategy.ONE_FOR_ONE, **flags):
    """A driver with one policy `probe` that follows a script: event type or wake key -> actions, once."""
    script = Script()

    class Probe(Policy):
        name = "probe"

        def judge(self, child, exit, now):
            return script.ruling

        def handle(self, event, commands, now):
            script.seen.append(event)
            script.commands += commands
            return script.do.pop(event.key if isinstance(event, Woken) else type(event).__name__, [])

    d = Driver(specs, strategy, start=False, known={"probe": Probe}, policies=(PolicySpec(name="probe"),), **flags)
    return d, script


def start(d):
    d.do(Start())
    d.said()


def test_policy_sees_each_event_and_each_command_once():
    d, script = scripted("ab")
    start(d)
    d.crash("a")
    assert script.commands == d.commands
    assert len([event for event in script.seen if event is not None]) == 5


def test_fact_from_elsewhere_reaches_the_policies_and_changes_nothing_else():
    d, script = scripted()
    start(d)
    before = d.core.view()
    fact = Observed("deadlock.found", "a", {"cycle": ["a", "b"]})
    d.do(fact)
    assert script.seen[-1] == fact
    assert (d.said(), d.core.view()) == ([], before)


def test_report_of_a_policy_is_passed_on():
    d, script = scripted()
    script.do["ChildExited"] = [Report("policy.noticed", "a")]
    start(d)
    d.crash("a")
    assert d.told("policy.noticed")


def test_request_of_a_policy_is_performed_and_answered_to_it_alone():
    d, script = scripted("ab")
    request = Request(Op(OpKind.TERMINATE_CHILD, "b"))
    script.do["ChildExited"] = [request]
    start(d)
    d.crash("a")
    assert d.state("b") == "stopped"
    assert d.core.child("b").stopped_by == "probe"
    assert [event for event in script.seen if isinstance(event, Answered)] == [Answered(request, "ok")]
    assert d.replies == {}


def test_request_waits_while_a_sequence_is_in_progress():
    d, script = scripted("ab")
    start(d)
    d.slow = {"a"}
    script.do["ChildExited"] = [Request(Op(OpKind.TERMINATE_CHILD, "b"))]
    d.crash("a")
    assert d.said() == ["start a"]
    d.ready("a")
    assert d.said() == ["orderly b"]


def test_wake_comes_once_after_its_delay_unless_replaced_or_forgotten():
    d, script = scripted()
    script.do["Start"] = [Wake("x", 5.0), Wake("y", 1.0), Wake("x", 3.0), Wake("z", 2.0), Unwake("z")]
    start(d)
    d.advance(2.9)
    assert [e.key for e in script.seen if isinstance(e, Woken)] == ["y"]
    d.advance(10.0)
    assert [e.key for e in script.seen if isinstance(e, Woken)] == ["y", "x"]
    assert d.timers == {}


def test_request_for_an_old_generation_is_stale():
    d, script = scripted()
    script.do["ChildReady"] = [Request(Op(OpKind.RECYCLE, "a"), gen=7)]
    start(d)
    assert [e.result for e in script.seen if isinstance(e, Answered)] == ["stale"]


@pytest.mark.parametrize("kind", [OpKind.RESTART_CHILD, OpKind.RESET, OpKind.RECYCLE])
def test_policy_cannot_start_what_the_operator_stopped(kind):
    d, script = scripted()
    script.do["Start"] = [Wake("later", 10.0)]
    script.do["later"] = [Request(Op(kind, "a"))]
    start(d)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.said()
    d.advance(10.0)
    assert d.said() == []
    assert [e.result for e in script.seen if isinstance(e, Answered)] == ["stopped_by_operator"]


def test_policy_can_start_again_what_it_stopped_itself():
    d, script = scripted()
    script.do["Start"] = [Wake("shed", 1.0), Wake("resume", 2.0)]
    script.do["shed"] = [Request(Op(OpKind.TERMINATE_CHILD, "a"))]
    script.do["resume"] = [Request(Op(OpKind.RESTART_CHILD, "a"))]
    start(d)
    d.advance(1.0)
    assert d.state("a") == "stopped"
    d.advance(1.0)
    assert d.state("a") == "running"


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.HOLD, "awaiting_repair"),
        (Verdict.QUARANTINE, "quarantined"),
        (Verdict.FAIL, "failed"),
        (Verdict.RESTART, "running"),
        (None, "running"),
    ],
)
def test_verdict_of_a_policy_decides_what_follows_a_crash(verdict, state):
    d, script = scripted()
    start(d)
    script.ruling = verdict and Ruling(verdict, "so it was ruled")
    d.crash("a")
    assert d.state("a") == state
    assert d.core.child("a").cause == ("" if state == "running" else "so it was ruled")
    used = d.reply(OpKind.BUDGET).value["supervisor"]["used"]
    assert used == (state == "running")


def test_two_policies_that_answer_each_other_for_ever_do_not_keep_the_core_from_returning():
    class Restless(Policy):
        name = "restless"

        def handle(self, event, commands, now):
            return [Report("noise.made", "a")]

    d = Driver("a", known={"restless": Restless}, policies=(PolicySpec(name="restless"),))
    assert len(d.told("noise.made")) < 50


def test_requests_that_wait_when_the_supervisor_ends_are_answered_noproc():
    d, script = scripted("ab")
    start(d)
    d.slow = {"a"}
    script.do["ChildExited"] = [Request(Op(OpKind.TERMINATE_CHILD, "b"))]
    d.crash("a")
    d.stop()
    assert d.exit is not None
    assert d.said()[-1] == "gone"


def test_policies_are_registered_under_their_names():
    assert all(name == policy.name for name, policy in POLICIES.items())
    assert {"watchdog", "repair", "recycle"} <= set(POLICIES)


def with_policy(name, specs="ab", rng=lambda: 0.0, intensity=0, **params):
    d = Driver(specs, intensity=intensity, rng=rng, policies=(PolicySpec(name=name, params=params),))
    d.said()
    return d


def test_watchdog_pings_every_child_without_a_heartbeat_of_its_own():
    specs = (child("a"), child("b", heartbeat=Heartbeat(interval_s=2.0)), child("c"))
    d = with_policy("watchdog", specs, interval_s=3.0, misses=2, **{"except": ["c"]})
    d.advance(6.0)
    assert sorted(d.said()) == ["ping a"] * 2 + ["ping b"] * 3
    assert d.reply(OpKind.GET_CHILDSPEC, "a").value.heartbeat == Heartbeat(interval_s=3.0, misses=2)
    assert d.reply(OpKind.GET_CHILDSPEC, "b").value.heartbeat == Heartbeat(interval_s=2.0)
    assert d.reply(OpKind.GET_CHILDSPEC, "c").value.heartbeat is None


def test_watchdog_covers_children_added_later():
    d = with_policy("watchdog", interval_s=3.0)
    d.call(OpKind.START_CHILD, spec=child("z"))
    d.said()
    d.advance(3.0)
    assert "ping z" in d.said()


def test_recycle_replaces_a_child_at_its_age_without_counting():
    d = with_policy("recycle", max_age_s=100.0)
    d.advance(99.0)
    assert d.said() == []
    d.advance(1.0)
    assert d.said() == ["orderly a", "start a", "orderly b", "start b"]
    assert d.exit is None
    assert d.told("child.recycled")[0].data["by"] == "recycle"


def test_lifetime_is_drawn_once_for_each_incarnation():
    draws = []

    def rng():
        draws.append(1)
        return 0.5

    d = with_policy("recycle", "a", rng, max_age_s=100.0, jitter=0.2)
    for _ in range(20):
        d.do(ChildMeasured("a", 1, 5.0))
    d.advance(109.0)
    assert (d.said(), len(draws)) == ([], 1)
    d.advance(1.0)
    assert (d.said(), len(draws)) == (["orderly a", "start a"], 2)


def test_age_starts_anew_with_each_incarnation():
    d = with_policy("recycle", (child("a", restart=Restart.PERMANENT, clean_exits=("bye",)),), max_age_s=100.0)
    d.advance(60.0)
    d.call(OpKind.RECYCLE, "a")
    d.said()
    d.advance(60.0)
    assert d.said() == []
    d.advance(40.0)
    assert d.said() == ["orderly a", "start a"]


def test_recycle_replaces_a_child_above_its_memory_limit_once():
    d = with_policy("recycle", max_memory_mb=200.0)
    d.stubborn = {"a"}
    d.do(ChildMeasured("a", 1, 200.0))
    assert d.said() == []
    for _ in range(3):
        d.do(ChildMeasured("a", 1, 201.0))
    assert d.said() == ["orderly a"]
    d.advance(5.0)
    assert d.said() == ["term a", "kill a", "start a"]
    assert len(d.told("child.recycle_due")) == 1


def test_recycles_happen_one_at_a_time():
    d = with_policy("recycle", "abc", max_memory_mb=200.0)
    d.stubborn = set("abc")
    d.do(*[ChildMeasured(id, 1, 900.0) for id in "cab"])
    assert d.said() == ["orderly c"]
    d.advance(5.0)
    assert d.said() == ["term c", "kill c", "start c", "orderly a"]


def test_operator_is_served_between_two_recycles():
    d = with_policy("recycle", "abc", max_memory_mb=200.0)
    d.stubborn = {"c"}
    d.do(ChildMeasured("c", 1, 900.0), ChildMeasured("a", 1, 900.0))
    d.post(OpKind.TERMINATE_CHILD, "b")
    d.said()
    d.advance(5.0)
    assert d.said() == ["term c", "kill c", "start c", "orderly b", "orderly a", "start a"]


def test_timer_of_a_lifetime_ends_with_its_incarnation():
    d = with_policy("recycle", "a", max_age_s=100.0)
    assert len(d.timers) == 1
    d.call(OpKind.TERMINATE_CHILD, "a")
    assert d.timers == {}


def test_recycle_leaves_stopped_temporary_and_excepted_children_alone():
    specs = (child("a"), child("b", restart=Restart.TEMPORARY), child("c"))
    d = with_policy("recycle", specs, max_memory_mb=200.0, max_age_s=50.0, **{"except": ["c"]})
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.said()
    d.do(*[ChildMeasured(id, 1, 900.0) for id in "abc"])
    d.advance(500.0)
    assert d.said() == []
    assert d.state("a") == "stopped"


def test_recycle_asked_for_while_the_supervisor_is_busy_waits_its_turn():
    d = with_policy("recycle", max_memory_mb=200.0)
    d.slow = {"b"}
    d.do(Call(900, Op(OpKind.RECYCLE, "b")), ChildMeasured("a", 1, 900.0))
    d.said()
    d.ready("b")
    assert d.said() == ["orderly a", "start a"]


def test_recycle_of_a_generation_that_crashed_meanwhile_is_dropped():
    d = with_policy("recycle", intensity=5, max_memory_mb=200.0)
    d.slow = {"b"}
    d.do(Call(900, Op(OpKind.RECYCLE, "b")), d.end("a"), ChildMeasured("a", 1, 900.0))
    d.said()
    d.ready("b")
    assert d.said() == ["start a"]


@pytest.mark.parametrize(
    ("policy", "params", "code"),
    [
        ("watchdog", {"interval_s": 0}, "invalid_interval_s"),
        ("watchdog", {"interval_s": "soon"}, "invalid_interval_s"),
        ("watchdog", {"misses": 1.5}, "invalid_misses"),
        ("watchdog", {"intervall_s": 5}, "unknown_parameter"),
        ("watchdog", {"except": "a"}, "invalid_except"),
        ("repair", {"window_s": 0}, "invalid_window_s"),
        ("repair", {"starts": 0}, "invalid_starts"),
        ("repair", {"crashes": 2.5}, "invalid_crashes"),
        ("repair", {"deadline_s": "soon"}, "invalid_deadline_s"),
        ("repair", {"except": "a"}, "invalid_except"),
        ("repair", {"window": 60}, "unknown_parameter"),
        ("recycle", {}, "no_limit"),
        ("recycle", {"max_age_s": -1}, "invalid_max_age_s"),
        ("recycle", {"max_memory_mb": True}, "invalid_max_memory_mb"),
        ("recycle", {"max_age_s": 5, "jitter": -0.1}, "invalid_jitter"),
        ("recycle", {"max_age_s": 5, "except": [1]}, "invalid_except"),
        ("recycle", {"max_age": 5}, "unknown_parameter"),
    ],
)
def test_bad_policy_parameters_are_found(policy, params, code):
    assert code in [fault.code for fault in POLICIES[policy].validate(params)]


@pytest.mark.parametrize(
    ("policy", "params"),
    [
        ("watchdog", {}),
        ("watchdog", {"interval_s": 0.5, "misses": 1, "except": ["a"]}),
        ("repair", {}),
        ("repair", {"window_s": 0.5, "starts": 1, "crashes": 1, "deadline_s": 3600, "except": ["a"]}),
        ("recycle", {"max_age_s": 3600}),
        ("recycle", {"max_memory_mb": 0.5, "jitter": 0}),
    ],
)
def test_good_policy_parameters_are_accepted(policy, params):
    assert POLICIES[policy].validate(params) == []


def test_policy_that_overrides_nothing_changes_nothing():
    class Idle(Policy):
        name = "idle"

    plain, idle = Driver("ab"), Driver("ab", known={"idle": Idle}, policies=(PolicySpec(name="idle"),))
    plain.crash("a")
    idle.crash("a")
    assert plain.commands == idle.commands
