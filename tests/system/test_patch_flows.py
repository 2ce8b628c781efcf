"""The playbooks of the patch workflow on a live tree, started as a user's actors and logs start them.

One instance with a kernel and a process of a user's beside the built-in tree. What data or a restart can cure orders
nothing; what is a matter of code waits for a work order, through kills and a restart of everything, and is healed
when the cure has passed its tests, and not when it has not.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from grace_actors.console.errors import RemoteFailed
from grace_actors.kernels.host_sample import MEMORY_LIMIT
from tests.harness.instance import ROOT, Running, wait_for
from tests.system.test_healing_tour import ask, cli

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

LINE = "ERROR: Pipeline timeout after 300 seconds"
SETTINGS = {
    # Logs are looked at often; how busy the machine is that runs the tests is nobody's incident.
    "trigger_mesh": "{log_interval: 100ms, cpu_percent: 100, memory_percent: 100, load: 10000, latency_ms: 600000}",
    "librarian": "{poll_interval: 0.1}",
}
SHOP = """
  - supervisor: shop
    strategy: one_for_one
    intensity: 40
    period: 60s
    policies: [repair]
    children:
      - {id: till, kernel: "till:Till"}
      - {id: mill, command: COMMAND}
"""
THE_WAY = (
    "pipeline.timeout",
    "incident.opened",
    "self_healing.triggered",
    "coding_agent.work_order_created",
    "self_healing.escalated",
    "coding_agent.patch_generated",
    "coding_agent.tests_passed",
    "coding_agent.work_order_updated",
    "self_healing.patch_applied",
    "incident.healed",
    "self_healing.completed",
)


class Shop:
    """A home, its tree, and the instance that lives in it now."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.go = folder, folder / "go"
        words = [f"wait={self.go}", f"print={LINE}", "forever"]
        command = [sys.executable, str(ROOT / "tests" / "harness" / "service.py"), *words]
        text = (ROOT / "supervisors" / "grace.yaml").read_text(encoding="utf-8")
        for name, given in SETTINGS.items():
            text = text.replace(f"      - id: {name}\n", f"      - id: {name}\n        with: {given}\n")
        (folder / "tree.yaml").write_text(text + SHOP.replace("COMMAND", json.dumps(command)), encoding="utf-8")
        shutil.copy(ROOT / "tests" / "harness" / "till.py", folder)
        self.grace = self._start()

    def _start(self) -> Running:
        return Running(self.folder / "home", self.folder / "tree.yaml")

    def start_again(self) -> None:
        """Stop everything in order, and start it on the same home."""
        assert self.grace.stop() == 0
        self.grace.close()
        self.grace = self._start()
        self.grace.wait_running()

    # ---- looking ----------------------------------------------------------------------------------------

    def incident(self, reason: str, *states: str) -> dict[str, Any]:
        """The incident with these words as its reason, once it is in one of these states."""

        def there() -> dict[str, Any] | None:
            rows = ask(self.grace, "self_healing", "incidents")["incidents"]
            return next((row for row in rows if reason in row["reason"] and row["state"] in states), None)

        found: dict[str, Any] = wait_for(there, f"{reason} to be {' or '.join(states)}")
        return found

    def healed(self, reason: str, repair: str) -> dict[str, Any]:
        """The same, which this repair has healed without a work order."""
        found = self.incident(reason, "healed", "failed", "awaiting_patch")
        assert (found["state"], found["repair"], found["work_order"]) == ("healed", repair, None), found["cause"]
        return found

    def orders(self, incident: str) -> list[dict[str, Any]]:
        return list(ask(self.grace, "coding_agent", "list", incident=incident)["work_orders"])

    def run(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.grace, "self_healing", "run", id=id)
        return found

    def trust(self, component: str) -> int:
        return int(ask(self.grace, "verification_framework", "trust", component=component)["score"])

    # ---- doing ------------------------------------------------------------------------------------------

    def complain(self, type: str, line: str) -> None:
        ask(self.grace, "till", "complain", type=type, line=line)

    def add_note(self) -> Any:
        return self.grace.client.call("ask", {"name": "till", "verb": "add", "args": {"text": "a note"}})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        shop.grace.wait_running()
        yield shop
    finally:
        shop.grace.close()


# ---- what needs no change of code -------------------------------------------------------------------------------


def test_a_lost_connection_is_healed_by_connecting_anew(shop: Shop) -> None:
    before = shop.grace.node("till")["pid"]
    shop.complain("connection.lost", "ERROR: lost the connection to the bank")
    found = shop.healed("lost the connection", "database_reconnect")
    assert shop.run(found["run"])["status"] == "succeeded"
    assert shop.grace.node("till")["pid"] != before
    assert shop.orders(found["id"]) == []


def test_a_table_that_is_gone_is_created_again_with_the_rows_of_the_snapshot(shop: Shop) -> None:
    assert (shop.add_note(), shop.add_note()) == ({"notes": 1}, {"notes": 2})
    ask(shop.grace, "till", "back_up")
    with closing(sqlite3.connect(shop.folder / "home" / "data" / "till" / "till.db")) as database:
        database.execute("drop table notes")
        database.commit()
    with pytest.raises(RemoteFailed, match="no such table"):
        shop.add_note()
    found = shop.healed("no such table", "schema_recovery")
    assert "lacks table notes, index by_text" in str(shop.run(found["run"])["steps"][0]["message"])
    assert shop.add_note() == {"notes": 3}


