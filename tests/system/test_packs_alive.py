"""The packs on a live tree, started as their faults start them: each heals what it is for. The slow ones are beside it.

One instance in which many things go wrong at the same time: a changed configuration file, a damaged artefact, a secret
in a log, an API without a field, a prediction, a kernel that crashes alike, one that cannot start, a sender without
access, a log that is damaged. What concerns coding_agent, whole branches and the knowledge base comes one by one.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grace_actors.stores.chain import segment
from tests.harness.instance import Running, wait_for
from tests.harness.packs import CALM, HERE, PATIENT, Patient, steps, tree

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(240)]

SECRET = "AKIAIOSFODNN7EXAMPLE"
QUICK = {"backoff": {"min": "10ms", "max": "20ms"}}
SHOP = {
    "supervisor": "shop",
    "intensity": 100,
    "period": "60s",
    "defaults": QUICK,
    "children": [
        {"id": "clerk", "kernel": f"{HERE}:Baker"},
        {"id": "customer", "kernel": f"{HERE}:Customer"},
    ],
}
COUNTER = {
    "supervisor": "counter",
    "intensity": 100,
    "period": "60s",
    "policies": ["repair"],
    "defaults": QUICK,
    "children": [{"id": "till", "kernel": f"{HERE}:Till"}],
}
CHANGES = {
    "trigger_mesh": {"with": {**CALM, "interval": "1s", "log_interval": "100ms", "repeats": 6}},
    "api_server": {"kernel": f"{HERE}:MoodyApi", "with": {"port": 0}},
    "agentic": {"budget": {"intensity": 1, "period": "60s"}, "on_exhausted": "repair"},
    "immutable_log": {"kernel": f"{HERE}:EagerLog"},
    "coding_agent": QUICK,
    "message_bus": {"heartbeat": {"interval": "1s", "misses": 5}},
    "self_healing": {"heartbeat": {"interval": "1s", "misses": 5}},
    "voice_conversation": {"heartbeat": PATIENT},
    "meta_loop": {"heartbeat": PATIENT},
}
BAD_PLAYBOOK = "schema: grace.playbook/1\nname: bad\ntitle: T\nsteps: [{action: restart_kernal}]\nverify: []\n"
GOOD_PLAYBOOK = """schema: grace.playbook/1
name: bad
title: T
steps: [{id: look, action: kernel_state, with: {kernel: sandbox}}]
verify: []
"""
IN_VAIN = GOOD_PLAYBOOK.replace("bad", "in_vain").replace("sandbox", "nobody")


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """The instance before anything goes wrong."""
    folder = tmp_path_factory.mktemp("alive")
    home = folder / "home"
    for name in ("config", "artefacts", "playbooks"):
        (home / name).mkdir(parents=True)
    (home / "config" / "shop.yaml").write_text("opens: 8\n", encoding="utf-8")
    (home / "artefacts" / "weights.bin").write_bytes(b"\x01" * 5000)
    (home / "playbooks" / "in_vain.yaml").write_text(IN_VAIN, encoding="utf-8")
    (folder / "bad").mkdir()
    (folder / "bad" / "bad.yaml").write_text(BAD_PLAYBOOK, encoding="utf-8")
    running = Running(home, tree(folder, CHANGES, SHOP, COUNTER))
    try:
        running.wait_running()
        yield Patient(running)
    finally:
        running.close()


@pytest.fixture(scope="module")
def ill(well: Patient) -> Patient:
    """All that goes wrong at the same time."""
    copies = well.home / "snapshots"
    well.ask("infrastructure_manager", "accept_artefacts")
    for name in ("config/shop.yaml", "artefacts/weights.bin"):
        wait_for((copies / name).exists, f"the good copy of {name}")
    wait_for((well.home / "config" / "manifest.sha256").exists, "the manifest of config")
    (well.home / "config" / "shop.yaml").write_text("opens: 80\n", encoding="utf-8")
    (well.home / "artefacts" / "weights.bin").write_bytes(b"\x02" * 5000)
    with (well.home / "logs" / "sandbox.log").open("a", encoding="utf-8") as log:
        log.write(f"signed in with {SECRET}\n")
    well.ask("api_server", "forget")
    well.ask("customer", "shout", topic="system.control", times=5)
    for _ in range(18):
        well.ask("learning_integration", "outcome", name="scheduler", ok=False, weight=10)
    well.ask("till", "price", price="cheap")
    well.running.kill(well.running.node("till")["pid"])
    return well


def address(ill: Patient) -> str:
    return str(json.loads((ill.home / "api.json").read_text(encoding="utf-8"))["url"])


# ---- many at once ---------------------------------------------------------------------------------------------------


def test_what_self_healing_needs_is_looked_at_whenever_it_was_started(ill: Patient) -> None:
    run = wait_for(lambda: ill.runs("self_healing_bootstrap"), "the run after the start")[-1]
    assert ill.ended(run["id"])["inputs"]["directory"] == "playbooks/packs"
    assert list((ill.home / "snapshots" / "stores" / "self_healing").glob("*.db"))


def test_an_error_that_repeats_is_ordered_and_healed_by_its_cure(ill: Patient) -> None:
    ill.crash("clerk", "the scales are broken", 6)
    found = ill.incident("clerk", "repeated_error_pattern", "awaiting_patch")
    order = ill.order(found["run"])
    assert "the scales are broken" in order["description"]
    ill.complete(order)
    ill.healed("clerk", "repeated_error_pattern")


def test_a_configuration_file_that_was_changed_is_put_back_after_approval(ill: Patient) -> None:
    ill.approve("config_drift_detected")
    ill.healed("shop.yaml", "config_drift_detected")
    assert (ill.home / "config" / "shop.yaml").read_text(encoding="utf-8") == "opens: 8\n"


def test_a_damaged_artefact_is_replaced_by_its_good_copy(ill: Patient) -> None:
    ill.healed("weights.bin", "model_corruption_detected")
    assert (ill.home / "artefacts" / "weights.bin").read_bytes() == b"\x01" * 5000


def test_a_secret_in_a_log_is_overwritten(ill: Patient) -> None:
    ill.healed("sandbox", "security_incident")
    text = (ill.home / "logs" / "sandbox.log").read_text(encoding="utf-8")
    assert "signed in with" in text
    assert SECRET not in text


def test_an_api_that_lost_a_field_gets_it_back(ill: Patient) -> None:
    ill.healed("/health", "schema_drift_detected")
    with urllib.request.urlopen(f"{address(ill)}/health", timeout=10) as answer:
        assert json.load(answer)["status"] == "healthy"


def test_a_failure_that_is_likely_is_prepared_for(ill: Patient) -> None:
    run = ill.healed("scheduler", "high_failure_risk_detected")
    (order,) = ill.orders(run)
    assert (order["type"], order["status"]) == ("refactor", "queued")
    assert {id: status for id, status, _ in steps(run)}["save"] == "succeeded"


def test_a_kernel_whose_own_state_keeps_it_down_is_started_afresh(ill: Patient) -> None:
    run = ill.healed("till", "held_kernel_recovery")
    assert {id: status for id, status, _ in steps(run)}["start_afresh"] == "succeeded"
    assert ill.ask("till", "price") == "1.50"


def test_a_sender_that_publishes_where_it_may_not_is_blocked(ill: Patient) -> None:
    run = ill.healed("customer", "message_bus_acl_violation_fix")
    assert "customer" in ill.ask("message_bus", "acl")["blocked"]
    assert [order["type"] for order in ill.orders(run)] == ["fix_bug"]


def test_entries_of_the_audit_log_that_are_lost_for_good_are_a_gap_that_is_told(ill: Patient) -> None:
    ill.ask("immutable_log", "archive", seal=True, keep=1000)
    folder = ill.home / "data" / "immutable_log"
    found = segment.files(folder)[0]
    for file in (found, ill.home / "snapshots" / "immutable_log" / found.name):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    ill.healed(found.stem, "immutable_log_integrity_repair")
    assert ill.ask("immutable_log", "verify")["gaps"]


# ---- by hand --------------------------------------------------------------------------------------------------------


def test_a_commit_that_broke_something_is_taken_back_after_approval(ill: Patient, tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    for number in range(2):
        (tmp_path / "scales.py").write_text(f"weight = {number}\n", encoding="utf-8")
        git("add", "scales.py")
        git("commit", "-qm", f"weight {number}")
    traceback = f'Traceback (most recent call last):\n  File "{tmp_path}/scales.py", line 1, in <module>\nValueError: 1'
    id = ill.begin("coding_agent_bad_patch_rollback", traceback=traceback, directory=str(tmp_path), kernel="clerk")
    ill.approve("coding_agent_bad_patch_rollback")
    run = ill.ended(id)
    assert (tmp_path / "scales.py").read_text(encoding="utf-8") == "weight = 0\n"
    assert [order["type"] for order in ill.orders(run)] == ["add_tests"]


def test_playbook_files_with_mistakes_are_ordered_to_be_corrected(ill: Patient) -> None:
    folder = ill.home.parent / "bad"
    id = ill.begin("self_healing_bad_playbook_fix", directory=str(folder))
    order = ill.order(id)
    assert "restart_kernal" in str(order["context"]["faults"])
    (folder / "bad.yaml").write_text(GOOD_PLAYBOOK, encoding="utf-8")
    ill.complete(order)
    ill.ended(id)


def test_a_playbook_whose_runs_fail_is_ordered_to_be_corrected(ill: Patient) -> None:
    for _ in range(2):
        ill.ended(ill.begin("in_vain"), "failed")
    id = ill.begin("self_healing_playbook_execution_failure", playbook="in_vain")
    order = ill.order(id)
    assert order["context"]["step"] == "look"
    ill.complete(order)
    ill.ended(id)


def test_the_two_that_repair_the_others_are_well(ill: Patient) -> None:
    run = ill.ended(ill.begin("mutual_health_check", threshold_ms=5000))
    assert {status for id, status, _ in steps(run) if id != "give_word"} == {"succeeded", "passed"}


# ---- one by one -----------------------------------------------------------------------------------------------------


def test_a_coding_agent_that_holds_too_much_memory_is_restarted(ill: Patient) -> None:
    before = ill.wait_up("coding_agent")
    ill.running.call("inject", fault="leak", target="coding_agent", params={"mb": 300})
    wait_for(lambda: psutil.Process(before["pid"]).memory_info().rss > 300e6, "the leak")
    run = ill.ended(ill.begin("coding_agent_memory_leak", limit_mb=250))
    assert ill.wait_up("coding_agent")["pid"] != before["pid"]
    assert [order["type"] for order in ill.orders(run)] == ["optimize"]


def test_a_coding_agent_that_crashes_too_often_is_brought_back_with_its_queue(ill: Patient) -> None:
    queue = ill.ask("coding_agent", "list")["work_orders"]
    ill.crash("coding_agent", "out of ideas", 5)
    ill.healed("coding_agent", "coding_agent_crash_recovery")
    assert ill.ask("coding_agent", "list")["work_orders"] == queue


@pytest.mark.slow
def test_a_coding_agent_that_cannot_start_is_started_with_the_settings_of_the_tree_file(ill: Patient) -> None:
    overrides = "version: 1\noverrides:\n- {child: coding_agent, setting: with.scan, change: {to: 5}}\n"
    (ill.home / "config" / "overrides.yaml").write_text(overrides, encoding="utf-8")
    ill.running.kill(ill.running.node("coding_agent")["pid"])
    run = ill.healed("coding_agent", "coding_agent_bootstrap")
    assert {id: status for id, status, _ in steps(run)}["start_safely"] == "succeeded"
    assert ill.wait_up("coding_agent")


def test_a_damaged_knowledge_base_is_sound_again_and_saved(ill: Patient) -> None:
    ill.running.call("inject", fault="corrupt", target="signature", params={})

    def over() -> Any:
        runs = ill.runs("self_healing_knowledge_base_corruption")
        return runs and runs[0]["status"] == "succeeded"

    wait_for(over, "the run of its playbook", step_s=0.1)
    assert ill.ask("signature", "stats")


def test_a_drill_damages_the_audit_log_which_finds_it_and_restores_it(ill: Patient) -> None:
    run = ill.ended(ill.begin("micro_chaos_log_entry_corrupt"))
    assert {id: status for id, status, _ in steps(run)}["restored"] == "succeeded"


def test_a_drill_restarts_a_branch_and_everything_runs_again(ill: Patient) -> None:
    before = ill.wait_up("meta_loop")
    ill.ended(ill.begin("micro_chaos_control_plane_restart"))
    assert ill.wait_up("meta_loop")["pid"] != before["pid"]


def test_a_branch_that_is_held_down_is_brought_back(ill: Patient) -> None:
    before = ill.wait_up("meta_loop")
    for _ in range(2):
        ill.running.kill(ill.wait_up("agentic")["pid"])
        wait_for(lambda: ill.running.node("agentic")["state"] != "running", "agentic ends")
    ill.healed("agentic", "control_plane_failover")
    assert ill.wait_up("meta_loop")["pid"] != before["pid"]


# ---- what takes its time --------------------------------------------------------------------------------------------


def block(ill: Patient, name: str) -> int:
    """Keep it busy for longer than a test lasts; its pid."""
    pid = int(ill.wait_up(name)["pid"])
    ill.running.call("inject", fault="block", target=name, params={"seconds": 300})
    return pid


@pytest.mark.slow
def test_kernels_that_do_not_react_are_restarted(ill: Patient) -> None:
    before = block(ill, "voice_conversation")
    ill.ended(ill.begin("deadlock_detection", kernels=["voice_conversation", "sandbox"], stagger_s=0))
    assert ill.wait_up("voice_conversation")["pid"] != before


@pytest.mark.slow
def test_a_branch_whose_kernels_hold_each_other_up_is_restarted(ill: Patient) -> None:
    before = block(ill, "meta_loop")
    ill.ended(ill.begin("control_plane_deadlock", supervisor="agentic"))
    assert ill.wait_up("meta_loop")["pid"] != before


@pytest.mark.slow
def test_a_drill_keeps_the_message_bus_from_answering_and_it_is_restarted(ill: Patient) -> None:
    before = ill.wait_up("message_bus")["pid"]
    run = ill.ended(ill.begin("micro_chaos_message_bus_heartbeat"))
    assert {id: status for id, status, _ in steps(run)}["noticed"] == "succeeded"
    assert ill.wait_up("message_bus")["pid"] != before


@pytest.mark.slow
def test_the_cure_of_what_held_self_healing_is_ordered_by_the_one_after_it(ill: Patient) -> None:
    before = block(ill, "self_healing")
    ill.running.wait_new_pid("self_healing", before)
    runs = wait_for(lambda: ill.runs("self_healing_stuck_loop_fix"), "the run after the one that was stuck")
    run = ill.ended(runs[0]["id"])
    assert [order["type"] for order in ill.orders(run)] == ["self_healing_patch"]
