"""A first start that fails: OTP gives up the whole start, a child that is held in the end is left behind instead."""

import pytest

from supervisors import Backoff, Budget, ChildType, OnExhausted, Restart, Startup, Strategy, simulate
from supervisors.messages import Exit, ExitKind, OpKind
from tests.unit.supervisors.driver import Driver, child

OWN = Budget(intensity=1, period_s=60.0)
SLOWLY = Backoff(min_s=1.0, max_s=4.0)
HOLDS = pytest.mark.parametrize(
    ("on_exhausted", "state"), [(OnExhausted.QUARANTINE, "quarantined"), (OnExhausted.REPAIR, "awaiting_repair")]
)
STRATEGIES = pytest.mark.parametrize("strategy", list(Strategy))
STATIC = pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
STARTUPS = pytest.mark.parametrize("startup", list(Startup))


def held(id, on_exhausted=OnExhausted.QUARANTINE, budget=OWN, **fields):
    return child(id, on_exhausted=on_exhausted, budget=budget, **fields)


def trio(strategy=Strategy.ONE_FOR_ONE, fails=99, *, c=None, flags=None, **fields):
    """a, then b whose first start fails, then c."""
    return Driver((child("a"), held("b", **fields), c or child("c")), strategy, fails={"b": fails}, **(flags or {}))


@HOLDS
@STRATEGIES
@STARTUPS
def test_supervisor_starts_without_a_child_that_is_held_in_the_end(on_exhausted, state, strategy, startup):
    d = trio(strategy, on_exhausted=on_exhausted, flags={"startup": startup, "intensity": 0})
    assert d.states() == {"a": "running", "b": state, "c": "running"}
    assert d.log.count("started") == 1
    assert d.log.count("start b") == 2  # its budget is that of restarts: the first start and one restart
    assert d.log.count("start a") == d.log.count("start c") == 1
    assert d.told(f"child.{state}")[0].data["reason"] == "refused"
    assert d.exit is None


@STRATEGIES
def test_failing_first_start_of_a_child_that_escalates_ends_the_start_as_in_otp(strategy):
    d = trio(strategy, on_exhausted=OnExhausted.ESCALATE)
    assert d.exit is not None
    assert d.exit.reason == "failed_to_start:b: refused"
    assert "started" not in d.log


def test_failing_first_start_of_a_temporary_child_ends_the_start_whatever_its_on_exhausted():
    assert trio(restart=Restart.TEMPORARY).exit is not None


@STRATEGIES
def test_with_strict_otp_no_child_is_left_behind(strategy):
    d = trio(strategy, flags={"strict_otp": True})
    assert d.exit is not None
    assert d.exit.reason == "failed_to_start:b: refused"


@pytest.mark.parametrize(("on_exhausted", "lives"), [(OnExhausted.QUARANTINE, True), (OnExhausted.ESCALATE, False)])
def test_critical_changes_nothing_about_what_on_exhausted_says(on_exhausted, lives):
    assert (trio(critical=True, on_exhausted=on_exhausted).exit is None) is lives


@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT])
@STATIC
def test_child_whose_first_start_fails_once_comes_up_alone_at_its_retry(strategy, restart):
    d = trio(strategy, fails=1, restart=restart)
    assert d.said() == ["start a", "start b", "start c", "started", "start b"]
    assert set(d.states().values()) == {"running"}
    assert not d.told("group.restarted")


@STATIC
def test_once_it_has_been_up_it_is_a_member_of_its_group_like_any_other(strategy):
    d = trio(strategy, fails=1)
    d.said()
    d.crash("a")
    in_group = {
        Strategy.ONE_FOR_ONE: ["start a"],
        Strategy.ONE_FOR_ALL: ["orderly c", "orderly b", "start a", "start b", "start c"],
        Strategy.REST_FOR_ONE: ["orderly c", "orderly b", "start a", "start b", "start c"],
    }
    assert d.said() == in_group[strategy]


