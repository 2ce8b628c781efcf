"""Chaos Kong on a living tree: what was acknowledged came, and whatever interrupts it, nothing of it stays."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grace_actors.console.errors import RemoteFailed
from tests.harness.instance import Running, wait_for
from tests.harness.packs import tree

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(300)]

API = {"api_server": {"with": {"port": 0}}}
SMALL = """
schema: grace.tree/1
name: tree
strategy: one_for_one
intensity: 99
period: 60s
defaults:
  backoff: {min: 10ms, max: 20ms}
  budget: {intensity: 99, period: 60s}
children:
  - {actor: registry}
  - {actor: signature}
  - {actor: status}
  - {kernel: "grace_actors.kernels.message_bus:MessageBus", id: message_bus, tier: core}
  - {kernel: "grace_actors.kernels.immutable_log:ImmutableLog", id: immutable_log, tier: core}
  - {kernel: "grace_actors.kernels.self_healing:SelfHealing", id: self_healing, tier: core}
  - {kernel: "grace_actors.kernels.chaos_runner:ChaosRunner", id: chaos_runner, tier: drills}
"""


def ask(running: Running, name: str, verb: str, **args: Any) -> Any:
    return running.client.call("ask", {"name": name, "verb": verb, "args": args})


def begin(running: Running, seconds: float, load: int) -> str:
    """Kong, once whatever was before lets it begin."""

    def begun() -> str | None:
        try:
            return str(ask(running, "chaos_runner", "kong", seconds=seconds, load=load, by="test")["run"])
        except RemoteFailed:
            return None

    run: str = wait_for(begun, "Kong to begin")
    return run


def is_over(running: Running, run: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = ask(running, "chaos_runner", "drill_run", run=run)
    except RemoteFailed:
        return None
    return found if found["status"] != "running" and running.nodes().get("drill_source") is None else None


# ---- interrupted ------------------------------------------------------------------------------------------------


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Callable[[], Running]]:
    """Start one life of the home after the other; the last one is ended at the end."""
    file, started = tmp_path / "tree.yaml", list[Running]()
    file.write_text(SMALL, encoding="utf-8")

    def start() -> Running:
        started.append(Running(tmp_path / "home", file))
        started[-1].wait_running()
        return started[-1]

    yield start
    for running in reversed(started):
        running.close()


def in_the_midst(running: Running) -> tuple[str, set[psutil.Process]]:
    """A Kong whose load runs and whose burners burn; the latter."""
    run = begin(running, 300, 50)

    def burning() -> set[psutil.Process] | None:
        found = ask(running, "chaos_runner", "faults")["records"]
        if not any(one["fault"] == "burn" and one["state"] == "injected" for one in found):
            return None
        return set(psutil.Process(running.node("chaos_runner")["pid"]).children()) or None

    processes: set[psutil.Process] = wait_for(burning, "burners")
    wait_for(lambda: ask(running, "drill_source", "figures")["acknowledged"] > 20, "a load that runs")
    return run, processes


def nothing_stays(running: Running, run: str, processes: set[psutil.Process], reason: str) -> None:
    over = wait_for(lambda: is_over(running, run), f"{run} to be over")
    assert (over["status"], over["passed"]) == ("interrupted", None)
    assert reason in over["reason"]
    wait_for(lambda: not any(process.is_running() for process in processes), "the end of the burners")
    active = [one for one in ask(running, "chaos_runner", "faults")["records"] if one["state"] != "undone"]
    wait_for(lambda: not left_of_load(running), f"the end of the load: {left_of_load(running)}")
    told = [event["data"] for event in running.events(type="drill.interrupted", since=0)]
    assert (active, [data["card"] for data in told if data["run"] == run]) == ([], ["KONG"])
    wait_for(lambda: running.nodes() and all(node["state"] == "running" for node in running.nodes().values()), "all up")


def left_of_load(running: Running) -> list[str]:
    files = [str(file) for file in (running.home.root / "data").glob("drill_*/ledger*")]
    subscribers = [one["subscriber"] for one in ask(running, "message_bus", "stats")["subscribers"]]
    topics = ask(running, "message_bus", "topics")["topics"]
    return [*files, *subscribers, *(one["topic"] for one in topics if one["durable"])]


@pytest.mark.slow
def test_kong_that_is_halted_or_killed_or_dies_with_all_of_grace_leaves_nothing(lives: Callable[[], Running]) -> None:
    running = lives()
    run, processes = in_the_midst(running)
    assert ask(running, "chaos_runner", "halt", by="ana")["halted"] == run
    nothing_stays(running, run, processes, "halted by ana")

    run, processes = in_the_midst(running)
    running.kill(running.node("chaos_runner")["pid"])
    nothing_stays(running, run, processes, "the runner ended")

    run, processes = in_the_midst(running)
    running.remember()
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    wait_for(lambda: not running.leftovers(), "the end of the first life")
    nothing_stays(lives(), run, processes, "the runner ended")


# ---- to its end -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kong_under_load_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    running = Running(tmp_path / "home", tree(tmp_path, API))
    try:
        running.wait_running()
        run = begin(running, 25, 500)
        over = wait_for(lambda: is_over(running, run), "Kong to be over", timeout_s=200)
        journal = json.loads(Path(over["journal"]).read_text(encoding="utf-8"))
        facts, said = journal["facts"], over["said"]
        failed = [f"{gate}: {said[gate]}" for gate, ok in over["gates"].items() if not ok and gate != "limits_met"]
        assert failed == [], "how fast it is whole again depends on who else uses this machine"
        assert facts["whole_at"] is not None
        assert facts["acknowledged"] > 0.5 * 500 * 25
        measured = ("kernel_restarts", "recoveries", "snapshots_rotated", "queue_depth_max", "cpu_max")
        assert [name for name in measured if not facts[name]] == []
        (told,) = running.events(type="drill.started", since=0)
        assert told["data"]["card"] == "KONG"
    finally:
        running.close()
