"""The policy `repair` on real processes: what cannot start is held, the others do not notice, and it comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.bad_kernels import mood_file
from tests.harness.instance import Running, run_cli, wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(120)]

TREE = """
schema: grace.tree/1
name: shop
strategy: one_for_one
intensity: 20
period: 60s
defaults: {tier: shop}
children:
  - supervisor: counter
    strategy: rest_for_one
    intensity: 20
    period: 60s
    policies: [repair]
    defaults: {backoff: {min: 10ms, max: 20ms}, on_exhausted: quarantine}
    children:
      - {id: till, kernel: "tests.harness.bad_kernels:Counter"}
      - {id: prices, kernel: "tests.harness.bad_kernels:Moody", with: {hook: setup, deed: raise}}
      - {id: window, kernel: "tests.harness.bad_kernels:Counter"}
  - supervisor: market
    policies:
      - repair: {deadline: 500ms}
    children:
      - {id: lamp, kernel: "tests.harness.bad_kernels:Counter"}
      - {id: stall, kernel: "tests.harness.bad_kernels:Moody", with: {hook: setup, deed: raise}}
"""
ALIKE = "the same failure 2 times in 60 s"
OTHERS = ("till", "window", "lamp")


def held(running: Running, name: str, state: str) -> dict[str, Any]:
    """The node of this name once it is in this state."""

    def there() -> dict[str, Any] | None:
        node = running.nodes().get(name)
        return node if node and node["state"] == state else None

    node: dict[str, Any] = wait_for(there, f"{name} {state}", step_s=0.1)
    return node


def pids(running: Running) -> dict[str, int]:
    nodes = running.nodes()
    return {name: nodes[name]["pid"] for name in OTHERS}


def test_kernel_whose_start_fails_alike_twice_is_held_and_in_the_end_quarantined_while_the_others_run(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    tree = tmp_path / "tree.yaml"
    tree.write_text(TREE)
    moods = [mood_file(tmp_path / "home", name) for name in ("prices", "stall")]
    moods[0].parent.mkdir(parents=True, exist_ok=True)
    for mood in moods:
        mood.touch()  # broken from the first start on
    running = start(tree)

    node = held(running, "prices", "awaiting_repair")
    assert (node["cause"], node["next_step"]) == (ALIKE, "wait for its repair, or: start prices")
    (report,) = running.events(type="child.awaiting_repair", subject="prices")
    expected = {"kind": "crash", "reason": "ValueError: boom", "cause": ALIKE, "supervisor": "counter"}
    assert report["data"].items() >= (expected | {"deadline_s": 300.0}).items()
    assert len(report["data"]["signature"]) == 32
    failed = running.events(type="child.start_failed", subject="prices")
    assert len(failed) == 2, "tracebacks of two processes, and yet the same failure"

    node = held(running, "stall", "quarantined")
    overdue = f"not repaired within 0.5 s: {ALIKE}"
    assert (node["cause"], node["next_step"]) == (overdue, "see why stall; then: start stall")
    status = run_cli("status", "stall", home=running.home.root)
    assert overdue in status.stdout
    assert node["next_step"] in status.stdout
    (report,) = running.events(type="child.quarantined")
    assert report["data"].items() >= {"cause": overdue, "next_step": node["next_step"], "by": "repair"}.items()

    wait_for(lambda: all(running.nodes()[name]["state"] == "running" for name in OTHERS), "the boot goes on")
    before = pids(running)
    for mood in moods:
        mood.unlink()
    assert run_cli("start", "prices", "stall", home=running.home.root).returncode == 0
    running.wait_running()
    assert pids(running) == before
    assert running.node("prices")["cause"] is None

    moods[0].touch()
    running.kill(running.node("prices")["pid"])
    held(running, "prices", "awaiting_repair")
    running.wait_new_pid("window", before["window"])  # it was restarted with its group, and then left alone
    now = pids(running)
    assert (now["till"], now["lamp"]) == (before["till"], before["lamp"])
    moods[0].unlink()
    running.call("start", name="prices")
    running.wait_running()
    assert pids(running) == now
    assert running.stop() == 0
