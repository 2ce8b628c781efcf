"""chaos_runner: who is let in, how a drill goes and ends, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grace_actors.drills.host.activities import step
from grace_actors.errors import Refused, StoreFailed
from grace_actors.kernel import LATER, Request
from tests.unit.drills_host.rig import BAD, CHANGE, GOOD, Rig, card
from tests.unit.kernels_mind.stubs import Fixed, child

TELL = """
- type: action
  name: tell-often
  provider:
    type: python
    module: chaos.steps
    func: tell
    arguments: {kernel: till, verb: sell, times: 100, every_s: 1.0}
"""


def test_drill_that_goes_well_is_told_judged_kept_and_undone(rig: Rig) -> None:
    run = rig.run()
    assert rig.file.read_text() == BAD
    assert rig.look()["status"] == "running"
    assert rig.runner.does() == "drill TILL1 has been running for 1 s, started by ann"
    rig.passes()
    found = rig.look()
    assert (found["run"], found["status"], found["passed"]) == (run, "completed", True), found
    assert set(found["gates"].values()) == {True}
    assert rig.file.read_text() == GOOD
    assert [each["name"] for each in found["activities"]][1] == "change-it"
    assert json.loads(Path(found["journal"]).read_text())["status"] == "completed"
    assert rig.ask("journal", run=run)["grace"]["by"] == "ann"
    types = [type for type in rig.bench.types() if type.startswith("drill.")]
    assert types == ["drill.started", "drill.injected", "drill.detected", "drill.recovered", "drill.passed"]
    assert rig.runner.does() == "knows 1 drills"


# ---- who is let in --------------------------------------------------------------------------------------------------


def test_second_drill_is_refused_while_one_runs_and_says_who_runs_what(rig: Rig) -> None:
    rig.run(by="ann")
    refused = rig.ask("run_drill", id="TILL1", by="ben")
    assert refused["code"] == "refused"
    assert refused["message"] == "drill TILL1 has been running for 1 s, started by ann"
    assert "drill halt" in refused["hint"]


def test_second_drill_is_refused_while_one_is_about_to_begin(rig: Rig) -> None:
    rig.healer.answers["incidents"] = LATER
    first = rig.post("run_drill", id="TILL1", by="ann")
    refused = rig.ask("run_drill", id="TILL1", by="ben")
    assert refused["message"] == "drill TILL1 is about to begin, started by ann"
    assert first == []


def test_drill_that_is_about_to_begin_can_be_halted(rig: Rig) -> None:
    rig.healer.answers["incidents"] = LATER
    first = rig.post("run_drill", id="TILL1", by="ann")
    assert rig.ask("halt", by="ben") == {"halted": None, "undone": [], "failed": []}
    assert (first[0].error or {})["message"] == "halted by ben before it began"
    rig.healer.answers["incidents"] = rig._incidents
    rig.bench.advance(60.0)
    assert rig.file.read_text() == GOOD
    rig.run()


@pytest.mark.parametrize("state", ["open", "repairing", "awaiting_approval", "awaiting_patch"])
def test_drill_is_refused_while_an_incident_goes_on(rig: Rig, state: str) -> None:
    rig.incidents.append({"id": "inc_7", "kernel": "librarian", "state": state})
    refused = rig.ask("run_drill", id="TILL1")
    assert refused["code"] == "refused"
    assert "the incident inc_7 of librarian is open" in refused["message"]
    assert rig.file.read_text() == GOOD


def test_incidents_that_are_over_and_those_of_the_runner_itself_are_in_nobodys_way(rig: Rig) -> None:
    rig.incidents += [{"id": f"inc_{s}", "kernel": "till", "state": s} for s in ("healed", "failed", "quarantined")]
    rig.incidents.append({"id": "inc_9", "kernel": "chaos_runner", "state": "awaiting_patch"})
    rig.run()


def test_drill_is_refused_when_nobody_knows_whether_an_incident_is_open(rig: Rig) -> None:
    rig.healer.answers["incidents"] = LATER
    refused = rig.ask("run_drill", id="TILL1", wait_s=30.0)
    assert "whether an incident is open is not known" in refused["message"]
    assert "self_healing" in refused["message"]
    rig.healer.answers["incidents"] = rig._incidents
    rig.run()


def test_tree_without_self_healing_can_be_drilled(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.status.tree["children"].pop(1)
    rig.up().run()


def test_card_whose_target_is_not_in_the_tree_is_refused_and_what_was_meant_is_told(make: Callable[..., Rig]) -> None:
    rig = make(one=card(kernel="tilll")).up()
    refused = rig.ask("run_drill", id="TILL1")
    assert refused["message"] == "TILL1 needs tilll, which is not in the tree; did you mean 'till'?"
    assert rig.ask("drills")["drills"][0]["runs"] == 0


def test_drill_is_refused_until_the_events_of_the_tree_come_in(make: Callable[..., Rig]) -> None:
    rig = make()
    status = rig.bench.kernels.pop("status")
    rig.up()
    refused = rig.ask("run_drill", id="TILL1")
    assert "does not hear the events of the tree yet" in refused["message"]
    rig.bench.kernels["status"] = status
    rig.bench.advance(60.0)
    rig.run()


def test_drill_is_refused_when_it_cannot_be_noted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> str:
        raise StoreFailed("drills.db: the disk is full", hint="free some space")

    monkeypatch.setattr(rig.runner.runs, "begin", full)
    refused = rig.ask("run_drill", id="TILL1")
    assert (refused["code"], refused["hint"]) == ("refused", "free some space")
    assert rig.file.read_text() == GOOD
    monkeypatch.undo()
    rig.run()


# ---- ends that nobody planned ---------------------------------------------------------------------------------------


def test_halt_undoes_at_once_and_says_what(rig: Rig) -> None:
    run = rig.run()
    (record,) = [each["id"] for each in rig.ask("faults")["records"]]
    answer = rig.ask("halt", by="ben", wait_s=0.0)
    assert answer == {"halted": run, "undone": [record], "failed": []}
    assert rig.file.read_text() == GOOD
    rig.bench.advance(1.0)
    found = rig.look(run)
    assert (found["status"], found["passed"], found["reason"]) == ("interrupted", None, "halted by ben")
    assert rig.told("drill.interrupted")[0]["run"] == run


def test_drill_that_is_halted_before_it_has_begun_is_interrupted_and_has_its_times(rig: Rig) -> None:
    events = rig.status.do_events
    rig.status.do_events = lambda request: LATER  # type: ignore[method-assign,assignment]
    run = rig.run()
    rig.ask("halt", by="ben")
    rig.status.do_events = events  # type: ignore[method-assign]
    rig.bench.advance(60.0)
    found = rig.look(run)
    assert (found["status"], rig.file.read_text()) == ("interrupted", GOOD)
    assert rig.ask("journal", run=run)["duration"] < 60
    assert rig.told("drill.started")


def test_orderly_stop_in_the_midst_of_a_drill_left_the_fault_to_the_next_boot(rig: Rig) -> None:
    run = rig.run()
    rig.runner.stop("shutdown")
    assert rig.file.read_text() == GOOD
    assert len(rig.told("fault.undone")) == 1
    rig.bench.crash("chaos_runner")
    rig.up()
    assert rig.look(run)["status"] == "interrupted"


def test_refused_request_of_a_card_counted_as_its_injection(make: Callable[..., Rig]) -> None:
    method = TELL.replace("func: tell", "func: ask").replace("times: 100, every_s: 1.0", "times: 1")
    rig = make(one=card(method=method)).up()
    rig.bench.add("till", Fixed)
    run = rig.run()
    rig.passes()
    found = rig.look(run)
    assert (found["status"], found["passed"]) == ("failed", None)
    assert "no answer for sell" in found["reason"]


def test_step_that_goes_on_and_on_ends_with_its_drill(make: Callable[..., Rig]) -> None:
    rig = make(one=card(method=TELL)).up()
    rig.run()
    rig.bench.advance(5.0)
    rig.ask("halt", by="ben")
    rig.bench.advance(2.0)
    sent = [verb for _, to, verb, _ in rig.bench.sent if to == "till"].count("sell")
    assert rig.look()["status"] == "interrupted"
    rig.bench.advance(60.0)
    assert [verb for _, to, verb, _ in rig.bench.sent if to == "till"].count("sell") == sent


def test_incident_of_something_else_aborts_the_drill_and_undoes_it(rig: Rig) -> None:
    run = rig.run()
    rig.happen("incident.opened", "inc_1", {"kernel": "librarian", "kind": "crash"})
    rig.bench.advance(5.0)
    found = rig.look(run)
    assert (found["status"], rig.file.read_text()) == ("aborted", GOOD)
    assert "librarian" in found["reason"]


def test_that_a_gate_of_the_drill_before_failed_aborts_no_drill(rig: Rig) -> None:
    run = rig.run()
    rig.happen("incident.opened", "inc_1", {"kernel": "chaos_runner", "kind": "reported"})
    rig.bench.advance(3.0)
    assert rig.look(run)["status"] == "running"
    rig.happen("incident.opened", "inc_2", {"kernel": "chaos_runner", "kind": "crash"})
    rig.bench.advance(3.0)
    assert rig.look(run)["status"] == "aborted"


def test_next_life_undoes_closes_the_run_and_can_drill(rig: Rig) -> None:
    run = rig.run()
    rig.dies()
    assert rig.file.read_text() == BAD
    rig.up()
    assert rig.file.read_text() == GOOD
    found = rig.look(run)
    assert (found["status"], found["passed"], found["activities"]) == ("interrupted", None, [])
    assert rig.told("drill.interrupted") == [
        {"card": "TILL1", "run": run, "reason": "the runner was restarted"},
    ]
    (row,) = rig.ask("drills")["drills"]
    assert (row["runs"], row["passed"], row["deviations"]) == (1, None, 0)
    rig.run()


def test_fault_is_undone_also_when_the_store_of_the_next_life_cannot_be_opened(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **more: Any) -> Any:
        raise StoreFailed("drills.db: the disk is full")

    rig.run()
    rig.dies()
    monkeypatch.setattr("grace_actors.kernels.chaos_runner.Store", broken)
    with pytest.raises(StoreFailed):
        rig.up()
    assert rig.file.read_text() == GOOD


# ---- what comes of it -----------------------------------------------------------------------------------------------


def test_gate_that_fails_is_reported_until_self_healing_takes_it(make: Callable[..., Rig]) -> None:
    rig = make(one=card(playbook="restart")).up()
    rig.healer.answers["report"] = LATER
    run = rig.run()
    rig.passes()
    rig.bench.advance(60.0)
    assert rig.look(run)["passed"] is False
    assert any("self_healing was not told yet" in text for text in rig.runner.degraded)
    taken: list[Request] = []
    rig.healer.answers["report"] = lambda request: taken.append(request) or {"id": "inc"}  # type: ignore[func-returns-value]
    rig.bench.advance(30.0)
    (report,) = taken
    assert (report.args["kernel"], report.args["kind"]) == ("chaos_runner", "drill")
    assert report.args["reason"].startswith("TILL1: gate playbook: ")
    assert run in report.args["detail"]
    assert rig.runner.degraded == []
    assert rig.told("drill.deviated")[0]["gates"]["playbook"] is False


def test_tree_without_self_healing_was_asked_for_ever_to_open_an_incident(make: Callable[..., Rig]) -> None:
    rig = make(one=card(playbook="restart"))
    rig.status.tree["children"].pop(1)
    rig.bench.crash("self_healing")
    run = rig.up().run()
    rig.passes()
    rig.bench.advance(60.0)
    assert [verb for _, to, verb, _ in rig.bench.sent if (to, verb) == ("self_healing", "report")] == []
    (told,) = rig.runner.degraded
    assert (
        told == f"{run} has not passed, and no incident was opened, for the tree has no self_healing; see: drill report"
    )
    assert rig.ask("journal", run=run)["problems"] == ["no incident was opened, for the tree has no self_healing"]


def test_drill_that_passed_reports_nothing(rig: Rig) -> None:
    rig.run()
    rig.passes()
    assert [each.verb for each in rig.healer.asked if each.verb == "report"] == []


def test_undoing_that_fails_is_loud_fails_the_drill_and_is_tried_again_by_the_next_life(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rig.run()
    kept = next((rig.home / "chaos" / "kept").glob("*/*"))
    away = kept.rename(rig.home / "away")
    rig.passes()
    found = rig.look(run)
    assert (found["status"], found["passed"]) == ("completed", False)
    assert found["gates"]["slo"] is True
    (failed,) = rig.told("fault.undo_failed")
    assert failed["record"] in found["reason"]
    assert [each["state"] for each in rig.ask("faults")["records"]] == ["undo_failed"]
    assert [each.verb for each in rig.healer.asked].count("report") == 1
    away.rename(kept)
    rig.dies().up()
    assert rig.file.read_text() == GOOD
    assert [each["state"] for each in rig.ask("faults")["records"]] == ["undone"]


def test_journal_that_cannot_be_written_loses_the_record_and_not_the_verdict(rig: Rig) -> None:
    (rig.home / "data" / "chaos_runner" / "journals").write_text("in the way")
    run = rig.run()
    rig.passes()
    found = rig.look(run)
    assert (found["passed"], found["journal"], found["activities"]) == (True, "", [])
    assert "the journal could not be written" in found["reason"]
    assert any(run in text for text in rig.runner.degraded)
    assert rig.ask("journal", run=run)["code"] == "not_found"
    (rig.home / "data" / "chaos_runner" / "journals").unlink()
    rig.run()
    rig.passes()
    assert (rig.look()["reason"], rig.runner.degraded) == ("", [])


def test_verdict_that_the_disk_refuses_is_told_from_memory_until_it_is_written(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rig.run()

    def full() -> Any:
        raise StoreFailed("drills.db: the disk is full")

    monkeypatch.setattr(rig.runner.store, "write", full)
    rig.passes()
    assert (rig.look(run)["status"], rig.look(run)["passed"]) == ("completed", True)
    assert rig.ask("drills")["drills"][0]["passed"] is True
    assert any("is not on the disk" in text for text in rig.runner.degraded)
    monkeypatch.undo()
    monkeypatch.setattr("grace_actors.drills.host.cards.BUILT_IN", rig.home / "no_cards")
    rig.bench.advance(10.0)
    assert rig.runner.degraded == []
    rig.dies().up()
    assert rig.look(run)["passed"] is True


# ---- the stage ------------------------------------------------------------------------------------------------------

DUMMY = """
- type: action
  name: start-clerk
  provider: {type: python, module: chaos.steps, func: start_dummy, arguments: {name: drill_clerk, kind: clerk}}
