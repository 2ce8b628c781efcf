"""A kernel that fails at the first start: the instance runs without it, says so, and takes it back once revived."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.bad_kernels import mood_file
from tests.harness.instance import Running, run_cli, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

TREE = """
schema: grace.tree/1
name: shop
strategy: rest_for_one
intensity: 3
period: 60s
startup: parallel
defaults: {{budget: {budget}, backoff: {backoff}, on_exhausted: {on_exhausted}, start_timeout: {start_timeout}}}
children:
  - {{id: till, kernel: "tests.harness.bad_kernels:Counter"}}
  - {{id: prices, kernel: "tests.harness.bad_kernels:Moody", with: {{hook: setup, deed: {deed}}}}}
  - {{id: window, kernel: "tests.harness.bad_kernels:Counter", depends_on: [prices]}}
  - {{id: door, kernel: "tests.harness.bad_kernels:Counter", depends_on: [window]}}
  - {{id: lamp, kernel: "tests.harness.bad_kernels:Counter"}}
"""
DEFAULTS = {
    "budget": "{intensity: 2, period: 300s}",
    "backoff": "{min: 10ms, max: 20ms}",
    "on_exhausted": "quarantine",
    "start_timeout": "30s",
    "deed": "raise",
}


def begin(start: Callable[..., Running], folder: Path, *, broken: bool = True, **changes: str) -> Running:
    tree = folder / "tree.yaml"
    tree.write_text(TREE.format(**{**DEFAULTS, **changes}))
    (folder / "home" / "config").mkdir(parents=True)
    if broken:
        mood_file(folder / "home", "prices").touch()
    return start(tree)


def states(running: Running) -> dict[str, str]:
    return {name: node["state"] for name, node in running.nodes().items() if node["kind"] == "kernel"}


def wait_states(running: Running, **wanted: str) -> None:
    def there() -> bool:
        assert running.process.poll() is None, running.output.read_text()
        return states(running).items() >= wanted.items()

    wait_for(there, f"{wanted}, are {states(running)}:\n{running.output.read_text()}", step_s=0.1)


def said(running: Running, line: str) -> str:
    wait_for(lambda: line in running.output.read_text(), f"{line!r} in\n{running.output.read_text()}")
    return running.output.read_text()


@pytest.mark.parametrize(("on_exhausted", "state"), [("quarantine", "quarantined"), ("repair", "awaiting_repair")])
def test_instance_runs_without_a_kernel_that_fails_at_boot_says_so_and_takes_it_back(
    start: Callable[..., Running], tmp_path: Path, on_exhausted: str, state: str
) -> None:
    running = begin(start, tmp_path, on_exhausted=on_exhausted)
    output = said(running, "ready in")
    assert f"running, 1 {state}, 2 waiting" in output
    assert f"prices {state} (ValueError: boom)" in output
    assert "window waiting (waits for prices)" in output
    assert states(running) == {
        "till": "running",
        "prices": state,
        "window": "waiting",
        "door": "waiting",
        "lamp": "running",
    }
    till = running.node("till")["pid"]

    status = run_cli("status", home=running.home.root)
    assert status.returncode == 1
    assert f"{state} prices: ValueError: boom" in status.stdout
    assert "waits for prices" in status.stdout
    doctor = run_cli("doctor", home=running.home.root)
    assert doctor.returncode == 1
    assert f"prices {state}" in doctor.stdout
    (completed,) = running.events(type="boot.completed")
    assert completed["data"]["down"] == {state: 1, "waiting": 2}

    mood_file(running.home.root, "prices").unlink()
    assert run_cli("start", "prices", home=running.home.root).returncode == 0
    assert running.wait_running()["state"] == "running"
    assert run_cli("status", home=running.home.root).returncode == 0
    assert running.node("till")["pid"] == till
    assert running.stop() == 0


def test_kernel_that_is_quarantined_in_a_running_tree_does_not_end_the_next_recovery(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    running = begin(start, tmp_path, broken=False)
    running.wait_running()
    mood_file(running.home.root, "prices").touch()
    running.kill(running.node("prices")["pid"])
    wait_states(running, prices="quarantined", window="running")
    (root,) = [node for node in running.nodes().values() if node["name"] not in states(running)][:1]
    running.kill(root["pid"])
    wait_states(running, till="running", prices="quarantined", window="waiting", lamp="running")
    wait_for(lambda: running.events(type="system.recovered"), "the event of the recovery")
    mood_file(running.home.root, "prices").unlink()
    running.call("start", name="prices")
    running.wait_running()


def test_boot_does_not_wait_for_a_kernel_that_is_tried_for_long(start: Callable[..., Running], tmp_path: Path) -> None:
    running = begin(start, tmp_path, backoff="{min: 100s, max: 100s}", budget="{intensity: 2, period: 900s}")
    output = said(running, "ready in")
    assert "running, 1 restarting, 2 waiting" in output
    mood_file(running.home.root, "prices").unlink()
    running.call("start", name="prices")
    running.wait_running()


def test_kernel_that_escalates_ends_the_boot_with_its_reason(start: Callable[..., Running], tmp_path: Path) -> None:
    running = begin(start, tmp_path, on_exhausted="escalate")
    assert running.process.wait(60) == 1
    assert "prices did not start: ValueError: boom" in running.output.read_text()
