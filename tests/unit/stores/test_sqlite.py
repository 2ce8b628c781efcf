"""The SQLite store: durable transactions, refusals of the world, self-repair at open."""

from __future__ import annotations

import itertools
import resource
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Migrations

from grace_actors.errors import StoreFailed
from grace_actors.stores import backups
from grace_actors.stores.sqlite import Store

MIGRATIONS = Migrations("notes")


@MIGRATIONS()
def create_notes(db: Any) -> None:
    db["notes"].create({"id": int, "text": str}, pk="id")


class Room:
    """A home with one store that can be opened again and again; every stamp is new."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "data" / "owner" / "notes.db"
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self._clock = itertools.count(1_700_000_000)
        self._open: list[Store] = []

    def open(self, migrations: Migrations = MIGRATIONS) -> Store:
        def emit(kind: str, subject: str, data: dict[str, Any]) -> None:
            self.events.append((kind, subject, data))

        store = Store(self.path, migrations, emit=emit, name="notes", wall=lambda: float(next(self._clock)))
        self._open.append(store)
        return store

    def types(self) -> list[str]:
        return [event[0] for event in self.events]

    def close(self) -> None:
        for store in self._open:
            store.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.close()


def add(store: Store, text: str) -> None:
    with store.write() as db:
        db["notes"].insert({"text": text})


def texts(store: Store) -> list[str]:
    with store.read() as db:
        return [row["text"] for row in db.query("select text from notes order by id")]


def test_what_was_committed_is_there_after_the_process_is_gone(room: Room) -> None:
    program = f"""
        import os
        from pathlib import Path
        from sqlite_utils import Migrations
        from grace_actors.stores.sqlite import Store
        migrations = Migrations("notes")
        @migrations()
        def create_notes(db): db["notes"].create({{"id": int, "text": str}}, pk="id")
        store = Store(Path({str(room.path)!r}), migrations, emit=print, name="notes")
        with store.write() as db:
            db["notes"].insert({{"text": "kept"}})
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert texts(room.open()) == ["kept"]
    assert room.events == []


def test_a_failing_block_leaves_nothing_of_its_transaction(room: Room) -> None:
    store = room.open()
    with pytest.raises(KeyError), store.write() as db:
        db["notes"].insert({"text": "half"})
        raise KeyError("caller")
    add(store, "whole")
    assert texts(store) == ["whole"]


def test_a_mistake_in_sql_is_a_bug_and_not_a_store_failure(room: Room) -> None:
    store = room.open()
    with pytest.raises(sqlite3.OperationalError), store.write() as db:
        db.execute("insert into nowhere values (1)")
    add(store, "after")
    assert texts(store) == ["after"]


def test_a_full_disk_is_refused_with_a_hint_and_writing_goes_on_when_there_is_space(room: Room) -> None:
    store = room.open()
    add(store, "before")
    store.db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreFailed) as refused:
        add(store, "x" * 500_000)
    assert "full" in refused.value.message
    assert "free space" in refused.value.hint
    assert texts(store) == ["before"]
    store.db.execute("PRAGMA max_page_count = 100000")
    add(store, "x" * 500_000)
    assert len(texts(store)) == 2


