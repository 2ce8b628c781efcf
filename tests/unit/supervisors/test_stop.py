"""Stopping: order, force, pre-emption (statements 80 to 94 and 166)."""

import pytest

from supervisors import ChildType, Heartbeat, Restart, Strategy
from supervisors.messages import ChildIgnored, ChildReady, Exit, ExitKind, OpKind, StopRequested, TimerFired
from tests.unit.supervisors.driver import Driver, child, children


def test_stop_is_the_exact_reverse_of_the_start_one_at_a_time():
    d = Driver("abc")
    d.stubborn = {"c"}
    d.said()
    d.stop()
    assert d.said() == ["orderly c"]
    d.leave("c", ExitKind.SHUTDOWN)
    assert d.said() == ["orderly b", "orderly a", "gone"]


def test_child_that_does_not_obey_gets_term_at_80_percent_and_kill_at_the_limit():
    d = Driver(children("a", shutdown_s=10.0))
    d.stubborn = {"a"}
    d.said()
    d.stop()
    d.advance(7.9)
    assert d.said() == ["orderly a"]
    d.advance(0.2)
    assert d.said() == ["term a"]
    d.advance(1.8)
    assert d.said() == []
    d.advance(0.2)
    assert d.said() == ["kill a", "gone"]


def test_stop_limits_add_up():
    d = Driver((child("a", shutdown_s=2.0), child("b", shutdown_s=3.0), child("c", shutdown_s=0.0)))
    d.stubborn = {"a", "b", "c"}
    before = d.now
    d.stop()
    while d.exit is None:
        d.advance(0.1)
    assert d.now - before == pytest.approx(5.0, abs=0.11)


def test_shutdown_zero_asks_and_kills_at_once():
    d = Driver(children("a", shutdown_s=0.0))
    d.said()
    d.stop()
    assert d.said() == ["orderly a", "kill a", "gone"]


def test_brutal_kill_does_not_ask_first_and_leaves_the_neighbour_to_an_orderly_stop():
    d = Driver((child("a"), child("b", shutdown_s="brutal_kill")))
    d.said()
    d.stop()
    assert d.said() == ["kill b", "orderly a", "gone"]
    assert {r.data["context"] for r in d.told("child.stopped")} == {"shutdown"}


@pytest.mark.parametrize("spec", [child("a", shutdown_s="infinity"), child("a", type=ChildType.SUPERVISOR)])
def test_unlimited_stop_never_arms_a_timer(spec):
    d = Driver((spec,))
    d.stubborn = {"a"}
    d.stop()
    assert d.timers == {}
    assert d.said()[-1] == "orderly a"


def test_odd_stop_reason_is_only_reported():
    d = Driver("a")
    d.stubborn = {"a"}
    d.stop()
    d.leave("a", ExitKind.CRASH, "cleanup failed")
    assert d.exit is not None
    assert d.exit.kind is ExitKind.SHUTDOWN
    (report,) = d.told("child.stopped")
    assert (report.data["context"], report.data["reason"]) == ("shutdown_error", "cleanup failed")


def test_child_exiting_by_itself_during_the_stop_keeps_its_reason_and_is_not_restarted():
    d = Driver("abc")
    d.stubborn = {"c"}
    d.stop()
    d.leave("a", ExitKind.CRASH, "own reason")
    d.said()
    d.leave("c", ExitKind.SHUTDOWN)
    assert d.said() == ["orderly b", "gone"]
    assert "own reason" in {r.data["reason"] for r in d.told("child.stopped")}


@pytest.mark.parametrize("kind", [ExitKind.NORMAL, ExitKind.CRASH, ExitKind.KILLED])
def test_supervisor_exits_with_the_reason_it_was_given(kind):
    d = Driver("a")
    d.stop(kind=kind, reason="because")
    assert d.exit == Exit(kind, "because")


def test_second_stop_request_changes_neither_reason_nor_progress():
    d = Driver("a")
    d.stubborn = {"a"}
    d.stop(kind=ExitKind.NORMAL, reason="first")
    d.said()
    d.stop(kind=ExitKind.CRASH, reason="second")
    assert d.said() == []
    d.leave("a", ExitKind.SHUTDOWN)
    assert d.exit == Exit(ExitKind.NORMAL, "first")


def test_stop_pre_empts_a_start_and_kills_the_child_being_started():
    d = Driver("abc", slow="b")
    d.said()
    d.stop()
    assert d.said() == ["kill b", "orderly a", "gone"]


@pytest.mark.parametrize("late", [ChildReady("b", 1), ChildIgnored("b", 1)])
def test_late_answer_of_an_abandoned_start_does_not_revive_it(late):
    d = Driver("ab", start=False, slow="b")
    d.do(StopRequested())
    assert d.said() == ["gone"]
    d.do(late)
    assert d.said() == []


