"""Which of many equal lines are told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.kernels.watch.errors import ErrorCounts
from grace_actors.kernels.watch.folding import LONGEST_FOLD_S, MOST_KEYS, Echoes, Folds, Rate


def test_the_first_is_told_at_once_and_the_others_more_and_more_rarely() -> None:
    folds = Folds(10.0)
    told = [(now, count) for now in range(300) if (count := folds.take("k", float(now))) is not None]
    assert told == [(0, 1), (10, 10), (30, 20), (70, 40), (150, 80)]


def test_after_a_calm_time_it_is_as_at_the_beginning() -> None:
    folds = Folds(10.0)
    assert [folds.take("k", now) for now in (0.0, 5.0, 11.0, 200.0, 205.0, 211.0)] == [1, None, 2, 1, None, 2]


def test_without_folding_every_line_is_told() -> None:
    folds = Folds(0.0)
    assert [folds.take("k", 1.0) for _ in range(3)] == [1, 1, 1]


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 3)), max_size=300))
def test_the_told_and_the_held_are_all_there_were(lines: list[tuple[float, int]]) -> None:
    folds, now, told = Folds(10.0), 0.0, 0
    for gap, key in lines:
        now += gap
        told += folds.take(key, now) or 0
    assert told + sum(fold.held for fold in folds._folds.values()) == len(lines)
    assert all(fold.window_s <= LONGEST_FOLD_S for fold in folds._folds.values())


def test_memory_is_bounded() -> None:
    folds = Folds(10.0)
    for n in range(3 * MOST_KEYS):
        folds.take(n, 0.0)
    assert len(folds._folds) == MOST_KEYS


def test_a_rate_is_kept_and_comes_back() -> None:
    rate = Rate()
    assert [rate.take(0.0) for _ in range(30)].count(True) == 20
    assert rate.take(59.0) is False
    assert rate.take(60.0) is True


def test_a_line_that_repeats_a_told_one_after_something_else_is_an_echo() -> None:
    echoes = Echoes()
    echoes.told("ERROR: no such customer")
    assert echoes.is_one("desk heard: ERROR: no such customer")
    assert not echoes.is_one("ERROR: no such customer")  # another process may fail in the same way
    assert not echoes.is_one("ERROR: no such order")


def test_errors_count_within_their_window_only() -> None:
    errors = ErrorCounts(600.0)
    assert [errors.add("a", now) for now in (0.0, 100.0, 599.0, 600.0)] == [1, 2, 3, 3]
    assert (errors.age_s("a", 600.0), errors.counts(699.0), errors.counts(700.0)) == (600.0, {"a": 3}, {"a": 2})
    assert errors.counts(5000.0) == {}
    assert errors.age_s("a", 5000.0) == 0.0


def test_errors_are_kept_and_those_of_another_boot_are_not_taken_back() -> None:
    errors, again, later = ErrorCounts(600.0), ErrorCounts(600.0), ErrorCounts(600.0)
    for now in (900.0, 950.0):
        errors.add("a", now)
    again.restore(errors.as_data(), 1000.0)
    later.restore(errors.as_data(), 20.0)  # the monotonic clock began anew
    assert (again.counts(1000.0), later.counts(20.0)) == ({"a": 2}, {})
