"""What went wrong once between self_healing and the world around it, and does so no more."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError, StoreFailed
from grace_actors.healing import incident_rows
from grace_actors.kernels.self_healing import SelfHealing
from tests.unit.healing.hospital import Hospital
from tests.unit.healing.test_cases import MENDS, mended
from tests.unit.healing.ward import Ward

SECRET = "sk-" + "a1B2" * 8


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ward:
    ward = Ward(tmp_path / "home", monkeypatch)
    ward.write("mend", MENDS)
    return ward


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    hospital = Hospital(tmp_path / "hospital", monkeypatch)
    hospital.write("mend", MENDS)
    return hospital


def healer(ward: Ward) -> SelfHealing:
    kernel = ward.kernel
    assert isinstance(kernel, SelfHealing)
    return kernel


def refuse(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The disk takes nothing until it is undone."""

    def full() -> Any:
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(healer(ward).store, "write", full)
    return monkeypatch


# ---- the knowledge base, the tree and others are silent -----------------------------------------------------


def test_while_the_knowledge_base_is_away_a_repair_that_matches_is_not_kept_waiting_for_it(ward: Ward) -> None:
    ward.up()
    ward.bench.kernels.pop("signature")
    ward.fall_ill()
    ward.settle(15)
    assert (ward.incident()["state"], ward.called()) == ("repairing", ["set_flag"])


def test_what_was_learned_a_moment_ago_is_told_before_it_is_asked_what_is_known(hospital: Hospital) -> None:
    hospital.up().fall_ill()
    hospital.bench.pump()
    mended(hospital, ok=False, message="no")
    to_signature = [verb for _, to, verb, _ in hospital.bench.sent if to == "signature"]
    assert to_signature == ["seen", "lookup", "record_outcome", "lookup"]


def test_a_status_that_is_silent_for_a_moment_does_not_make_the_incident_fail(ward: Ward) -> None:
    ward.up().fail()
    status = ward.bench.kernels.pop("status")
    ward.settle(65)
    ward.bench.kernels["status"] = status
    assert ward.incident()["state"] == "open"
    ward._node("librarian")["state"] = "running"
    ward.settle(65)
    assert ward.incident()["state"] == "healed"


def test_a_kernel_that_was_removed_from_the_tree_is_not_healed_by_a_restart(ward: Ward) -> None:
    ward.up().fail()
    ward.status.tree["children"].pop(0)
    ward.settle(70)
    found = ward.incident()
    assert (found["state"], found["cause"]) == ("failed", "librarian is no part of the tree any more")
    assert found["next_step"]


def test_nothing_is_learned_from_a_repair_of_a_kernel_that_was_removed_meanwhile(ward: Ward) -> None:
    ward.up().fall_ill()
    ward.status.tree["children"].pop(0)
    ward.world.answer("set_flag")
    ward.settle(20)
    assert (ward.incident()["state"], ward.learned()) == ("failed", [])


# ---- people do something else meanwhile -----------------------------------------------------------------


def test_what_somebody_starts_while_a_repair_is_chosen_is_not_repaired_any_more(hospital: Hospital) -> None:
    hospital.up().leave("signature")
    hospital.fall_ill()
    hospital.bench.pump()
    hospital.come_up()
    hospital.settle(30)
    assert (hospital.incident()["state"], hospital.incident()["repair"], hospital.called()) == ("healed", "start", [])


def test_a_start_of_its_kernel_does_not_heal_what_a_trigger_found_while_it_ran(ward: Ward) -> None:
    ward.up().happen("trigger.fired", "librarian", trigger="drift", issue="odd", severity="low", detail="x")
    assert ward.incident()["state"] == "awaiting_patch"
    ward.come_up()
    ward.settle()
    assert ward.incident()["state"] == "awaiting_patch"


def test_its_quarantine_by_the_deadline_during_the_repair_is_not_taken_for_a_repair_in_vain(ward: Ward) -> None:
    ward.up().fall_ill()
    ward.status.tree["children"][0]["state"] = "starting"
    call, ward._call = ward._call, lambda request: {"result": "ok"}  # type: ignore[method-assign]
    ward.bench.kernels["grace"].answers["call"] = ward._call  # type: ignore[attr-defined]
    ward.world.answer("set_flag")
    ward.happen("child.quarantined", "librarian", kind="start_failed", reason="IndexError", cause="its time is over")
    ward.bench.kernels["grace"].answers["call"] = call  # type: ignore[attr-defined]
    ward.come_up()
    ward.settle(1)
    assert (ward.incident()["state"], ward.learned()) == ("healed", [("mend", 80, False)])


