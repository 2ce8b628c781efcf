"""What can fail in an instance, on the built-in tree with its policies: each fault is healed in a tenth of its limit.

One instance for all. Times are those of the events, from the fault to what says that it is healed; the limits are given
with the scenarios. Heartbeats of the repairers are quicker here, and their restarts slower: two that are down at once
would be back before anybody could call it an emergency.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import psutil
import pytest

from grace_actors.kernel import Data
from grace_actors.kernels.host_sample import MEMORY_LIMIT
from tests.harness.instance import Running, wait_for
from tests.harness.packs import CALM, HERE, Patient, tree

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(240)]

CRASH_S, AGENT_S, HEALER_S, BOTH_S, CORRUPTION_S = 6.0, 4.5, 9.0, 12.0, 6.0
"""A tenth of what each scenario may take."""
PAIRED = {"heartbeat": {"interval": "500ms", "misses": 5}, "backoff": {"min": "300ms", "max": "1s"}}
PAIR = ["self_healing", "coding_agent"]
LEAKS_MB, LEAK_MB = 200, 300
CRITERIA = [
    {"down": "10s"},
    {"measure": "failed_runs", "above": 7, "mode": "safe"},
    {"measure": "memory_mb", "above": LEAKS_MB, "child": "coding_agent"},
]
"""How busy the machine is that runs the tests makes nobody unwell."""
LEAK_PERCENT, MORE_PERCENT = 6, 3
SHOP = {
    "supervisor": "shop",
    "intensity": 100,
    "period": "60s",
    "defaults": {"backoff": {"min": "10ms", "max": "20ms"}},
    "children": [{"id": "clerk", "kernel": f"{HERE}:Baker"}],
}
PLAYBOOK = """schema: grace.playbook/1
name: mine
title: Mine
steps:
  - id: one
    action: kernel_state
    with: {kernel: sandbox}
