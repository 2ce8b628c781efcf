"""The confidence of a repair after any row of outcomes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.stores.confidence import MOST, SUCCESSES_FOR_AUTO, THRESHOLD, Standing, after

outcomes = st.lists(st.booleans(), max_size=60)


def fold(row: list[bool]) -> list[Standing]:
    standings = [Standing()]
    for ok in row:
        standings.append(after(standings[-1], ok=ok))
    return standings


@given(outcomes)
def test_confidence_stays_within_its_bounds_and_moves_by_ten(row: list[bool]) -> None:
    standings = fold(row)
    for before, now, ok in zip(standings, standings[1:], row, strict=False):
        assert 0 <= now.confidence <= MOST
        if ok and before.successes == 0:
            assert now.confidence == 80
        elif ok:
            assert now.confidence == min(MOST, before.confidence + 10)
        else:
            assert now.confidence == max(0, before.confidence - 10)


@given(outcomes)
def test_a_repair_is_automatic_only_above_the_threshold_and_after_two_successes(row: list[bool]) -> None:
    standings = fold(row)
    for before, now in pairwise(standings):
        if now.confidence < THRESHOLD or now.successes < SUCCESSES_FOR_AUTO:
            assert not now.auto_apply
        elif now.confidence > THRESHOLD:
            assert now.auto_apply
        else:
            assert now.auto_apply == before.auto_apply


@given(outcomes)
def test_every_outcome_is_counted_once(row: list[bool]) -> None:
    last = fold(row)[-1]
    assert (last.successes, last.failures) == (row.count(True), row.count(False))


def test_the_first_success_is_eighty_and_not_automatic_the_second_ninety_and_automatic() -> None:
    first, second, third, fourth = fold([True] * 4)[1:]
    assert (first.confidence, first.auto_apply) == (80, False)
    assert (second.confidence, second.auto_apply) == (90, True)
    assert (third.confidence, fourth.confidence) == (100, 100)


def test_at_exactly_sixty_the_flag_stays_and_below_it_goes_off() -> None:
    standings = fold([True, True, False, False, False, False])
    assert [(s.confidence, s.auto_apply) for s in standings[2:]] == [
        (90, True), (80, True), (70, True), (60, True), (50, False),
    ]  # fmt: skip
    risen = after(standings[-1], ok=True)
    assert (risen.confidence, risen.auto_apply) == (60, False)
