"""Past runs are read with their steps, and the step that fails most is found."""

from __future__ import annotations

import pytest

from tests.unit.actions.stage import PERFORMER, Answering, Stage

RUNS = {
    "r3": [("look", "succeeded", ""), ("restart", "failed", "it is stopped")],
    "r2": [("look", "failed", "no answer"), ("restart", "failed", "it was stopped")],
    "r1": [("look", "succeeded", ""), ("restart", "running", "")],
}


@pytest.fixture
def healer(stage: Stage) -> Stage:
    def run(request):  # type: ignore[no-untyped-def]
        steps = [
            {"id": id, "kind": "step", "status": status, "message": said}
            for id, status, said in RUNS[request.args["id"]]
        ]
        return {"id": request.args["id"], "playbook": "p", "status": "failed", "message": "x", "steps": steps}

    def runs(request):  # type: ignore[no-untyped-def]
        known = list(RUNS) if request.args["playbook"] == "p" else []
        return {"runs": [{"id": id} for id in known[: request.args["limit"]]]}

    stage.bench.add(PERFORMER, Answering, run=run, runs=runs)
    return stage


def test_the_newest_runs_of_a_playbook_are_read_with_their_steps(healer: Stage) -> None:
    data = healer.ok("capture_run_log", playbook="p", limit=2).data
    assert [run["id"] for run in data["runs"]] == ["r3", "r2"]
    assert data["runs"][0]["steps"][1] == {
        "id": "restart",
        "kind": "step",
        "status": "failed",
        "message": "it is stopped",
    }
    assert healer.ok("capture_run_log", run="r1").data["value"] == 1


def test_the_step_that_failed_most_is_named_with_what_it_said_last(healer: Stage) -> None:
    data = healer.ok("identify_failing_step", playbook="p").data
    assert (data["value"], data["message"]) == ("restart", "it is stopped")
    assert data["failures"] == {"restart": 2, "look": 1}


def test_runs_in_which_nothing_failed_name_no_step(healer: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNS, "r3", [("look", "succeeded", "")])
    assert (
        "no step of p failed in its last 1 runs" in healer.fails("identify_failing_step", playbook="p", limit=1).message
    )


@pytest.mark.parametrize(
    "params", [{}, {"run": "r1", "playbook": "p"}, {"playbook": "q"}, {"playbook": "p", "limit": 0}]
)
def test_what_means_no_runs_is_refused(healer: Stage, params: dict[str, object]) -> None:
    healer.fails("capture_run_log", **params)


def test_time_passes(stage: Stage) -> None:
    before = stage.bench.clock
    stage.ok("wait", wait_s=30.0)
    assert stage.bench.clock >= before + 30.0
    assert "at most 600" in stage.fails("wait", wait_s=601.0).message
