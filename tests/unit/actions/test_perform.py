"""How an action is driven: once to its end, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grace_actors.actions.action import Action, Ask, Call, Result, Run, Steps, Wait, acts, needed, reads
from grace_actors.errors import Refused
from playbooks.spec import ActionKind, ParamType
from tests.harness.kernels import BenchContext
from tests.unit.actions.stage import Stage


def performed(stage: Stage, action: Action, *, check: bool = False, **params: object) -> list[Result]:
    results: list[Result] = []
    action.perform(BenchContext(stage.bench, "it", stage.home, stage.home, {}), params, check, results.append)
    stage.bench.advance(100.0)
    return results


@reads()
def waits(call: Call) -> Steps:
    """Waits twice."""
    yield Wait(delay_s=1.0)
    yield Wait()
    return Result(True, message=f"at {call.ctx.now():g}")


@acts(count=needed("how many", ParamType.INTEGER))
def would_act(call: Call) -> Steps:
    """Acts even when it is to predict."""
    yield Ask(to="branch", verb="call", args={"op": "recycle", "child": "self_healing"}, acts=True)
    return Result(True)


def test_an_action_is_named_and_described_by_its_function() -> None:
    assert (waits.spec.name, waits.spec.description, waits.spec.kind) == ("waits", "Waits twice.", ActionKind.READS)
    assert would_act.spec.kind is ActionKind.ACTS


def test_the_steps_follow_the_clock(stage: Stage) -> None:
    assert performed(stage, waits) == [Result(True, message="at 1001")]


@pytest.mark.parametrize("raised", [Refused("no", hint="later"), OSError(28, "No space left on device", "/x")])
def test_a_failure_on_the_way_is_a_result_that_says_what_to_do(stage: Stage, raised: Exception) -> None:
    @reads()
    def fails(call: Call) -> Steps:
        """Fails."""
        yield Wait()
        raise raised

    (result,) = performed(stage, fails)
    assert (result.ok, result.message.startswith("fails: "), ";" in result.message) == (False, True, True)


def test_a_wish_that_acts_is_not_granted_in_check_mode(stage: Stage) -> None:
    (result,) = performed(stage, would_act, check=True, count=1)
    assert (result.ok, result.changed, stage.world.done) == (False, False, [])
    (result,) = performed(stage, would_act, count=1)
    assert (result.ok, stage.world.done) == (True, [("recycle", "self_healing")])


@pytest.mark.parametrize("params", [{}, {"count": "two"}, {"count": 1, "speed": 2}, {"count": True}])
def test_parameters_that_mean_nothing_are_refused_with_what_is_allowed(stage: Stage, params: dict[str, object]) -> None:
    (result,) = performed(stage, would_act, **params)
    assert (result.ok, "it takes: count" in result.message, stage.world.done) == (False, True, [])


def test_what_was_begun_before_a_failure_counts_as_a_change(stage: Stage) -> None:
    @acts()
    def half(call: Call) -> Steps:
        """Acts, then fails."""
        yield Run(argv=["true"], timeout_s=5.0, acts=True)
        raise Refused("no more")

    assert [result.changed for result in performed(stage, half)] == [True]


def test_an_error_of_ours_is_not_hidden(stage: Stage) -> None:
    @reads()
    def broken(call: Call) -> Steps:
        """Has a mistake."""
        yield Wait()
        raise ZeroDivisionError

    act: Callable[[], object] = lambda: performed(stage, broken)  # noqa: E731
    with pytest.raises(ZeroDivisionError):
        act()
