"""The packs whose faults take their time, on a live tree: silence, slowness, a full disk, memory and CPU, a package.

One instance, on a disk of its own where this user may mount one. Supervisors are patient here, so that what is silent
is left to trigger_mesh, and health_monitor looks several times a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from grace_actors.kernel import Data
from grace_actors.kernels.host_sample import DISK_LIMIT, MEMORY_LIMIT
from tests.harness.instance import Running, wait_for
from tests.harness.packs import CALM, HERE, PATIENT, Patient, steps, tree

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

SILENT = {"heartbeat": PATIENT}
BUSY = {"heartbeat": {"interval": "300ms", "misses": 200}}
LEAK_PERCENT, MORE_PERCENT = 6, 3
FOREIGN_PERCENT = 60
LONG_S = 200.0
SHOP = {
    "supervisor": "shop",
    "intensity": 100,
    "period": "60s",
    "children": [
        {"id": "clerk", "kernel": f"{HERE}:Baker", **SILENT},
        {"id": "baker", "kernel": f"{HERE}:Baker", **BUSY},
        {"id": "customer", "kernel": f"{HERE}:Customer"},
        *({"id": f"oven{number}", "kernel": f"{HERE}:Baker", **BUSY} for number in range(psutil.cpu_count() or 1)),
    ],
}
WATCH = {**CALM, "interval": "1s", "silent": "4s", "log_interval": "100ms", "latency_ms": 500}
CHANGES = {
    "health_monitor": {"kernel": f"{HERE}:EagerMonitor"},
    "trigger_mesh": {"with": WATCH},
    "api_server": {"kernel": f"{HERE}:MoodyApi", "with": {"port": 0}, **SILENT},
    "message_bus": SILENT,
    "immutable_log": SILENT,
    "coding_agent": SILENT,
}


def made_disk(folder: Path) -> bool:
    """Whether `folder` is a disk of 60 GB now, of which nothing takes room on ours but what is written."""
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(60_000_000_000)
    options = ("-q", "-F", "-E", "lazy_itable_init=1,nodiscard", "-O", "^has_journal")
    for command in (("mkfs.ext4", *options, str(image)), ("mount", "-o", "loop", str(image), str(folder))):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            image.unlink()
            return False
    return True


def package(folder: Path) -> None:
    """A wheel of grace-scales 1.0 in `folder`."""
    info = "grace_scales-1.0.dist-info"
    files = {
        "grace_scales.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: grace-scales\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / "grace_scales-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is a disk of its own."""
    folder = tmp_path_factory.mktemp("slowly") / "disk"
    folder.mkdir()
    is_disk = made_disk(folder)
    try:
        yield folder, is_disk
    finally:
        if is_disk:
            subprocess.run(["umount", "-l", str(folder)], check=True)
            folder.with_suffix(".img").unlink()


@pytest.fixture(scope="module")
def ill(place: tuple[Path, bool]) -> Iterator[Patient]:
    folder, _ = place
    wheels, site = folder / "wheels", folder / "site"
    for made in (wheels, site):
        made.mkdir()
    package(wheels)
    paths = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    # pip takes the package from that folder and puts it into this one: nothing of this installation is touched.
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_TARGET": str(site), "PYTHONPATH": paths}
    running = Running(folder / "home", tree(folder, CHANGES, SHOP), env=pip)
    try:
        running.wait_running()
        yield Patient(running)
    finally:
        running.close()


def block(ill: Patient, name: str) -> int:
    """Keep it busy for longer than a test lasts; its pid."""
    pid = int(ill.wait_up(name)["pid"])
    ill.running.call("inject", fault="block", target=name, params={"seconds": 300})
    return pid


@contextmanager
def watched(ill: Patient, **settings: Any) -> Iterator[None]:
    """trigger_mesh with other settings, and at the end with its own again."""
    for change in (settings, {key: WATCH[key] for key in settings}):
        rows = [{"child": "trigger_mesh", "setting": f"with.{key}", "change": {"to": to}} for key, to in change.items()]
        file = ill.home / "config" / "overrides.yaml"
        file.write_text(json.dumps({"version": 1, "overrides": rows}), encoding="utf-8")
        ill.running.call("restart", name="trigger_mesh")
        wait_for(lambda: ill.ask("trigger_mesh", "settings"), "trigger_mesh again")
        if change is settings:
            yield


def done(run: Data) -> dict[str, str]:
    return {id: status for id, status, _ in steps(run)}


# ---- silence --------------------------------------------------------------------------------------------------------


def test_kernels_that_stopped_answering_are_restarted_each_by_its_own_playbook(ill: Patient) -> None:
    repairs = {
        "clerk": "kernel_heartbeat_gap",
        "coding_agent": "coding_agent_stuck_loop",
        "immutable_log": "critical_kernel_restart",
    }
    before = {name: block(ill, name) for name in repairs}
    runs = {name: ill.healed(name, repair) for name, repair in repairs.items()}
    assert [name for name, pid in before.items() if ill.wait_up(name)["pid"] == pid] == []
    (order,) = ill.orders(runs["coding_agent"])
    assert "time.sleep" in str(order["context"]["stack"]) or "in <lambda>" in str(order["context"]["stack"])
    assert done(runs["clerk"])["stack"] == "succeeded"


