"""Stores of kernels are checked and put back from snapshots, with real SQLite files."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from grace_actors import snapshots
from grace_actors.kernels.memory_fusion import MemoryFusion
from tests.unit.actions.stage import Stage


def rows(file: Path) -> list[int]:
    connection = sqlite3.connect(file)
    try:
        return [row[0] for row in connection.execute("select n from notes order by n")]
    finally:
        connection.close()


def write(file: Path, *numbers: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table if not exists notes (n integer, filler text)")
    connection.executemany("insert into notes values (?, ?)", [(n, "x" * 4000) for n in numbers])
    connection.commit()
    connection.close()


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    file.write_bytes(content)


@pytest.fixture
def store(stage: Stage) -> Path:
    stage.world.add("librarian")
    file = stage.home / "data/librarian/library.db"
    write(file, 1, 2, 3)
    return file


def test_an_intact_store_is_verified_and_left_as_it_is(stage: Stage, store: Path) -> None:
    assert stage.ok("verify_kernel_store", kernel="librarian").data["stores"] == ["library.db"]
    assert [file.name for file in store.parent.iterdir()] == ["library.db"]


def test_a_store_is_verified_while_it_is_in_use(stage: Stage, store: Path) -> None:
    connection = sqlite3.connect(store)
    connection.execute("insert into notes values (4, '')")
    connection.commit()
    try:
        stage.ok("verify_kernel_store", kernel="librarian")
    finally:
        connection.close()
    assert rows(store) == [1, 2, 3, 4]


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_what_is_no_database_is_not_intact(stage: Stage, store: Path, content: bytes) -> None:
    if content:
        store.write_bytes(content)
        assert "not a database" in stage.fails("verify_kernel_store", kernel="librarian").message
    else:
        damage(store)
        assert stage.fails("verify_kernel_store", kernel="librarian").data["damaged"].keys() == {"library.db"}


def test_a_kernel_without_a_store_verifies_nothing_and_fails(stage: Stage) -> None:
    assert "has no store" in stage.fails("verify_kernel_store", kernel="sandbox").message
    assert "is no kernel name" in stage.fails("verify_kernel_store", kernel="../librarian").message


def test_a_snapshot_is_taken_while_the_store_is_in_use(stage: Stage, store: Path) -> None:
    connection = sqlite3.connect(store)
    connection.execute("insert into notes values (4, '')")
    connection.commit()
    try:
        taken = stage.ok("capture_store_snapshot", kernel="librarian").data["file"]
    finally:
        connection.close()
    assert rows(Path(taken)) == [1, 2, 3, 4]
    assert Path(taken).parent == stage.home / "snapshots/stores/librarian"


def test_a_damaged_store_gives_no_snapshot(stage: Stage, store: Path) -> None:
    damage(store)
    stage.fails("capture_store_snapshot", kernel="librarian")
    assert list((stage.home / "snapshots").rglob("*.db")) == []


def test_a_damaged_store_is_replaced_by_the_newest_good_snapshot_while_its_kernel_is_down(
    stage: Stage, store: Path
) -> None:
    stage.ok("capture_store_snapshot", kernel="librarian")
    write(store, 4)
    newest = Path(stage.ok("capture_store_snapshot", kernel="librarian").data["file"])
    newest.write_bytes(b"rotten")
    damage(store)
    broken = store.read_bytes()
    result = stage.ok("restore_from_snapshot", kernel="librarian")
    assert stage.world.done == [("terminate_child", "librarian"), ("restart_child", "librarian")]
    assert rows(store) == [1, 2, 3]
    assert (Path(result.data["quarantine"]) / "library.db").read_bytes() == broken
    assert stage.world.nodes["librarian"]["state"] == "running"


def test_a_snapshot_with_a_right_checksum_and_damaged_content_is_passed_over(stage: Stage, store: Path) -> None:
    stage.ok("capture_store_snapshot", kernel="librarian")
    write(store, 4)
    newest = Path(stage.ok("capture_store_snapshot", kernel="librarian").data["file"])
    damage(newest)
    newest.with_name(f"{newest.name}.sha256").write_text(hashlib.sha256(newest.read_bytes()).hexdigest())
    damage(store)
    stage.ok("restore_from_snapshot", kernel="librarian")
    assert rows(store) == [1, 2, 3]


def test_an_intact_store_is_not_replaced(stage: Stage, store: Path) -> None:
    stage.ok("capture_store_snapshot", kernel="librarian")
    write(store, 4)
    assert not stage.ok("restore_from_snapshot", kernel="librarian").changed
    assert (rows(store), stage.world.done) == ([1, 2, 3, 4], [])


def test_a_kernel_left_down_halfway_is_started_when_the_action_is_repeated(stage: Stage, store: Path) -> None:
    stage.world.nodes["librarian"]["state"] = "stopped"
    assert stage.ok("restore_from_snapshot", kernel="librarian").changed
    assert stage.world.done == [("restart_child", "librarian")]


def test_an_intact_store_can_be_taken_back_by_force(stage: Stage, store: Path) -> None:
    stage.ok("capture_store_snapshot", kernel="librarian")
    write(store, 4)
    stage.ok("restore_from_snapshot", kernel="librarian", force=True)
    assert rows(store) == [1, 2, 3]


def test_without_a_good_snapshot_nothing_is_stopped(stage: Stage, store: Path) -> None:
    damage(store)
    assert "no good snapshot" in stage.fails("restore_from_snapshot", kernel="librarian").message
    assert stage.world.done == []


def test_a_kernel_is_started_again_when_its_store_could_not_be_replaced(stage: Stage, store: Path) -> None:
    stage.ok("capture_store_snapshot", kernel="librarian")
    damage(store)
    (stage.home / "quarantine").rmdir()
    (stage.home / "quarantine").write_text("in the way")
    result = stage.fails("restore_from_snapshot", kernel="librarian")
    assert "was not restored" in result.message
    assert (result.changed, stage.world.nodes["librarian"]["state"]) == (True, "running")


def test_several_stores_are_refused_since_snapshots_do_not_say_whose_they_are(stage: Stage, store: Path) -> None:
    write(store.with_name("second.db"), 1)
    assert "several stores" in stage.fails("restore_from_snapshot", kernel="librarian").message


def test_kernel_snapshots_are_archived_and_verified(stage: Stage) -> None:
    stage.bench.add("memory_fusion", MemoryFusion)
    assert "no snapshot to verify" in stage.fails("verify_kernel_snapshots").message
    snapshots.save(stage.home / "snapshots", "sandbox", {"n": 1})
    assert stage.ok("capture_kernel_snapshots").data["kernels"] == ["sandbox"]
    assert stage.ok("verify_kernel_snapshots").data["value"] == 2
    snapshots.path_of(stage.home / "snapshots", "sandbox").write_bytes(b"rotten")
    assert "damaged: " in stage.fails("verify_kernel_snapshots", kernel="sandbox").message


def test_without_memory_fusion_no_snapshot_is_archived(stage: Stage) -> None:
    assert "memory_fusion did not answer" in stage.fails("capture_kernel_snapshots").message


def test_a_poisoned_snapshot_is_set_aside_while_its_kernel_is_down(stage: Stage) -> None:
    stage.world.add("sandbox", state="quarantined")
    for n in (1, 2):
        snapshots.save(stage.home / "snapshots", "sandbox", {"n": n})
    assert stage.perform("reset_kernel_snapshot", kernel="sandbox", check=True).changed
    assert snapshots.load(stage.home / "snapshots", "sandbox").state == {"n": 2}
    result = stage.ok("reset_kernel_snapshot", kernel="sandbox")
    assert snapshots.load(stage.home / "snapshots", "sandbox").state is None
    kept = Path(result.data["quarantine"])
    assert sorted(file.name for file in kept.iterdir()) == ["sandbox.prev.snap", "sandbox.snap"]
    assert stage.world.done == [("reset", "sandbox")]
    assert not stage.ok("reset_kernel_snapshot", kernel="sandbox").changed


def test_a_running_kernel_saves_its_memory_before_that_is_set_aside(stage: Stage) -> None:
    stage.world.add("sandbox")
    snapshots.save(stage.home / "snapshots", "sandbox", {"n": 1})
    stage.ok("reset_kernel_snapshot", kernel="sandbox", start=False)
    assert stage.world.done == [("terminate_child", "sandbox")]


def test_a_kernel_runs_again_when_its_snapshot_could_not_be_set_aside(stage: Stage) -> None:
    stage.world.add("sandbox")
    snapshots.save(stage.home / "snapshots", "sandbox", {"n": 1})
    (stage.home / "quarantine").rmdir()
    (stage.home / "quarantine").write_text("in the way")
    assert "were not moved" in stage.fails("reset_kernel_snapshot", kernel="sandbox").message
    assert stage.world.nodes["sandbox"]["state"] == "running"
    assert "cannot reset itself" in stage.fails("reset_kernel_snapshot", kernel="self_healing").message
