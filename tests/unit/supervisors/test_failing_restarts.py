"""Restarts whose start fails (statements 52 to 68)."""

import pytest

from supervisors import Restart, Strategy
from supervisors.messages import Call, ExitKind, Op, OpKind
from tests.unit.supervisors.driver import Driver, child, children

ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def stuck(specs, strategy=Strategy.ONE_FOR_ONE, crash="b", **flags):
    """A driver whose child `crash` has crashed and is starting again, slowly; the test makes that start fail."""
    d = Driver(specs, strategy, **flags)
    d.slow = {crash}
    d.crash(crash)
    d.said()
    return d


def fail(d, id):
    """The start in progress fails now, and the next one is slow again."""
    return d.end(id, ExitKind.START_FAILED, "refused")


def queued(d, kind, id):
    """A call that arrives while a start is in progress: it waits."""
    d._calls += 1
    return d._calls, Call(d._calls, Op(kind, id))


def test_failed_restart_is_retried_behind_requests_that_wait_already():
    d = stuck("ab")
    number, call = queued(d, OpKind.COUNT_CHILDREN, None)
    d.do(call)
    assert number not in d.replies
    d.do(fail(d, "b"))
    assert d.replies[number].value == [2, 1, 0, 2]
    assert d.said() == ["start b"]


def test_each_attempt_counts_so_exactly_intensity_attempts_fail_before_giving_up():
    d = Driver("ab", intensity=3, fails={})
    d.fails = {"b": 99}
    d.said()
    d.crash("b")
    assert d.said() == ["start b"] * 3 + ["orderly a", "gone"]
    assert d.exit is not None
    assert d.exit.kind is ExitKind.SHUTDOWN


def test_one_for_all_stops_the_new_incarnation_of_an_earlier_sibling_and_retries_the_group():
    d = Driver("ab", ALL)
    d.fails = {"b": 1}
    d.said()
    d.crash("a")
    assert d.said() == ["orderly b", "start a", "start b", "orderly a", "start a", "start b"]


def test_rest_for_one_keeps_the_earlier_sibling_and_retries_from_the_failing_one():
    d = Driver("abc", REST)
    d.fails = {"b": 1}
    d.said()
    d.crash("a")
    assert d.said() == ["orderly c", "orderly b", "start a", "start b", "start b", "start c"]
    assert d.gen("a") == 2


def test_pending_retry_shows_earlier_running_failing_restarting_and_later_stopped():
    d = stuck("abc", REST)
    number, call = queued(d, OpKind.WHICH_CHILDREN, None)
    d.do(call)
    d.do(fail(d, "b"))
    views = {view.id: view.state.value for view in d.replies[number].value}
    assert views == {"a": "running", "b": "restarting", "c": "stopped"}


@pytest.mark.parametrize(
    ("kind", "spec", "word"),
    [
        (OpKind.START_CHILD, "b", "already_present"),
        (OpKind.RESTART_CHILD, None, "restarting"),
        (OpKind.DELETE_CHILD, None, "restarting"),
        (OpKind.TERMINATE_CHILD, None, "ok"),
    ],
)
def test_calls_while_a_retry_is_pending(kind, spec, word):
    d = stuck("ab")
    d._calls += 1
    d.do(Call(d._calls, Op(kind, "b", child(spec) if spec else None)))
    d.do(fail(d, "b"))
    assert d.replies[d._calls].result == word


def test_terminating_a_restarting_child_makes_its_retry_stale_and_lets_it_be_deleted():
    d = stuck("ab")
    _, terminate = queued(d, OpKind.TERMINATE_CHILD, "b")
    delete_number, delete = queued(d, OpKind.DELETE_CHILD, "b")
    d.do(terminate)
    d.do(delete)
    d.do(fail(d, "b"))
    assert d.replies[delete_number].result == "ok"
    assert d.said() == []
    assert d.states() == {"a": "running"}


def test_child_terminated_while_restarting_can_be_restarted_at_once_and_only_once():
    d = stuck("ab")
    for kind in (OpKind.TERMINATE_CHILD, OpKind.RESTART_CHILD):
        d.do(queued(d, kind, "b")[1])
    d.do(fail(d, "b"))
    d.ready("b")
    assert d.said() == ["start b"]
    assert d.state("b") == "running"


