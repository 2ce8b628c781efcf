"""The suspicion level behaves like one: it rises with the wait, and patience grows with what is usual."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.kernels.suspicion import SUSPECT_LEVEL, Watched, level

times = st.floats(0, 1e6)
histories = st.lists(st.floats(0, 60), max_size=120)


@given(a=times, b=times, mean=times, deviation=times)
def test_a_longer_wait_never_has_a_lower_level(a: float, b: float, mean: float, deviation: float) -> None:
    assert level(min(a, b), mean, deviation) <= level(max(a, b), mean, deviation)


@given(wait=times, mean=times, other=times, deviation=times)
def test_a_slower_kernel_is_given_more_time(wait: float, mean: float, other: float, deviation: float) -> None:
    assert level(wait, max(mean, other), deviation) <= level(wait, min(mean, other), deviation)


@given(wait=times, mean=times, deviation=times)
def test_a_level_is_a_finite_number_from_zero(wait: float, mean: float, deviation: float) -> None:
    found = level(wait, mean, deviation)
    assert math.isfinite(found)
    assert found >= 0


@given(history=histories, waits=st.lists(st.floats(0, 1000), min_size=2, max_size=10))
def test_the_level_of_a_silent_kernel_only_rises(history: list[float], waits: list[float]) -> None:
    watched = _with(history)
    watched.asked(0.0)
    levels = [watched.level(wait) for wait in sorted(waits)]
    assert levels == sorted(levels)


@given(history=histories, wait=st.floats(0, 1000))
def test_an_answer_ends_every_suspicion(history: list[float], wait: float) -> None:
    watched = _with(history)
    watched.asked(0.0)
    watched.answered(wait, 0.0)
    assert watched.level(wait + 1e6) == 0.0


@given(history=st.lists(st.floats(0, 0.2), min_size=5, max_size=100))
def test_a_kernel_that_answers_at_once_is_suspected_within_five_seconds(history: list[float]) -> None:
    watched = _with(history)
    watched.asked(0.0)
    assert watched.level(1.0) < SUSPECT_LEVEL
    assert watched.level(5.0) >= SUSPECT_LEVEL


@given(history=histories)
def test_a_second_ping_does_not_shorten_the_wait(history: list[float]) -> None:
    once, twice = _with(history), _with(history)
    once.asked(0.0)
    twice.asked(0.0)
    twice.asked(9.0)
    assert once.level(10.0) == twice.level(10.0)


def _with(history: list[float]) -> Watched:
    watched = Watched(1)
    for time in history:
        watched.asked(0.0)
        watched.answered(time, 0.0)
    return watched
