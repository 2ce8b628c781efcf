"""A run has succeeded only when what it promised was seen."""

from __future__ import annotations

from typing import Any

import pytest

from playbooks import messages as m
from tests.unit.playbooks.driver import Driver

STEPS = "steps: [{id: a, action: poke}]\nalways: [{id: z, action: look}]\n"


def verified(tolerance: str, data: Any) -> Driver:
    run = Driver(STEPS, verify=f"verify: [{{action: look, tolerance: {tolerance}}}]\n").begin().ok()
    assert run.called_now() == ["verify_1"]
    return run.ok(data).ok()


@pytest.mark.parametrize(
    ("tolerance", "data"),
    [
        ("running", "running"),
        ("running", {"value": "running", "since": 3}),
        ("3", 3),
        ("true", True),
        ("[running, paused]", "paused"),
        ("{min: 1, max: 3}", 3),
        ("{min: 1}", 10**9),
        ("{max: 0.5}", 0.25),
        ("{pattern: '^run'}", "running"),
        ("null", None),
    ],
)
def test_a_value_within_its_tolerance_is_a_success(tolerance: str, data: Any) -> None:
    assert verified(tolerance, data).status == "succeeded"


@pytest.mark.parametrize(
    ("tolerance", "data"),
    [
        ("running", "stopped"),
        ("running", None),
        ("running", {"state": "running"}),
        ("1", True),
        ("[running, paused]", "stopped"),
        ("{min: 1, max: 3}", 4),
        ("{min: 1}", 0.5),
        ("{min: 1}", "2"),
        ("{min: 0}", True),
        ("{pattern: '^run'}", "prerun"),
        ("{pattern: '1'}", 1),
    ],
)
def test_a_value_outside_its_tolerance_is_a_failure_though_every_step_went_well(tolerance: str, data: Any) -> None:
    run = verified(tolerance, data)
    assert run.status == "failed"
    assert run.message.startswith("not verified: verify_1: expected ")


def test_a_check_without_tolerance_wants_the_action_to_be_well() -> None:
    verify = "verify: [{action: look}]\n"
    assert Driver(STEPS, verify=verify).begin().ok().ok().ok().status == "succeeded"
    assert Driver(STEPS, verify=verify).begin().ok().fails().ok().status == "failed"


def test_a_check_that_fails_is_a_failure_whatever_its_value() -> None:
    run = Driver(STEPS, verify="verify: [{action: look, tolerance: 3}]\n").begin().ok()
    run.send(m.ActionDone(run.call.token, False, message="no route", data=3)).ok()
    assert (run.status, run.message) == ("failed", "not verified: verify_1: expected 3, seen 3 no route")


def test_every_check_is_made_and_told() -> None:
    verify = "verify: [{action: look, tolerance: 1}, {action: look, tolerance: {max: 2}}]\n"
    run = Driver(STEPS, verify=verify).begin().ok().ok(5).ok(2).ok()
    assert run.ended is not None
    assert [(each.check, each.ok, each.expected, each.seen) for each in run.ended.outcome.verified] == [
        ("verify_1", False, "1", 5),
        ("verify_2", True, "at most 2", 2),
    ]
    assert run.status == "failed"


def test_a_check_without_an_answer_is_a_failure() -> None:
    run = Driver(STEPS, verify="verify: [{action: look}]\n").begin().ok().advance(5)
    assert run.called_now() == ["z"]
    assert run.ok().status == "failed"


def test_a_check_whose_parameters_have_no_value_is_a_failure() -> None:
    verify = 'verify: [{action: kernel_state, with: {kernel: "{{ issue.kernel }}"}}]\n'
    run = Driver(STEPS, verify=verify).begin().ok()
    assert run.called_now() == ["z"]
    assert (
        run.ok().message == "not verified: verify_1: expected ok, seen None issue.kernel is missing; there is nothing"
    )


def test_nothing_is_verified_after_a_failure_or_a_cancellation() -> None:
    verify = "verify: [{action: look}]\n"
    assert Driver(STEPS, verify=verify).begin().fails().ok().calls() == ["a", "z"]
    assert Driver(STEPS, verify=verify).begin().send(m.Cancel()).ok().ok().calls() == ["a", "z"]


def test_a_cancellation_while_verifying_is_one() -> None:
    run = Driver(STEPS, verify="verify: [{action: look}]\n").begin().ok().send(m.Cancel()).ok().ok()
    assert (run.status, run.calls()) == ("canceled", ["a", "verify_1", "z"])


def test_a_rescued_run_is_verified_like_any_other() -> None:
    body = "steps: [{id: a, action: poke, on_failure: rescue}]\nrescue: [{id: c, action: look}]\n"
    run = Driver(body, verify="verify: [{action: look, tolerance: up}]\n").begin().fails().ok().ok("down")
    assert run.status == "failed"