def test_delays_apply_to_a_first_start_that_fails_and_the_others_do_not_wait_for_them():
    d = trio(fails=2, backoff=SLOWLY, budget=Budget(intensity=5, period_s=60.0))
    assert d.said() == ["start a", "start b", "start c", "started"]
    assert d.state("b") == "restarting"
    d.advance(1.0)
    assert d.said() == ["start b"]
    d.advance(2.0)
    assert d.said() == ["start b"]
    assert d.state("b") == "running"
    assert d.reply(OpKind.BUDGET, "b").value["children"]["b"]["used"] == 2


def test_failures_of_a_child_with_its_own_limit_leave_that_of_the_supervisor_untouched():
    d = trio()
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 0


def test_child_without_a_budget_has_the_limit_of_its_supervisor_before_it_is_held():
    d = trio(budget=None, flags={"intensity": 3})
    assert d.log.count("start b") == 4
    assert d.state("b") == "quarantined"


def test_first_start_that_fails_for_a_hopeless_reason_fails_the_slot_at_once():
    d = trio(permanent_failure=("refused",))
    assert d.log.count("start b") == 1
    assert d.states() == {"a": "running", "b": "failed", "c": "running"}


def test_first_start_that_is_not_ready_in_time_is_a_failed_one():
    d = Driver((held("a", start_timeout_s=3.0), child("b")), slow="a")
    d.advance(6.0)
    assert d.states() == {"a": "quarantined", "b": "running"}
    assert d.core.child("a").last_exit == Exit(ExitKind.START_TIMEOUT, "not ready within 3 s")


def test_branch_whose_first_start_fails_is_held_like_any_other_child():
    d = trio(type=ChildType.SUPERVISOR)
    assert d.states() == {"a": "running", "b": "quarantined", "c": "running"}


@STATIC
@STARTUPS
def test_children_that_depend_on_it_wait_and_say_for_what(strategy, startup):
    specs = (held("a"), child("b", depends_on=("a",)), child("c", depends_on=("b",)), child("d"))
    d = Driver(specs, strategy, fails={"a": 99}, startup=startup)
    assert d.states() == {"a": "quarantined", "b": "waiting", "c": "waiting", "d": "running"}
    assert "started" in d.log
    assert not {"start b", "start c"} & set(d.log)
    assert [d.core.child(id).waits_for for id in "abcd"] == [(), ("a",), ("b",), ()]
    assert [(report.subject, report.data["waits_for"]) for report in d.told("child.waiting")] == [
        ("b", ["a"]),
        ("c", ["b"]),
    ]


@STATIC
@STARTUPS
@pytest.mark.parametrize("by", [OpKind.RESET, OpKind.RESTART_CHILD])
def test_those_that_wait_are_started_in_their_order_once_it_is_revived(strategy, startup, by):
    specs = (held("a"), child("b", depends_on=("a",)), child("c", depends_on=("b",)), child("d"))
    d = Driver(specs, strategy, fails={"a": 2}, startup=startup)
    d.said()
    assert d.call(by, "a") == "ok"
    assert d.said() == ["start a", "start b", "start c"]
    assert set(d.states().values()) == {"running"}
    assert d.core.child("b").restarts == 0


def test_those_that_wait_are_started_once_a_retry_succeeds():
    d = Driver((held("a"), child("b", depends_on=("a",))), fails={"a": 1})
    assert d.said() == ["start a", "started", "start a", "start b"]


def test_one_that_waits_for_two_waits_for_the_second_one_too():
    specs = (held("a"), held("b"), child("c", depends_on=("a", "b")))
    d = Driver(specs, fails={"a": 2, "b": 2})
    d.call(OpKind.RESET, "a")
    assert (d.state("c"), d.core.child("c").waits_for) == ("waiting", ("b",))
    d.call(OpKind.RESET, "b")
    assert d.state("c") == "running"


def test_revival_that_fails_leaves_it_held_and_the_others_waiting():
    d = Driver((held("a"), child("b", depends_on=("a",))), fails={"a": 3})
    assert d.call(OpKind.RESET, "a") == "start_failed"
    assert d.states() == {"a": "quarantined", "b": "waiting"}


