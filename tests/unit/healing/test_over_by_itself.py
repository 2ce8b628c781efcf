"""What a trigger found is over before a repair has worked: nobody is asked any more, and nobody is credited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.healing.casework import SAME_INCIDENT_S
from tests.unit.healing.ward import Ward

COOL = "triggers: [{type: resource_pressure}]\nsteps:\n  - {id: cool, action: set_flag}\n"
HOT = {"trigger": "resource_pressure", "issue": "cpu_saturation"}


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(tmp_path / "home", monkeypatch)


def hot(ward: Ward) -> None:
    ward.happen("trigger.fired", "host", **HOT, severity="high", detail="CPU at 97 %")


def cool(ward: Ward) -> None:
    ward.happen("trigger.cleared", "host", **HOT)


def order(ward: Ward, id: str) -> dict[str, Any]:
    found: dict[str, Any] = ward.bench.ask("coding_agent", "show", id=id)
    return found


def story(ward: Ward) -> list[str]:
    return [line["what"] for line in ward.whole(ward.incident()["id"])["timeline"]]


def test_an_incident_waited_for_approval_for_a_day_although_the_pressure_was_over(ward: Ward) -> None:
    ward.write("cool", COOL)
    ward.up()
    hot(ward)
    ward.world.answer("set_flag")
    ward.settle()
    hot(ward)
    assert ward.incident()["state"] == "awaiting_approval"
    ward.happen("trigger.cleared", "host", trigger="resource_pressure", issue="memory_pressure")
    assert ward.incident()["state"] == "awaiting_approval", "something else is over"
    cool(ward)
    found = ward.incident()
    assert (found["state"], found["repair"], found["auto"]) == ("healed", "by itself", False)
    ward.settle()
    assert ward.bench.ask("governance", "approvals", state="pending")["approvals"] == [], "nobody is asked any more"


def test_an_incident_ordered_a_patch_against_a_pressure_that_was_over(ward: Ward) -> None:
    ward.write("cool", COOL)
    ward.up()
    hot(ward)
    cool(ward)
    assert ward.incident()["state"] == "repairing", "what was begun is brought to its end"
    ward.world.answer("set_flag", ok=False)
    ward.settle()
    found = ward.incident()
    assert (found["state"], found["repair"], found["work_order"]) == ("healed", "by itself", None)


def test_what_comes_back_during_its_repair_is_not_over(ward: Ward) -> None:
    ward.write("cool", COOL)
    ward.up()
    hot(ward)
    cool(ward)
    hot(ward)
    ward.world.answer("set_flag", ok=False)
    ward.settle()
    assert ward.incident()["state"] not in ("healed", "repairing")


def test_an_incident_was_healed_by_itself_while_its_kernel_was_held_down(ward: Ward) -> None:
    """Of a kernel that does not run a trigger finds nothing."""
    ward.up()
    odd = {"trigger": "health_signal_gap", "issue": "heartbeat_gap"}
    ward.happen("trigger.fired", "librarian", **odd, severity="low", detail="x")
    ward.hold()
    ward.happen("trigger.cleared", "librarian", **odd)
    assert [each["state"] for each in ward.ask("incidents")["incidents"]] != ["healed"]
    assert ward.incident()["next_step"]


def test_an_incident_was_healed_by_itself_although_its_repair_left_a_kernel_that_fails_its_self_test(
    ward: Ward,
) -> None:
    odd = {"trigger": "health_signal_gap", "issue": "heartbeat_gap"}
    ward.write("cool", COOL.replace("resource_pressure", "health_signal_gap"))
    ward.up()
    ward.bench.kernels["librarian"].answers["ready"] = {"checks": [{"name": "index", "ok": False, "detail": "torn"}]}
    ward.happen("trigger.fired", "librarian", **odd, severity="low", detail="x")
    ward.happen("trigger.cleared", "librarian", **odd)
    ward.world.answer("set_flag")
    ward.settle(40.0)
    found = ward.incident()
    assert (found["state"], bool(found["work_order"])) == ("failed", True)
    assert "index: torn" in found["cause"]


def test_a_work_order_stayed_in_the_queue_for_ever_although_its_incident_was_over(ward: Ward) -> None:
    ward.up()
    hot(ward)
    made = ward.incident()["work_order"]
    assert order(ward, made)["status"] == "queued"
    cool(ward)
    found = order(ward, made)
    assert (found["status"], found["moves"][-1]["by"]) == ("withdrawn", "self_healing")
    assert "over by itself" in found["moves"][-1]["note"]
    told = ward.events("coding_agent.work_order_updated")[-1]
    assert (told["status"], told["ok"], told["incident"]) == ("withdrawn", None, ward.incident()["id"])
    assert f"withdrew {made}: nobody had begun it" in story(ward)


def test_a_work_order_that_somebody_has_begun_is_left_to_them(ward: Ward) -> None:
    ward.up()
    hot(ward)
    made = ward.incident()["work_order"]
    ward.bench.ask("coding_agent", "start", id=made, agent="ada")
    cool(ward)
    assert (ward.incident()["state"], order(ward, made)["status"]) == ("healed", "in_progress")
    assert f"left {made} to ada, who had begun it" in story(ward)


def test_a_work_order_is_withdrawn_although_the_healer_was_killed_and_the_agent_was_away(ward: Ward) -> None:
    ward.up()
    hot(ward)
    made = ward.incident()["work_order"]
    agent = ward.bench.kernels.pop("coding_agent")
    cool(ward)
    ward.crash()
    assert ward.incident()["state"] == "healed"
    ward.bench.kernels["coding_agent"] = agent
    ward.settle(60.0)
    assert order(ward, made)["status"] == "withdrawn"


def test_a_run_waited_for_a_patch_for_ever_although_what_it_was_for_was_over(ward: Ward) -> None:
    ward.write("cool", COOL)
    ward.up()
    hot(ward)
    made = ward.bench.ask("coding_agent", "create", description="x", incident=ward.incident()["id"])["id"]
    ward.world.answer("set_flag", data={"work_order": made})
    ward.settle(0.0)
    assert ward.incident()["state"] == "awaiting_patch"
    cool(ward)
    ward.settle()
    assert (ward.incident()["state"], ward.incident()["repair"]) == ("healed", "by itself")
    assert [run["status"] for run in ward.ask("runs")["runs"]] == ["canceled"]
    assert order(ward, made)["status"] == "withdrawn"
    assert ward.learned() == [], "it says nothing about the repair"


def test_what_was_over_by_itself_was_counted_as_healed_by_grace(ward: Ward) -> None:
    ward.up()
    ward.fail("scheduler", kind="crash")
    ward.come_up("scheduler")
    ward.settle()
    before = ward.ask("stats")
    hot(ward)
    ward.settle(100.0)
    cool(ward)
    found = ward.ask("stats")
    same = ("zero_touch_rate", "auto_fix_rate", "healed_rate", "escalation_rate", "mean_time_to_heal_s")
    assert {key: found[key] for key in same} == {key: before[key] for key in same}
    assert (found["incidents"], found["over_by_itself"], ward.incident()["auto"]) == (2, 1, False)
    assert ward.events("incident.healed")[-1]["auto"] is False


def test_why_said_that_something_was_healed_by_by_itself(ward: Ward) -> None:
    ward.up()
    hot(ward)
    cool(ward)
    said = ward.why(ward.incident()["id"])["sentences"][-1]
    assert said.startswith("It was over by itself after ")
    assert "healed by" not in said
    assert said.endswith("No repair healed it.")


# ---- what comes and goes ------------------------------------------------------------------------------------------


def test_a_trigger_that_came_and_went_opened_a_new_incident_and_a_new_work_order_each_time(ward: Ward) -> None:
    ward.up()
    for _ in range(4):
        hot(ward)
        ward.settle(1.0)
        cool(ward)
        ward.settle(60.0)
    found = ward.ask("incidents")["incidents"]
    assert [(one["state"], one["repair"], one["count"]) for one in found] == [("healed", "by itself", 4)]
    assert len([line for line in story(ward) if line.startswith("opened again: it is found again 6")]) == 3
    assert (len(ward.events("incident.opened")), len(ward.events("incident.recurred"))) == (1, 3)
    orders = ward.bench.ask("coding_agent", "list")["work_orders"]
    assert [one["status"] for one in orders] == ["withdrawn"]
    assert found[0]["heal_s"] < 60, "it is measured from when it came back"
    hot(ward)
    assert ward.incident()["state"] == "awaiting_patch"
    assert order(ward, orders[0]["id"])["status"] == "queued"
    ward.bench.ask("coding_agent", "complete", id=orders[0]["id"], tests_passed=True)
    ward.settle()
    assert (ward.incident()["state"], ward.incident()["repair"]) == ("healed", "patch")


def test_what_comes_back_after_a_while_is_a_new_incident(ward: Ward) -> None:
    ward.up()
    hot(ward)
    cool(ward)
    ward.settle(SAME_INCIDENT_S + 1)
    hot(ward)
    assert len(ward.ask("incidents")["incidents"]) == 2


def test_what_a_repair_healed_and_comes_back_is_a_new_incident(ward: Ward) -> None:
    ward.write("cool", COOL)
    ward.up()
    hot(ward)
    ward.world.answer("set_flag")
    ward.settle()
    assert ward.incident()["repair"] == "cool"
    hot(ward)
    assert len(ward.ask("incidents")["incidents"]) == 2


def test_what_is_found_again_is_opened_again_after_a_crash_of_the_healer_too(ward: Ward) -> None:
    ward.up()
    hot(ward)
    cool(ward)
    ward.crash()
    hot(ward)
    found = ward.ask("incidents")["incidents"]
    assert [(one["state"], one["count"]) for one in found] == [("awaiting_patch", 2)]


def test_an_order_that_is_withdrawn_late_is_made_again_when_it_is_needed_again(ward: Ward) -> None:
    ward.up()
    hot(ward)
    found = ward.incident()
    ward.bench.ask("coding_agent", "withdraw", incident=found["id"], reason="late")
    ward.settle()
    assert (ward.incident()["state"], order(ward, found["work_order"])["status"]) == ("awaiting_patch", "queued")
