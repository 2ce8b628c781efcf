"""Start timeouts and heartbeats (statements 162 to 165), old generations (168 to 171)."""

import pytest

from supervisors import Heartbeat, Restart, Strategy
from supervisors.messages import (
    ChildExited,
    ChildIgnored,
    ChildMeasured,
    ChildReady,
    Exit,
    ExitKind,
    HeartbeatSeen,
    OpKind,
    TimerFired,
)
from tests.unit.supervisors.driver import Driver, child


def test_child_not_ready_in_time_is_killed_and_counts_as_a_failed_start():
    d = Driver((child("a", start_timeout_s=2.0),), slow="a")
    d.said()
    d.advance(1.9)
    assert d.said() == []
    d.advance(0.1)
    assert d.said() == ["kill a", "gone"]
    assert d.exit is not None
    assert d.exit.reason == "failed_to_start:a: not ready within 2 s"
    assert d.told("child.start_failed")[0].data["kind"] == "start_timeout"


def test_start_timeout_on_a_restart_is_retried_and_counted():
    d = Driver((child("a", start_timeout_s=2.0),), intensity=2)
    d.slow = {"a"}
    d.crash("a")
    d.said()
    d.advance(2.0)
    assert d.said() == ["kill a", "start a"]
    d.advance(2.0)
    assert d.exit is not None


def test_ready_in_time_cancels_the_start_timer():
    d = Driver((child("a", start_timeout_s=2.0),), slow="a")
    d.advance(1.0)
    d.ready("a")
    assert d.timers == {}


def test_ready_that_crosses_the_kill_does_not_count():
    d = Driver((child("a", start_timeout_s=2.0), child("b")), slow="a")
    gen = d.alive["a"]
    timer = next(iter(d.timers))
    commands = d.core.handle(TimerFired(timer), d.now + 2)
    assert commands
    assert d.core.handle(ChildReady("a", gen), d.now + 2) == []


def test_exit_before_ready_is_a_failed_start_with_the_real_reason():
    d = Driver("a", slow="a")
    d.leave("a", ExitKind.CRASH, "ImportError: no module")
    assert d.exit is not None
    assert d.exit.reason == "failed_to_start:a: ImportError: no module"


def beating(**fields):
    d = Driver((child("a", heartbeat=Heartbeat(interval_s=1.0, misses=3), **fields),))
    d.said()
    return d


def test_child_that_answers_is_pinged_at_each_interval_and_left_alone():
    d = beating()
    d.advance(10.0)
    assert d.said() == ["ping a"] * 10


def test_child_that_stops_answering_is_killed_after_the_misses_and_restarted_as_hung():
    d = beating()
    d.advance(2.0)
    d.stubborn = {"a"}
    d.said()
    d.advance(4.0)
    assert d.said() == ["ping a", "ping a", "ping a", "kill a", "start a"]
    (hung,) = d.told("child.hung")
    assert hung.data["misses"] == 3
    (exited,) = d.told("child.exited")
    assert (exited.data["kind"], exited.data["reason"]) == ("hung", "hung")
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 1


def test_hung_transient_child_counts_as_abnormal():
    d = beating(restart=Restart.TRANSIENT)
    d.stubborn = {"a"}
    d.advance(4.0)
    assert d.state("a") == "running"
    assert d.gen("a") == 2


def test_one_answer_forgives_what_was_missed():
    d = beating()
    d.stubborn = {"a"}
    for _ in range(5):
        d.advance(2.9)
        d.do(HeartbeatSeen("a", 1))
    assert d.gen("a") == 1


def test_no_heartbeat_is_expected_before_ready_or_while_stopping():
    d = Driver((child("a", heartbeat=Heartbeat(interval_s=1.0)),), slow="a")
    d.advance(10.0)
    d.ready("a")
    d.said()
    d.stubborn = {"a"}
    d.stop()
    d.advance(3.9)
    assert d.said() == ["orderly a"]


def test_heartbeats_go_on_while_the_supervisor_waits_for_another_child():
    d = Driver((child("a", heartbeat=Heartbeat(interval_s=1.0)), child("b")), slow="b")
    d.said()
    d.advance(2.0)
    assert d.said() == ["ping a", "ping a"]


@pytest.mark.parametrize(
    "late",
    [
        ChildExited("a", 1, Exit(ExitKind.CRASH)),
        ChildReady("a", 1),
        ChildIgnored("a", 1),
        HeartbeatSeen("a", 1),
        ChildMeasured("a", 1, 10.0),
        ChildExited("a", 3, Exit(ExitKind.CRASH)),
        ChildExited("ghost", 1, Exit(ExitKind.CRASH)),
        ChildReady("ghost", 1),
        ChildReady("a", 2),
        ChildIgnored("a", 2),
        TimerFired(4711),
    ],
)
def test_notice_of_another_generation_and_a_repeated_one_change_nothing(late):
    d = Driver("a")
    d.crash("a")
    d.said()
    before = d.core.view()
    d.do(late)
    assert d.said() == []
    assert d.core.view() == before


def test_second_exit_notice_of_the_same_incarnation_changes_nothing():
    d = Driver("ab")
    d.slow = {"b"}
    d.crash("b")
    notice = d.end("a")
    d.do(notice, notice)
    d.said()
    d.ready("b")
    assert d.said() == ["start a"]


def test_new_start_begins_only_after_the_old_incarnation_is_completely_gone():
    d = Driver("a")
    d.stubborn = {"a"}
    d.said()
    d.post(OpKind.RECYCLE, "a")
    d.advance(4.9)
    assert d.said() == ["orderly a", "term a"]
    d.advance(0.1)
    assert d.said() == ["kill a", "start a"]


def test_group_restart_does_not_revive_a_child_whose_terminate_is_in_progress():
    d = Driver("abc", Strategy.REST_FOR_ONE)
    d.stubborn = {"a"}
    d.post(OpKind.TERMINATE_CHILD, "a")
    d.crash("b")
    d.said()
    d.leave("a", ExitKind.SHUTDOWN)
    assert d.said() == ["orderly c", "start b", "start c"]
    assert d.state("a") == "stopped"
