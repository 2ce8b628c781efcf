"""A log line of a real process becomes an event of the tree, once, also when the watcher dies meanwhile."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.instance import ROOT, Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def test_a_timeout_that_a_process_logs_is_told_once_also_across_a_crash_of_the_watcher(
    tmp_path: Path, start: Callable[..., Running]
) -> None:
    go = [str(tmp_path / name) for name in ("go1", "go2")]
    words = [f"wait={go[0]}", "print=ERROR: Pipeline timeout after 300 seconds",
             f"wait={go[1]}", "print=ERROR: Ingestion failed for book_123.pdf: Schema mismatch", "forever"]  # fmt: skip
    command = json.dumps([sys.executable, str(ROOT / "tests" / "harness" / "service.py"), *words])
    (tmp_path / "tree.yaml").write_text(f"""
schema: grace.tree/1
name: shop
defaults: {{start_timeout: 20s, backoff: {{min: 10ms, max: 20ms}}}}
children:
  - {{id: trigger_mesh, kernel: 'grace_actors.kernels.trigger_mesh:TriggerMesh', with: {{log_interval: 100ms}}}}
  - {{id: worker, command: {command}}}
""")
    running = start(tmp_path / "tree.yaml")
    running.wait_running()
    mesh = running.node("trigger_mesh")

    def told(type: str) -> list[dict[str, Any]]:
        return running.events(type=type, since=0)

    Path(go[0]).touch()
    (event,) = wait_for(lambda: told("pipeline.timeout"), "pipeline.timeout")
    assert (event["subject"], event["data"]) == (
        "worker",
        {"pattern": "timeout", "line": words[1][6:], "source": "worker.log", "count": 1},
    )
    running.kill(mesh["pid"])
    running.wait_new_pid("trigger_mesh", mesh["pid"])
    Path(go[1]).touch()
    (event,) = wait_for(lambda: told("ingestion.failed"), "ingestion.failed")
    assert (event["data"]["file"], event["data"]["reason"]) == ("book_123.pdf", "Schema mismatch")
    assert len(told("pipeline.timeout")) == 1