def test_closing_an_old_incident_does_not_make_the_new_one_of_the_same_failure_forgotten(ward: Ward) -> None:
    ward.up().fail("scheduler", kind="crash")
    ward._node("scheduler")["state"] = "stopped"
    ward.settle(70)
    old = ward.incident()
    assert old["state"] == "failed"
    ward.fail("scheduler", number=2, kind="crash")
    new = ward.incident()
    assert new["id"] != old["id"]
    ward.ask("resolve", id=old["id"], by="ana")
    ward.fail("scheduler", number=3, kind="crash")
    assert [(i["id"], i["count"]) for i in ward.ask("incidents")["incidents"]] == [(new["id"], 2), (old["id"], 1)]


def test_a_kernel_that_fails_again_after_its_patch_was_in_vain_gets_a_new_order(ward: Ward) -> None:
    (ward.home / "playbooks" / "mend.yaml").unlink()
    ward.up().fall_ill()
    first = ward.incident()["work_order"]
    ward.bench.ask("coding_agent", "complete", id=first, tests_passed=False)
    ward.come_up()
    ward.hold(cause="again")
    second = ward.incident()
    assert second["state"] == "awaiting_patch"
    assert second["work_order"] != first


def test_a_kernel_that_comes_and_goes_while_its_patch_is_written_gets_no_second_order(ward: Ward) -> None:
    (ward.home / "playbooks" / "mend.yaml").unlink()
    ward.up().fall_ill()
    for _ in range(3):
        ward.come_up()
        ward.hold(cause="again")
    orders = ward.bench.ask("coding_agent", "list")["work_orders"]
    assert [one["id"] for one in orders] == [ward.incident()["work_order"]]
    ward.bench.ask("coding_agent", "complete", id=orders[0]["id"], tests_passed=True)
    ward.settle()
    assert (ward.incident()["state"], ward.incident()["repair"]) == ("healed", "patch")


# ---- killed, and the disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("fuse", range(1, 60, 4))
def test_killed_at_any_point_of_a_repair_that_was_approved_nobody_is_asked_twice(hospital: Hospital, fuse: int) -> None:
    hospital.up().fall_ill(1)
    hospital.bench.pump()
    mended(hospital)
    hospital.fall_ill(10)
    hospital.bench.pump()
    [waiting] = hospital.bench.ask("governance", "approvals", state="pending")["approvals"]
    hospital.bench.fuse = fuse
    hospital.bench.ask("governance", "respond", id=waiting["id"], response="approve", by="ana", reason="seen")
    for _ in range(12):  # what was called is lost with the kill, and called again
        hospital.settle(3)
        if hospital.world.open:
            hospital.bench.guarded(lambda: hospital.world.answer("set_flag"))
    hospital.bench.fuse = -1
    asked = hospital.bench.ask("governance", "approvals", limit=50)["approvals"]
    assert len(asked) == 1
    attempts = hospital.whole_of(hospital.incident()["id"])["attempts"]
    assert [(one["playbook"], one["status"]) for one in attempts] == [("mend", "healed")]


