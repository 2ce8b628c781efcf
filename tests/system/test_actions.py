"""Actions on a live tree: performed by a small kernel, as a playbook would have them performed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

MODULE = """
from dataclasses import asdict

from sqlite_utils import Migrations

from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.kernel import LATER, Kernel
from grace_actors.stores.sqlite import Store

migrations = Migrations("notes")


@migrations()
def first(db):
    db["notes"].create({"n": int, "filler": str})


class Performer(Kernel):
    def do_perform(self, request):
        args = request.args
        answer = lambda result: self.ctx.answer(request, asdict(result))
        CATALOGUE[args["action"]].perform(self.ctx, args["params"], args["check"], answer)
        return LATER


class Notes(Kernel):
    def setup(self):
        self.store = Store(self.ctx.data / "notes.db", migrations, emit=self.ctx.emit, name=self.ctx.name)

    def do_add(self, request):
        with self.store.write() as db:
            db["notes"].insert({"n": request.args["n"], "filler": "x" * 4000})

    def do_list(self, request):
        with self.store.read() as db:
            return [row["n"] for row in db.query("select n from notes order by n")]

    def stop(self, reason):
        self.store.close()
"""
TREE = """
schema: grace.tree/1
name: acted_upon
defaults: {tier: core}
children:
  - {id: message_bus, kernel: "grace_actors.kernels.message_bus:MessageBus"}
  - {id: immutable_log, kernel: "grace_actors.kernels.immutable_log:ImmutableLog"}
  - {id: coding_agent, kernel: "grace_actors.kernels.coding_agent:CodingAgent"}
  - {id: memory_fusion, kernel: "grace_actors.kernels.memory_fusion:MemoryFusion"}
  - {id: infrastructure_manager, kernel: "grace_actors.kernels.infrastructure_manager:InfrastructureManager"}
  - {id: api_server, kernel: "grace_actors.kernels.api_server:ApiServer", with: {port: 0}}
  - {id: performer, kernel: "acting:Performer"}
  - {id: notes, kernel: "acting:Notes", tier: mine}
  - {id: vital, kernel: "acting:Notes", tier: mine, critical: true}
  - id: window
    command: [python3, -c, "import time; print('open', flush=True); time.sleep(600)"]
    ready: {log_line: open}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("acting")
    (folder / "acting.py").write_text(MODULE)
    (folder / "tree.yaml").write_text(TREE)
    running = Running(folder / "home", folder / "tree.yaml")
    try:
        running.wait_running()
        yield running
    finally:
        running.close()


def ask(tree: Running, name: str, verb: str, **args: Any) -> Any:
    return tree.client.call("ask", {"name": name, "verb": verb, "args": args})