def test_restarting_child_counts_as_spec_and_worker_but_not_as_active():
    d = stuck("ab")
    number, call = queued(d, OpKind.COUNT_CHILDREN, None)
    d.do(call)
    d.do(fail(d, "b"))
    assert d.replies[number].value == [2, 1, 0, 2]


def test_crash_of_an_earlier_sibling_merges_with_the_retry_of_a_later_one():
    d = stuck("abc", REST)
    crash = d.end("a")
    d.do(crash)
    d.do(fail(d, "b"))
    assert d.said() == ["start a", "start b"]
    d.slow = set()
    d.do(fail(d, "b"))
    assert d.said() == ["start b", "start c"]
    assert set(d.states().values()) == {"running"}


def test_attempts_of_two_failing_children_alternate():
    d = Driver("ab")
    d.fails = {"a": 3, "b": 3}
    d.said()
    d.crash("a", "b")
    assert d.said() == ["start a", "start b"] * 4


def test_ignore_on_restart_leaves_the_slot_stopped_counts_once_and_is_not_retried():
    d = Driver("a", intensity=1)
    d.ignores = {"a": 1}
    d.said()
    d.crash("a")
    assert d.said() == ["start a"]
    assert d.state("a") == "stopped"
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 1


def test_ignore_on_restart_removes_a_dynamic_child():
    d = Driver(strategy=Strategy.DYNAMIC)
    d.call(OpKind.START_CHILD, spec=child("a"))
    d.ignores = {"a": 1}
    d.crash("a")
    assert d.states() == {}


def test_restart_child_whose_start_fails_is_answered_not_counted_and_not_retried():
    d = Driver("a", intensity=0)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.fails = {"a": 1}
    assert d.call(OpKind.RESTART_CHILD, "a") == "start_failed"
    assert d.state("a") == "stopped"
    assert d.exit is None


def test_failing_dynamic_child_is_addressable_and_its_termination_removes_it():
    d = Driver(strategy=Strategy.DYNAMIC)
    d.call(OpKind.START_CHILD, spec=child("a"))
    d.slow = {"a"}
    d.crash("a")
    number, call = queued(d, OpKind.TERMINATE_CHILD, "a")
    d.do(call)
    d.do(fail(d, "a"))
    assert d.replies[number].result == "ok"
    assert d.counts() == [0, 0, 0, 0]


def test_stop_during_a_retry_loop_stops_only_live_children():
    d = stuck("abc", REST)
    d.do(fail(d, "b"))
    d.said()
    d.stop()
    assert d.said() == ["kill b", "orderly a", "gone"]


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_terminating_the_restarting_member_starts_its_later_siblings(strategy):
    d = stuck("abc", strategy)
    if "a" not in d.alive:
        raise AssertionError("a runs in both strategies when b is being started")
    d.do(queued(d, OpKind.TERMINATE_CHILD, "b")[1])
    d.do(fail(d, "b"))
    assert d.said() == ["start c"]
    assert d.states() == {"a": "running", "b": "stopped", "c": "running"}


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_with_strict_otp_the_later_siblings_stay_down_as_in_otp(strategy):
    d = stuck("abc", strategy, strict_otp=True)
    d.do(queued(d, OpKind.TERMINATE_CHILD, "b")[1])
    d.do(fail(d, "b"))
    assert d.said() == []
    assert d.states() == {"a": "running", "b": "stopped", "c": "stopped"}


def test_sibling_terminated_by_hand_is_not_started_when_the_group_carries_on():
    d = stuck("abcd", REST)
    for id in "cb":
        d.do(queued(d, OpKind.TERMINATE_CHILD, id)[1])
    d.do(fail(d, "b"))
    assert d.states() == {"a": "running", "b": "stopped", "c": "stopped", "d": "running"}


def test_restart_child_of_a_member_not_yet_reached_works_and_the_group_retry_stops_it_again():
    d = stuck("abc", ALL)
    d.do(queued(d, OpKind.RESTART_CHILD, "c")[1])
    d.do(fail(d, "b"))
    assert d.said() == ["start c", "orderly c", "orderly a", "start a", "start b"]


def test_failed_start_is_reported_with_its_context():
    d = Driver(children("a", restart=Restart.TRANSIENT))
    d.fails = {"a": 1}
    d.crash("a")
    (report,) = d.told("child.start_failed")
    assert report.data["context"] == "start_error"
    assert report.data["reason"] == "refused"