def test_a_late_answer_does_not_bring_a_case_back_that_ended_while_the_disk_was_full(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.up().fall_ill()
    hospital.bench.pump()
    id = hospital.incident()["id"]
    hospital.bench.disk_refuses = True
    with pytest.raises(GraceError, match="stand still"):
        hospital.ask("resolve", id=id, by="ana")
    hospital.world.answer("set_flag")
    hospital.settle(1)
    hospital.bench.disk_refuses = False
    hospital.settle(20)
    assert (hospital.incident()["state"], hospital.incident()["repair"]) == ("healed", "by hand")


def test_incidents_that_a_restored_file_does_not_know_are_written_again_and_go_on(ward: Ward) -> None:
    ward.up()
    store = healer(ward).store
    store.backup()
    ward.fall_ill()
    path = store.path
    store.close()
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(b"not a database" * 100)
    store._reopen()
    mended(ward)
    ward.settle(20)
    assert (ward.incident()["state"], ward.incident()["repair"]) == ("healed", "mend")
    assert ward.learned() == [("mend", 80, False)]


def test_a_log_that_begins_anew_does_not_make_failures_look_like_old_ones(ward: Ward) -> None:
    ward.up().fail()
    for number in range(50):
        ward.happen("child.started", f"other{number}")
    ward.fail(number=2)
    ward.status.log.clear()
    ward.bench.advance(31)  # the next renewal of the subscription shows that it is another log
    ward.fail(number=3)
    ward.fail(number=4)
    assert ward.incident()["count"] == 4


def test_a_case_that_cannot_be_read_after_a_restart_is_given_to_a_person(ward: Ward) -> None:
    ward.up().fall_ill()
    path = healer(ward).store.path
    with sqlite3.connect(path) as db:
        db.execute("update incidents set data = '{'")
    ward.crash()
    found = ward.incident()
    assert (found["state"], found["cause"]) == ("failed", "its case could not be read after a restart")
    ward.ask("resolve", id=found["id"])


def test_good_news_that_is_read_again_after_a_kill_starts_its_playbook_once(hospital: Hospital) -> None:
    hospital.write("resume", "triggers: [{type: host.relieved}]\nsteps:\n  - {id: go, action: look}\n")
    hospital.up()
    for fuse in range(12):
        hospital.happen("host.relieved", "cpu", number=fuse)
        hospital.bench.fuse = fuse
        hospital.settle(40)
        hospital.bench.fuse = -1
    runs = hospital.ask("runs", playbook="resume")["runs"]
    assert len(runs) == 12


def test_a_playbook_about_failed_incidents_runs_without_an_incident_about_the_incident(ward: Ward) -> None:
    ward.write("call", "triggers: [{type: incident.failed}]\nsteps:\n  - {id: go, action: look}\n")
    ward.up().fail("scheduler", kind="crash")
    ward._node("scheduler")["state"] = "stopped"
    ward.settle(70)
    assert ward.incident()["state"] == "failed"
    assert (len(ward.ask("incidents")["incidents"]), ward.called()) == (1, ["look"])


# ---- what comes in and what goes out ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        {"kind": {"a": [1]}, "reason": ["x"], "detail": 7, "gen": "one"},
        {"kind": "no such kind", "reason": "\ud800\udfff\x00", "detail": "\x00" * 50},
        {"kind": "crash", "reason": "r" * 3_000_000, "detail": "d" * 3_000_000},
        {"kind": "crash", "reason": float("nan"), "more": {"k" * 5000: float("inf"), "n": 10**400}},
        {"exit": {"kind": None, "reason": None}, "cause": {"deep": [[[[[[[[[[[[1]]]]]]]]]]]]}},
        {"trigger": ["x"], "issue": {"y": 1}, "since": "yesterday"},
        {"trigger": "resource_pressure", "issue": None, "since": float("nan"), "detail": {"a": 1}},
    ],
)
def test_an_event_of_garbage_is_taken_and_the_next_one_too(ward: Ward, data: dict[str, Any]) -> None:
    ward.up()
    times: list[Any] = [1.7e9, float("nan"), -5.0, 1e300, "no time"]
    for type in ("child.exited", "child.start_failed", "child.awaiting_repair", "supervisor.gave_up", "trigger.fired"):
        for subject in ("libr\u0000arian '\"%;--", "\ud800", "a/b/", "x" * 5000):
            ward.status.happen(type, subject, times[len(ward.status.log) % 5], **data)
    ward.settle(1)
    ward.fall_ill()
    mended(ward)
    assert ward.ask("incidents", kernel="librarian")["incidents"][0]["state"] == "healed"
    assert json.dumps(ward.ask("incidents", limit=500))


def test_what_looks_like_a_secret_is_neither_kept_nor_told(ward: Ward) -> None:
    ward.up()
    node = ward._node("librarian")
    node["state"] = "restarting"
    detail = f'  File "/app/a.py", line 1, in f\nValueError: token={SECRET}\n'
    for _ in range(2):
        ward.happen(
            "child.start_failed", "librarian", gen=1, kind="start_failed", reason=f"bad {SECRET}", detail=detail
        )
    ward.hold(cause=f"password={SECRET}")
    ward.world.answer("set_flag", ok=False, message=f"denied for {SECRET}")
    ward.settle(1)
    path = healer(ward).store.path
    with sqlite3.connect(path) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        kept = {table: json.dumps(db.execute(f"select * from [{table}]").fetchall(), default=str) for table in tables}
    assert [table for table, text in kept.items() if SECRET in text] == []
    told = [type for type, _, data in ward.bench.events if SECRET in json.dumps(data, default=str)]
    assert [type for type in told if type.startswith(("incident.", "self_healing.", "run."))] == []
    sent = {
        (to, verb) for sender, to, verb, args in ward.bench.sent if sender == "self_healing" and SECRET in str(args)
    }
    assert sent == set()
    assert SECRET not in healer(ward).did


def test_of_old_incidents_the_bulk_goes_and_the_row_stays(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_rows, "KEPT_STORIES", 5)
    ward.up()
    for number in range(20):
        ward.status.happen("trigger.fired", f"host{number}", 1_700_000_000.0 + ward.bench.clock, trigger="x", issue="y")
        ward.ask("resolve", id=ward.incident()["id"], by="ana")
        ward.settle(1)
    with sqlite3.connect(healer(ward).store.path) as db:
        with_story = db.execute("select count(distinct incident) from timeline").fetchone()[0]
        fat = db.execute("select count(*) from incidents where components != '[]'").fetchone()[0]
    assert (len(ward.ask("incidents")["incidents"]), with_story <= 6, fat <= 6) == (20, True, True)
    assert ward.whole(ward.incident(19)["id"])["timeline"] == []