def perform(tree: Running, action: str, *, check: bool = False, **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = ask(tree, "performer", "perform", action=action, params=params, check=check)
    return result


def ok(tree: Running, action: str, **params: Any) -> dict[str, Any]:
    result = perform(tree, action, **params)
    assert result["ok"], result
    return result


def test_a_kernel_and_a_process_are_restarted(tree: Running) -> None:
    before = tree.nodes()
    assert ok(tree, "restart_kernel", kernel="notes")["changed"]
    assert ok(tree, "restart_service", service="window")["changed"]
    after = tree.nodes()
    for name in ("notes", "window"):
        assert (after[name]["state"], after[name]["generation"]) == ("running", before[name]["generation"] + 1)
        assert after[name]["pid"] != before[name]["pid"]
    assert after["vital"]["pid"] == before["vital"]["pid"]


def test_a_kernel_is_stopped_and_started(tree: Running) -> None:
    ok(tree, "stop_kernel", kernel="notes")
    assert tree.node("notes")["state"] == "stopped"
    assert not perform(tree, "wait_until_ready", kernel="notes", wait_s=0.3)["ok"]
    assert not ok(tree, "stop_kernel", kernel="notes")["changed"]
    assert ok(tree, "start_kernel", kernel="notes")["data"]["value"] == "running"
    ok(tree, "wait_until_ready", kernel="notes")
    assert ok(tree, "kernel_state", kernel="notes")["data"]["pid"] == tree.node("notes")["pid"]


def test_a_paused_kernel_answers_once_it_is_resumed(tree: Running) -> None:
    ok(tree, "pause_kernel", kernel="notes")
    assert tree.node("notes")["state"] == "paused"
    assert ok(tree, "resume_kernel", kernel="notes")["data"]["value"] == "running"
    assert isinstance(ask(tree, "notes", "list"), list)


def test_what_is_not_critical_is_paused_and_comes_back(tree: Running) -> None:
    assert ok(tree, "pause_non_critical_kernels")["data"]["kernels"] == ["notes"]
    states = {name: node["state"] for name, node in tree.nodes().items()}
    assert (states["notes"], states["vital"], states["performer"]) == ("paused", "running", "running")
    assert ok(tree, "resume_paused_kernels")["data"]["kernels"] == ["notes"]
    tree.wait_running()


def test_the_largest_user_that_may_be_paused_is_and_comes_back(tree: Running) -> None:
    assert ok(tree, "shed_load", resource="memory")["data"]["used"]["notes"] > 0
    assert ok(tree, "resume_paused_kernels")["data"]["kernels"] == ["notes"]
    tree.wait_running()


def test_the_kernels_that_actions_ask_answer_as_they_expect(tree: Running) -> None:
    entry = ok(tree, "log", message="began")["data"]["value"]
    found = ask(tree, "immutable_log", "search", action="playbook.log")["entries"]
    assert [one["entry_id"] for one in found] == [entry]
    for action in ("verify_log_integrity", "archive_audit_log", "verify_queue_health", "drain_queue"):
        ok(tree, action)
    order = ok(tree, "create_work_order", description="look at it")["data"]["work_order"]
    assert ask(tree, "coding_agent", "show", id=order)["status"] == "queued"
    ok(tree, "alert", message="look")
    assert [event["data"]["message"] for event in tree.events(type="alert.raised")] == ["look"]
    ok(tree, "capture_kernel_snapshots")
    assert "sample" in perform(tree, "check_resources")["data"]


def test_the_api_is_smoke_tested_and_measured(tree: Running) -> None:
    ok(tree, "run_smoke_tests", paths=["/health", "/status"])
    assert "/nothing: 404" in perform(tree, "run_smoke_tests", paths=["/nothing"])["message"]
    assert ok(tree, "verify_slo", threshold_ms=60_000.0)["data"]["samples"] == 5


@pytest.mark.parametrize("action", ["restart_kernel", "stop_kernel", "pause_kernel", "restore_from_snapshot"])
def test_the_performer_is_not_ended_by_itself(tree: Running, action: str) -> None:
    pid = tree.node("performer")["pid"]
    result = perform(tree, action, kernel="performer")
    assert (result["ok"], "performer performs this action" in result["message"]) == (False, True)
    assert tree.node("performer")["pid"] == pid


@pytest.mark.parametrize("action", ["restart_kernel", "stop_kernel", "pause_kernel"])
def test_a_prediction_leaves_the_tree_as_it_is(tree: Running, action: str) -> None:
    before = tree.node("notes")
    assert perform(tree, action, check=True, kernel="notes")["ok"]
    after = tree.node("notes")
    assert (after["pid"], after["state"]) == (before["pid"], before["state"])


def test_a_runtime_actor_can_be_restarted_but_not_stopped(tree: Running) -> None:
    pid = tree.node("status")["pid"]
    ok(tree, "restart_kernel", kernel="status")
    tree.wait_new_pid("status", pid)
    tree.wait_running()
    assert "this action is for a kernel" in perform(tree, "stop_kernel", kernel="status")["message"]


def test_a_damaged_store_is_replaced_by_its_snapshot(tree: Running) -> None:
    for n in (1, 2, 3):
        ask(tree, "notes", "add", n=n)
    ok(tree, "capture_store_snapshot", kernel="notes")
    ask(tree, "notes", "add", n=4)
    file = tree.home.root / "data/notes/notes.db"
    assert not ok(tree, "restore_from_snapshot", kernel="notes")["changed"]
    checkpoint(file)
    with file.open("r+b") as raw:
        raw.seek(8192)
        raw.write(b"\xff" * 4096)
    assert not perform(tree, "verify_kernel_store", kernel="notes")["ok"]
    result = ok(tree, "restore_from_snapshot", kernel="notes")
    assert (Path(result["data"]["quarantine"]) / "notes.db").exists()
    ok(tree, "verify_kernel_store", kernel="notes")
    assert ask(tree, "notes", "list") == [1, 2, 3]


def checkpoint(file: Path) -> None:
    """What is in the write-ahead log goes into the file, so that damage to the file is damage to the data."""
    connection = sqlite3.connect(file)
    try:
        wait_for(lambda: connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0, "a checkpoint")
    finally:
        connection.close()


SLOW = """
import time
from pathlib import Path


def test_it():
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.01)
"""


def test_the_performer_answers_while_a_command_runs(tree: Running, tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW)
    params = {"directory": str(tmp_path), "paths": ["test_slow.py"], "within_s": 20.0}
    with ThreadPoolExecutor(1) as pool:
        tested = pool.submit(perform, tree, "run_tests", **params)
        wait_for(lambda: (tmp_path / "begun").exists() or tested.done(), "the test has begun")
        seen = ok(tree, "kernel_state", kernel="performer")
        assert not tested.done()
        (tmp_path / "go").touch()
        assert tested.result()["data"]["passed"] == 1
    assert seen["data"]["value"] == "running"


def test_the_ping_of_a_kernel_is_measured(tree: Running) -> None:
    result = ok(tree, "verify_slo", kernel="vital", samples=3, threshold_ms=60_000.0)
    assert (result["data"]["samples"], result["data"]["value"] > 0) == (3, True)


def test_logs_in_use_are_not_touched(tree: Running) -> None:
    names = sorted(file.name for file in tree.home.logs.glob("*.log"))
    assert not ok(tree, "archive_logs", older_than_days=0.0)["changed"]
    assert sorted(file.name for file in tree.home.logs.glob("*.log")) == names


def test_a_setting_is_in_force_after_a_restart_and_a_broken_file_of_overrides_stops_nothing(tree: Running) -> None:
    before = ok(tree, "read_setting", kernel="message_bus", key="delivery_timeout")["data"]
    done = ok(tree, "set_setting", kernel="message_bus", key="delivery_timeout", times=2.0)["data"]
    assert (done["before"], done["value"], done["restart_needed"]) == (before["value"], 2 * before["value"], True)
    ok(tree, "restart_kernel", kernel="message_bus")
    after = ok(tree, "read_setting", kernel="message_bus", key="delivery_timeout")["data"]
    assert (after["value"], after["overridden"]) == (done["value"], True)
    path = tree.home.root / "config/overrides.yaml"
    path.write_text("overrides: [\n")
    ok(tree, "restart_kernel", kernel="message_bus")
    assert ask(tree, "message_bus", "settings")["overridden"] == []
    (event,) = tree.events(type="overrides.ignored", since=0)
    assert event["subject"] == "message_bus"
    assert event["data"]["problems"][0].startswith(f"{path}:2:1: ")
    path.unlink()


def test_the_schema_of_a_store_in_use_is_completed(tree: Running) -> None:
    assert ok(tree, "verify_store_schema", kernel="coding_agent")["data"]["value"] is True
    connection = sqlite3.connect(tree.home.root / "data/coding_agent/work_orders.db")
    connection.execute("drop index orders_by_run")
    connection.close()
    assert not perform(tree, "verify_store_schema", kernel="coding_agent")["ok"]
    ok(tree, "repair_store_schema", kernel="coding_agent")
    assert ok(tree, "verify_store_schema", kernel="coding_agent")["data"]["value"] is True
    assert ok(tree, "submit_test_task")["data"]["value"] == "completed"
