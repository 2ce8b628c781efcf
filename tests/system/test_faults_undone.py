"""Faults of every kind at once, on a living tree: whoever dies in the midst of them, all is as it was before."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors.drills import marked
from grace_actors.kernels.watch.lines import leaked
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(300)]

TREE = """
schema: grace.tree/1
name: tree
strategy: one_for_one
intensity: 99
period: 60s
defaults:
  heartbeat: {interval: 1s, misses: 9}
  backoff: {min: 10ms, max: 20ms}
  budget: {intensity: 99, period: 60s}
children:
  - {actor: registry}
  - {actor: signature}
  - {actor: status}
  - {kernel: "grace_actors.kernels.api_server:ApiServer", id: api_server, with: {port: 0}}
  - {kernel: "tests.harness.breaker:Breaker", id: breaker}
  - {kernel: "tests.harness.bad_kernels:Counter", id: worker}
  - {kernel: "tests.harness.bad_kernels:Counter", id: idler}
  - {kernel: "tests.harness.bad_kernels:Counter", id: victim}
"""
FILES = {
    "data/shop/notes.bin": bytes(range(256)) * 40,
    "config/limits.yaml": b"limit: 5\n" * 50,
    "artefacts/model.pt": b"weights" * 1000,
    "config/policy.yaml": b"approval_required: true\n",
    "scratch/shop/till.py": b"def total():\n    return 1\n",
}
FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("damage", "home", {"path": "data/shop/notes.bin"}),
    ("truncate", "home", {"path": "config/limits.yaml", "bytes": 9}),
    ("delete", "home", {"path": "artefacts/model.pt"}),
    ("change", "home", {"path": "config/policy.yaml", "text": "approval_required: false\n"}),
    ("patch", "home", {"path": "shop/till.py", "text": "def total(:\n"}),
    ("secret", "home", {"path": "logs/shop.log"}),
    ("burn", "host", {"cores": 1, "seconds": 300}),
    ("ballast", "host", {"mb": 32, "seconds": 300}),
    ("toxic", "api_server", {"latency": 300, "seconds": 300}),
    ("flood", "worker", {"verb": "ping", "count": 100_000, "rate": 20}),
    ("hang", "worker", {"seconds": 300}),
    ("slow", "idler", {"seconds": 300, "delay_ms": 60_000}),
    ("kill", "victim", {}),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree.yaml"
    path.write_text(TREE)
    return path


@pytest.fixture
def instances(tmp_path: Path, tree: Path) -> Iterator[list[Running]]:
    """The lives of one home; the last one is ended at the end."""
    lives: list[Running] = []
    yield lives
    for life in reversed(lives):
        life.close()


def begin(lives: list[Running], tree: Path) -> Running:
    running = Running(tree.parent / "home", tree)
    lives.append(running)
    running.wait_running()
    return running


def call(running: Running, name: str, verb: str, **args: Any) -> Any:
    return running.client.call("ask", {"name": name, "verb": verb, "args": args})


def ask(running: Running, verb: str, **args: Any) -> Any:
    return call(running, "breaker", verb, **args)


def break_everything(running: Running) -> list[str]:
    records = []
    for fault, target, params in FAULTS:
        told = ask(running, "break", fault=fault, target=target, params=params)
        assert told["ok"], told
        records.append(told["record"])
    return records


def stored(home: Path) -> dict[str, bytes | None]:
    return {name: (home / name).read_bytes() if (home / name).exists() else None for name in FILES}


def assert_broken(running: Running) -> None:
    now = stored(running.home.root)
    assert [name for name, data in FILES.items() if now[name] == data] == []
    assert any(leaked(line) for line in (running.home.logs / "shop.log").read_text().splitlines())
    assert str(running.home.api_url()) != ask_url(running)


def ask_url(running: Running) -> str:
    url: str = call(running, "api_server", "address")["url"]
    return url


def assert_whole(running: Running, records: list[str]) -> None:
    assert stored(running.home.root) == FILES
    assert not any(leaked(line) for line in (running.home.logs / "shop.log").read_text().splitlines())
    assert running.home.api_url() == ask_url(running)
    with urllib.request.urlopen(f"{ask_url(running)}/health", timeout=20) as answer:
        assert json.load(answer)["status"] == "healthy"
    assert [pid for record in records for pid in marked.find(record)] == []
    states = ask(running, "records")
    assert {states[record] for record in records} == {"undone"}


def undone_by(running: Running, records: list[str]) -> set[str]:
    """Who undid these faults, once all of that is told. A kill strikes once: there is nothing to tell."""
    lasting = {record for record in records if not record.startswith("kill-")}

    def told() -> set[str] | None:
        events = running.events(type="fault.undone", limit=1000)
        found = {event["data"].get("record"): event["data"]["by"] for event in events}
        return {found[record] for record in lasting} if lasting <= set(found) else None

    by: set[str] = wait_for(told, "every undoing is told", step_s=0.1)
    return by


def test_whoever_dies_in_the_midst_of_faults_leaves_nothing_broken(instances: list[Running], tree: Path) -> None:
    home = tree.parent / "home"
    for name, data in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(data)
    (home / "logs").mkdir()
    (home / "logs" / "shop.log").write_text("the shop is open\n")
    first = begin(instances, tree)

    # the whole instance dies
    records = break_everything(first)
    assert_broken(first)
    pids = [pid for record in records for pid in marked.find(record)]
    assert len(pids) == 3
    first.kill(first.process.pid)
    wait_for(lambda: not first.leftovers(), "no process is left over")
    assert [pid for record in records for pid in marked.find(record)] == []
    second = begin(instances, tree)
    assert_whole(second, records)
    assert undone_by(second, records) == {"boot"}
    boot = second.status() or {}
    assert "delete of home was undone" in next(p for p in boot["boot"]["phases"] if p["name"] == "pre_flight")["detail"]

    # only the kernel that broke it all dies
    records = break_everything(second)
    assert_broken(second)
    second.wait_new_pid("breaker", kill(second.node("breaker")["pid"]))
    wait_for(lambda: set(ask(second, "records").values()) == {"undone"}, "its next life has undone all")
    assert_whole(second, records)
    assert undone_by(second, records) == {"recovery"}
    assert call(second, "worker", "value") is not None

    # nobody dies: all is halted
    records = break_everything(second)
    assert_broken(second)
    halted = ask(second, "halt")
    assert [told for told in halted["undone"] if not told["ok"]] == []
    assert {told["record"] for told in halted["undone"]} == {each for each in records if not each.startswith("kill-")}
    assert_whole(second, records)
    assert call(second, "idler", "value") is not None  # in less than a minute


def kill(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return pid
