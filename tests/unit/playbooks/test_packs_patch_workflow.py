"""The patch workflow tells data from code, and waits for a cure only where code is to blame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from playbooks import messages as m
from tests.unit.playbooks.test_packs import PACK, World

TYPES = {
    "ingestion_replay": "data_fix",
    "schema_recovery": "data_fix",
    "memory_cleanup": "cache_clear",
    "database_reconnect": "retry",
    "pipeline_timeout_fix": "hybrid",
    "verification_fix": "code_patch",
}


class Told(World):
    """A world in which these actions answer so, whatever they are called with; a list is used up, its last stays."""

    def __init__(self, name: str, answers: Mapping[str, Any], **given: Any) -> None:
        self.answers = {action: list(each) if isinstance(each, list) else [each] for action, each in answers.items()}
        super().__init__(name, **given)

    def _answer(self, call: m.CallAction) -> m.ActionDone:
        known = self.answers.get(call.action)
        if not known:
            return super()._answer(call)
        ok, data = known.pop(0) if len(known) > 1 else known[0]
        return m.ActionDone(call.token, ok, message="told", data=data)

    @property
    def steps(self) -> list[str]:
        return [call.step for call in self.calls]


@pytest.mark.parametrize(("name", "type"), TYPES.items())
def test_a_playbook_of_the_patch_workflow_carries_its_type(name: str, type: str) -> None:
    assert {"patch_workflow", type} <= set(PACK.playbooks[name].tags)


@pytest.mark.parametrize("name", [name for name in PACK.playbooks if "patch_workflow" in PACK.playbooks[name].tags])
def test_a_step_that_waits_for_a_cure_is_given_a_day(name: str) -> None:
    orders = [step for step in PACK.playbooks[name].all_steps() if step.action == "create_work_order"]
    assert [step.id for step in orders if step.timeout_s != 86400.0 or "wait" in step.params] == []


def waits_for_a_cure(name: str) -> bool:
    orders = [step for step in PACK.playbooks[name].all_steps() if step.action == "create_work_order"]
    return any(step.params.get("wait", True) for step in orders)


@pytest.mark.parametrize("name", [name for name in PACK.playbooks if waits_for_a_cure(name)])
def test_a_cure_that_was_waited_for_in_vain_is_no_success_although_the_kernel_runs(name: str) -> None:
    absent, code, refused = (False, None), rejection("code"), (False, None)
    told = {"read_setting": absent, "read_rejection": code, "replay_ingestion": refused, "create_work_order": refused}
    world = Told(name, told)
    ordered = "create_work_order" in [call.action for call in world.calls]
    assert (world.status == "failed") is ordered


def rejection(cause: str) -> tuple[bool, dict[str, Any]]:
    return True, {"value": cause, "reason": "why", "is_there": True}


def test_a_document_that_is_to_blame_itself_is_tried_once_and_nothing_else_is_touched() -> None:
    world = Told("ingestion_replay", {"read_rejection": rejection("data"), "replay_ingestion": (False, None)})
    assert world.steps[:3] == ["look", "try_document", "give_word"]
    assert "restart_kernel" not in [call.action for call in world.calls]


def test_a_document_is_tried_again_after_growing_rests() -> None:
    refused = (False, None)
    world = Told("ingestion_replay", {"replay_ingestion": [refused, refused, (True, None)]})
    assert world.status == "succeeded"
    rests = [call.params["wait_s"] for call in world.calls if call.action == "wait"]
    assert rests == sorted(set(rests))
    assert len(rests) == 2
    assert "order_cure" not in world.steps


def test_a_parser_of_ours_is_cured_before_the_document_is_tried_for_the_last_time() -> None:
    refused = (False, None)
    told = {"read_rejection": rejection("code"), "replay_ingestion": [refused, refused, (True, None)]}
    world = Told("ingestion_replay", told)
    assert world.status == "succeeded"
    last = world.steps[world.steps.index("order_cure") :]
    assert last[:3] == ["order_cure", "load_cure", "replay_with_cure"]


def test_a_document_that_is_taken_in_at_once_needs_no_cure() -> None:
    world = Told("ingestion_replay", {"read_rejection": rejection("code")})
    assert "order_cure" not in world.steps


def test_a_schema_that_lacks_something_is_repaired_and_one_that_does_not_is_a_matter_of_code() -> None:
    lacking = Told("schema_recovery", {"verify_store_schema": [(False, {"value": False}), (True, {"value": True})]})
    assert [step for step in lacking.steps if step in ("repair", "order_cure")] == ["repair"]
    whole = Told("schema_recovery", {})
    assert [step for step in whole.steps if step in ("repair", "order_cure", "restart")] == ["order_cure", "restart"]


@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ((True, {"value": 10.0, "overridden": False}), "raise"),
        ((True, {"value": 20.0, "overridden": True}), "order_cure"),
        ((False, None), "order_cure"),
    ],
)
def test_a_timeout_is_raised_once_and_then_it_is_a_matter_of_code(setting: tuple[bool, Any], step: str) -> None:
    world = Told("pipeline_timeout_fix", {"read_setting": setting})
    assert world.status == "succeeded"
    assert [each for each in world.steps if each in ("raise", "order_cure")] == [step]
    assert world.steps.index(step) < world.steps.index("restart")


@pytest.mark.parametrize("name", ["pipeline_timeout_fix", "verification_fix", "database_reconnect"])
def test_a_process_is_restarted_as_one(name: str) -> None:
    process = {"value": "running", "kind": "process", "last_exit": None}
    absent = (False, None)
    world = Told(name, {"kernel_state": (True, process), "read_setting": absent, "verify_kernel_store": (False, None)})
    assert "restart_process" in world.steps
    assert "restart_kernel" not in [call.action for call in world.calls]


@pytest.mark.parametrize(
    ("store", "step"),
    [
        ({"value": False, "damaged": {"x.db": "bad"}, "indexes": {}}, "restore"),
        ({"value": False, "damaged": {}, "indexes": {"x": "bad"}}, "rebuild"),
        ({"value": True, "damaged": {}, "indexes": {}}, "order_cure"),
        (None, "order_cure"),
    ],
)
def test_damaged_data_are_restored_and_sound_ones_blame_the_code(store: Any, step: str) -> None:
    world = Told("verification_fix", {"verify_kernel_store": (bool(store and store["value"]), store)})
    assert world.status == "succeeded"
    assert [each for each in world.steps if each in ("restore", "rebuild", "order_cure")] == [step]


def test_a_kernel_without_a_store_is_reconnected_by_restarts_after_growing_rests() -> None:
    none = m.ActionDone(0, False, message="shop has no store in /h; nothing could be verified")

    class Storeless(Told):
        def _answer(self, call: m.CallAction) -> m.ActionDone:
            if call.action == "verify_kernel_store":
                return m.ActionDone(call.token, False, message=none.message)
            return super()._answer(call)

    refused = (False, None)
    world = Storeless("database_reconnect", {"restart_kernel": [refused, refused, (True, None)]})
    assert world.status == "succeeded"
    assert [call.params["wait_s"] for call in world.calls if call.action == "wait"] == [2, 10]


def test_a_vulnerability_is_proposed_with_the_version_that_cures_it_and_is_no_success_while_it_is_there() -> None:
    first = {"package": "rich", "version": "1", "id": "X", "fixed_in": ["2.0"]}
    found = {"value": 1, "vulnerabilities": [first], "first": first}
    world = Told("cve_vulnerability_detected", {"scan_vulnerabilities": (False, found)})
    (proposal,) = [call for call in world.calls if call.action == "create_upgrade_pr"]
    assert (proposal.params["package"], proposal.params["version"]) == ("rich", "2.0")
    assert "order_upgrade" in world.steps
    assert world.status == "failed"


def test_a_look_up_that_did_not_work_proposes_nothing_and_is_no_success() -> None:
    world = Told("cve_vulnerability_detected", {"scan_vulnerabilities": (False, None)})
    assert {"propose", "order_upgrade"}.isdisjoint(world.steps)
    assert world.status == "failed"


def test_the_commit_that_is_named_is_taken_back_and_else_the_one_that_is_suspected() -> None:
    suspected = Told("coding_agent_bad_patch_rollback", {})
    named = Told("coding_agent_bad_patch_rollback", {}, commit="abc")
    assert [call.params["commits"] for call in suspected.calls if call.action == "revert_commits"] == [["0" * 40]]
    assert [call.params["commits"] for call in named.calls if call.action == "revert_commits"] == [["abc"]]
    assert "identify" not in named.steps
