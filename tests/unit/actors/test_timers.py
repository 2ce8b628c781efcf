"""Timers of an actor: in order of their deadlines, never after a cancel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.timers import Timers


@given(st.lists(st.floats(0, 100), max_size=30))
def test_due_timers_run_in_order_of_their_deadlines(delays: list[float]) -> None:
    timers, ran = Timers(), []
    for delay in delays:
        timers.add(delay, lambda delay=delay: ran.append(delay))
    timers.run_due(50.0)
    assert ran == sorted(delay for delay in delays if delay <= 50.0)


def test_a_cancelled_timer_is_not_called_and_not_waited_for() -> None:
    timers, ran = Timers(), []
    first = timers.add(1.0, lambda: ran.append(1))
    timers.add(2.0, lambda: ran.append(2))
    first.cancel()
    assert timers.next_due == 2.0
    timers.run_due(3.0)
    assert ran == [2]


def test_a_timer_cancelled_by_one_that_runs_before_it_is_not_called() -> None:
    timers, ran = Timers(), []
    later = timers.add(2.0, lambda: ran.append(2))
    timers.add(1.0, later.cancel)
    timers.run_due(3.0)
    assert ran == []


def test_what_a_timer_adds_for_now_waits_for_the_next_round() -> None:
    timers, ran = Timers(), []
    timers.add(1.0, lambda: timers.add(1.0, lambda: ran.append("second")))
    timers.run_due(1.0)
    assert ran == []
    timers.run_due(1.0)
    assert ran == ["second"]
