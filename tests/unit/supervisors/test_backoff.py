"""Delays before restarts (statements 145 to 155)."""

import pytest

from supervisors import Backoff, Budget, OnExhausted, Restart, Strategy
from supervisors.backoff import delay_s, reset_after_s, slowest_s
from supervisors.messages import ExitKind, OpKind
from tests.unit.supervisors.driver import Driver, child

B = Backoff(min_s=1.0, max_s=8.0, reset_after_s=10.0)


def delayed(*ids, strategy=Strategy.ONE_FOR_ONE, backoff=B, **flags):
    """Children a to c, of which the named have a back-off."""
    specs = tuple(child(id, backoff=backoff if id in ids else None) for id in "abc")
    d = Driver(specs, strategy, **flags)
    d.said()
    return d


def test_delay_doubles_exactly_until_the_cap():
    assert [delay_s(B, n) for n in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_cap_that_is_no_power_of_two_is_reached_and_kept():
    odd = Backoff(min_s=0.3, max_s=5.0)
    delays = [delay_s(odd, n) for n in range(10)]
    assert delays == sorted(delays)
    assert delays[:5] == [0.3, 0.6, 1.2, 2.4, 4.8]
    assert delays[5:] == [5.0] * 5


@pytest.mark.parametrize("n", [1_000, 10**6, 10**18])
def test_huge_n_gives_the_cap_without_overflow(n):
    assert delay_s(B, n) == 8.0
    assert delay_s(Backoff(min_s=1e-9, max_s=1e9), n) == 1e9


def test_jitter_adds_its_share_of_the_random_draw():
    jittery = Backoff(min_s=1.0, max_s=8.0, jitter=0.5)
    assert delay_s(jittery, 1, 0.0) == 2.0
    assert delay_s(jittery, 1, 0.5) == 2.5
    assert delay_s(jittery, 9, 0.999) < slowest_s(jittery) == 12.0


def test_reset_time_defaults_to_the_mean_of_min_and_max():
    assert reset_after_s(Backoff(min_s=2.0, max_s=8.0)) == 5.0
    assert reset_after_s(B) == 10.0


def test_core_draws_jitter_from_the_injected_randomness():
    d = delayed("a", backoff=Backoff(min_s=1.0, max_s=8.0, jitter=1.0), rng=lambda: 0.5)
    d.crash("a")
    assert d.told("child.restart_delayed")[0].data["delay_s"] == 1.5


def test_delayed_child_shows_restarting_with_its_time_while_others_and_the_api_go_on():
    d = delayed("a")
    d.crash("a")
    view = d.core.child("a")
    assert view is not None
    assert (view.state.value, view.next_retry_at) == ("restarting", 101.0)
    d.crash("b")
    assert d.said() == ["start b"]
    assert d.counts() == [3, 2, 0, 3]
    d.advance(1.0)
    assert d.said() == ["start a"]
    assert d.core.child("a").next_retry_at is None


@pytest.mark.parametrize("kind", [OpKind.TERMINATE_CHILD, OpKind.HOLD, OpKind.QUARANTINE])
def test_operator_during_the_delay_cancels_the_timer(kind):
    d = delayed("a")
    d.crash("a")
    assert d.call(kind, "a") == "ok"
    assert d.timers == {}
    d.advance(60.0)
    assert d.said() == []


def test_delete_is_refused_during_the_delay_and_works_after_terminate():
    d = delayed("a")
    d.crash("a")
    assert d.call(OpKind.DELETE_CHILD, "a") == "restarting"
    d.call(OpKind.TERMINATE_CHILD, "a")
    assert d.call(OpKind.DELETE_CHILD, "a") == "ok"
    d.advance(60.0)
    assert d.said() == []


def test_stop_during_the_delay_cancels_the_timer():
    d = delayed("a")
    d.crash("a")
    d.stop()
    assert d.timers == {}
    assert d.said() == ["orderly c", "orderly b", "gone"]


def test_delayed_restart_that_fails_is_delayed_longer_and_never_tried_at_once():
    d = delayed("a")
    d.fails = {"a": 2}
    d.crash("a")
    assert d.said() == []
    d.advance(1.0)
    assert d.said() == ["start a"]
    d.advance(1.9)
    assert d.said() == []
    d.advance(0.1)
    assert d.said() == ["start a"]
    d.advance(4.0)
    assert d.said() == ["start a"]
    assert d.state("a") == "running"


def test_failed_attempts_count_like_crashes():
    d = delayed("a", intensity=2, period_s=100.0)
    d.fails = {"a": 99}
    d.crash("a")
    d.advance(3.0)
    assert d.said() == ["start a", "start a", "orderly c", "orderly b", "gone"]


def test_run_of_reset_after_starts_the_delays_again_at_min():
    d = delayed("a")
    for delay, run in ((1.0, 9.9), (2.0, 10.0), (1.0, 0.0), (2.0, 0.0)):
        d.reports.clear()
        d.crash("a")
        assert d.told("child.restart_delayed")[0].data["delay_s"] == delay
        d.advance(delay)
        d.advance(run)


def test_mere_successful_start_resets_neither_the_delay_nor_the_window():
    d = delayed("a", intensity=2, period_s=100.0)
    for _ in range(2):
        d.crash("a")
        d.advance(5.0)
        assert d.state("a") == "running"
    assert d.core.child("a").attempt == 2
    d.crash("a")
    assert d.exit is not None


def test_window_counts_at_crash_time_so_delays_do_not_hide_the_limit():
    d = delayed("a", "b", "c", intensity=2)
    d.crash("a", "b", "c")
    assert d.exit is not None
    assert d.exit.kind is ExitKind.SHUTDOWN


def test_crash_of_an_earlier_sibling_merges_with_the_delayed_one_and_no_timer_remains():
    d = delayed("b", strategy=Strategy.REST_FOR_ONE)
    d.crash("b")
    assert (d.said(), len(d.timers)) == (["orderly c"], 1)
    d.crash("a")
    assert d.said() == ["start a", "start b", "start c"]
    assert d.timers == {}


def test_two_delays_merge_into_a_single_timer():
    d = delayed("a", "b", strategy=Strategy.REST_FOR_ONE)
    d.crash("b")
    d.crash("a")
    assert len(d.timers) == 1
    assert d.states() == {"a": "restarting", "b": "stopped", "c": "stopped"}
    d.said()
    d.advance(1.0)
    assert d.said() == ["start a", "start b", "start c"]


def test_group_is_stopped_at_once_and_started_together_after_the_delay():
    d = delayed("b", strategy=Strategy.ONE_FOR_ALL)
    d.crash("b")
    assert d.said() == ["orderly c", "orderly a"]
    assert d.states() == {"a": "stopped", "b": "restarting", "c": "stopped"}
    d.advance(1.0)
    assert d.said() == ["start a", "start b", "start c"]


def test_restart_child_during_a_delay_starts_now_and_cancels_the_timer():
    d = delayed("a")
    d.crash("a")
    assert d.call(OpKind.RESTART_CHILD, "a") == "ok"
    assert d.said() == ["start a"]
    assert d.timers == {}


def test_restart_child_during_the_delay_of_a_group_member_starts_the_whole_group_now():
    d = delayed("b", strategy=Strategy.REST_FOR_ONE)
    d.crash("b")
    d.said()
    assert d.call(OpKind.RESTART_CHILD, "b") == "ok"
    assert d.said() == ["start b", "start c"]


def test_hurried_restart_that_fails_is_answered_and_delayed_longer():
    d = delayed("a")
    d.fails = {"a": 1}
    d.crash("a")
    assert d.call(OpKind.RESTART_CHILD, "a") == "start_failed"
    assert d.state("a") == "restarting"
    d.advance(2.0)
    assert d.state("a") == "running"


def test_terminating_the_delayed_member_starts_the_siblings_that_waited_for_it():
    d = delayed("b", strategy=Strategy.REST_FOR_ONE)
    d.crash("b")
    d.said()
    d.call(OpKind.TERMINATE_CHILD, "b")
    assert d.said() == ["start c"]
    assert d.states() == {"a": "running", "b": "stopped", "c": "running"}


def test_delay_that_ends_while_the_supervisor_is_busy_waits_its_turn():
    d = delayed("a")
    d.slow = {"b"}
    d.crash("a")
    d.crash("b")
    d.said()
    d.advance(1.0)
    assert d.said() == []
    d.ready("b")
    assert d.said() == ["start a"]


def test_delay_that_ended_is_stale_once_a_group_restart_came_in_between():
    specs = (child("a"), child("b", backoff=B), child("z", shutdown_s="infinity", restart=Restart.TEMPORARY))
    d = Driver(specs, Strategy.REST_FOR_ONE)
    d.call(OpKind.START_CHILD, spec=child("y", shutdown_s="infinity"))
    d.crash("b")
    d.call(OpKind.RESTART_CHILD, "y")
    d.stubborn = {"y"}
    d.post(OpKind.TERMINATE_CHILD, "y")
    d.crash("a")
    d.advance(1.0)
    d.fails = {"b": 1}
    d.said()
    d.leave("y", ExitKind.SHUTDOWN)
    assert d.said() == ["start a", "start b"]
    assert d.state("b") == "restarting"
    d.advance(2.0)
    assert d.said() == ["start b", "start y"]


def test_sibling_that_waits_for_an_earlier_delayed_member_is_left_to_its_retry():
    d = delayed("b", "c", strategy=Strategy.REST_FOR_ONE)
    d.call(OpKind.START_CHILD, spec=child("d"))
    d.crash("b")
    d.call(OpKind.RESTART_CHILD, "c")
    d.call(OpKind.RESTART_CHILD, "d")
    d.crash("c")
    d.said()
    d.call(OpKind.TERMINATE_CHILD, "c")
    assert d.said() == []
    assert d.states() == {"a": "running", "b": "restarting", "c": "stopped", "d": "stopped"}
    d.advance(1.0)
    assert d.said() == ["start b", "start c", "start d"]


def test_reset_starts_the_delays_again_at_min():
    d = delayed("a")
    d.crash("a")
    d.advance(1.0)
    d.call(OpKind.RESET, "a")
    d.reports.clear()
    d.crash("a")
    assert d.told("child.restart_delayed")[0].data["delay_s"] == 1.0


def test_child_that_fails_for_ever_makes_a_bounded_number_of_attempts():
    spec = child("a", backoff=B, budget=Budget(intensity=4, period_s=1000.0), on_exhausted=OnExhausted.QUARANTINE)
    d = Driver((spec,))
    d.fails = {"a": 10**6}
    d.crash("a")
    d.said()
    d.advance(10_000.0)
    assert d.said() == ["start a"] * 4
    assert d.state("a") == "quarantined"
