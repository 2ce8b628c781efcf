"""What the comparison of two bases says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.thespian_suite.compare import judge


def case(outcome: str, why: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "why": why}


def test_a_test_that_passes_on_both_is_no_failure() -> None:
    verdict = judge({"t.py::t[graceBase-5]": case("passed")}, {"t.py::t[multiprocTCPBase-5]": case("passed")})
    assert not verdict.failed


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_a_test_that_passes_on_tcp_only_is_a_failure_and_is_named_with_its_reason(outcome: str) -> None:
    ours = {"t.py::t[graceBase]": case(outcome, "call: a\nb\nassert 1 == 2")}
    verdict = judge(ours, {"t.py::t[multiprocTCPBase]": case("passed")})
    assert verdict.failed
    assert f"  t.py::t[graceBase]  {outcome}: assert 1 == 2" in verdict.lines


def test_a_test_that_passes_on_tcp_and_was_never_run_on_ours_is_a_failure() -> None:
    verdict = judge({"a": case("passed")}, {"a": case("passed"), "b[multiprocTCPBase]": case("passed")})
    assert verdict.failed
    assert "  b[graceBase]  not run: it was not run" in verdict.lines


def test_what_fails_on_tcp_too_is_named_and_is_no_failure() -> None:
    verdict = judge({"a": case("passed"), "b": case("failed", "x")}, {"a": case("passed"), "b": case("failed")})
    assert not verdict.failed
    assert "1 pass on neither:" in verdict.lines


def test_what_is_left_out_counts_on_both_sides_and_is_no_failure() -> None:
    cases = {"a": case("passed"), "b": case("left out", "no convention")}
    verdict = judge(cases, cases)
    assert not verdict.failed
    assert [line.split()[1:] for line in verdict.lines[1:3]] == [["1", "0", "0", "1"]] * 2


def test_without_tcp_every_failure_counts() -> None:
    assert judge({"a": case("failed")}, None).failed
    assert not judge({"a": case("passed"), "b": case("skipped")}, None).failed


def test_a_run_in_which_nothing_passes_is_a_failure() -> None:
    assert judge({}, {}).failed
    assert judge({}, None).failed
