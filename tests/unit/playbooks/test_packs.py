"""The packs: every playbook loads with the actions there are, starts for what it is for, and predicts in check mode."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from grace_actors.actions.catalogue import specs
from grace_actors.kernels.triggers import TRIGGERS, Host, Measurements
from playbooks import messages as m
from playbooks.engine import Run
from playbooks.loader import load_directory
from playbooks.matching import TriggerEvent, match, matching
from playbooks.spec import ActionKind
from tests.contract.sources import REPOSITORY

FOLDER = REPOSITORY / "playbooks" / "packs"
ACTIONS = specs()
PACK = load_directory(FOLDER, ACTIONS)
NAMES = sorted(PACK.playbooks)
PAGE = (REPOSITORY / "docs" / "packs.md").read_text(encoding="utf-8")
SYSTEM_TESTS = REPOSITORY / "tests" / "system"
EVENTS = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")

# ---- the files ------------------------------------------------------------------------------------------------------


def test_every_file_of_the_packs_loads_without_a_fault() -> None:
    assert [str(fault) for fault in PACK.faults] == []
    assert sorted(path.stem for path in FOLDER.iterdir()) == NAMES
    assert len(NAMES) > 15


@pytest.mark.parametrize("name", NAMES)
def test_a_playbook_says_what_it_is_for(name: str) -> None:
    playbook = PACK.playbooks[name]
    first = playbook.description.partition("\n")[0]
    assert playbook.title and playbook.tags and playbook.verify
    assert 20 < len(first) <= 140
    assert [key for key, param in playbook.inputs.items() if not param.description] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_playbook_has_limits(name: str) -> None:
    policy = PACK.playbooks[name].policy
    assert policy.concurrency and policy.concurrency.max == 1
    assert policy.timeout_s
    steps = [step for step in PACK.playbooks[name].all_steps() if step.action != "create_work_order"]
    assert max(step.timeout_s for step in steps) <= policy.timeout_s


def test_the_installed_package_has_the_packs() -> None:
    data = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert "packs/*.yaml" in data["tool"]["setuptools"]["package-data"]["playbooks"]


# ---- check mode -----------------------------------------------------------------------------------------------------

READ: Mapping[str, Any] = {
    "capture_run_log": {"value": 1, "runs": []},
    "check_dependencies": {"value": 0, "problems": [], "changed": {}, "down": {}},
    "identify_failing_step": {"value": "restart", "message": "no", "failures": {"restart": 3}, "runs": 4},
    "identify_faulty_patch": {"value": "0" * 40, "files": ["a.py"]},
    "read_rejection": {"value": "unknown", "reason": "odd", "is_there": True},
    "read_setting": {"value": 10.0, "overridden": False, "pending": None},
    "scan_logs_for_secrets": {"value": 0, "files": {}, "findings": []},
    "scan_vulnerabilities": {"value": 0, "vulnerabilities": [], "first": None, "skipped": []},
    "validate_endpoint": {"value": True, "missing": [], "wrong": {}, "extra": []},
    "verify_ingestion": {"value": "done"},
    "verify_store_schema": {"value": True, "missing": {}, "extra": {}},
    "wait": {"value": 2.0},
    "check_disk_space": {"value": 20_000.0},
    "check_resources": {"value": True, "sample": {}, "pressed": []},
    "drain_queue": {"value": 0},
    "kernel_state": {"value": "running", "state": "running", "restarts": 5, "last_exit": None, "memory_mb": 80.0},
    "run_smoke_tests": {"value": 1, "answers": []},
    "run_tests": {"value": 3, "passed": 3},
    "validate_playbook_files": {"value": 21, "playbooks": [], "faults": []},
    "verify_files": {"value": 4, "damaged": [], "missing": []},
    "verify_kernel_store": {"value": True, "stores": ["x.db"], "damaged": {}},
    "verify_kernels_running": {"value": 2, "down": {}},
    "verify_log_integrity": {"value": True, "checked": 100, "gaps": []},
    "verify_queue_health": {"value": 3, "waiting": {}},
    "verify_slo": {"value": 12.0, "samples": 5},
    "wait_until_ready": {"value": "running", "state": "running"},
    "capture_memory_profile": {"value": 900.0, "rss_mb": 950.0, "types": {}, "objects": None},
    "capture_stack_trace": {"value": 1, "stack": "Current thread 0x1"},
    "detect_deadlock": {"value": 0, "involved": [], "cycles": [], "silent": [], "waits": {}},
    "event_position": {"value": 7},
    "validate_acl_rules": {"value": True, "blocked": {}, "granted": []},
    "verify_kernel_snapshots": {"value": 3, "damaged": []},
    "verify_no_acl_violations": {"value": 0, "by": {}},
    "wait_for_event": {"value": 9, "type": "child.started"},
}
PREDICTED: Mapping[str, Any] = {"shed_load": {"kernels": ["librarian"]}}
INPUTS: Mapping[str, Any] = {
    "kernel": "librarian",
    "supervisor": "agentic",
    "sender": "sandbox",
    "file": "governance.yaml",
    "manifest": "config/manifest.sha256",
    "copies": "snapshots/config",
    "path": "/health",
    "package": "rich",
    "traceback": 'File "a.py", line 1',
    "playbook": "kernel_heartbeat_gap",
}
BROKEN = "broken on purpose"


class World:
    """Plays a run to its end: actions of `broken` fail, all others are well."""

    def __init__(self, name: str, broken: frozenset[str] = frozenset(), *, check: bool = True, **given: Any) -> None:
        self.playbook = PACK.playbooks[name]
        inputs = {key: INPUTS[key] for key, param in self.playbook.inputs.items() if param.required}
        self.run = Run("r1", self.playbook, ACTIONS, inputs={**inputs, **given}, check=check)
        self.broken = broken
        self.now = 1000.0
        self.calls: list[m.CallAction] = []
        self.reports: list[m.Report] = []
        self.asked = 0
        timers: dict[int, float] = {}
        todo: list[m.Event] = [m.Begin()]
        while todo:
            for command in self.run.handle(todo.pop(0), self.now):
                match command:
                    case m.CallAction():
                        self.calls.append(command)
                        todo.append(self._answer(command))
                    case m.SetTimer(token, at):
                        timers[token] = at
                    case m.CancelTimer(token):
                        del timers[token]
                    case m.AskApproval(token):
                        self.asked += 1
                        todo.append(m.Approved(token, "tester"))
                    case m.Report():
                        self.reports.append(command)
            if not todo and not self.run.status.is_final:
                assert timers, "the run waits for nothing"
                token = min(timers, key=lambda each: timers[each])
                self.now = timers.pop(token)
                todo.append(m.TimerFired(token))

    def _answer(self, call: m.CallAction) -> m.ActionDone:
        if call.action in self.broken:
            return m.ActionDone(call.token, False, message=BROKEN)
        if ACTIONS[call.action].kind is ActionKind.READS:
            return m.ActionDone(call.token, True, message="seen", data=READ[call.action])
        return m.ActionDone(call.token, True, changed=True, message="would", data=PREDICTED.get(call.action))

    @property
    def status(self) -> str:
        return self.run.status.value

    def failures(self) -> list[str]:
        return [str(each.data["message"]) for each in self.reports if each.type == "step.failed"]


def used(name: str) -> list[str]:
    return sorted({step.action for step in PACK.playbooks[name].all_steps()})


def acting(world: World) -> list[m.CallAction]:
    return [call for call in world.calls if ACTIONS[call.action].kind is ActionKind.ACTS]


@pytest.mark.parametrize("name", NAMES)
def test_check_mode_goes_through_to_success_and_never_acts(name: str) -> None:
    world = World(name)
    assert world.status == "succeeded"
    assert world.failures() == []
    assert [call.step for call in acting(world) if not call.check] == []
    assert world.asked == PACK.playbooks[name].approval.required


@pytest.mark.parametrize(("name", "action"), [(name, action) for name in NAMES for action in used(name)])
def test_whichever_action_fails_the_run_ends_and_no_template_lacks_its_value(name: str, action: str) -> None:
    world = World(name, frozenset({action}), **({"tests": ["tests"]} if name == "high_failure_risk_detected" else {}))
    assert world.status in ("succeeded", "failed")
    assert set(world.failures()) <= {BROKEN}
    assert [call.step for call in acting(world) if not call.check] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_world_in_which_nothing_can_be_seen_to_be_well_is_no_success(name: str) -> None:
    world = World(name, frozenset(READ))
    assert world.status == "failed"
    assert set(world.failures()) <= {BROKEN}


@pytest.mark.parametrize("name", NAMES)
def test_no_run_succeeds_when_a_check_of_it_does_not_hold(name: str) -> None:
    for check in PACK.playbooks[name].verify:
        assert World(name, frozenset({check.action})).status == "failed"


@pytest.mark.parametrize("action", ["verify_slo", "verify_kernel_store", "verify_kernels_running"])
def test_a_health_check_that_found_something_is_no_success(action: str) -> None:
    assert World("mutual_health_check", frozenset({action})).status == "failed"


@pytest.mark.parametrize("name", ["high_queue_backlog", "api_latency_spike"])
def test_what_was_paused_to_relieve_runs_again_also_when_nothing_helped(name: str) -> None:
    world = World(name, frozenset({"verify_slo"}))
    steps = [call.action for call in world.calls]
    assert steps.index("pause_non_critical_kernels") < steps.index("restart_kernel")
    assert steps.index("restart_kernel") < steps.index("resume_paused_kernels")


@pytest.mark.parametrize("name", ["high_queue_backlog", "api_latency_spike", "memory_pressure"])
def test_nothing_is_resumed_while_the_host_is_under_pressure(name: str) -> None:
    world = World(name, frozenset({"verify_slo", "check_resources"}))
    assert "resume_paused_kernels" not in [call.action for call in world.calls]


def test_memory_is_given_back_by_restarting_the_kernel_that_was_shed() -> None:
    restarts = [call for call in World("memory_pressure").calls if call.action == "restart_kernel"]
    assert [call.params["kernel"] for call in restarts] == ["librarian"]


def test_a_coding_agent_is_restarted_only_above_its_limit() -> None:
    def done(limit_mb: float) -> list[str]:
        return [call.action for call in acting(World("coding_agent_memory_leak", limit_mb=limit_mb))]

    assert done(500.0) == ["restart_kernel", "create_work_order", "log"]
    assert done(1000.0) == ["log"]


def test_the_cure_of_a_leak_is_ordered_also_when_its_supervisor_has_restarted_it() -> None:
    world = World("coding_agent_memory_leak", limit_mb=4000.0, held_mb=4100.0)
    assert [call.action for call in acting(world)] == ["create_work_order", "log"]


def test_a_coding_agent_that_its_supervisor_restarts_is_not_restarted_twice() -> None:
    assert "force_restart_kernel" in [call.action for call in acting(World("coding_agent_stuck_loop"))]
    world = World("coding_agent_stuck_loop", restart=False)
    assert [call.action for call in acting(world)] == ["create_work_order"]


def test_in_an_emergency_who_is_up_is_left_alone_and_who_is_down_is_started() -> None:
    name = "emergency_critical_kernel_recovery"
    assert [call.action for call in acting(World(name))] == ["alert"]
    starts = [call.action for call in acting(World(name, frozenset({"wait_until_ready"})))]
    assert starts[0] == "start_kernel"
    broken = acting(World(name, frozenset({"wait_until_ready", "start_kernel"})))
    assert [call.action for call in broken][:2] == ["start_kernel", "restore_from_snapshot"]
    (order,) = [call for call in broken if call.action == "create_work_order"]
    assert order.params["priority"] == "critical"


def test_without_a_deadlock_nothing_is_restarted() -> None:
    assert [call.action for call in acting(World("deadlock_detection"))] == ["log"]


def test_a_held_kernel_is_started_afresh_only_when_starting_it_did_not_help() -> None:
    assert [call.action for call in acting(World("held_kernel_recovery"))] == ["start_kernel", "log"]
    broken = World("held_kernel_recovery", frozenset({"wait_until_ready"}))
    assert "reset_kernel_snapshot" in [call.action for call in acting(broken)]


def test_a_drill_breaks_nothing_in_check_mode_and_does_not_wait_for_what_cannot_come() -> None:
    for name in ("micro_chaos_message_bus_heartbeat", "micro_chaos_log_entry_corrupt"):
        world = World(name)
        assert "wait_for_event" not in [call.action for call in world.calls]
        assert [call.step for call in acting(world) if not call.check] == []


def test_a_store_is_restored_only_when_it_is_damaged() -> None:
    def done(broken: frozenset[str]) -> list[str]:
        return [call.action for call in acting(World("database_reconnect", broken)) if call.action != "log"]

    assert done(frozenset()) == ["restart_kernel"]
    assert done(frozenset({"verify_kernel_store"})) == ["restore_from_snapshot", "alert"]  # it stays damaged


@pytest.mark.parametrize(
    "name",
    [
        "self_healing_bootstrap",
        "self_healing_bad_playbook_fix",
        "self_healing_stuck_loop_fix",
        "mutual_health_check",
    ],
)
def test_the_kernel_that_performs_is_never_told_to_end_or_hold_itself(name: str) -> None:
    ends = {"restart_kernel", "force_restart_kernel", "stop_kernel", "pause_kernel", "restore_from_snapshot"}
    assert ends.isdisjoint(used(name))


# ---- triggers -------------------------------------------------------------------------------------------------------


def fired(measurements: Measurements) -> list[TriggerEvent]:
    """What the trigger table finds, as playbooks see it."""
    return [
        TriggerEvent(
            type=trigger.name,
            issue={
                "subject": issue.subject,
                "issue": issue.issue,
                "severity": issue.severity.name.lower(),
                "action": trigger.action,
                "target": trigger.target,
                "detail": issue.detail,
            },
        )
        for trigger in TRIGGERS
        if trigger.evaluate
        for issue in trigger.evaluate(measurements)
    ]


def silent(name: str) -> Measurements:
    return Measurements(silent_s={name: 42.0})


def rising(name: str) -> Measurements:
    return Measurements(mailboxes={name: (1, 2, 3, 4, 5, 6)})


def host(cpu: float | None, memory: float, load: float = 1.0) -> Measurements:
    return Measurements(host=(Host(cpu_percent=cpu, memory_percent=memory, load_1m=load),) * 2)


FOUND = [
    (silent("librarian"), "kernel_heartbeat_gap", {"kernel": "librarian"}),
    (silent("registry"), "kernel_heartbeat_gap", {"kernel": "registry"}),
    (silent("immutable_log"), "critical_kernel_restart", {"kernel": "immutable_log"}),
    (silent("message_bus"), "message_bus_restart_drain", {"detail": "no answer to a ping for 42 s"}),
    (silent("coding_agent"), "coding_agent_stuck_loop", {"detail": "no answer to a ping for 42 s"}),
    (silent("self_healing"), None, {}),
    (silent("status"), None, {}),
    (rising("message_bus"), "high_queue_backlog", {"kernel": "message_bus"}),
    (rising("self_healing"), None, {}),
    (Measurements(latency_ms={"api_server": 900.0}), "api_latency_spike", {"endpoint": "/health"}),
    (Measurements(latency_ms={"librarian": 900.0}), None, {}),
    (Measurements(config_changes={"g.yaml": "aa -> bb"}), "config_drift_detected", {"file": "g.yaml"}),
    (Measurements(config_changes={"g.yaml": "removed"}), "config_drift_detected", {"file": "g.yaml"}),
    (Measurements(artefact_faults={"m/a.bin": "missing"}), "model_corruption_detected", {"file": "m/a.bin"}),
    (Measurements(config_changes={"g.yaml": "added"}), None, {}),
    (Measurements(version_changes={"rich": "1 -> 2"}), "dependency_regression_detected", {"package": "rich"}),
    (Measurements(missing_binaries=("git",)), None, {}),
    (host(97.0, 40.0), "cpu_saturation", {"detail": "CPU at 97 %", "count": 2}),
    (host(None, 40.0, load=9.0), "cpu_saturation", {"detail": "load at 9.0"}),
    (host(10.0, 88.0), "memory_pressure", {"detail": "memory at 88 %"}),
    (Measurements(error_counts={"librarian: KeyError: 'x'": 6}), "repeated_error_pattern", {"kernel": "librarian"}),
    (Measurements(error_counts={"self_healing: DatabaseError: x": 6}), "repeated_error_pattern", {}),
    (Measurements(error_counts={"librarian: OperationalError: disk I/O": 6}), "database_reconnect", {}),
    (Measurements(error_counts={"librarian: DatabaseError: malformed": 5}), "database_reconnect", {}),
    (Measurements(error_counts={"librarian: MemoryError: ": 5}), "memory_cleanup", {"kernel": "librarian"}),
    (Measurements(error_counts={"self_healing: MemoryError: ": 5}), "repeated_error_pattern", {}),
    (Measurements(risks={"librarian": 0.8}), "high_failure_risk_detected", {"kernel": "librarian"}),
]

EXIT = {"gen": 7, "reason": "ValueError: bad", "supervisor": "repair"}
INDEX = EXIT | {"reason": "NotReady: index_works: the search index x of store librarian (/h/l.db) is damaged"}
CORRUPT = {"problem": "bad checksum", "at_byte": 10, "bytes": 5, "records": 2, "quarantine": "q"}
LINE = {"pattern": "p", "line": "it failed", "source": "x.log", "count": 1}
ILL = {"by": "self_healing", "value": 4100.0, "limit": 4000.0, "repair": "recycle", "attempt": 1, "mode": ""}
GIVEN_UP = {"by": "self_healing", "criterion": "down", "value": 9.0, "limit": 1.0, "attempts": 3, "next_step": "x"}
DOWN = {"down": ["coding_agent", "self_healing"], "set": ["message_bus", "coding_agent", "self_healing"]}
TOLD: list[tuple[str, dict[str, Any], str | None]] = [
    ("predictive_failure", {"subject": "librarian", "issue": "accuracy_drop", "detail": "no"}, None),
    ("host.relieved", {"subject": "cpu", "at": 5.0}, "resource_pressure_relieved"),
    ("host.relieved", {"subject": "disk", "at": 5.0}, None),
    (
        "host.pressured",
        {"subject": "disk", "resource": "disk", "value": 96.0, "limit": 90.0},
        "immutable_log_disk_full",
    ),
    ("host.pressured", {"subject": "cpu", "resource": "cpu", "value": 96.0, "limit": 90.0}, None),
    ("log.corrupt", {"subject": "segment-1", **CORRUPT}, "immutable_log_integrity_repair"),
    ("log.restored", {"subject": "segment-1", "problem": "missing"}, None),
    ("rule.broken", {"subject": "log_writable", "detail": "no"}, "immutable_log_integrity_repair"),
    ("rule.broken", {"subject": "bus_running", "detail": "no"}, None),
    ("child.started", {"subject": "self_healing", "gen": 2, "cause": "crash", "level": 1}, "self_healing_bootstrap"),
    ("child.started", {"subject": "librarian", "gen": 2, "cause": "crash", "level": 1}, None),
    ("child.quarantined", {"subject": "coding_agent", "kind": "start_failed", **EXIT}, "coding_agent_bootstrap"),
    ("child.awaiting_repair", {"subject": "coding_agent", "kind": "start_timeout", **EXIT}, "coding_agent_bootstrap"),
    ("child.quarantined", {"subject": "coding_agent", "kind": "crash", **EXIT}, "coding_agent_crash_recovery"),
    ("child.awaiting_repair", {"subject": "coding_agent", "kind": "hung", **EXIT}, "coding_agent_crash_recovery"),
    ("child.failed", {"subject": "coding_agent", "kind": "killed", **EXIT}, "coding_agent_crash_recovery"),
    ("child.quarantined", {"subject": "librarian", "kind": "crash", **EXIT}, "held_kernel_recovery"),
    ("child.awaiting_repair", {"subject": "librarian", "kind": "start_failed", **EXIT}, "held_kernel_recovery"),
    ("child.quarantined", {"subject": "self_healing", "kind": "crash", **EXIT}, None),
    ("child.quarantined", {"subject": "execution", "kind": "shutdown", **EXIT}, "control_plane_failover"),
    ("child.awaiting_repair", {"subject": "agentic", "kind": "shutdown", **EXIT}, "control_plane_failover"),
    ("child.failed", {"subject": "core", "kind": "shutdown", **EXIT}, "control_plane_failover"),
    ("child.quarantined", {"subject": "repair", "kind": "shutdown", **EXIT}, None),
    ("child.exited", {"subject": "self_healing", "kind": "hung", **EXIT}, "self_healing_stuck_loop_fix"),
    ("child.exited", {"subject": "self_healing", "kind": "crash", **EXIT}, None),
    ("child.exited", {"subject": "librarian", "kind": "hung", **EXIT}, None),
    (
        "store.restored",
        {"subject": "signature", "path": "p", "problem": "x", "quarantine": "q", "snapshot": "s", "snapshot_at": 1.0},
        "self_healing_knowledge_base_corruption",
    ),
    (
        "store.recreated",
        {"subject": "signature", "path": "p", "problem": "x", "quarantine": "q"},
        "self_healing_knowledge_base_corruption",
    ),
    ("store.restored", {"subject": "librarian", "problem": "x"}, None),
    ("memory.pressured", {"subject": "librarian", "line": "Out of memory", "pattern": "oom"}, "memory_cleanup"),
    ("memory.pressured", {"subject": "self_healing", "line": "Out of memory", "pattern": "oom"}, None),
    ("store.recreated", {"subject": "librarian", "problem": "x"}, None),
    (
        "mutual_repair.requested",
        {"subject": "coding_agent", **ILL, "criterion": "memory_mb"},
        "coding_agent_memory_leak",
    ),
    ("mutual_repair.requested", {"subject": "coding_agent", **ILL, "criterion": "queue"}, "coding_agent_stuck_loop"),
    ("mutual_repair.requested", {"subject": "coding_agent", **ILL, "criterion": "down"}, None),
    ("mutual_repair.requested", {"subject": "coding_agent", **ILL, "criterion": "suspicion"}, None),
    ("mutual_repair.requested", {"subject": "self_healing", **ILL, "criterion": "queue"}, None),
    ("mutual_repair.exhausted", {"subject": "coding_agent", **GIVEN_UP}, "mutual_health_check"),
    ("mutual_repair.exhausted", {"subject": "self_healing", **GIVEN_UP}, None),
    (
        "emergency.declared",
        {"subject": "grace", **DOWN, "playbook": "emergency_critical_kernel_recovery"},
        "emergency_critical_kernel_recovery",
    ),
    ("emergency.declared", {"subject": "grace", **DOWN, "playbook": "mine"}, None),
    (
        "message_bus.acl_violation",
        {"subject": "sandbox", "topic": "kernel.code", "alarm": "spam", "total": 10},
        "message_bus_acl_violation_fix",
    ),
    (
        "message_bus.acl_violation",
        {"subject": "sandbox", "topic": "kernel.code", "alarm": "first", "total": 1},
        None,
    ),
    ("child.start_failed", {"subject": "coding_agent", "kind": "crash", **EXIT}, "coding_agent_bootstrap"),
    ("child.start_failed", {"subject": "librarian", "kind": "crash", **EXIT}, None),
    ("child.awaiting_repair", {"subject": "librarian", "kind": "crash", **INDEX}, "search_index_repair"),
    ("child.quarantined", {"subject": "memory_fusion", "kind": "start_failed", **INDEX}, "search_index_repair"),
    ("child.failed", {"subject": "librarian", "kind": "crash", **EXIT}, None),
    ("ingestion.failed", {"subject": "a.md", "reason": "a.md is empty", "hint": "no"}, "ingestion_replay"),
    ("ingestion.failed", {"subject": "shop", "file": "a.md", **LINE}, "ingestion_replay"),
    ("ingestion.failed", {"subject": "shop", "file": "/tmp/a.md", **LINE}, None),
    ("ingestion.failed", {"subject": "shop", **LINE}, None),
    ("schema.invalid", {"subject": "librarian", **LINE}, "schema_recovery"),
    ("pipeline.timeout", {"subject": "librarian", **LINE}, "pipeline_timeout_fix"),
    ("pipeline.timeout", {"subject": "message_bus", **LINE}, "pipeline_timeout_fix"),
    ("verification.failed", {"subject": "librarian", **LINE}, "verification_fix"),
    ("connection.lost", {"subject": "librarian", **LINE}, "database_reconnect"),
    ("security_signal", {"subject": "librarian", "issue": "secret_leak", "detail": "in x"}, "security_incident"),
    ("security_signal", {"subject": "librarian", "issue": "other", "detail": "in x"}, None),
    ("telemetry_drift", {"subject": "/health", "issue": "schema_drift", "detail": "x"}, "schema_drift_detected"),
]
SAMPLES = [(event, wanted) for measured, wanted, _ in FOUND for event in fired(measured)] + [
    (TriggerEvent(type=type, issue=issue), wanted) for type, issue, wanted in TOLD
]
BENIGN = Measurements(
    silent_s={"librarian": 3.0, "message_bus": 3.0, "coding_agent": 29.0},
    latency_ms={"api_server": 20.0},
    mailboxes={"message_bus": (5, 4, 3, 2, 1, 0)},
    host=(Host(cpu_percent=60.0, memory_percent=70.0, load_1m=1.0),) * 2,
    config_changes={},
    version_changes={},
    missing_binaries=(),
    error_counts={"librarian: KeyError: 'x'": 2},
    risks={"librarian": 0.1},
)


@pytest.mark.parametrize(("measured", "wanted", "inputs"), FOUND)
def test_what_a_trigger_finds_starts_the_playbook_for_it_and_no_other(
    measured: Measurements, wanted: str | None, inputs: Mapping[str, Any]
) -> None:
    events = fired(measured)
    assert events
    for event in events:
        started = matching(PACK.playbooks.values(), event)
        assert [playbook.name for playbook, _ in started] == ([wanted] if wanted else [])
        for _, given in started:
            assert {key: given[key] for key in inputs} == inputs


@pytest.mark.parametrize(("type", "issue", "wanted"), TOLD)
def test_an_event_starts_the_playbook_for_it_and_no_other(
    type: str, issue: Mapping[str, Any], wanted: str | None
) -> None:
    started = matching(PACK.playbooks.values(), TriggerEvent(type=type, issue=issue))
    assert [playbook.name for playbook, _ in started] == ([wanted] if wanted else [])


def test_ordinary_figures_start_nothing() -> None:
    assert fired(BENIGN) == []


TRIGGERED = [(name, place) for name in NAMES for place in range(len(PACK.playbooks[name].triggers))]


@pytest.mark.parametrize(("name", "place"), TRIGGERED)
def test_every_trigger_of_a_playbook_is_matched_by_a_sample_and_refuses_another_of_its_type(
    name: str, place: int
) -> None:
    playbook = PACK.playbooks[name]
    type = playbook.triggers[place].type
    attempts = [match(playbook, event).attempts[place].matches for event, _ in SAMPLES if event.type == type]
    assert any(attempts)
    assert not playbook.triggers[place].when or not all(attempts)


def fields_of(type: str) -> set[str]:
    """The fields that an issue of this type carries, as docs/events.md says."""
    told = "trigger.fired" if type in {trigger.name for trigger in TRIGGERS} else type
    row = re.search(rf"^\| `{re.escape(told)}` \|[^|]*\|[^|]*\|(.*)\|$", EVENTS, re.MULTILINE)
    assert row, type
    figure = {"value", "limit"} if type == "host.pressured" else set()
    return {"subject", *re.findall(r"`(\w+)`", row[1]), *figure}


@pytest.mark.parametrize(("name", "place"), TRIGGERED)
def test_a_condition_speaks_only_of_fields_that_the_event_carries(name: str, place: int) -> None:
    trigger = PACK.playbooks[name].triggers[place]
    spoken = {field for each in trigger.when for field in re.findall(r"\bissue\.(\w+)", each.test.text)}
    assert spoken <= fields_of(trigger.type)


@pytest.mark.parametrize("event", [event for event, _ in SAMPLES], ids=lambda event: event.type)
def test_the_samples_carry_no_field_that_the_event_does_not(event: TriggerEvent) -> None:
    assert set(event.issue) <= fields_of(event.type) | {"supervisor"}


# ---- the page -------------------------------------------------------------------------------------------------------


def rows(heading: str) -> dict[str, str]:
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", part, re.MULTILINE))


def test_the_page_lists_every_playbook_with_what_starts_it() -> None:
    listed = rows("The playbooks")
    assert sorted(listed) == NAMES
    for name, row in listed.items():
        told = set(re.findall(r"`([\w.]+)`", row.split("|")[0]))
        assert told == {trigger.type for trigger in PACK.playbooks[name].triggers}, name


def test_a_row_says_how_a_test_runs_the_playbook_for_real_or_why_none_can() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in SYSTEM_TESTS.glob("test_*.py"))
    said = {name: row.split("|")[-1].strip() for name, row in rows("The playbooks").items()}
    assert [name for name, how in said.items() if len(how) < 5] == []
    assert {name for name in NAMES if re.search(rf"\b{name}\b", tests)} == {
        name for name, how in said.items() if not how.startswith("no: ")
    }
