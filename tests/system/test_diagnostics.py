"""Diagnostics of real deaths: a kernel and a process end with a traceback, and what is told of them is what was so."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.errors import RemoteFailed
from playbooks.recognition import Failure, FailureKind, parse, signature_of
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

SERVICE = """
import sys, time
from pathlib import Path
for number in range(100):
    print("progress", number, flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)

def load(key):
    return {}[key]

def sell():
    try:
        load("orders")
    except KeyError as error:
        raise LookupError("no orders for swordfish-1-2-3") from error

sell()
"""
TREE = """
schema: grace.tree/1
name: shop
intensity: 100
defaults: {{start_timeout: 30s, backoff: {{min: 10ms, max: 20ms}}}}
children:
  - {{id: secret_manager, kernel: "grace_actors.kernels.secret_manager:SecretManager"}}
  - {{id: observer, kernel: "tests.harness.observers:Observer"}}
  - {{id: worker, kernel: "tests.harness.bad_kernels:Counter"}}
  - {{id: health_monitor, kernel: "grace_actors.kernels.health_monitor:HealthMonitor"}}
  - {{id: seller, command: {command}, budget: {{intensity: 0, period: 60s}}, on_exhausted: quarantine}}
"""


def pings_of(ask: Callable[..., Any], name: str) -> Any:
    """The incarnations of `name` as far as they were pinged; none before the first look at the tree."""
    with contextlib.suppress(RemoteFailed):
        return ask("health_monitor", "history", name=name)["incarnations"]
    return []


def test_what_is_told_of_a_dead_process_and_a_dead_kernel_is_what_was_so(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "tree.yaml").write_text(
        TREE.format(command=json.dumps([sys.executable, str(tmp_path / "service.py"), str(tmp_path / "go")]))
    )
    running = start(tmp_path / "tree.yaml")
    running.wait_running()
    running.call("restart", name="health_monitor")  # it looks at the tree when it starts, then every ten seconds

    def ask(kernel: str, verb: str, /, **args: Any) -> Any:
        return running.client.call("ask", {"name": kernel, "verb": verb, "args": args})

    ask("secret_manager", "put", name="word", value="swordfish-1-2-3", allowed=["seller"])
    ask("observer", "good", name="seller")
    (running.home.root / "config" / "seller.yaml").write_text("orders: none\n")

    (tmp_path / "go").touch()
    wait_for(lambda: running.nodes().get("seller", {}).get("state") == "quarantined", "the seller is dead")
    last = running.node("seller")["last_exit"]
    (raised,) = parse(last["detail"])
    assert [one.qualname for one in raised.chain()] == ["LookupError", "KeyError"]
    assert [frame.function for frame in raised.frames] == ["<module>", "sell"]
    failure = Failure(kernel="seller", kind=FailureKind.CRASH, reason=last["reason"], detail=last["detail"])
    assert signature_of(failure).error == "KeyError"  # what went wrong first

    event = next(e["data"] for e in running.events(type="child.exited") if e["subject"] == "seller")
    found = ask("observer", "collect", incident="one", kernel="seller", kind="crash", detail=event["detail"],
                generation=event["gen"], event=event)  # fmt: skip
    assert "swordfish" not in json.dumps(found) and "[redacted:word]" in json.dumps(found)
    assert [one["type"] for one in found["traceback"]["chain"]] == ["KeyError", "LookupError"]
    assert "progress 99" in found["log"]
    assert found["config"][0]["file"] == "config/seller.yaml"
    assert found["tree"]["counts"]["quarantined"] == 1
    assert found["tree"]["path"][-1]["name"] == "shop"
    assert list(found["missing"]) == ["heartbeat"]  # a process answers no pings

    wait_for(lambda: pings_of(ask, "worker"), "the worker was pinged")
    running.kill(running.node("worker")["pid"])
    wait_for(lambda: running.node("worker")["generation"] == 2, "the worker is back")
    found = ask("observer", "collect", incident="two", kernel="worker", kind="killed", generation=1)
    (dead,) = found["heartbeat"]["incarnations"]
    assert (dead["generation"], dead["pings"][0]["answer_ms"] > 0) == (1, True)
    process = found["resources"]["process"]
    assert (process["generation"], process["threads"] >= 1) == (2, True)