verify: []
"""
CHANGES: dict[str, Data] = {
    "trigger_mesh": {"with": {**CALM, "interval": "1s", "log_interval": "100ms", "repeats": 6}},
    "api_server": {"with": {"port": 0}},
    "self_healing": PAIRED,
    "coding_agent": PAIRED,
}


class Hospital(Patient):
    """An instance that is made ill, and how long it takes to be well."""

    def now(self) -> int:
        """The number of the newest event."""
        events = self.running.events(limit=1)
        return int(events[-1]["seq"]) if events else 0

    def event(self, type: str, subject: str, after: int, is_it: Callable[[Data], bool] = lambda data: True) -> Data:
        """The first event of this type and subject after the one with that number, once it is there."""

        def there() -> Data | None:
            found = self.running.events(type=type, since=after)
            return next((e for e in found if _last(e["subject"]) == subject and is_it(e["data"])), None)

        event: Data = wait_for(there, f"{type} of {subject}", step_s=0.05)
        return event

    def hit(self, fault: str, *names: str, **params: Any) -> int:
        """Inject it into all of them; the number of the event before."""
        before = self.now()
        for name in names:
            self.running.call("inject", fault=fault, target=name, params=params)
        return before

    def seconds(self, before: int, event: Data) -> float:
        """From the first fault after that number to this event."""
        first = next(iter(self.running.events(type="fault.injected", since=before)))
        return at(event) - at(first)

    def well(self) -> None:
        """Everything runs; what the test before has left does not disturb this one."""
        self.running.wait_running()


def at(event: Data) -> float:
    """When it happened, in Unix seconds."""
    given = event["at"]
    return datetime.fromisoformat(given).timestamp() if isinstance(given, str) else float(given)


def policy(supervisor: Data, name: str) -> Data:
    """The parameters of a policy that it has."""
    (found,) = [each[name] for each in supervisor["policies"] if isinstance(each, dict) and name in each]
    parameters: Data = found
    return parameters


def _last(subject: str) -> str:
    return subject.rpartition("/")[2]


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("scenarios")
    home = folder / "home"
    for name in ("playbooks", "artefacts", "config", "inbox"):
        (home / name).mkdir(parents=True)
    (home / "playbooks" / "mine.yaml").write_text(PLAYBOOK, encoding="utf-8")
    in_vain = PLAYBOOK.replace("mine", "in_vain").replace("sandbox", "nobody")
    (home / "playbooks" / "in_vain.yaml").write_text(in_vain, encoding="utf-8")
    (home / "artefacts" / "weights.bin").write_bytes(b"\x01" * 5000)
    (home / "config" / "shop.yaml").write_text("opens: 8\n", encoding="utf-8")
    for number in range(3):
        text = "\n".join(f"a supervision tree heals itself, line {line} of {number}" for line in range(100))
        (home / "inbox" / f"tree{number}.txt").write_text(text, encoding="utf-8")
    file = tree(folder, CHANGES, SHOP)
    whole = json.loads(file.read_text(encoding="utf-8"))
    policy(whole, "emergency")["for"] = "50ms"
    (branch,) = [each for each in whole["children"] if each["supervisor"] == "repair"]
    policy(branch, "mutual_repair").update({"criteria": CRITERIA, "window": "5s", "cooldown": "1s"})
    policy(branch, "staggered_restart").update({"criteria": CRITERIA, "stagger": "1s"})
    file.write_text(json.dumps(whole), encoding="utf-8")
    running = Running(home, file)
    try:
        running.wait_running()
        wait_for(lambda: not list((home / "inbox").glob("*.txt")), "every document in the index")
        yield Hospital(running)
    finally:
        running.close()


# ---- 1: a kernel ----------------------------------------------------------------------------------------------------


def test_a_kernel_that_is_killed_runs_again_with_its_state(ill: Hospital) -> None:
    ill.well()
    documents = ill.ask("librarian", "search", words="supervision")["chunks"]
    before = ill.hit("kill", "librarian")
    healed = ill.event("incident.healed", _incident_of(ill, "librarian", before), before)
    assert healed["data"]["repair"] == "restart"
    assert ill.seconds(before, healed) < CRASH_S
    assert ill.ask("librarian", "search", words="supervision")["chunks"] == documents


def _incident_of(ill: Hospital, kernel: str, before: int) -> str:
    def there() -> str | None:
        found = ill.running.events(type="incident.*", since=before)
        kinds = ("incident.opened", "incident.recurred")
        return next((e["subject"] for e in found if e["type"] in kinds and e["data"]["kernel"] == kernel), None)

    id: str = wait_for(there, f"an incident of {kernel}")
    return id


# ---- 2: an error in the code ----------------------------------------------------------------------------------------


def test_an_error_that_repeats_is_cured_by_its_order_and_known_the_next_time(ill: Hospital) -> None:
    ill.well()
    repair, error = "repeated_error_pattern", "TypeError: bake() misses the parameter seconds"
    ill.crash("clerk", error, 6)
    found = ill.incident("clerk", repair, "awaiting_patch")
    details = ill.ask("self_healing", "incident", id=found["id"])
    hashes = [details["signature"][key] for key in ("specific", "full", "broad")]
    assert _known(ill, hashes) == []
    order = ill.order(found["run"])
    assert "misses the parameter" in order["description"]
    ill.complete(order)
    ill.healed("clerk", repair)

    known = wait_for(lambda: _known(ill, hashes), "the signature of the error")
    assert [(each["playbook"], each["successes"]) for each in known] == [(repair, 1)]


def _known(ill: Hospital, hashes: list[str]) -> list[Data]:
    """The repairs that are known for a failure."""
    return list(ill.ask("signature", "lookup", hashes=hashes)["repairs"])


# ---- 3: the coding agent --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["crash", "block"])
def test_a_coding_agent_that_crashes_or_is_stuck_works_on_with_its_queue(ill: Hospital, fault: str) -> None:
    ill.well()
    order = ill.ask("coding_agent", "create", description=f"what waits during {fault}", type="fix_bug")
    before = ill.hit(fault, "coding_agent", **({"seconds": 300} if fault == "block" else {}))
    started = ill.event("child.started", "coding_agent", before)
    assert ill.seconds(before, started) < AGENT_S
    assert ill.ask("coding_agent", "start", id=order["id"], agent="ada")["status"] == "in_progress"
    assert ill.ask("coding_agent", "complete", id=order["id"], tests_passed=True)["success"] is True


# ---- 4: self-healing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "how"),
    [(PLAYBOOK.replace("title: Mine", "title:Mine"), "mended"), (PLAYBOOK[:90] + "\x00\x01", "restored")],
    ids=["misspelt", "destroyed"],
)
def test_a_malformed_playbook_is_mended_validated_and_used_again(ill: Hospital, damage: str, how: str) -> None:
    ill.well()
    file = ill.home / "playbooks" / "mine.yaml"
    wait_for((ill.home / "snapshots" / "playbooks" / "mine.yaml").exists, "the good copy")
    before, began = ill.now(), time.time()
    file.write_text(damage, encoding="utf-8")
    ended = ill.event("coding_agent.repair_ended", "mine", before)
    assert (ended["data"]["ok"], how in ended["data"]["message"]) == (True, True), ended
    assert at(ended) - began < HEALER_S
    assert file.read_text(encoding="utf-8") == PLAYBOOK
    assert ill.ended(ill.begin("mine"))["playbook"] == "mine"
    assert ill.ask("self_healing", "playbooks")["faults"] == []


def test_a_playbook_that_self_healing_finds_broken_goes_on_being_used_and_is_mended(ill: Hospital) -> None:
    ill.well()
    file = ill.home / "playbooks" / "mine.yaml"
    before, began = ill.now(), time.time()
    file.write_text(PLAYBOOK.replace("  - id: one", "\t- id: one"), encoding="utf-8")
    assert ill.ask("self_healing", "reload_playbooks")["faults"]
    broken = ill.event("playbook.broken", "mine", before)
    assert broken["data"]["in_use"] == "last_good"
    ended = ill.event("coding_agent.repair_ended", "mine", before)
    assert ended["data"]["ok"] is True
    assert at(ended) - began < HEALER_S
    assert ill.ended(ill.begin("mine"))["playbook"] == "mine"


def test_a_self_healing_that_is_stuck_is_restarted_and_goes_on(ill: Hospital) -> None:
    ill.well()
    before = ill.hit("block", "self_healing", seconds=300)
    started = ill.event("child.started", "self_healing", before)
    assert ill.seconds(before, started) < HEALER_S
    assert ill.ended(ill.begin("mine"))["playbook"] == "mine"


def test_a_self_healing_whose_runs_fail_is_started_safely_and_the_cure_is_ordered(ill: Hospital) -> None:
    ill.well()
    before = ill.now()
    for _ in range(8):
        ill.ended(ill.begin("in_vain"), "failed")
    asked = ill.event("mutual_repair.requested", "self_healing", before)["data"]
    assert (asked["by"], asked["criterion"], asked["mode"]) == ("coding_agent", "failed_runs", "safe")
    ended = ill.event("coding_agent.repair_ended", "self_healing", before)["data"]
    assert (ended["ok"], ended["why"]) == (True, "failing"), ended
    order = ill.ask("coding_agent", "show", id=ended["work_order"])
    assert order["context"]["failed"].keys() >= {"in_vain"}
    assert ill.event("mutual_repair.healed", "self_healing", before)["data"]["by"] == "coding_agent"
    assert ill.ended(ill.begin("mine"))["playbook"] == "mine"


def test_a_coding_agent_that_holds_too_much_memory_is_restarted_and_the_cure_is_ordered(ill: Hospital) -> None:
    ill.well()
    before = ill.hit("leak", "coding_agent", mb=LEAK_MB)
    asked = ill.event("mutual_repair.requested", "coding_agent", before)["data"]
    assert (asked["by"], asked["criterion"]) == ("self_healing", "memory_mb")
    run = ill.healed("coding_agent", "coding_agent_memory_leak")
    (order,) = ill.orders(run)
    assert (order["type"], "holds too much memory" in order["description"]) == ("optimize", True)


# ---- 5: both --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_when_both_repairers_fail_at_once_both_work_again(ill: Hospital, fault: str) -> None:
    ill.well()
    order = ill.ask("coding_agent", "create", description=f"what waits during {fault}", type="fix_bug")
    before = ill.hit(fault, *PAIR, **({"seconds": 300} if fault == "hang" else {}))
    for name in PAIR:
        assert ill.seconds(before, ill.event("child.started", name, before)) < BOTH_S
    assert ill.ended(ill.begin("mine"))["playbook"] == "mine"
    assert ill.ask("coding_agent", "show", id=order["id"])["status"] == "queued"


def test_an_emergency_is_declared_and_its_playbook_sees_to_all_of_them(ill: Hospital) -> None:
    ill.well()
    before = ill.now()
    pids = [ill.wait_up(name)["pid"] for name in PAIR]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    declared = ill.event("emergency.declared", "grace", before)
    assert set(declared["data"]["down"]) == set(PAIR)
    run = wait_for(lambda: ill.runs("emergency_critical_kernel_recovery"), "the run of the emergency")[0]
    done = ill.ended(run["id"])
    assert set(done["inputs"]["down"]) == set(PAIR)
    ended = ill.event("emergency.ended", "grace", declared["seq"])
    assert at(ended) - at(declared) < BOTH_S


# ---- 7: corruption --------------------------------------------------------------------------------------------------


def test_a_store_that_is_damaged_is_restored_with_what_was_in_it(ill: Hospital) -> None:
    ill.well()
    documents = ill.ask("librarian", "search", words="supervision")["chunks"]
    before = ill.hit("corrupt", "librarian")

    def healed() -> Data | None:
        found = ill.running.events(type="incident.healed", since=before)
        return next((e for e in found if e["data"]["kernel"] == "librarian" and e["data"]["repair"] != "restart"), None)

    event: Data = wait_for(healed, "librarian to be healed", step_s=0.05)
    assert ill.seconds(before, event) < CORRUPTION_S
    assert ill.ask("librarian", "search", words="supervision")["chunks"] == documents


def test_an_artefact_that_is_damaged_is_replaced_by_its_good_copy(ill: Hospital) -> None:
    ill.well()
    ill.ask("infrastructure_manager", "accept_artefacts")
    file, copy = (ill.home / place / "weights.bin" for place in ("artefacts", "snapshots/artefacts"))
    wait_for(copy.exists, "the good copy")
    before, began = ill.now(), time.time()
    file.write_bytes(b"\x02" * 5000)
    healed = ill.event("incident.healed", _incident_of(ill, "weights.bin", before), before)
    assert healed["data"]["repair"] == "model_corruption_detected"
    assert at(healed) - began < CORRUPTION_S
    assert file.read_bytes() == b"\x01" * 5000


def test_a_configuration_that_is_damaged_is_back_as_soon_as_somebody_agrees(ill: Hospital) -> None:
    ill.well()
    file = ill.home / "config" / "shop.yaml"
    wait_for((ill.home / "snapshots" / "config" / "shop.yaml").exists, "the good copy", timeout_s=90.0)
    before, began = ill.now(), time.time()
    file.write_text("opens: \x00\x00", encoding="utf-8")
    ill.approve("config_drift_detected")
    healed = ill.event("incident.healed", _incident_of(ill, "shop.yaml", before), before)
    assert at(healed) - began < CORRUPTION_S
    assert file.read_text(encoding="utf-8") == "opens: 8\n"


# ---- 8: saturation --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_under_pressure_what_is_not_critical_is_paused_and_runs_again_when_it_is_over(ill: Hospital) -> None:
    ill.well()
    now = psutil.virtual_memory()
    if now.percent + LEAK_PERCENT > MEMORY_LIMIT:
        pytest.skip("memory is short on this host")
    limits = {"memory_percent": now.percent + MORE_PERCENT, "interval": "1s"}
    rows = [{"child": "trigger_mesh", "setting": f"with.{key}", "change": {"to": to}} for key, to in limits.items()]
    file = ill.home / "config" / "overrides.yaml"
    file.write_text(json.dumps({"version": 1, "overrides": rows}), encoding="utf-8")
    ill.running.call("restart", name="trigger_mesh")
    before = ill.hit("leak", "clerk", mb=now.total * LEAK_PERCENT // 100_000_000)
    fired = ill.event("trigger.fired", "host", before)
    assert fired["data"]["trigger"] == "resource_pressure"
    run = ill.healed("host", "memory_pressure")
    assert {step["id"]: step["status"] for step in run["steps"]}["shed"] == "succeeded"
    assert list(ill.running.events(type="child.paused", since=before))
    wait_for(lambda: "paused" not in {node["state"] for node in ill.running.nodes().values()}, "all to run again")
    assert psutil.virtual_memory().percent < now.percent + MORE_PERCENT
