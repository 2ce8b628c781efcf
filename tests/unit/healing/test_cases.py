"""Incidents are repaired: by what is known, by what matches, by a patch; and only what is verified counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.healing import run_store
from grace_actors.healing.incident_rows import TABLES
from grace_actors.kernels.rows import schema
from grace_actors.kernels.self_healing import SelfHealing
from grace_actors.stores.sqlite import Store
from tests.unit.healing.ward import Ward

MENDS = """
    triggers:
      - {type: child.awaiting_repair, when: issue.subject == "librarian"}
    steps:
      - {id: mend, action: set_flag}
"""


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(tmp_path / "home", monkeypatch)


def mended(ward: Ward, **result: Any) -> None:
    """The playbook's only step is done; healing itself starts what is still held."""
    ward.world.answer("set_flag", **result)
    ward.settle()


def ill_and_mended(ward: Ward, number: int) -> None:
    ward.fall_ill(number)
    mended(ward)


def test_a_new_failure_is_repaired_by_the_playbook_that_matches_and_learned(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().fall_ill()
    assert (ward.incident()["state"], ward.called()) == ("repairing", ["set_flag"])
    mended(ward)
    found = ward.incident()
    assert (found["state"], found["repair"], found["auto"]) == ("healed", "mend", False)
    assert ward.learned() == [("mend", 80, False)]
    assert ward.events("self_healing.completed")[0]["state"] == "healed"


def test_the_second_time_a_person_is_asked_and_the_third_time_nobody(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ill_and_mended(ward.up(), 1)
    ward.fall_ill(10)
    assert (ward.incident()["state"], ward.called()) == ("awaiting_approval", ["set_flag"])
    ward.approve()
    mended(ward)
    assert (ward.incident()["state"], ward.learned()) == ("healed", [("mend", 90, True)])
    ward.fall_ill(20)
    assert ward.incident()["state"] == "repairing"
    mended(ward)
    found = ward.incident()
    assert (found["state"], found["auto"], ward.learned()) == ("healed", True, [("mend", 100, True)])
    assert [i["signature_id"] for i in ward.ask("incidents")["incidents"]] == [found["signature_id"]] * 3


def test_with_confirm_off_a_repair_whose_trigger_matches_needs_no_second_word(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ill_and_mended(ward.up(), 1)
    ward.bench.crash("self_healing")
    ward.bench.add("self_healing", SelfHealing, confirm=False)
    ward.settle(0.0)
    ward.fall_ill(10)
    assert ward.incident()["state"] == "repairing"


def test_a_run_that_says_it_succeeded_heals_nothing_when_the_failure_comes_again(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().fall_ill()
    ward.world.answer("set_flag")
    ward.settle(0.1)
    ward.fail(number=5)
    ward.settle()
    found = ward.incident()
    assert found["state"] != "healed"
    attempt = ward.whole(found["id"])["attempts"][0]
    assert (attempt["playbook"], attempt["status"]) == ("mend", "failed")
    assert ward.events("signature.recorded")[0]["ok"] is False


def test_a_run_that_says_it_succeeded_heals_nothing_when_the_self_test_fails(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().fall_ill()
    ward.bench.kernels["librarian"].answers["ready"] = {"checks": [{"name": "index", "ok": False, "detail": "torn"}]}
    mended(ward)
    assert ward.incident()["state"] != "healed"
    assert "index: torn" in ward.incident()["cause"]


def test_what_did_not_heal_is_not_tried_again_but_quarantined_and_a_patch_is_ordered(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().fall_ill()
    mended(ward, ok=False, message="no")
    found = ward.incident()
    assert (found["state"], ward.called()) == ("quarantined", ["set_flag"])
    assert [call["op"] for call in ward.calls] == ["quarantine"]
    assert found["work_order"].startswith("wo_")
    assert found["work_order"] in found["next_step"]
    order = ward.bench.ask("coding_agent", "show", id=found["work_order"])
    assert (order["incident"], order["status"]) == (found["id"], "queued")


def test_the_next_best_playbook_is_taken_when_the_first_does_not_heal(ward: Ward) -> None:
    ward.write("bad", MENDS.replace("set_flag", "poke"))
    ward.write("good", MENDS)
    ward.up().fall_ill()
    ward.world.answer("poke", ok=False, message="no")
    mended(ward)
    found = ward.incident()
    assert (found["state"], found["repair"]) == ("healed", "good")
    assert sorted(ward.learned()) == [("bad", 0, False), ("good", 80, False)]


def test_a_failure_that_nothing_matches_waits_for_a_patch_and_is_healed_by_it(ward: Ward) -> None:
    ward.up().fall_ill()
    found = ward.incident()
    assert (found["state"], found["next_step"]) == ("awaiting_patch", f"work-order show {found['work_order']}")
    ward.bench.ask("coding_agent", "complete", id=found["work_order"], tests_passed=True, files_changed=2)
    ward.settle()
    assert [call["op"] for call in ward.calls] == ["reset", "restart_child"]
    found = ward.incident()
    assert (found["state"], found["repair"], found["auto"]) == ("healed", "patch", False)
    assert ward.learned() == [("patch", 80, False)]
    assert len(ward.events("self_healing.patch_applied")) == 1


def test_what_failed_for_lack_of_a_patch_is_done_again_when_the_patch_has_come(ward: Ward) -> None:
    ward.write("retry", "triggers: [{type: job.failed}]\nsteps:\n  - {id: again, action: set_flag}\n")
    ward.up().happen("job.failed", "job_7", reason="no such column")
    ward.world.answer("set_flag", ok=False, message="still no such column")
    ward.settle()
    assert (ward.incident()["state"], len(ward.events("incident.failed"))) == ("failed", 1)
    ward.bench.ask("coding_agent", "complete", id=ward.incident()["work_order"], tests_passed=True)
    ward.settle(0.0)
    assert (ward.incident()["state"], ward.called()) == ("repairing", ["set_flag", "set_flag"])
    ward.world.answer("set_flag")
    ward.settle()
    assert (ward.incident()["state"], ward.incident()["repair"]) == ("healed", "retry")


def test_a_wait_for_a_patch_is_told_once_also_when_the_healer_was_killed_meanwhile(ward: Ward) -> None:
    ward.up().fall_ill()
    ward.crash()
    ward.crash()
    assert len(ward.events("self_healing.escalated")) == 1


def test_an_outcome_that_is_told_twice_counts_once_for_the_trust(ward: Ward) -> None:
    ward.up()
    for _ in range(2):
        trust = ward.bench.ask("verification_framework", "record_outcome", component="a", ok=True, key="k")
    assert trust["successes"] == 1


def test_a_work_order_whose_tests_fail_leaves_the_kernel_in_quarantine_with_the_next_step(ward: Ward) -> None:
    ward.up().fall_ill()
    ward.bench.ask("coding_agent", "complete", id=ward.incident()["work_order"], tests_passed=False)
    ward.settle()
    found = ward.incident()
    assert (found["state"], found["next_step"].partition("; ")[2]) == (
        "quarantined",
        "when the cause is gone: start librarian",
    )
    assert "tests did not pass" in found["cause"]


def test_a_patch_is_never_applied_to_a_later_failure_by_itself(ward: Ward) -> None:
    for _ in range(3):
        ward.up() if not ward.bench.kernels else None
        ward.fall_ill(7)
        assert ward.incident()["state"] == "awaiting_patch"
        ward.bench.ask("coding_agent", "complete", id=ward.incident()["work_order"], tests_passed=True)
        ward.settle()
        assert ward.incident()["state"] == "healed"


def test_a_repair_that_a_person_rejects_leaves_the_kernel_in_quarantine(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ill_and_mended(ward.up(), 1)
    ward.fall_ill(10)
    ward.approve("reject")
    ward.settle()
    found = ward.incident()
    assert (found["state"], ward.called()) == ("quarantined", ["set_flag"])
    assert "rejected by ana: seen" in found["cause"]
    assert ward.learned() == [("mend", 80, False)]


def test_a_kernel_that_somebody_starts_by_hand_is_healed_by_hand(ward: Ward) -> None:
    ward.up().fall_ill()
    ward.come_up()
    ward.settle()
    found = ward.incident()
    assert (found["state"], found["repair"], found["auto"]) == ("healed", "start", False)
    assert ward.learned() == []


def test_a_trigger_is_decided_at_once_and_its_measured_figures_do_not_make_it_another_failure(ward: Ward) -> None:
    ward.write("cool", "triggers: [{type: resource_pressure}]\nsteps:\n  - {id: cool, action: set_flag}\n")
    ward.up()
    for load in (91, 97):
        told = {"trigger": "resource_pressure", "issue": "cpu_saturation", "severity": "high"}
        ward.happen(
            "trigger.fired", "host", **told, detail=f"CPU at {load} %", action="shed_load", target="self_healing"
        )
        assert ward.called()[-1] == "set_flag"
    ward.world.answer("set_flag")
    ward.settle()
    found = ward.ask("incidents")["incidents"]
    assert [(i["kernel"], i["state"], i["count"], i["repair"]) for i in found] == [("host", "healed", 2, "cool")]


def test_good_news_starts_its_playbook_without_an_incident(ward: Ward) -> None:
    ward.write("resume", "triggers: [{type: host.relieved}]\nsteps:\n  - {id: go, action: set_flag}\n")
    ward.up().happen("host.relieved", "cpu")
    assert (ward.called(), ward.ask("incidents")["incidents"]) == (["set_flag"], [])


def test_two_incidents_of_one_kernel_are_repaired_one_after_the_other(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().fall_ill()
    ward.happen("trigger.fired", "librarian", trigger="none_such", issue="odd", severity="low", detail="x")
    states = {i["kind"]: i["state"] for i in ward.ask("incidents")["incidents"]}
    assert states == {"start_failed": "repairing", "trigger": "open"}
    mended(ward)
    ward.settle()
    assert {i["state"] for i in ward.ask("incidents")["incidents"]} == {"healed"}


def test_what_a_trigger_found_of_a_kernel_that_is_held_kept_it_from_being_repaired(ward: Ward) -> None:
    """Told in one page of the log, the second incident took the kernel, and could do nothing while it was down."""
    ward.write("mend", MENDS)
    ward.write("curb", "triggers: [{type: live_error_feed}]\nsteps:\n  - {id: curb, action: set_flag}\n")
    ward.up()
    heard, ward.status.subscribers = ward.status.subscribers, {}
    ward.fail(number=1)
    ward.fail(number=2)
    ward.hold(cause="the same failure 2 times in 60 s")
    ward.status.subscribers = heard
    ward.happen("trigger.fired", "librarian", trigger="live_error_feed", issue="repeated_error", severity="high")
    ward.settle()
    states = {each["kind"]: each["state"] for each in ward.ask("incidents")["incidents"]}
    assert states == {"start_failed": "repairing", "trigger": "open"}
    mended(ward)
    assert {each["kind"]: each["repair"] for each in ward.ask("incidents")["incidents"]}["start_failed"] == "mend"


def test_an_incident_that_waits_for_people_does_not_keep_another_of_its_kernel_from_being_repaired(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().happen("trigger.fired", "librarian", trigger="none_such", issue="odd", severity="low", detail="x")
    assert ward.incident()["state"] == "awaiting_patch"
    ward.fall_ill()
    mended(ward)
    assert {i["kind"]: i["state"] for i in ward.ask("incidents")["incidents"]}["start_failed"] == "healed"


def test_a_known_repair_is_automatic_only_for_the_very_failure_it_was_learned_for(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up()
    for number in (1, 10, 20):
        ward.fall_ill(number)
        if ward.incident()["state"] == "awaiting_approval":
            ward.approve()
        mended(ward)
    assert ward.learned()[0][2] is True
    other = (
        'Traceback (most recent call last):\n  File "/app/librarian/other.py", line 1, in elsewhere\nIndexError: x\n'
    )
    ward._node("librarian")["state"] = "restarting"
    ward.happen("child.start_failed", "librarian", gen=9, kind="start_failed", reason="IndexError: x", detail=other)
    ward.hold()
    assert ward.incident()["auto"] is False
    assert ward.whole(ward.incident()["id"])["was_known"] is False


@pytest.mark.parametrize("where", range(7))
def test_killed_between_any_two_steps_nothing_is_lost_or_done_twice(ward: Ward, where: int) -> None:
    ward.write("mend", MENDS)
    ill_and_mended(ward.up(), 1)
    steps = [
        lambda: ward.fail(number=10),
        lambda: ward.fail(number=11),
        lambda: ward.hold(cause="again"),
        lambda: ward.approve(),
        lambda: ward.world.answer("set_flag"),
        lambda: ward.come_up(),
        lambda: ward.settle(1.0),
    ]
    for number, step in enumerate(steps):
        step()
        if number == where:
            ward.crash()
    ward.settle(1.0)
    found = ward.incident()
    assert (found["state"], found["repair"], ward.learned()) == ("healed", "mend", [("mend", 90, True)])
    runs = [run for run in ward.ask("runs")["runs"] if run["incident"] == found["id"]]
    assert len(runs) == 1


def test_outcomes_reach_the_knowledge_base_also_when_it_was_down_meanwhile(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().fall_ill()
    known = ward.bench.kernels.pop("signature")
    mended(ward)
    assert ward.incident()["state"] == "healed"
    ward.bench.kernels["signature"] = known
    ward.settle(61)
    assert ward.learned() == [("mend", 80, False)]


def test_the_decision_is_on_record_with_evidence_alternatives_choice_and_result(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ill_and_mended(ward.up(), 1)
    decision = ward.whole(ward.incident()["id"])["decision"]
    assert decision["choice"] == "run mend, its trigger matches"
    assert decision["alternatives"] == ["leave it to a person"]
    assert any("IndexError" in line for line in decision["evidence"])
    assert decision["result"].startswith("succeeded: healed and verified")
    trust = ward.bench.ask("verification_framework", "trust", component="librarian")
    assert trust["successes"] == 1


def test_why_tells_the_story_and_the_next_step(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ill_and_mended(ward.up(), 1)
    ward.fall_ill(10)
    told = ward.why("librarian")
    story = " ".join(told["sentences"])
    assert "librarian failed 2 times" in story
    assert "awaiting approval" in story
    assert told["next_step"].startswith("approval list")
    assert ward.why("scheduler")["sentences"][-1] == "It has no incident."


def test_a_self_test_that_fails_while_the_kernel_runs_is_an_incident_and_silence_is_not(ward: Ward) -> None:
    ward.up().happen("kernel.verified", "librarian", ok=False, failed=["answers"])
    ward.happen("kernel.verified", "librarian", ok=True, failed=[])
    assert ward.ask("incidents")["incidents"] == []
    ward.happen("kernel.verified", "librarian", ok=False, failed=["index_works"])
    found = ward.incident()
    assert (found["kind"], found["state"]) == ("not_ready", "awaiting_patch")


def test_a_run_can_be_done_again(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ward.up().fall_ill()
    mended(ward, ok=False, message="no")
    old = ward.ask("runs")["runs"][0]
    new = ward.ask("retry_run", id=old["id"])
    assert (new["playbook"], new["incident"], new["id"] != old["id"]) == ("mend", old["incident"], True)


def test_figures_are_computed_from_what_happened(ward: Ward) -> None:
    ward.write("mend", MENDS)
    ill_and_mended(ward.up(), 1)
    ward.fail("scheduler", kind="crash")
    ward.come_up("scheduler")
    ward.settle()
    got: list[Any] = []
    ward.bench.post("test", "self_healing", "healing", {}, got.append)
    found = got[0].value
    assert (found["incidents"], found["zero_touch_rate"], found["escalation_rate"]) == (2, 0.5, 0.0)
    assert (found["known_signatures"], found["auto_apply"]) == (2, 0)
    assert [(p["playbook"], p["runs"], p["healed"]) for p in found["per_playbook"]] == [("mend", 1, 1)]


def test_a_home_of_before_there_were_cases_is_taken_over_without_loss(ward: Ward) -> None:
    path = ward.home / "data" / "self_healing" / "incidents.db"
    old = Store(path, schema("incidents", {**TABLES, **run_store.TABLES}), emit=lambda *a: None, name="self_healing")
    base = {"kernel": "a", "kind": "crash", "reason": "r", "detail": "", "fingerprint": "f", "opened_at": 5.0}
    base |= {
        "failed_at": 5.0,
        "last_at": 6.0,
        "count": 2,
        "resolved_by": "",
        "note": "",
        "reported_by": "tree",
        "seq": 1,
    }
    with old.write() as db:
        for number, state in enumerate(("open", "recovered", "resolved")):
            times = {"recovered_at": 7.0, "recovery_s": 2.0, "resolved_at": None}
            db["incidents"].insert({"id": f"inc_{number}", "state": state, **base, **times})
    old.close()
    ward.up()
    found = {i["id"]: (i["state"], i["repair"], i["count"]) for i in ward.ask("incidents")["incidents"]}
    assert found == {
        "inc_0": ("failed", None, 2),
        "inc_1": ("healed", "restart", 2),
        "inc_2": ("healed", "by hand", 2),
    }
    assert json.dumps(ward.ask("resolve", id="inc_0"))