def test_one_that_waits_can_be_started_by_hand_and_then_is_restarted_whatever_it_depends_on():
    d = Driver((held("a"), child("b", depends_on=("a",))), fails={"a": 99})
    assert d.call(OpKind.RESTART_CHILD, "b") == "ok"
    d.crash("b")
    assert d.states() == {"a": "quarantined", "b": "running"}


def test_one_that_waits_and_is_stopped_by_hand_stays_stopped():
    d = Driver((held("a"), child("b", depends_on=("a",))), fails={"a": 2})
    assert d.call(OpKind.TERMINATE_CHILD, "b") == "ok"
    d.call(OpKind.RESET, "a")
    assert d.states() == {"a": "running", "b": "stopped"}


def test_deleting_what_they_wait_for_starts_those_that_wait():
    d = Driver((held("a"), child("b", depends_on=("a",))), fails={"a": 99})
    assert d.call(OpKind.DELETE_CHILD, "a") == "ok"
    assert d.states() == {"b": "running"}


def test_first_start_that_is_late_and_fails_counts_for_the_supervisor_when_the_child_escalates():
    specs = (held("a"), child("b", depends_on=("a",)), child("c"))
    d = Driver(specs, fails={"a": 1, "b": 99}, intensity=2)
    assert d.log.count("start b") == 3
    assert d.exit is not None
    assert d.exit.reason == "reached_max_restart_intensity"


def test_first_start_that_is_late_and_fails_leaves_those_behind_it_waiting():
    specs = (held("a"), held("b", depends_on=("a",)), child("c", depends_on=("b",)))
    d = Driver(specs, fails={"a": 1, "b": 99})
    assert d.states() == {"a": "running", "b": "quarantined", "c": "waiting"}


@pytest.mark.parametrize("op", [OpKind.RESET, OpKind.RESTART_CHILD])
def test_temporary_child_that_waits_and_fails_when_started_by_hand_is_not_kept(op):
    specs = (held("a"), child("b", restart=Restart.TEMPORARY, depends_on=("a",)))
    d = Driver(specs, fails={"a": 99, "b": 1})
    assert d.call(op, "b") == "start_failed"
    d.fails = {}
    d.call(OpKind.RESET, "a")
    assert d.states() == {"a": "running"}
    assert d.log.count("start b") == 1


def test_temporary_child_that_waited_and_fails_is_not_kept():
    specs = (held("a"), child("b", restart=Restart.TEMPORARY, depends_on=("a",)), child("c", depends_on=("b",)))
    d = Driver(specs, fails={"a": 1, "b": 1})
    assert d.states() == {"a": "running", "c": "running"}


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
@STARTUPS
def test_group_restart_leaves_alone_what_is_delayed_and_what_waits_for_it(strategy, startup):
    specs = (child("a"), held("b", backoff=SLOWLY), child("c", depends_on=("b",)), child("d"))
    d = Driver(specs, strategy, fails={"b": 1}, startup=startup)
    d.said()
    d.crash("a")
    assert d.said() == ["orderly d", "start a", "start d"]
    assert d.states() == {"a": "running", "b": "restarting", "c": "waiting", "d": "running"}
    d.advance(1.0)
    assert d.said() == ["start b", "start c"]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_failing_group_member_is_not_covered_by_the_retry_of_one_that_was_never_up(strategy):
    specs = (held("a", backoff=SLOWLY), child("b"), held("c"), child("d"))
    d = Driver(specs, strategy, fails={"a": 1})
    d.fails["c"] = 99
    d.crash("b")
    assert d.states() == {"a": "restarting", "b": "running", "c": "quarantined", "d": "running"}


def test_ignored_retry_satisfies_those_that_wait():
    d = Driver((held("a", backoff=SLOWLY), child("b", depends_on=("a",))), fails={"a": 1})
    d.ignores = {"a": 1}
    d.advance(1.0)
    assert d.states() == {"a": "stopped", "b": "running"}


def test_waiting_is_told_while_others_still_start():
    specs = (held("a"), child("b", depends_on=("a",)), child("c", depends_on=("b",)), child("d"))
    d = Driver(specs, fails={"a": 99}, slow="d", startup=Startup.PARALLEL)
    assert d.states() == {"a": "restarting", "b": "waiting", "c": "waiting", "d": "starting"}


