"""Runs of playbooks in self_healing: performed, kept, taken up again."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import pytest

from grace_actors.errors import GraceError, StoreFailed
from grace_actors.healing import run_store
from tests.unit.healing.stage import Stage

THREE = """
steps:
  - {id: one, action: look}
  - {id: two, action: poke}
  - {id: three, action: set_flag}
"""
ONE = "steps: [{id: one, action: poke}]\n"
ALWAYS = "always: [{id: last, action: set_flag}]\n"
VERIFIED = "verify: [{action: look, tolerance: 3}]\n"


def test_a_run_goes_through_its_steps_and_is_told_of_as_it_goes(stage: Stage) -> None:
    stage.write("p", THREE, verify=VERIFIED)
    id = stage.up().begin()
    assert (stage.run(id)["status"], stage.steps(id)) == ("running", [("one", "running")])
    stage.world.answer("look")
    stage.world.answer("poke", changed=True, message="poked")
    stage.world.answer("set_flag")
    stage.world.answer("look", data={"value": 3})
    found = stage.run(id)
    assert (found["status"], found["changed"], found["message"]) == ("succeeded", True, "verified")
    assert stage.steps(id) == [
        ("one", "succeeded"),
        ("two", "succeeded"),
        ("three", "succeeded"),
        ("verify_1", "passed"),
    ]
    assert found["ended_at"] >= found["started_at"] >= found["requested_at"]
    assert [data["step"] for data in stage.events("run.step_ended")] == ["one", "two", "three", "verify_1"]
    told = [type for type in stage.bench.types() if type in ("run.requested", "run.started", "run.ended")]
    assert told == ["run.requested", "run.started", "run.ended"]
    assert stage.events("run.ended")[0]["status"] == "succeeded"


def test_what_was_not_verified_has_not_succeeded(stage: Stage) -> None:
    stage.write("p", ONE, verify=VERIFIED)
    id = stage.up().begin()
    stage.world.answer("poke")
    stage.world.answer("look", data=4)
    assert stage.run(id)["status"] == "failed"
    assert "expected 3, seen 4" in stage.run(id)["message"]


def test_a_step_without_an_answer_fails_at_its_time_and_a_late_answer_changes_nothing(stage: Stage) -> None:
    stage.write("p", ONE + ALWAYS)
    id = stage.up().begin()
    stage.bench.advance(9.9)
    assert stage.run(id)["status"] == "running"
    stage.bench.advance(0.2)
    assert stage.called() == ["poke", "set_flag"]
    stage.world.answer("poke", changed=True)
    assert stage.called() == ["poke", "set_flag"]
    stage.world.answer("set_flag")
    assert (stage.run(id)["status"], stage.run(id)["changed"]) == ("failed", False)
    assert "no answer of poke within 10 s" in stage.run(id)["message"]


def test_a_step_that_fails_is_tried_again_after_its_delay(stage: Stage) -> None:
    stage.write("p", "steps: [{id: one, action: poke, retry: {count: 1, delay: 5s}}]\n")
    id = stage.up().begin()
    stage.world.answer("poke", ok=False, message="no")
    stage.bench.advance(4.9)
    assert stage.called() == ["poke"]
    stage.bench.advance(0.2)
    stage.world.answer("poke")
    assert stage.run(id)["status"] == "succeeded"
    assert stage.steps(id) == [("one", "retried"), ("one", "succeeded")]


def test_in_check_mode_every_action_that_acts_is_asked_to_predict(stage: Stage) -> None:
    stage.write("p", THREE)
    id = stage.up().begin(check=True)
    for name in ("look", "poke", "set_flag"):
        stage.world.answer(name)
    assert stage.world.calls == [("look", False), ("poke", True), ("set_flag", True)]
    assert (stage.run(id)["check"], stage.run(id)["status"]) == (True, "succeeded")


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_a_run_goes_on_after_a_crash_in_any_step_and_never_does_twice_what_must_be_done_once(
    stage: Stage, answered: int
) -> None:
    stage.write("p", THREE + ALWAYS)
    id = stage.up().begin()
    for name in ("look", "poke", "set_flag")[:answered]:
        stage.world.answer(name)
    stage.crash()
    for _ in range(5):
        if stage.world.open:
            stage.world.answer(stage.world.open[0][0])
    found = stage.run(id)
    assert stage.called().count("poke") == 1
    assert found["status"] == ("failed" if answered == 1 else "succeeded")
    if answered == 1:
        assert found["message"] == "two: poke was interrupted; whether it was done is unknown"
        assert stage.called() == ["look", "poke", "set_flag"]
    assert ("interrupted" in [status for _, status in stage.steps(id)]) is (answered != 1)
    assert stage.kernel.active_runs == 0


def test_a_timer_that_ran_while_everything_was_down_fires_at_once(stage: Stage) -> None:
    stage.write("p", "policy: {timeout: 20s}\n" + ONE.replace("poke", "set_flag"))
    id = stage.up().begin()
    stage.bench.crash("self_healing")
    stage.bench.clock += 60.0
    stage.up()
    assert (stage.run(id)["status"], stage.called()) == ("timed_out", ["set_flag"])


def test_a_run_whose_playbook_changed_meanwhile_is_abandoned(stage: Stage) -> None:
    stage.write("p", THREE)
    id = stage.up().begin()
    stage.write("p", ONE)
    stage.crash()
    assert (stage.run(id)["status"], stage.called()) == ("abandoned", ["look"])
    assert "another text of the playbook 'p'" in stage.run(id)["message"]
    assert stage.events("run.ended")[0]["status"] == "abandoned"
    assert stage.steps(id) == [("one", "interrupted")]


def test_a_run_whose_playbook_is_gone_is_abandoned(stage: Stage) -> None:
    stage.write("p", THREE)
    id = stage.up().begin()
    (stage.home / "playbooks" / "p.yaml").unlink()
    assert stage.crash().run(id)["message"] == "the playbook 'p' is not there any more"


def test_a_playbook_that_is_read_anew_leaves_the_runs_under_way_alone(stage: Stage) -> None:
    stage.write("p", THREE)
    id = stage.up().begin()
    stage.write("p", ONE)
    assert stage.ask("reload_playbooks")["count"] == 1
    for name in ("look", "poke", "set_flag"):
        stage.world.answer(name)
    assert stage.run(id)["status"] == "succeeded"


def test_an_action_that_ends_the_kernel_again_and_again_is_not_called_for_ever(stage: Stage) -> None:
    stage.write("p", "steps: [{id: one, action: set_flag}]\n")
    id = stage.up().begin()
    for _ in range(4):
        assert stage.run(id)["status"] == "running"
        stage.crash()
    assert (stage.run(id)["status"], stage.called()) == ("abandoned", ["set_flag"] * 4)
    assert "ended 4 times during the same action" in stage.run(id)["message"]


# ---- admission -----------------------------------------------------------------------------------------------


def test_one_run_too_many_waits_for_its_turn_and_for_the_rest_after_a_run(stage: Stage) -> None:
    stage.write("p", "policy: {concurrency: {max: 1}, cooldown: 30s}\n" + ONE)
    first, second = stage.up().begin(), stage.begin()
    assert stage.run(second)["status"] == "scheduled"
    assert f"running: {first}" in stage.run(second)["message"]
    stage.world.answer("poke")
    stage.crash()
    stage.bench.advance(29.0)
    assert stage.run(second)["status"] == "scheduled"
    stage.bench.advance(1.1)
    assert (stage.run(second)["status"], stage.called()) == ("running", ["poke", "poke"])


def test_a_run_in_check_mode_neither_waits_nor_makes_others_wait(stage: Stage) -> None:
    """It used to be: who tried a playbook without effect first was then told that it rests."""
    stage.write("p", "policy: {concurrency: {max: 1, on_limit: cancel}, cooldown: 30s}\n" + ONE)
    tried = stage.up().begin(check=True)
    stage.world.answer("poke")
    assert stage.run(tried)["status"] == "succeeded"
    real = stage.begin()
    assert stage.run(real)["status"] == "running"
    assert stage.run(stage.begin(check=True))["status"] == "running"
    assert stage.world.calls == [("poke", True), ("poke", False), ("poke", True)]


def test_a_run_that_waits_goes_on_when_the_one_before_it_is_given_up_after_a_crash(stage: Stage) -> None:
    stage.write("p", "policy: {concurrency: {max: 1}}\n" + ONE)
    first, second = stage.up().begin(), stage.begin()
    stage.crash()
    assert (stage.run(first)["status"], stage.run(second)["status"]) == ("failed", "running")
    assert stage.called() == ["poke", "poke"]


def test_one_run_too_many_is_refused_where_the_policy_says_so(stage: Stage) -> None:
    stage.write("p", "policy: {concurrency: {max: 1, on_limit: cancel}}\n" + ONE)
    first, second = stage.up().begin(), stage.begin()
    assert stage.run(second)["status"] == "canceled"
    assert f"canceled by its policy: running: {first}" in stage.run(second)["message"]
    assert stage.called() == ["poke"]


def test_without_what_the_admission_remembered_runs_are_counted_anew(stage: Stage) -> None:
    stage.write("p", "policy: {concurrency: {max: 1}}\n" + ONE.replace("poke", "set_flag"))
    first, second = stage.up().begin(), stage.begin()
    stage.bench.crash("self_healing")
    with contextlib.closing(sqlite3.connect(stage.home / "data/self_healing/incidents.db")) as db, db:
        db.execute("update admission set data = '{}'")
    stage.up()
    assert (stage.run(first)["status"], stage.run(second)["status"]) == ("running", "scheduled")
    stage.world.answer("set_flag")  # of before the crash: its run does not hear of it
    stage.world.answer("set_flag")
    assert [stage.run(id)["status"] for id in (first, second)] == ["succeeded", "running"]


# ---- the world -----------------------------------------------------------------------------------------------


class Disk:
    """Refuses to save runs when told so."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses = True
        self._real = stage.kernel.runs.save
        monkeypatch.setattr(stage.kernel.runs, "save", self.save)

    def save(self, *args: Any) -> None:
        if self.refuses:
            raise StoreFailed("the disk is full")
        self._real(*args)


