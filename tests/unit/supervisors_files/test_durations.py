"""Durations, sizes and the spelling help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.durations import format_duration, nearest_match, parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("6h30m", 23400),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("0s", 0),
        ("90", 90),
        (5, 5),
        (0.25, 0.25),
        ("1d2h3m4s5ms", 93784.005),
    ],
)
def test_a_duration_is_read_as_people_write_it(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "5 s",
        "5S",
        "30m6h",
        "5s5s",
        "5 parsecs",
        "12:30:45",
        "1e3s",
        "--5",
        "-5s",
        -1,
        True,
        None,
        [5],
        float("nan"),
        float("inf"),
        10**400,
        "9" * 500,
        "1d" * 100,
        "999999999999d",
    ],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"is not a|is negative|is longer"):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_formatted_duration_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(("seconds", "text"), [(5400, "1h30m"), (0.25, "250ms"), (0, "0s"), (90061, "1d1h1m1s")])
def test_a_duration_is_formatted_in_its_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("written", "size"),
    [(512, 512), ("512", 512), ("10MB", 10_000_000), ("512kB", 512_000), ("1GiB", 2**30), ("1.5 kib", 1536), ("0", 0)],
)
def test_a_size_is_read_in_powers_of_ten_or_two(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    "written", ["", "MB", "10 apples", "-1", -1, 1.5, True, None, "9" * 40, "9" * 17 + "TB", 2**61]
)
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(written)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary()))
def test_any_value_is_a_duration_or_a_value_error(value: object) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(value) >= 0
        except ValueError as refusal:
            assert str(refusal)


@pytest.mark.parametrize(
    ("word", "meant"), [("permament", "permanent"), ("One-For-All", "one_for_all"), ("xyz", None), ("", None)]
)
def test_the_nearest_allowed_word_is_offered_or_none(word: str, meant: str | None) -> None:
    assert nearest_match(word, ["permanent", "transient", "one_for_all"]) == meant
