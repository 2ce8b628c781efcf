"""Reading scenarios: the format, and errors that say where and what is allowed."""

import pytest

from supervisors import (
    AutoShutdown,
    Backoff,
    ChildType,
    Heartbeat,
    OnExhausted,
    Restart,
    ScenarioError,
    Startup,
    Strategy,
    parse_scenario,
)


def scenario(**fields):
    return {"id": "s", "children": [{"id": "a"}], "steps": [], **fields}


def test_fields_of_the_conformance_format_are_read():
    parsed = parse_scenario(
        {
            "id": "s1",
            "strategy": "one_for_all",
            "intensity": 3,
            "period": 1,
            "auto_shutdown": "any_significant",
            "children": [
                {"id": "a", "restart": "transient", "shutdown": 1500, "significant": True, "type": "supervisor"},
                {"id": "b", "restart": "temporary", "shutdown": "brutal_kill"},
                {"id": "c", "shutdown": "infinity"},
            ],
            "steps": [{"op": "exit", "id": "a", "reason": "crash"}, {"op": "stop"}],
        }
    )
    spec = parsed.spec
    assert (parsed.id, spec.strategy, spec.intensity, spec.period_s) == ("s1", Strategy.ONE_FOR_ALL, 3, 1)
    assert spec.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT
    a, b, c = spec.children
    assert (a.restart, a.shutdown, a.significant, a.type) == (Restart.TRANSIENT, 1.5, True, ChildType.SUPERVISOR)
    assert (b.restart, b.shutdown, c.shutdown) == (Restart.TEMPORARY, "brutal_kill", "infinity")
    assert [step.op for step in parsed.steps] == ["exit", "stop"]
    assert parsed.is_otp


def test_fields_of_grace_are_read_and_mark_the_scenario():
    child = {
        "id": "a",
        "backoff": {"min_s": 1, "max_s": 8, "jitter": 0.1},
        "heartbeat": {"interval_s": 2},
        "on_exhausted": "repair",
        "permanent_failure": ["exit 78"],
    }
    parsed = parse_scenario(scenario(children=[child], startup="parallel"))
    (spec,) = parsed.spec.children
    assert spec.backoff == Backoff(min_s=1, max_s=8, jitter=0.1)
    assert spec.heartbeat == Heartbeat(interval_s=2)
    assert (spec.on_exhausted, spec.permanent_failure) == (OnExhausted.REPAIR, ("exit 78",))
    assert parsed.spec.startup is Startup.PARALLEL
    assert not parsed.is_otp


@pytest.mark.parametrize(
    "data",
    [
        scenario(children=[{"id": "a", "start_timeout_s": 1}]),
        scenario(children=[{"id": "a", "fail_starts": 1}]),
        scenario(strategy="dynamic"),
        scenario(policies=[{"name": "watchdog"}]),
        scenario(steps=[{"op": "recycle", "id": "a"}]),
        scenario(steps=[{"op": "exit", "id": "a", "reason": "crash: ValueError"}]),
        scenario(steps=[{"op": "start_child", "spec": {"id": "b", "budget": {"intensity": 1, "period_s": 1}}}]),
    ],
)
def test_anything_of_grace_marks_the_scenario(data):
    assert not parse_scenario(data).is_otp


def test_starts_that_fail_from_the_beginning_are_read_for_children_of_the_spec_only():
    assert parse_scenario(scenario(children=[{"id": "a", "fail_starts": 2}, {"id": "b"}])).fail_starts == {"a": 2}
    with pytest.raises(ScenarioError, match="unknown field 'fail_starts'"):
        parse_scenario(scenario(steps=[{"op": "start_child", "spec": {"id": "b", "fail_starts": 2}}]))


@pytest.mark.parametrize(
    ("data", "where", "problem", "allowed"),
    [
        ([], "scenario", "[] is not an object", None),
        (scenario(colour="red"), "scenario 's'", "unknown field 'colour'", "strategy"),
        (scenario(strategy="one_for_none"), "scenario 's'", "strategy is 'one_for_none'", "one_for_all"),
        (scenario(intensity="many"), "scenario 's'", "intensity is 'many'", "a whole number"),
        (scenario(intensity=True), "scenario 's'", "intensity is True", "a whole number"),
        (scenario(children=5), "scenario 's'", "children is 5", "a list"),
        (scenario(children=["a"]), "scenario 's' child 1", "'a' is not an object", None),
        (scenario(children=[{}]), "scenario 's' child 1", "field 'id' is missing", None),
        (scenario(children=[{"id": "a", "restart": "never"}]), "scenario 's' child 1", "restart is", "transient"),
        (scenario(children=[{"id": "a", "shutdown": "soon"}]), "scenario 's' child 1", "shutdown is", "brutal_kill"),
        (scenario(children=[{"id": "a", "shutdwn": 1}]), "scenario 's' child 1", "unknown field 'shutdwn'", "shutdown"),
        (
            scenario(children=[{"id": "a", "backoff": {"min_s": 1, "maks": 2}}]),
            "scenario 's' child 1 backoff",
            "unknown field 'maks'",
            "max_s",
        ),
        (scenario(children=[{"id": "a", "backoff": {"min_s": 1}}]), "scenario 's' child 1 backoff", "max_s", "max_s"),
        (scenario(steps=[{"op": "explode"}]), "scenario 's' step 1", "unknown op 'explode'", "exit_many"),
        (scenario(steps=[{}]), "scenario 's' step 1", "field 'op' is missing", None),
        (scenario(steps=[{"op": "exit", "id": "a"}]), "scenario 's' step 1 (exit)", "field 'reason' is missing", "id"),
        (
            scenario(steps=[{"op": "stop"}, {"op": "exit", "id": "a", "reason": "boredom"}]),
            "scenario 's' step 2 (exit)",
            "unknown reason 'boredom'",
            "kill",
        ),
        (scenario(steps=[{"op": "exit_many", "ids": "ab", "reason": "kill"}]), "(exit_many)", "ids is 'ab'", "a list"),
        (scenario(steps=[{"op": "start_child", "spec": {}}]), "(start_child) spec", "field 'id' is missing", None),
        (scenario(steps=[{"op": "advance", "seconds": "3"}]), "(advance)", "seconds is '3'", "a number"),
    ],
)
def test_error_says_where_what_and_what_is_allowed(data, where, problem, allowed):
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(data)
    assert where in caught.value.where
    assert problem in caught.value.problem
    assert allowed is None or any(allowed in word for word in caught.value.allowed)
    assert caught.value.hint
