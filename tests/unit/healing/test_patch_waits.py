"""A run that waits for a cure, its order and its incident name each other, before and after the cure has come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.healing.ward import Ward

CURES = """
    triggers:
      - {type: child.awaiting_repair, when: issue.subject == "librarian"}
    steps:
      - {id: order, action: set_flag}
"""


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(tmp_path / "home", monkeypatch)


def waiting(ward: Ward) -> dict[str, Any]:
    """The incident whose run waits for an order."""
    ward.write("cure", CURES)
    ward.up().fall_ill()
    id = ward.bench.ask("coding_agent", "create", type="fix_bug", description="x", incident=ward.incident()["id"])["id"]
    ward.world.answer("set_flag", data={"work_order": id})
    found = ward.incident()
    assert (found["state"], found["work_order"]) == ("awaiting_patch", id)
    return found


def test_a_run_does_not_forget_its_order_when_it_is_over(ward: Ward) -> None:
    found = waiting(ward)
    assert ward.ask("run", id=found["run"])["work_order"] == found["work_order"]
    ward.bench.ask("coding_agent", "complete", id=found["work_order"], tests_passed=True, files_changed=1)
    ward.settle()
    run = ward.ask("run", id=found["run"])
    assert (run["status"], run["work_order"]) == ("succeeded", found["work_order"])


def test_the_story_says_that_a_cure_was_waited_for_and_when_it_went_on(ward: Ward) -> None:
    found = waiting(ward)
    order = found["work_order"]
    assert f"A change of code is waited for: the work order {order}." in ward.why(found["id"])["sentences"]
    ward.bench.ask("coding_agent", "complete", id=order, tests_passed=True)
    ward.settle()
    assert f"A change of code was ordered for it: {order}." in ward.why(found["id"])["sentences"]
    story = [line["what"] for line in ward.whole(found["id"])["timeline"]]
    assert story.index(f"goes on: {order} is answered") == story.index(f"waits for the patch {order}") + 1


def test_a_playbook_that_a_person_runs_for_an_incident_knows_which_it_is(ward: Ward) -> None:
    found = waiting(ward)
    named = """
    steps:
      - {id: mend, action: set_flag, with: {to: "{{ issue.incident }}"}}
    """
    ward.write("named", named)
    ward.ask("reload_playbooks")
    run = ward.ask("run_playbook", name="named", incident=found["id"])
    ward.world.answer("set_flag")
    assert ward.ask("run", id=run["id"])["status"] == "succeeded"
