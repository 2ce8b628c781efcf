"""Which card is drawn, which are due, and what the drills cover."""

from __future__ import annotations

from collections import Counter

import pytest

from chaos.coverage import coverage
from chaos.weights import DAY_S, Past, choose, interval_s, is_due, waits_s
from tests.unit.chaos.driver import card, fault

NOW = 100 * DAY_S
HIGH, MIDDLE, LOW = (
    card(id="HIGH", weight=2.0),
    card(id="MIDDLE", weight=1.0),
    card(id="LOW", weight=0.5, is_micro=True),
)
DECK = (HIGH, MIDDLE, LOW)


def past(id: str, days: float, passed: bool | None = True) -> Past:
    return Past(card=id, at=NOW - days * DAY_S, passed=passed, run=f"run_{id}", reason="" if passed else "why")


def drawn(history: list[Past], **more) -> Counter:
    found = (choose(DECK, history, NOW, number / 1000, **more) for number in range(1000))
    return Counter(one.id for one in found if one is not None)


@pytest.mark.parametrize(("weight", "days"), [(3.0, 3), (2.0, 3), (1.9, 7), (1.0, 7), (0.9, 14), (0.1, 14)])
def test_the_riskier_a_card_the_more_often_it_is_due(weight: float, days: int) -> None:
    assert interval_s(weight) == days * DAY_S


def test_a_card_is_due_when_it_was_never_drilled_or_too_long_ago() -> None:
    assert is_due(HIGH, [], NOW)
    assert not is_due(HIGH, [past("HIGH", 2)], NOW)
    assert waits_s(HIGH, [past("HIGH", 2)], NOW) == DAY_S
    assert is_due(HIGH, [past("HIGH", 4), past("HIGH", 3)], NOW)


def test_a_drill_that_was_not_completed_leaves_its_card_due() -> None:
    assert is_due(HIGH, [past("HIGH", 0, passed=None)], NOW)


def test_without_a_history_cards_are_drawn_by_their_weight() -> None:
    counts = drawn([])
    assert counts["HIGH"] > counts["MIDDLE"] > counts["LOW"] > 0
    assert 1.8 < counts["HIGH"] / counts["MIDDLE"] < 2.2


def test_a_card_of_today_is_not_drawn_while_another_waits() -> None:
    assert set(drawn([past("HIGH", 0.5), past("LOW", 0.1, passed=None)])) == {"MIDDLE"}


def test_when_all_were_drilled_today_one_is_drawn_all_the_same() -> None:
    counts = drawn([past("HIGH", 0.9), past("MIDDLE", 0.1), past("LOW", 0.1)])
    assert counts["HIGH"] > counts["MIDDLE"] > 0


def test_the_longer_a_card_waits_the_likelier_it_is() -> None:
    counts = drawn([past("HIGH", 2), past("MIDDLE", 20), past("LOW", 2)])
    assert counts["MIDDLE"] > counts["HIGH"] > counts["LOW"]


def test_the_schedule_draws_only_what_it_may() -> None:
    assert set(drawn([], micro=True)) == {"LOW"}
    assert choose((HIGH, MIDDLE), [], NOW, 0.5, micro=True) is None
    assert choose((), [], NOW, 0.5) is None


@pytest.mark.parametrize("draw", [0.0, 0.999999, 1.0])
def test_any_draw_gives_a_card(draw: float) -> None:
    assert choose(DECK, [], NOW, draw) is not None


def test_coverage_tells_what_is_drilled_and_what_is_not() -> None:
    other = card(id="BUS", weight=2.5, tags=("messages",), method=(fault(arguments={"kernel": "message_bus"}),))
    history = [past("HIGH", 4), past("MIDDLE", 2, passed=False), past("MIDDLE", 3), past("BUS", 1, passed=None)]
    assert coverage([*DECK, other], history, NOW) == {
        "total": 4,
        "drilled_recently": 2,
        "never": ["BUS", "LOW"],
        "overdue": ["HIGH"],
        "high_risk_pending": ["BUS", "HIGH"],
        "by_category": {"kernel_health": {"total": 3, "drilled": 1}, "messages": {"total": 1, "drilled": 0}},
        "kernels": {
            "librarian": {"cards": ["HIGH", "LOW", "MIDDLE"], "last": NOW - 2 * DAY_S, "passed": False},
            "message_bus": {"cards": ["BUS"], "last": None, "passed": None},
        },
        "no_drill": None,
        "deviated": [{"id": "MIDDLE", "run": "run_MIDDLE", "at": NOW - 2 * DAY_S, "reason": "why"}],
    }


def test_what_no_card_breaks_was_missing_from_the_coverage() -> None:
    found = coverage(DECK, [], NOW, ["librarian", "governance", "core"])
    assert found["no_drill"] == ["core", "governance"]
    assert found["kernels"]["governance"] == {"cards": [], "last": None, "passed": None}
    assert list(found["kernels"]) == ["core", "governance", "librarian"]