def test_a_document_whose_fault_was_mended_is_taken_in(shop: Shop) -> None:
    inbox = shop.folder / "home" / "inbox"
    cli(shop.grace, "pause", "self_healing")  # who mends it is quicker
    (inbox / "late.txt").touch()
    wait_for((inbox / "rejected" / "late.txt.reason.txt").exists, "the rejection")
    (inbox / "rejected" / "late.txt").write_text("a supervision tree heals itself", encoding="utf-8")
    cli(shop.grace, "resume", "self_healing")
    shop.healed("late.txt is empty", "ingestion_replay")
    found = ask(shop.grace, "librarian", "search", words="supervision")["chunks"]
    assert [chunk["name"] for chunk in found] == ["late.txt"]


@pytest.mark.skipif(psutil.virtual_memory().percent > MEMORY_LIMIT, reason="memory is short on this host")
def test_memory_that_ran_out_is_freed_and_what_was_paused_runs_again(shop: Shop) -> None:
    shop.complain("memory.pressured", "MemoryError: no memory for the day's sales")
    found = shop.healed("no memory", "memory_cleanup")
    steps = {step["id"]: step["status"] for step in shop.run(found["run"])["steps"]}
    assert (steps["shed"], steps["restart"], steps["resume"]) == ("succeeded", "succeeded", "succeeded")
    assert [name for name, node in shop.grace.nodes().items() if node["state"] == "paused"] == []


# ---- what does --------------------------------------------------------------------------------------------------


def test_a_timeout_in_the_log_of_a_process_orders_a_cure_and_waits(shop: Shop) -> None:
    shop.go.touch()
    found = shop.incident(LINE, "awaiting_patch")
    shop.go.unlink()  # the next start is quiet
    assert (found["reason"], found["next_step"]) == (LINE, f"work-order show {found['work_order']}")
    run, (order,) = shop.run(found["run"]), shop.orders(found["id"])
    assert (run["playbook"], run["status"]) == ("pipeline_timeout_fix", "paused")
    assert (order["status"], order["estimated_complexity"]) == ("queued", "medium")
    assert (run["incident"], run["work_order"], found["work_order"]) == (found["id"], order["id"], order["id"])
    assert (order["incident"], order["self_healing_run_id"]) == (found["id"], run["id"])
    assert order["context"]["error"] == LINE


def test_the_wait_survives_kills_and_a_restart_of_everything(shop: Shop) -> None:
    before = shop.incident(LINE, "awaiting_patch")
    pids = {name: shop.grace.node(name)["pid"] for name in ("self_healing", "coding_agent")}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in pids.items():
        shop.grace.wait_new_pid(name, pid)
    assert shop.incident(LINE, "awaiting_patch") == before
    shop.start_again()
    assert shop.incident(LINE, "awaiting_patch") == before
    assert [order["id"] for order in shop.orders(before["id"])] == [before["work_order"]]
    assert shop.run(before["run"])["status"] == "paused"


def test_a_cure_that_passed_its_tests_is_verified_and_the_story_is_told(shop: Shop) -> None:
    found = shop.incident(LINE, "awaiting_patch")
    order, trust = found["work_order"], shop.trust("mill")
    cli(shop.grace, "work-order", "complete", order, "--files", "2", "--by", "ada")
    healed = shop.incident(LINE, "healed", "failed")
    assert (healed["state"], healed["repair"], healed["count"]) == ("healed", "pipeline_timeout_fix", 1)
    wait_for(lambda: shop.trust("mill") == trust + 5, "the trust in mill to be higher")
    run, shown = cli(shop.grace, "run", "show", found["run"]), cli(shop.grace, "incident", "show", found["id"])
    assert (run["status"], run["message"], run["work_order"]) == ("succeeded", "verified", order)
    assert "2 files changed, tests passed" in str([step["message"] for step in run["steps"]])
    story = [line["what"] for line in shown["timeline"]]
    assert [line.partition(" after ")[0] for line in story][-3:] == [
        f"waits for the patch {order}",
        f"goes on: {order} is answered",
        "healed by pipeline_timeout_fix",
    ]
    assert any(order in sentence for sentence in cli(shop.grace, "why", "mill")["sentences"])
    about = {found["id"], found["run"], order, "mill"}
    told = [event for type in THE_WAY for event in shop.grace.events(since=0, type=type) if event["subject"] in about]
    told.sort(key=lambda event: event["seq"])
    assert tuple(dict.fromkeys(event["type"] for event in told)) == THE_WAY


def test_a_cure_whose_tests_failed_heals_nothing_and_wins_no_trust(shop: Shop) -> None:
    trust = shop.trust("till")
    shop.complain("verification.failed", "ERROR: verification failed: the totals do not add up")
    found = shop.incident("the totals do not add up", "awaiting_patch")
    order = found["work_order"]
    cli(shop.grace, "work-order", "complete", order, "--tests-failed", "--by", "ada")
    failed = shop.incident("the totals do not add up", "healed", "failed", "quarantined")
    run = shop.run(found["run"])
    assert (failed["state"], run["playbook"], run["status"]) == ("failed", "verification_fix", "failed")
    assert ask(shop.grace, "coding_agent", "show", id=order)["status"] == "failed"
    assert f"{order}: the tests did not pass" in failed["cause"]
    wait_for(lambda: shop.incident("the totals do not add up", "failed")["work_order"] != order, "the next order")
    failed = shop.incident("the totals do not add up", "failed")
    assert failed["next_step"] == f"work-order show {failed['work_order']}"
    tried = ask(shop.grace, "coding_agent", "show", id=failed["work_order"])["context"]["tried"]
    assert f"{order}: the tests did not pass" in str(tried)
    wait_for(lambda: shop.trust("till") == trust - 10, "the trust in till to be lower")
