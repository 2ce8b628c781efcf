"""Snapshot sets of a live instance: taken after the boot, restored for real, and none on a full disk."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.errors import RemoteFailed
from grace_actors.errors import WorldFailed
from tests.harness.instance import Running, wait_for
from tests.unit.hygiene.house import House, rot

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

TREE = """
schema: grace.tree/1
name: kept
defaults: {tier: core}
children:
  - {id: message_bus, kernel: "grace_actors.kernels.message_bus:MessageBus"}
  - {id: immutable_log, kernel: "grace_actors.kernels.immutable_log:ImmutableLog"}
  - {id: librarian, kernel: "grace_actors.kernels.librarian:Librarian"}
  - id: infrastructure_manager
    kernel: "grace_actors.kernels.infrastructure_manager:InfrastructureManager"
    with: {snapshot_keep: 2, snapshot_min_free_mb: 1}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "tree.yaml").write_text(TREE)
    config = tmp_path / "home" / "config"
    config.mkdir(parents=True)
    (config / "own.yaml").write_text("rules: [a]\n")
    running = Running(tmp_path / "home", tmp_path / "tree.yaml")
    try:
        running.wait_running()
        yield running
    finally:
        running.close()


def ask(tree: Running, verb: str, name: str = "infrastructure_manager", **args: Any) -> Any:
    return tree.client.call("ask", {"name": name, "verb": verb, "args": args})


def told(tree: Running, type: str) -> list[dict[str, Any]]:
    return tree.events(type=type, since=0)


def test_a_running_instance_keeps_sets_and_gives_back_what_was_destroyed(tree: Running) -> None:
    home = tree.home.root
    (first,) = wait_for(lambda: told(tree, "snapshot_set.taken"), "the set of the boot")
    assert first["data"]["reason"] == "boot.completed" and first["data"]["damaged"] == []
    (row,) = ask(tree, "snapshot_sets")["sets"]
    assert row["id"] == first["subject"] and row["valid"]
    assert {"audit", "config", "events", "stores/librarian", "stores/message_bus", "tree"} <= {
        part["part"] for part in row["parts"]
    }
    ask(tree, "append", "immutable_log", actor="test", action="note", resource="sets")
    id = ask(tree, "take_snapshot_set")["id"]
    assert (
        subprocess.run(["sha256sum", "-c", "--quiet", "manifest.sha256"], cwd=home / "snapshots/sets" / id).returncode
        == 0
    )

    (home / "config/own.yaml").write_text("rules: [")
    with pytest.raises(RemoteFailed, match="librarian is running"):
        ask(tree, "restore_part", set=id, part="stores/librarian")
    tree.call("stop", name="librarian")
    rot(home / "data/librarian/library.db", 4096)
    taken = ask(tree, "take_snapshot_set")
    # An event is on its way to the log when the answer comes.
    wait_for(lambda: len(told(tree, "hygiene.part_damaged")) == 2, "both damages are told")
    damaged = {one["subject"]: one["data"]["copy"] for one in told(tree, "hygiene.part_damaged")}
    assert damaged == {"config/own.yaml": "kept", "stores/librarian/library.db": "kept"}
    assert ask(tree, "verify_snapshot_set", id=taken["id"])["valid"]
    wait_for(lambda: told(tree, "snapshot_set.pruned"), "what was pruned is told")
    assert [one["subject"] for one in told(tree, "snapshot_set.pruned")] == [first["subject"]]

    restored = ask(tree, "restore_part", set=taken["id"], part="stores/librarian")
    assert restored["restored"] == ["stores/librarian/library.db"]
    tree.call("start", name="librarian")
    wait_for(lambda: tree.node("librarian")["state"] == "running", "librarian is back")
    assert told(tree, "store.restored") == [] and told(tree, "store.recreated") == []
    ask(tree, "restore_part", set=taken["id"], part="config")
    assert (home / "config/own.yaml").read_text() == "rules: [a]\n"

    before = tree.node("infrastructure_manager")["pid"]
    tree.kill(before)
    tree.wait_new_pid("infrastructure_manager", before)
    assert [one["valid"] for one in ask(tree, "snapshot_sets")["sets"]] == [True, True]
    assert tree.stop() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own. Skips where this user may not mount."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_on_a_full_disk_no_set_is_taken_and_none_is_hurt(small_disk: Path) -> None:
    house = House(small_disk / "home").furnish()
    id = house.take()
    house.store("librarian", "library.db", 20)
    hog = small_disk / "hog"
    with hog.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"\0" * 4096)
    with pytest.raises(WorldFailed, match="full"):
        house.take()
    assert sorted(path.name for path in house.sets.iterdir()) == [".lock", id]
    assert house.do("verify", id=id)["valid"]
    hog.unlink()
    second = house.take()
    db = sqlite3.connect(house.copy(second, "stores/librarian/library.db"))
    assert db.execute("select count(*) from notes").fetchone() == (23,)
    db.close()