def test_a_message_bus_that_stopped_answering_is_restarted(ill: Patient) -> None:
    before = block(ill, "message_bus")
    run = ill.healed("message_bus", "message_bus_restart_drain")
    assert (done(run)["save"], done(run)["restart"]) == ("succeeded", "succeeded")
    assert ill.wait_up("message_bus")["pid"] != before


# ---- slowness -------------------------------------------------------------------------------------------------------


def test_a_slow_api_is_relieved_and_restarted_and_what_was_paused_runs_again(ill: Patient) -> None:
    before = ill.wait_up("api_server")["pid"]
    ill.ask("api_server", "dawdle")
    run = ill.healed("api_server", "api_latency_spike")
    assert done(run)["relieve"] == "succeeded"
    assert ill.wait_up("api_server")["pid"] != before
    all_run_again(ill)


def test_a_kernel_whose_queue_grows_works_it_off_while_others_pause(ill: Patient) -> None:
    with watched(ill, silent="60s", latency_ms=600_000):
        ill.ask("customer", "order", of="baker", loaves=400, seconds=0.05, every_s=0.02)
        run = ill.healed("baker", "high_queue_backlog")
    assert done(run)["relieve"] == "succeeded"
    all_run_again(ill)
    wait_for(lambda: ill.ask("baker", "loaves") == 400, "every loaf")


def paused(ill: Patient) -> list[str]:
    return [name for name, node in ill.running.nodes().items() if node["state"] == "paused"]


def all_run_again(ill: Patient) -> None:
    """At the end of the run, or when the CPU is not saturated any more, be it by others."""
    wait_for(lambda: paused(ill) == [], f"all to run again: {paused(ill)}", timeout_s=LONG_S)


# ---- the host -------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_given_room(ill: Patient, place: tuple[Path, bool]) -> None:
    folder, is_disk = place
    if not is_disk:
        pytest.skip("a disk of its own needs root")
    cache = ill.home / "cache"
    cache.mkdir()
    (cache / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n", encoding="utf-8")
    subprocess.run(["fallocate", "-l", "54G", str(cache / "big")], check=True)
    assert psutil.disk_usage(str(folder)).percent > DISK_LIMIT
    ill.ask("infrastructure_manager", "sample")
    run = ill.healed("disk", "immutable_log_disk_full")
    assert (done(run)["pack_audit_log"], done(run)["clear_caches"]) == ("succeeded", "succeeded")
    assert not (cache / "big").exists()


def test_memory_is_given_back_by_its_largest_user(ill: Patient) -> None:
    now = psutil.virtual_memory()
    if now.percent + LEAK_PERCENT > MEMORY_LIMIT:
        pytest.skip("memory is short on this host")
    before = ill.wait_up("clerk")["pid"]
    with watched(ill, memory_percent=now.percent + MORE_PERCENT):
        ill.running.call("inject", fault="leak", target="clerk", params={"mb": now.total * LEAK_PERCENT // 100_000_000})
        ill.healed("host", "memory_pressure")
    all_run_again(ill)
    assert ill.wait_up("clerk")["pid"] != before


def test_a_package_that_is_gone_is_installed_as_it_was_accepted_after_approval(ill: Patient) -> None:
    file = ill.home / "data" / "trigger_mesh" / "known_good.json"
    accepted = json.loads(file.read_text(encoding="utf-8"))
    accepted["packages"]["grace-scales"] = "1.0"
    file.write_text(json.dumps(accepted), encoding="utf-8")
    ill.running.kill(ill.wait_up("trigger_mesh")["pid"])
    ill.approve("dependency_regression_detected")
    run = ill.healed("grace-scales", "dependency_regression_detected")
    assert done(run)["roll_back"] == "succeeded"
    site = ill.home.parent / "site"
    assert [path.name for path in site.glob("*.dist-info")] == ["grace_scales-1.0.dist-info"]


def test_what_saturates_the_cpu_is_paused_and_runs_again_when_that_is_over(ill: Patient) -> None:
    if psutil.cpu_percent(interval=3) > FOREIGN_PERCENT:
        pytest.skip("others use the CPU: it would stay saturated whatever is paused")
    ovens = [child["id"] for child in SHOP["children"] if child["id"].startswith("oven")]  # type: ignore[index]
    with watched(ill, cpu_percent=90, silent="60s", latency_ms=600_000):
        for oven in ovens:
            ill.ask("customer", "order", of=oven, loaves=300, seconds=0.2, every_s=0.001)
            wait_for(lambda oven=oven: ill.running.node(oven)["mailbox"], f"{oven} has work")
        wait_for(lambda: set(paused(ill)) & set(ovens), "an oven to be paused")
        ill.healed("host", "cpu_saturation", timeout_s=LONG_S)
    all_run_again(ill)

    def has_resumed() -> bool:
        runs = [ill.run(run["id"]) for run in ill.runs("resource_pressure_relieved")]
        return "succeeded" in [done(run).get("resume") for run in runs]

    wait_for(has_resumed, "the end of the run that let them")