"""


def on_stage(rig: Rig) -> list[str]:
    return [each["name"] for each in rig.status.tree["children"][0]["children"]]


def play(rig: Rig, request: Request) -> dict[str, str]:
    """What a supervisor does with its children."""
    children = rig.status.tree["children"][0]["children"]
    match request.args["op"]:
        case "start_child":
            children.append(child(request.args["spec"].id))
            rig.status.tree["children"].append(child(request.args["spec"].id))
        case "delete_child":
            for found in (children, rig.status.tree["children"]):
                found[:] = [each for each in found if each["name"] != request.args["child"]]
    return {"result": "ok"}


def test_dummy_that_no_rollback_took_off_is_gone_when_the_drill_is_over(make: Callable[..., Rig]) -> None:
    rig = make(one=card(method=DUMMY + CHANGE)).up()
    rig.supervisor.answers["call"] = lambda request: play(rig, request)
    rig.run()
    assert "drill_clerk" in on_stage(rig)
    rig.passes()
    assert rig.look()["passed"] is True
    assert on_stage(rig) == ["chaos_runner"]


def test_dummy_of_a_former_life_is_gone_before_a_drill_begins(make: Callable[..., Rig]) -> None:
    rig = make(one=card(method=DUMMY + CHANGE)).up()
    rig.supervisor.answers["call"] = lambda request: play(rig, request)
    rig.run()
    rig.dies().up()
    assert on_stage(rig) == ["chaos_runner"]


def test_dummy_that_does_not_go_is_told_keeps_drills_out_and_is_asked_again(make: Callable[..., Rig]) -> None:
    rig = make(one=card(method=DUMMY + CHANGE)).up()
    rig.supervisor.answers["call"] = lambda request: play(rig, request)
    rig.run()
    rig.supervisor.answers["call"] = {"result": "noproc"}
    rig.passes()
    assert any("drill_clerk was not taken off the stage" in text for text in rig.runner.degraded)
    assert "the last drill left on the stage" in rig.ask("run_drill", id="TILL1")["message"]
    rig.supervisor.answers["call"] = lambda request: play(rig, request)
    rig.bench.advance(10.0)
    assert (on_stage(rig), rig.runner.degraded) == (["chaos_runner"], [])
    rig.run()


@pytest.mark.parametrize("name", ["apply_patch", "revert_commits", "create_pr", "rollback_dependencies"])
def test_card_that_would_change_the_program_is_not_carried_out(name: str) -> None:
    with pytest.raises(Refused, match="changes the program"):
        step("act", {"action": name})


def test_card_may_read_the_program() -> None:
    assert step("act", {"action": "run_lint", "params": {"paths": ["."]}})[0].spec.name == "run_lint"