def test_late_first_start_that_is_one_failure_too_many_starts_nothing_behind_it():
    specs = (held("a"), child("b", depends_on=("a",), backoff=SLOWLY), child("c", depends_on=("a",)))
    d = Driver(specs, fails={"a": 1, "b": 99}, intensity=0)
    assert d.log[-4:] == ["start a", "start b", "orderly a", "gone"]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_one_that_was_started_by_hand_is_restarted_with_its_group_whatever_it_depends_on(strategy):
    d = Driver((child("a"), held("b"), child("c", depends_on=("b",))), strategy, fails={"b": 99})
    d.call(OpKind.RESTART_CHILD, "c")
    d.said()
    d.crash("a")
    assert d.said() == ["orderly c", "start a", "start c"]


def test_one_that_is_held_in_the_middle_of_a_group_restart_leaves_the_restart_as_it_is():
    specs = (
        child("a"),
        held("b", backoff=SLOWLY),
        held("c", depends_on=("b",), permanent_failure=("refused",)),
        child("d"),
        child("e"),
    )
    d = Driver(specs, Strategy.REST_FOR_ONE, fails={"b": 1, "c": 1})
    d.call(OpKind.TERMINATE_CHILD, "b")  # a group restart starts it again, as OTP does
    d.said()
    d.crash("a")
    assert d.said() == ["orderly e", "orderly d", "start a", "start b", "start c", "start d", "start e"]
    assert d.states() == {"a": "running", "b": "running", "c": "failed", "d": "running", "e": "running"}
    (restarted,) = d.told("group.restarted")
    assert (restarted.data["cause"], restarted.data["children"]) == ("a", ["a", "b", "d", "e"])


def test_stop_during_a_delayed_first_start_stops_everything():
    d = trio(backoff=SLOWLY)
    d.stop()
    assert d.exit is not None
    assert d.exit.is_clean
    assert not d.timers


def test_start_goes_on_while_several_fail_at_once():
    specs = tuple(held(id) for id in "abcde")
    d = Driver(specs, fails=dict.fromkeys("ace", 99), startup=Startup.PARALLEL)
    assert d.states() == {"a": "quarantined", "b": "running", "c": "quarantined", "d": "running", "e": "quarantined"}


def test_start_in_which_one_child_is_left_behind_and_another_one_escalates_ends():
    d = Driver((held("a"), child("b"), child("c")), fails={"a": 99, "c": 1})
    assert d.exit is not None
    assert d.exit.reason == "failed_to_start:c: refused"
    assert not d.timers


def test_call_during_the_start_is_answered_after_it():
    d = Driver((held("a"), child("b")), fails={"a": 99}, slow="b")
    number = d.post(OpKind.WHICH_CHILDREN)
    assert d.state("a") == "restarting"
    d.ready("b")
    assert d.replies[number].result == "ok"


@HOLDS
def test_simulation_of_a_broken_first_start_shows_the_whole_course(on_exhausted, state):
    scenario = {
        "id": "shop",
        "children": [
            {
                "id": "prices",
                "fail_starts": 3,
                "backoff": {"min_s": 1, "max_s": 8},
                "budget": {"intensity": 2, "period_s": 60},
                "on_exhausted": on_exhausted.value,
            },
            {"id": "window", "depends_on": ["prices"]},
            {"id": "till"},
        ],
        "steps": [{"op": "advance", "seconds": 10}, {"op": "reset", "id": "prices"}],
    }
    start, spent, revived = simulate(scenario)
    assert [event for _, event in start.events] == [("start_failed", "prices"), ("start", "till")]
    assert [view.state for view in start.children] == ["restarting", "waiting", "running"]
    assert [at for at, _ in spent.events] == [1.0, 3.0]
    assert [view.state for view in spent.children] == [state, "waiting", "running"]
    assert [event for _, event in revived.events] == [("start", "prices"), ("start", "window")]
    assert {view.state for view in revived.children} == {"running"}
