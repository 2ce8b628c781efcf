"""No playbook of the packs ends in success when its repair failed, unless something after it repaired or measured.

Whatever can fail without ending the run fails here, in every combination, while all that is read in `verify` is well:
so a check that does not look at what a step should have done proves nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import Any

import pytest

from playbooks import messages as m
from playbooks.spec import ActionKind, OnFailure, OnLimit, Step
from tests.unit.playbooks.test_packs import ACTIONS, BROKEN, NAMES, PACK, World

Answers = Mapping[str, tuple[bool, Any]]

TELLING = {"alert", "log", "capture_store_snapshot", "capture_kernel_snapshots"}
"""These tell or keep a copy, and repair nothing. So does a work order that nobody waits for."""

PROVED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("api_latency_spike", "relieve"): ("verify_slo", "it is measured whether the API is fast again"),
    ("coding_agent_bootstrap", "restore"): ("verify_kernel_store", "the store is read as a whole"),
    ("coding_agent_bootstrap", "start"): ("restart_staggered", "it is started in another way"),
    ("coding_agent_crash_recovery", "restore"): ("verify_kernel_store", "the store is read as a whole"),
    ("cpu_saturation", "shed"): ("check_resources", "the load of the host is measured"),
    ("cpu_saturation", "pause_the_rest"): ("check_resources", "the load of the host is measured"),
    ("cve_vulnerability_detected", "propose"): ("scan_vulnerabilities", "nothing may be found any more"),
    ("database_reconnect", "restart"): ("restart_kernel", "it is tried again after a rest"),
    ("database_reconnect", "restart_again"): ("restart_kernel", "it is tried again after a rest"),
    **{
        ("emergency_critical_kernel_recovery", step): ("verify_kernels_running", "all three are seen to run")
        for step in ("start_bus", "start_agent")
    },
    ("held_kernel_recovery", "restore"): ("verify_kernel_store", "the store is read as a whole"),
    ("held_kernel_recovery", "rebuild"): ("verify_kernel_store", "the store is read as a whole"),
    ("held_kernel_recovery", "start"): ("wait_until_ready", "it is started afresh and seen to run"),
    ("high_queue_backlog", "relieve"): ("verify_slo", "it is measured whether the kernel has caught up"),
    ("high_queue_backlog", "grow"): ("verify_slo", "it is measured whether the kernel has caught up"),
    ("immutable_log_disk_full", "pack_audit_log"): ("check_disk_space", "the room is measured"),
    ("immutable_log_disk_full", "pack_logs"): ("check_disk_space", "the room is measured"),
    ("immutable_log_disk_full", "clear_drafts"): ("check_disk_space", "the room is measured"),
    ("immutable_log_disk_full", "clear_caches"): ("check_disk_space", "the room is measured"),
    ("ingestion_replay", "clear"): ("replay_ingestion", "the document was taken in"),
    ("ingestion_replay", "replay"): ("replay_ingestion", "it is tried again"),
    ("ingestion_replay", "replay_again"): ("replay_ingestion", "it is tried again"),
    ("memory_cleanup", "caches"): ("check_resources", "the memory of the host is measured"),
    ("memory_cleanup", "drafts"): ("check_resources", "the memory of the host is measured"),
    ("memory_cleanup", "shed"): ("check_resources", "the memory of the host is measured"),
    ("memory_pressure", "shed"): ("check_resources", "the memory of the host is measured"),
    ("memory_pressure", "free"): ("check_resources", "the memory of the host is measured"),
    ("memory_pressure", "pause_the_rest"): ("check_resources", "the memory of the host is measured"),
    ("message_bus_restart_drain", "restart"): ("restore_from_snapshot", "its store is put back and it is started"),
}
"""Steps that act and may fail in a run that succeeds: the action after them that shows or does it, and why."""

GIVEN: Mapping[str, Mapping[str, Any]] = {
    "coding_agent_bad_patch_rollback": {"patch_file": "a.diff"},
    "coding_agent_memory_leak": {"limit_mb": 500.0},
    "high_queue_backlog": {"pool": "crew"},
    "model_corruption_detected": {"kernel": "librarian"},
}
PROCESS: Answers = {"look": (True, {"value": "running", "kind": "process", "last_exit": None})}
DAMAGED = (False, {"value": False, "damaged": {"x.db": "bad"}, "indexes": {}})
UNINDEXED = (False, {"value": False, "damaged": {}, "indexes": {"x": "bad"}})
LEAK = {"package": "rich", "version": "1", "id": "X", "fixed_in": ["2.0"]}
READINGS: Mapping[str, tuple[Answers, ...]] = {
    "cve_vulnerability_detected": (
        {"look": (False, {"value": 1, "vulnerabilities": [LEAK], "first": LEAK}), "propose": (True, {"value": "b"})},
    ),
    "database_reconnect": (PROCESS,),
    "deadlock_detection": ({"look": (False, {"value": 1, "involved": ["librarian"]})},),
    "held_kernel_recovery": ({"examine": DAMAGED}, {"examine": UNINDEXED}),
    "ingestion_replay": tuple(
        {"look": (True, {"value": cause, "reason": "why", "is_there": True})} for cause in ("data", "code")
    ),
    "memory_cleanup": (PROCESS,),
    "pipeline_timeout_fix": (PROCESS,),
    "verification_fix": (PROCESS, {"examine_data": DAMAGED}, {"examine_data": UNINDEXED}),
}
"""What steps of these see besides what they see when all is well."""
OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    "coding_agent_bad_patch_rollback": {"commit": "abc"},
}


class Failing(World):
    """A world in which the steps of `down` fail, those of `answers` see that, and every check of `verify` is well."""

    def __init__(self, name: str, down: frozenset[str], answers: Answers, given: Mapping[str, Any]) -> None:
        self.down, self.answers = down, answers
        self.steps = {step.id: step for step in PACK.playbooks[name].all_steps()}
        self.went: list[tuple[str, str, bool]] = []
        super().__init__(name, check=False, **given)

    def _answer(self, call: m.CallAction) -> m.ActionDone:
        answer = super()._answer(call)
        is_check = call.step in {check.id for check in self.playbook.verify}
        if not is_check and call.step in self.down:
            answer = m.ActionDone(call.token, False, message=BROKEN)
        elif not is_check and call.step in self.answers:
            ok, data = self.answers[call.step]
            answer = m.ActionDone(call.token, ok, message="seen", data=data)
        self.went.append((call.step, call.action, answer.ok))
        return answer

    def failed_repairs(self) -> set[str]:
        """Steps that acted in vain, to the last attempt. Those that only tell may, where they say so."""
        last = {step: ok for step, _, ok in self.went if step in self.steps}
        return {id for id, ok in last.items() if not ok and repairs(self.steps[id])}

    def is_made_up_for(self, step: str) -> bool:
        """Whether the action that is said to prove it was done after it, and was well."""
        proof, _ = PROVED.get((self.playbook.name, step), ("", ""))
        place = max(number for number, (id, *_) in enumerate(self.went) if id == step)
        return any(action == proof and ok for _, action, ok in self.went[place + 1 :])


def repairs(step: Step) -> bool:
    """Whether its failure for good must not be passed over."""
    is_told = step.action in TELLING or (step.action == "create_work_order" and step.params.get("wait", True) is False)
    return acts(step) and not (is_told and step.on_failure is OnFailure.CONTINUE)


def worlds(name: str) -> Iterator[Failing]:
    """Each combination of failures that do not end the run, alone and with one that does, in `always` with one more."""
    playbook = PACK.playbooks[name]
    before = (*playbook.steps, *playbook.rescue)
    borne = [s.id for s in before if s.on_failure is not OnFailure.FAIL and (repairs(s) or s.register or not acts(s))]
    fatal = [s.id for s in before if s.on_failure is OnFailure.FAIL]
    late = [s.id for s in playbook.always if repairs(s)]
    assert len(borne) < 8
    for given in ({}, OTHERWISE[name]) if name in OTHERWISE else ({},):
        for answers in ({}, *READINGS.get(name, ())):
            for size in range(len(borne) + 1):
                for down in product(combinations(borne, size), ("", *fatal), ("", *late)):
                    some, *one = down
                    yield Failing(name, frozenset({*some, *one}), answers, {**GIVEN.get(name, {}), **given})


def acts(step: Step) -> bool:
    return ACTIONS[step.action].kind is ActionKind.ACTS


@pytest.mark.parametrize("name", NAMES)
def test_a_run_whose_repair_failed_is_no_success(name: str) -> None:
    seen: set[str] = set()
    for world in worlds(name):
        failed = world.failed_repairs()
        seen |= failed
        if world.status == "succeeded":
            passed_over = {step for step in failed if not world.is_made_up_for(step)}
            assert not passed_over, (sorted(world.down), world.went)
    assert seen == {step.id for step in PACK.playbooks[name].all_steps() if repairs(step)}


@pytest.mark.parametrize(("name", "step"), PROVED)
def test_what_may_fail_in_a_run_that_succeeds_is_a_step_whose_failure_is_borne(name: str, step: str) -> None:
    (found,) = [each for each in PACK.playbooks[name].all_steps() if each.id == step]
    assert repairs(found)
    assert found.on_failure is not OnFailure.FAIL
    assert any(step in world.failed_repairs() and world.status == "succeeded" for world in worlds(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_block_that_rescues_repairs_and_does_not_only_tell(name: str) -> None:
    rescue = PACK.playbooks[name].rescue
    assert not rescue or any(repairs(step) and step.action != "create_work_order" for step in rescue)


def test_only_the_health_check_has_no_step_whose_failure_counts() -> None:
    idle = [name for name in NAMES if not any(map(repairs, PACK.playbooks[name].steps))]
    assert idle == ["mutual_health_check"]


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_that_is_held_down_again_in_a_short_time_is_not_refused_its_playbook(name: str) -> None:
    held = {"child.awaiting_repair", "child.quarantined"}
    playbook = PACK.playbooks[name]
    if held & {trigger.type for trigger in playbook.triggers}:
        assert playbook.policy.concurrency and playbook.policy.concurrency.on_limit is OnLimit.DELAY


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_of_a_failure_is_given_when_a_step_ended_the_run_and_at_no_other_time(name: str) -> None:
    always = PACK.playbooks[name].always
    words = {s.id for s in always if s.action == "alert" and any("run.failure" in when.test.text for when in s.when)}
    for world in worlds(name) if words else ():
        ended_by = world.run.to_data()["failed_step"]
        was_given = bool(words & {id for id, *_ in world.went})
        assert was_given is (ended_by is not None and ended_by not in {step.id for step in always})