def test_while_the_disk_refuses_nothing_is_done_and_later_everything(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write("p", THREE)
    id = stage.up().begin()
    disk = Disk(stage, monkeypatch)
    stage.world.answer("look")
    stage.bench.advance(30.0)
    assert stage.called() == ["look"]
    assert stage.kernel.degraded == ["runs of playbooks stand still: the disk is full"]
    disk.refuses = False
    stage.bench.advance(5.0)
    assert stage.called() == ["look", "poke"]
    assert stage.steps(id)[0] == ("one", "succeeded")


def test_a_call_whose_time_ran_out_while_the_disk_refused_is_not_made_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write("p", "policy: {timeout: 20s}\n" + THREE)
    id = stage.up().begin()
    disk = Disk(stage, monkeypatch)
    stage.world.answer("look")
    stage.bench.advance(21.0)
    disk.refuses = False
    stage.bench.advance(5.0)
    assert (stage.run(id)["status"], stage.called()) == ("timed_out", ["look"])


def test_a_run_that_cannot_be_kept_is_not_begun(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.write("p", ONE)
    stage.up()

    def insert(row: object) -> None:
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(stage.kernel.runs, "insert", insert)
    with pytest.raises(GraceError, match="the disk is full"):
        stage.begin()
    assert (stage.called(), stage.kernel.active_runs, stage.events("run.requested")) == ([], 0, [])


def test_old_runs_that_have_ended_are_deleted_and_others_never(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_store, "KEPT_RUNS", 2)
    stage.write("p", ONE)
    stage.write("q", "steps: [{id: one, action: set_flag}]\n")
    open = stage.up().begin("q")
    ended = [stage.begin() for _ in range(4)]
    for _ in ended:
        stage.world.answer("poke")
        stage.bench.advance(1.0)
    assert [run["id"] for run in stage.ask("runs")["runs"]] == [ended[3], ended[2], open]
    with pytest.raises(GraceError, match="there is no run"):
        stage.run(ended[0])
    assert stage.ask("runs", status="succeeded")["count"] == 2
    assert stage.ask("runs", playbook="q")["count"] == 1


def test_a_run_goes_on_when_its_store_was_damaged_and_begun_anew(stage: Stage) -> None:
    stage.write("p", THREE)
    stage.up().begin()
    with stage.kernel.runs._store.write() as db:
        db.execute("delete from runs")
    for name in ("look", "poke", "set_flag"):
        stage.world.answer(name)
    assert [data["status"] for data in stage.events("run.ended")] == ["succeeded"]


def test_secrets_in_messages_are_masked(stage: Stage) -> None:
    stage.write("p", ONE)
    id = stage.up().begin()
    stage.world.answer("poke", ok=False, message="login failed: password=hunter2")
    assert "hunter2" not in str((stage.run(id), stage.bench.events))
    assert "password=***" in stage.run(id)["message"]


def test_data_too_large_to_keep_is_left_out_but_for_its_value(stage: Stage) -> None:
    stage.write("p", "steps: []\n".replace("[]", "[{action: look}]"), verify=VERIFIED)
    id = stage.up().begin()
    stage.world.answer("look", data={"value": 1, "text": "x" * 200_000})
    stage.world.answer("look", data={"value": 3, "text": "x" * 200_000, "odd": {1, 2}})
    assert stage.run(id)["status"] == "succeeded"
