"""The policy micro_chaos and the hours of the week it may ask in."""

from __future__ import annotations

import pytest

from supervisors.policies.hours import DAY_S, parse_hours
from supervisors.policies.micro_chaos import MicroChaos

MONDAY = 4 * DAY_S
"""The first Monday of 1970."""


def at(day: int, hour: int, minute: int = 0) -> float:
    return MONDAY + 52 * 7 * DAY_S + day * DAY_S + hour * 3600 + minute * 60


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("mon-fri 09:00-15:00", [(0, 9), (4, 14, 59)], [(0, 8, 59), (4, 15), (5, 12)]),
        ("sat,sun 00:00-24:00", [(5, 0), (6, 23, 59)], [(4, 23, 59), (0, 0)]),
        ("22:00-04:00", [(0, 23), (1, 3, 59), (6, 22)], [(1, 4), (0, 21, 59)]),
        ("sun 22:00-04:00", [(6, 22), (0, 3, 59)], [(0, 22), (6, 3)]),
        ("fri-mon 12:00-13:00", [(4, 12), (0, 12)], [(1, 12), (3, 12)]),
        ("mon,wed-thu 12:00-13:00", [(0, 12), (2, 12), (3, 12)], [(1, 12), (4, 12)]),
    ],
)
def test_hours_hold_from_their_beginning_until_just_before_their_end(text, inside, outside) -> None:
    hours = parse_hours(text)
    assert [time for time in inside if not hours.hold(at(*time))] == []
    assert [time for time in outside if hours.hold(at(*time))] == []


@pytest.mark.parametrize(
    "text",
    ["", "9:00-15:00", "mon-fri", "mon-fri 09:00-25:00", "mon 24:00-24:30", "mo 09:00-10:00", "09:00-09:00", 9, None],
)
def test_what_are_no_hours_is_refused_with_their_form(text) -> None:
    with pytest.raises(ValueError, match="allowed: mon-fri 09:00-15:00"):
        parse_hours(text)


@pytest.mark.parametrize(
    ("params", "codes"),
    [
        ({}, []),
        ({"every_s": 60, "jitter": 0, "windows": ["mon-fri 09:00-15:00"], "min_gap_s": 0, "failures": 1}, []),
        ({"every_s": 0}, ["invalid_every_s"]),
        ({"jitter": -1}, ["invalid_jitter"]),
        ({"windows": "mon-fri 09:00-15:00"}, ["invalid_windows"]),
        ({"windows": ["mon-fri 09:00-15:00", "now"]}, ["invalid_windows"]),
        ({"failures": 0, "failures_within_s": 0}, ["invalid_failures_within_s", "invalid_failures"]),
        ({"every": 60}, ["unknown_parameter"]),
    ],
)
def test_every_fault_of_the_parameters_is_told(params, codes) -> None:
    assert [fault.code for fault in MicroChaos.validate(params)] == codes
