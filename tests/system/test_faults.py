"""Faults injected into every kind of actor: each is recorded, detected, told truly and healed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grace_actors.console.errors import RemoteFailed
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

TREE = """
schema: grace.tree/1
name: tree
strategy: one_for_one
intensity: 500
period: 60s
defaults:
  heartbeat: {interval: 300ms, misses: 7}
  backoff: {min: 10ms, max: 20ms}
  budget: {intensity: 99, period: 60s}
  start_timeout: 20s
children:
  - {actor: registry}
  - {actor: signature}
  - {actor: status}
  - supervisor: branch
    strategy: one_for_one
    intensity: 99
    period: 60s
    heartbeat: {interval: 300ms, misses: 7}
    children:
      - {id: worker, kernel: "tests.harness.bad_kernels:Counter"}
      - {id: sibling, kernel: "tests.harness.bad_kernels:Counter"}
"""
REASONS = {
    "kill": ({}, "SIGKILL"),
    "term": ({}, "SIGTERM"),
    "crash": ({"message": "boom"}, "Injected: boom"),
    "hang": ({"seconds": 60}, "hung"),
    "block": ({"seconds": 60}, "hung"),
    "exit": ({}, "normal"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "tree.yaml").write_text(TREE)
    running = Running(folder / "home", folder / "tree.yaml")
    try:
        running.wait_running()
        yield running
    finally:
        running.close()


def injected(running: Running, fault: str, target: str) -> int:
    found = running.events(type="fault.injected", subject=target, limit=1000)
    return len([event for event in found if event["data"]["fault"] == fault])


EVERYBODY = ["worker", "registry", "status", "signature", "branch"]
QUICK = {(fault, "worker") for fault in REASONS} | {(f, t) for f in ("kill", "crash") for t in EVERYBODY}
CASES = [
    pytest.param(fault, target, marks=[] if (fault, target) in QUICK else pytest.mark.slow)
    for fault in REASONS
    for target in EVERYBODY
]


@pytest.mark.parametrize(("fault", "target"), CASES)
def test_a_fault_is_recorded_detected_and_healed(small: Running, fault: str, target: str) -> None:
    small.wait_running()
    params, reason = REASONS[fault]
    pid, before = small.node(target)["pid"], injected(small, fault, target)
    small.call("inject", fault=fault, target=target, params=params)
    node = small.wait_new_pid(target, pid)
    assert node["last_exit"]["reason"] == reason
    wait_for(lambda: injected(small, fault, target) > before, f"{fault} of {target} is recorded", step_s=0.1)
    small.wait_running()


def test_a_block_shorter_than_the_heartbeat_is_survived(small: Running) -> None:
    small.wait_running()
    pid = small.node("worker")["pid"]
    small.call("inject", fault="block", target="worker", params={"seconds": 0.3})
    assert ask(small, "worker", "value") is not None
    assert small.node("worker")["pid"] == pid


def test_a_hang_shorter_than_the_heartbeat_is_survived(small: Running) -> None:
    small.wait_running()
    pid = small.node("worker")["pid"]
    small.call("inject", fault="hang", target="worker", params={"seconds": 0.3})
    assert ask(small, "worker", "value") is not None
    assert small.node("worker")["pid"] == pid


def test_leaked_memory_is_seen_in_status(small: Running) -> None:
    small.wait_running()
    before = small.node("sibling")["memory_mb"] or 0.0
    small.call("inject", fault="leak", target="sibling", params={"mb": 60})
    wait_for(lambda: (small.node("sibling")["memory_mb"] or 0.0) > before + 50, "60 MB more", step_s=0.2)


@pytest.mark.parametrize(
    ("fault", "target", "params"),
    [
        ("no_such_fault", "worker", {}),
        ("hang", "worker", {"seconds": "abc"}),
        ("hang", "worker", {"seconds": -1}),
        ("hang", "worker", {"seconds": float("nan")}),
        ("block", "branch", {"second": 1}),
        ("leak", "worker", {"mb": 1.5}),
        ("crash", "worker", {"message": 7}),
        ("crash", "worker", [1]),
        (["kill"], "worker", {}),
        ("kill", "nobody", {}),
        ("kill", 7, {}),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_and_reaches_nobody(
    small: Running, fault: Any, target: Any, params: Any
) -> None:
    small.wait_running()
    pids = {node["name"]: node["pid"] for node in small.nodes().values()}
    with pytest.raises(RemoteFailed):
        small.call("inject", fault=fault, target=target, params=params)
    assert {node["name"]: node["pid"] for node in small.nodes().values()} == pids


@pytest.mark.parametrize("verb", ["stop", "pause"])
@pytest.mark.parametrize("name", ["status", "registry", "tree"])
def test_what_every_verb_needs_can_be_neither_stopped_nor_paused(small: Running, verb: str, name: str) -> None:
    small.wait_running()
    with pytest.raises(RemoteFailed):
        small.call(verb, name=name)
    assert small.status() is not None


@pytest.mark.parametrize(
    "line",
    [b"", b"garbage", b"[]", b"7", b'{"verb": 5}', b'{"verb": "status", "args": 7}',
     b'{"verb": "status", "args": {"x": 1}}',
     b'{"verb": "status", "args": {"name": []}}', b"\xff\xfe\x00", b"[" * 100_000,
     b'{"verb": "events", "args": {"limit": -1}}',
     b'{"verb": "start", "args": {"name": {}}}', b'{"verb": "__init__"}',
     b'{"verb": "ask", "args": {"name": "status", "verb": 7}}'],
)  # fmt: skip
def test_garbage_on_the_control_socket_gets_one_error_line_and_harms_nobody(small: Running, line: bytes) -> None:
    small.wait_running()
    with small.client._connect() as sock:
        sock.settimeout(40)
        sock.sendall(line + b"\n" + b'{"verb": "ping"}\n')
        file = sock.makefile("rb")
        first, second = json.loads(file.readline()), json.loads(file.readline())
    assert first["ok"] is False and first["error"]["message"]
    assert second["ok"] is True


@pytest.mark.parametrize(
    "fault", ["kill", "crash", "exit", *(pytest.param(f, marks=pytest.mark.slow) for f in ("term", "hang", "block"))]
)
def test_the_root_supervisor_is_recovered_from_every_fault(
    start: Callable[..., Running], tmp_path: Path, fault: str
) -> None:
    (tmp_path / "tree.yaml").write_text(TREE)
    running = start(tmp_path / "tree.yaml")
    running.wait_running()
    pid = running.node("tree")["pid"]
    running.client.call("inject", {"fault": fault, "target": "tree", "params": REASONS[fault][0]})
    running.wait_new_pid("tree", pid)
    running.wait_running()
    wait_for(lambda: running.events(type="system.recovered"), "the recovery is an event")
    assert [e["data"]["fault"] for e in running.events(type="fault.injected")] == [fault]
    assert running.stop() == 0


def ask(running: Running, name: str, verb: str, **args: Any) -> Any:
    return running.client.call("ask", {"name": name, "verb": verb, "args": args})


def test_a_counter_keeps_what_it_saved_over_the_death_of_the_whole_system(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "tree.yaml").write_text(TREE)
    running = start(tmp_path / "tree.yaml")
    running.wait_running()
    for _ in range(3):
        ask(running, "worker", "count")
    system = psutil.Process(running.process.pid).children()[0]
    old = running.node("worker")["pid"]
    running.kill(system.children()[0].pid)
    running.wait_new_pid("worker", old)
    running.wait_running()
    assert ask(running, "worker", "value") == 3


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.slow
def test_two_hundred_restarts_leave_no_descriptors_sockets_or_memory_behind(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "tree.yaml").write_text(TREE.replace("intensity: 99", "intensity: 999"))
    running = start(tmp_path / "tree.yaml")
    running.wait_running()

    def cycle(times: int) -> None:
        for _ in range(times):
            running.call("restart", name="worker")

    def look() -> dict[str, tuple[int, int]]:
        running.wait_running()
        nodes = running.nodes()
        names = ("branch", "registry", "status", "tree", "sibling")
        return {n: (descriptors(nodes[n]["pid"]), psutil.Process(nodes[n]["pid"]).memory_info().rss) for n in names}

    sockets = running.home.control_socket.parent / "s"
    cycle(50)
    before, files = look(), len(list(sockets.iterdir()))
    cycle(200)
    after = look()
    for name, (fds, rss) in before.items():
        assert after[name][0] <= fds + 4, (name, before, after)
        assert after[name][1] <= rss + 8_000_000, (name, before, after)
    assert len(list(sockets.iterdir())) <= files + 4