def test_stop_during_a_group_stop_goes_on_with_what_is_left():
    d = Driver("abc", Strategy.ONE_FOR_ALL)
    d.stubborn = {"c"}
    d.crash("b")
    d.said()
    d.stop()
    assert d.said() == []
    d.leave("c", ExitKind.SHUTDOWN)
    assert d.said() == ["orderly a", "gone"]


def test_everybody_who_waits_is_told_noproc_when_the_stop_begins():
    d = Driver("a")
    d.slow = {"b"}
    started = d.post(OpKind.START_CHILD, spec=child("b"))
    counted = d.post(OpKind.COUNT_CHILDREN)
    d.stop()
    assert d.replies[started].result == "noproc"
    assert d.replies[counted].result == "noproc"
    assert d.call(OpKind.COUNT_CHILDREN) == "noproc"


def test_hung_child_is_not_killed_out_of_turn_while_the_stop_waits_for_another():
    d = Driver((child("a", heartbeat=Heartbeat(interval_s=1.0, misses=1)), child("b", shutdown_s="infinity")))
    d.stubborn = {"a", "b"}
    d.stop()
    d.said()
    d.advance(10.0)
    assert d.said() == []


def test_every_timer_is_cancelled_or_fired_at_the_end():
    d = Driver(children("ab", shutdown_s=3.0, start_timeout_s=5.0))
    d.stubborn = {"a", "b"}
    d.stop()
    d.advance(10.0)
    assert d.exit is not None
    assert d.timers == {}


def test_nothing_follows_the_end():
    d = Driver("a")
    d.stop()
    d.said()
    d.do(ChildReady("a", 1), TimerFired(1), StopRequested())
    assert d.said() == []


def test_dynamic_children_are_all_told_at_once_with_one_timer_for_each_limit():
    d = Driver(strategy=Strategy.DYNAMIC)
    limits = {"a": 2.0, "b": 2.0, "c": 3.0, "d": "brutal_kill", "e": "infinity"}
    for id, limit in limits.items():
        d.call(OpKind.START_CHILD, spec=child(id, shutdown_s=limit))
    d.stubborn = {"a", "b", "c"}
    d.said()
    d.stop()
    assert d.said() == ["orderly e", "kill d", "orderly c", "orderly b", "orderly a"]
    assert len(d.timers) == 2
    d.leave("b", ExitKind.SHUTDOWN)
    d.advance(2.0)
    assert d.said() == ["term a", "kill a"]
    d.advance(1.0)
    assert d.said() == ["term c", "kill c", "gone"]


def test_timer_of_a_limit_is_cancelled_when_all_obeyed_before_it():
    d = Driver(strategy=Strategy.DYNAMIC)
    d.call(OpKind.START_CHILD, spec=child("a", shutdown_s=10.0))
    d.stop()
    assert d.said()[-1] == "gone"
    assert d.timers == {}


def test_dynamic_child_that_is_being_stopped_already_keeps_its_own_limit():
    d = Driver(strategy=Strategy.DYNAMIC)
    d.call(OpKind.START_CHILD, spec=child("a", shutdown_s=10.0))
    d.stubborn = {"a"}
    d.post(OpKind.TERMINATE_CHILD, "a")
    d.advance(7.0)
    d.said()
    d.stop()
    assert d.said() == []
    d.advance(3.0)
    assert d.said() == ["term a", "kill a", "gone"]


def test_child_that_died_while_it_waited_for_its_stop_is_not_shown_as_running():
    d = Driver("abc")
    d.stubborn = {"c"}
    d.stop()
    d.leave("a", ExitKind.CRASH)
    assert d.states() == {"a": "stopping", "b": "running", "c": "stopping"}


@pytest.mark.parametrize("restart", list(Restart))
def test_dynamic_stop_completes_whatever_reason_the_children_answer_with(restart):
    d = Driver(strategy=Strategy.DYNAMIC)
    for id in "ab":
        d.call(OpKind.START_CHILD, spec=child(id, restart=restart))
    d.stubborn = {"a", "b"}
    d.stop()
    d.leave("a", ExitKind.CRASH)
    d.leave("b", ExitKind.NORMAL)
    assert d.exit is not None
    assert d.exit.kind is ExitKind.SHUTDOWN


def test_exit_notice_of_a_stranger_is_ignored():
    d = Driver("a")
    d.said()
    d.do(ChildReady("x", 1), TimerFired(99))
    assert d.said() == []


def test_child_whose_notice_waits_is_not_signalled_again_by_the_stop():
    d = Driver("abc")
    d.slow = {"c"}
    d.crash("c")
    d.do(d.end("b"))
    d.said()
    d.stop()
    assert d.said() == ["kill c", "orderly a", "gone"]