def test_a_file_size_limit_of_the_process_loses_nothing_stored_before(room: Room) -> None:
    store = room.open()
    add(store, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(StoreFailed):
            add(store, "x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert texts(store) == ["before"]
    add(store, "after")
    store.close()
    assert texts(room.open()) == ["before", "after"]


def test_a_database_locked_by_another_process_is_a_store_failure(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_actors.stores.sqlite.BUSY_TIMEOUT_S", 0.0)
    store = room.open()
    other = sqlite3.connect(room.path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed) as refused:
        add(store, "no")
    assert "one writer" in refused.value.hint
    other.execute("ROLLBACK")
    other.close()
    add(store, "yes")
    assert texts(store) == ["yes"]


def test_a_kernel_whose_file_another_process_held_was_taken_for_hung_after_two_writes(room: Room) -> None:
    """self_healing writes three times for one trigger; a repairer is given up after 750 ms times four."""
    waits_s = room.open().db.execute("PRAGMA busy_timeout").fetchone()[0] / 1000
    assert 0 < 4 * waits_s < 0.75 * 4 / 2


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "deleted"])
def test_a_damaged_file_is_replaced_by_the_newest_snapshot(room: Room, damage: str) -> None:
    store = room.open()
    for number in range(50):
        add(store, f"{number} " + "x" * 500)
    store.backup()
    kept = texts(store)
    store.close()
    spoil(room.path, damage)
    again = room.open()
    assert texts(again) == kept
    assert room.types() == ["store.restored"]
    quarantine = Path(room.events[0][2]["quarantine"])
    assert quarantine.parent == room.home / "quarantine"
    assert quarantine.name.startswith("notes-")
    assert (quarantine / "notes.db").exists() == (damage != "deleted")
    add(again, "goes on")


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
def test_a_damaged_file_without_a_snapshot_is_recreated_with_an_event(room: Room, damage: str) -> None:
    store = room.open()
    for number in range(50):
        add(store, f"{number} " + "x" * 500)
    store.close()
    spoil(room.path, damage)
    again = room.open()
    assert texts(again) == []
    assert room.types() == ["store.recreated"]
    add(again, "usable")


def test_write_ahead_files_of_a_damaged_database_go_to_quarantine_with_it(room: Room) -> None:
    store = room.open()
    add(store, "one")
    store.close()
    room.path.write_bytes(b"garbage" * 1000)
    room.path.with_name("notes.db-wal").write_bytes(b"old frames")
    room.open()
    quarantine = Path(room.events[0][2]["quarantine"])
    assert (quarantine / "notes.db-wal").read_bytes() == b"old frames"


def test_a_damaged_snapshot_is_passed_over_for_the_one_before(room: Room) -> None:
    store = room.open()
    add(store, "first")
    store.backup()
    add(store, "second")
    newest = store.backup()
    store.close()
    newest.write_bytes(newest.read_bytes()[:-10])
    spoil(room.path, "garbage")
    assert texts(room.open()) == ["first"]


def test_five_snapshots_are_kept_each_with_its_checksum(room: Room) -> None:
    store = room.open()
    for number in range(8):
        add(store, str(number))
        store.backup()
    files = sorted(file.name for file in store.snapshots.iterdir())
    assert len(files) == 2 * backups.KEPT
    assert len(list(backups.valid(store.snapshots))) == backups.KEPT


def test_a_backup_on_a_full_disk_fails_and_leaves_the_older_snapshots(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = room.open()
    add(store, "one")
    store.backup()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreFailed) as refused:
        store.backup()
    monkeypatch.undo()
    assert "free space" in refused.value.hint
    assert len(list(backups.valid(store.snapshots))) == 1
    assert len(list(store.snapshots.iterdir())) == 2


def test_backup_if_changed_does_nothing_twice(room: Room) -> None:
    store = room.open()
    add(store, "one")
    assert store.backup_if_changed() is not None
    assert store.backup_if_changed() is None
    add(store, "two")
    assert store.backup_if_changed() is not None


def test_a_file_deleted_under_a_running_store_loses_nothing(room: Room) -> None:
    store = room.open()
    add(store, "one")
    for file in room.path.parent.iterdir():
        file.unlink()
    add(store, "two")
    store.close()
    assert texts(room.open()) == ["one", "two"]
    assert room.types() == ["store.restored"]


def test_damage_met_while_in_use_is_repaired_and_the_request_is_told_to_try_again(room: Room) -> None:
    store = room.open()
    for number in range(200):
        add(store, f"{number} " + "x" * 500)
    store.backup()
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.db.execute("PRAGMA shrink_memory")
    with room.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (room.path.stat().st_size - 4096))
    with pytest.raises(StoreFailed) as told:
        texts(store)
    assert "try again" in told.value.hint
    assert len(texts(store)) == 200
    add(store, "goes on")
    assert room.types() == ["store.restored"]


def test_a_snapshot_of_an_older_schema_is_migrated_when_restored(room: Room) -> None:
    newer = Migrations("notes")
    newer()(create_notes)

    @newer()
    def add_author(db: Any) -> None:
        db["notes"].add_column("author", str)

    store = room.open()
    add(store, "old")
    store.backup()
    store.close()
    spoil(room.path, "garbage")
    with room.open(newer).read() as db:
        assert list(db["notes"].rows) == [{"id": 1, "text": "old", "author": None}]


def test_check_and_writable_pass_on_a_sound_store_and_leave_no_trace(room: Room) -> None:
    store = room.open()
    before = store.db.conn.total_changes
    assert store.check().ok
    assert store.writable().ok
    assert store.db.conn.total_changes == before


def test_a_directory_that_cannot_be_made_is_a_store_failure(room: Room) -> None:
    (room.home / "data").write_text("a file where a directory belongs")
    with pytest.raises(StoreFailed) as refused:
        room.open()
    assert refused.value.hint


def spoil(path: Path, damage: str) -> None:
    match damage:
        case "garbage":
            path.write_bytes(b"\x00garbage\xff" * 3000)
        case "truncated":
            path.write_bytes(path.read_bytes()[:5000])
        case "empty":
            path.write_bytes(b"")
        case "deleted":
            path.unlink()
