"""The judgement of Chaos Kong: seven gates, and no gate passes on a fact that nobody has seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.kong import GATES, METRICS, compare, judge

WELL: dict[str, Any] = {
    "down": [],
    "log_ok": True,
    "acknowledged": 1000,
    "delivered": 1000,
    "lost": 0,
    "duplicates": 0,
    "last_injection_at": 100.0,
    "whole_at": 112.5,
    "open_incidents": [],
    "paused": [],
    "records_left": [],
    "stage_left": [],
    "processes_left": [],
    "blasts": 100,
    "blasts_made": 98,
    "blasts_failed": ["kill bus: nobody answered", "burn host: no memory"],
    "load_asked_per_s": 500,
    "load_per_s": 480.0,
    "load_per_s_while_up": 499.5,
    "load_stood_still_s": 2.0,
    "kernel_restarts": 12,
}


def test_what_stands_again_has_passed() -> None:
    found = judge(WELL)
    assert found["passed"] is True
    assert set(found["gates"]) == set(GATES) == set(found["said"])
    assert found["healed_s"] == 12.5
    assert found["metrics"] == {**dict.fromkeys(METRICS), "kernel_restarts": 12}


@pytest.mark.parametrize(
    ("fact", "value", "gate", "word"),
    [
        ("down", ["librarian"], "kernels_up", "librarian"),
        ("log_ok", False, "log_verified", "damaged"),
        ("lost", 3, "nothing_lost", "3 of 1000"),
        ("whole_at", 130.1, "limits_met", "30.1 s after"),
        ("whole_at", None, "limits_met", "not whole"),
        ("open_incidents", ["i-1"], "nothing_left", "i-1"),
        ("records_left", ["f-1"], "nothing_left", "f-1"),
        ("paused", ["librarian"], "nothing_left", "paused kernels librarian"),
        ("stage_left", ["drill_sink"], "nothing_left", "drill_sink"),
        ("processes_left", ["17 stress-ng"], "nothing_left", "17 stress-ng"),
        ("blasts_made", 89, "blasts_made", "89 of 100"),
        ("load_per_s", 249.0, "load_ran", "249 messages a second of 500, 499.5 while all was up"),
    ],
)
def test_what_is_wrong_fails_its_own_gate_and_is_named(fact: str, value: Any, gate: str, word: str) -> None:
    found = judge({**WELL, fact: value})
    assert [name for name, ok in found["gates"].items() if not ok] == [gate]
    assert found["passed"] is False
    assert word in found["said"][gate]


NEEDED = (
    *("down", "log_ok", "acknowledged", "lost", "last_injection_at", "whole_at", "open_incidents", "paused"),
    *("records_left", "stage_left", "processes_left", "blasts", "blasts_made", "blasts_failed", "load_per_s"),
)


@pytest.mark.parametrize("fact", NEEDED)
def test_a_fact_that_is_missing_fails_its_gate(fact: str) -> None:
    assert judge({name: value for name, value in WELL.items() if name != fact})["passed"] is False


def test_a_blast_that_was_not_made_is_named_though_all_has_passed() -> None:
    assert "not made: kill bus: nobody answered" in judge(WELL)["said"]["blasts_made"]


def test_a_load_that_stood_still_is_shown() -> None:
    assert judge(WELL)["said"]["load_ran"].endswith("it stood still for 2 s")


def test_the_limit_can_be_a_tighter_one() -> None:
    assert judge(WELL, limit_s=12)["gates"]["limits_met"] is False


def test_without_a_load_nothing_can_be_lost() -> None:
    facts = {name: value for name, value in WELL.items() if not name.startswith("load_")}
    found = judge({**facts, "acknowledged": 0, "delivered": 0})
    assert (found["passed"], found["said"]["nothing_lost"]) == (True, "there was no load")


@given(st.sets(st.integers(1, 50)), st.lists(st.integers(1, 50)))
def test_every_number_that_never_came_is_lost_and_every_one_that_came_again_counted(
    acknowledged: set[int], delivered: list[int]
) -> None:
    found = compare(acknowledged, delivered)
    assert found["lost"] == len([number for number in acknowledged if number not in delivered])
    assert found["duplicates"] == len(delivered) - len(set(delivered))
    assert set(found["missing"]) <= acknowledged - set(delivered)


def test_what_came_without_an_acknowledgement_is_no_loss() -> None:
    assert compare([1, 2], [1, 2, 3]) == {
        "acknowledged": 2,
        "delivered": 3,
        "lost": 0,
        "missing": [],
        "duplicates": 0,
    }
