"""The simulator: virtual time, delays, and what it tells beyond the conformance trace."""

import pytest

from supervisors import ScenarioError, SlotState, play, play_many, simulate


def scenario(*steps, children=({"id": "a"},), **fields):
    return {"id": "s", "intensity": 5, "children": list(children), "steps": list(steps), **fields}


CRASH = {"op": "exit", "id": "a", "reason": "crash"}


def test_time_moves_only_by_advance():
    moments = simulate(scenario(CRASH, {"op": "advance", "seconds": 2.5}, CRASH))
    assert [moment.at_s for moment in moments] == [0.0, 0.0, 2.5, 2.5]


def test_delays_are_played_in_virtual_time():
    child = {"id": "a", "backoff": {"min_s": 1, "max_s": 4}}
    data = scenario(CRASH, {"op": "advance", "seconds": 10}, CRASH, {"op": "advance", "seconds": 2}, children=[child])
    moments = simulate(data)
    assert moments[1].children[0].state is SlotState.RESTARTING
    assert moments[1].children[0].next_retry_at == 1.0
    assert moments[2].events == ((1.0, ("start", "a")),)
    assert [state for _, state in play(data)[1]["children"]] == ["restarting"]


def test_failing_starts_with_a_delay_come_at_growing_distances():
    child = {"id": "a", "backoff": {"min_s": 1, "max_s": 8}}
    fail = {"op": "fail_starts", "id": "a", "times": 3}
    moments = simulate(scenario(fail, CRASH, {"op": "advance", "seconds": 60}, children=[child], period=1))
    assert [at_s for at_s, _ in moments[-1].events] == [1.0, 3.0, 7.0, 15.0]


def test_stop_of_a_stubborn_child_takes_its_limit_in_virtual_time():
    child = {"id": "a", "shutdown": 3000, "stubborn": True}
    (_, stopped) = simulate(scenario({"op": "stop"}, children=[child]))
    assert stopped.at_s == pytest.approx(3.0)
    assert stopped.events[0][1] == ("exit", "a", "killed")
    assert (stopped.result, stopped.alive) == ("shutdown", False)


def test_stop_that_can_never_end_is_told_as_blocked():
    child = {"id": "a", "shutdown": "infinity", "stubborn": True}
    moments = simulate(scenario({"op": "stop"}, {"op": "terminate_child", "id": "a"}, children=[child]))
    assert [moment.result for moment in moments] == ["ok", "blocked", "noproc"]


def test_child_that_hangs_is_found_by_its_heartbeat():
    child = {"id": "a", "heartbeat": {"interval_s": 1, "misses": 2}}
    data = scenario({"op": "hang", "id": "a"}, {"op": "advance", "seconds": 5}, children=[child])
    moments = simulate(data)
    assert moments[-1].events == ((3.0, ("exit", "a", "killed")), (3.0, ("start", "a")))
    assert any(report.type == "child.hung" for report in moments[-1].reports)


def test_start_that_never_becomes_ready_is_ended_by_its_timeout():
    child = {"id": "a", "start_timeout_s": 2}
    data = scenario({"op": "stall_starts", "id": "a", "times": 1}, CRASH, children=[child])
    moments = simulate(data)
    assert moments[-1].at_s == 2.0
    assert [event for _, event in moments[-1].events] == [
        ("exit", "a", "crash"),
        ("start_stalled", "a"),
        ("start_failed", "a"),
        ("start", "a"),
    ]


def test_own_words_for_crashes_and_failures_reach_the_core():
    child = {"id": "a", "permanent_failure": ["ConfigError"]}
    crash = {"op": "exit", "id": "a", "reason": "crash: ConfigError: no port"}
    assert simulate(scenario(crash, children=[child]))[1].children[0].state is SlotState.FAILED


@pytest.mark.parametrize(
    ("op", "state"),
    [
        ("recycle", SlotState.RUNNING),
        ("hold", SlotState.AWAITING_REPAIR),
        ("quarantine", SlotState.QUARANTINED),
        ("reset", SlotState.RUNNING),
    ],
)
def test_operations_of_grace_can_be_played(op, state):
    (_, moment) = simulate(scenario({"op": op, "id": "a"}))
    assert (moment.result, moment.children[0].state) == ("ok", state)


def test_budget_and_measurements_can_be_played():
    policies = [{"name": "recycle", "params": {"max_memory_mb": 100}}]
    measure = {"op": "measure", "id": "a", "memory_mb": 500}
    moments = simulate(scenario(measure, {"op": "budget"}, policies=policies))
    assert moments[1].children[0].gen == 2
    assert moments[2].result["supervisor"]["used"] == 0


def test_spec_that_cannot_be_started_gives_one_entry_with_the_fault():
    assert play(scenario(children=[{"id": "a"}, {"id": "a"}])) == [
        {"result": "duplicate_child_name", "events": [], "children": [], "alive": False, "exit": None}
    ]


def test_after_the_end_every_step_answers_noproc():
    data = scenario({"op": "stop"}, CRASH, {"op": "advance", "seconds": 1}, {"op": "count_children"})
    assert [entry["result"] for entry in play(data)] == ["ok", "shutdown", "noproc", "noproc", "noproc"]


def test_held_states_are_undefined_in_the_conformance_words():
    data = scenario({"op": "hold", "id": "a"})
    assert play(data)[1]["children"] == [["a", "undefined"]]


def test_moment_as_dict_is_plain_data():
    (first, _) = simulate(scenario(CRASH))
    data = first.as_dict()
    assert data["events"] == [[0.0, "start", "a"]]
    assert data["children"][0]["state"] == "running"
    assert data["reports"][0]["type"] == "child.started"
    assert data["exit"] is None


def test_one_bad_scenario_among_many_is_named():
    with pytest.raises(ScenarioError, match="s2"):
        play_many([scenario(), {**scenario(), "id": "s2", "steps": [{"op": "x"}]}])


def test_same_scenario_gives_the_same_trace_again():
    data = scenario(CRASH, {"op": "advance", "seconds": 3}, children=[{"id": "a", "backoff": {"min_s": 1, "max_s": 2}}])
    assert simulate(data) == simulate(data)
