"""A damaged full-text index is told apart from a damaged file: nothing is replaced, and the rows stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Migrations

from grace_actors.errors import GraceError, StoreFailed
from grace_actors.kernels.librarian import Librarian
from grace_actors.kernels.memory_fusion import MemoryFusion
from grace_actors.stores import damage, search_index, sqlite
from grace_actors.stores.sqlite import Store
from tests.harness.kernels import Bench

MIGRATIONS = Migrations("notes")
FIND = "select count(*) from notes_fts where notes_fts match ?"


@MIGRATIONS()
def create_notes(db: Any) -> None:
    db["notes"].create({"id": int, "text": str}, pk="id")
    db["notes"].enable_fts(["text"], create_triggers=True)


class Room:
    def __init__(self, home: Path) -> None:
        self.home, self.events, self.opened = home, list[str](), list[Store]()

    def open(self) -> Store:
        def emit(kind: str, *_: Any) -> None:
            self.events.append(kind)

        store = Store(self.home / "data/owner/notes.db", MIGRATIONS, emit=emit, name="owner")
        self.opened.append(store)
        return store

    def filled(self) -> Store:
        store = self.open()
        with store.write() as db:
            db["notes"].insert_all({"text": f"oak {n} " + "leaf " * 30} for n in range(60))
        return store


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    for store in room.opened:
        store.close()


def find(store: Store, word: str) -> int:
    with store.read() as db:
        return int(db.execute(FIND, [word]).fetchone()[0])


def test_a_search_that_meets_a_damaged_index_is_answered_and_no_file_is_replaced(room: Room) -> None:
    store = room.filled()
    store.backup()
    with store.write() as db:
        db["notes"].insert({"text": "a birch, newer than the snapshot"})
    damage.damage(store.path, 100_000)
    for _ in range(2):
        with pytest.raises(StoreFailed, match=r"search index notes_fts of store owner .*its rows are sound") as failed:
            find(store, "oak")
        assert failed.value.hint.startswith("rebuild it: ")
    with store.read() as db:
        assert db["notes"].count == 61
    assert (room.events, (room.home / "quarantine").exists()) == ([], False)


def test_the_self_test_meets_a_damaged_index_at_the_start(room: Room) -> None:
    store = room.filled()
    assert store.index_works().ok
    damage.damage(store.path, 100)
    assert store.index_works().ok, "it looks once after opening"
    store.close()
    again = room.open()
    check = again.index_works()
    assert (check.name, check.ok) == ("index_works", False)
    assert "its rows are sound" in check.detail
    assert not again.index_works().ok
    assert room.events == []


def test_the_self_test_remembers_what_a_request_met(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", lambda length: b"\xff" * length)  # others may read as an index without the word
    store = room.filled()
    assert store.index_works().ok
    damage.damage(store.path, 100_000)
    with pytest.raises(StoreFailed):
        find(store, "oak")
    assert not store.index_works().ok


def test_a_rebuilt_index_finds_what_was_stored(room: Room) -> None:
    store = room.filled()
    damage.damage(store.path, 100_000)
    with store.write() as db:
        search_index.rebuild(db.conn, "notes_fts")
    assert find(store, "oak") == 60


def test_a_file_that_is_damaged_too_is_replaced(room: Room) -> None:
    store = room.filled()
    store.backup()
    damage.damage(store.path, 100_000)
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    store.path.write_bytes(content)
    assert find(room.open(), "oak") == 60
    assert room.events == ["store.restored"]


def test_a_large_file_is_not_searched_for_damage_at_the_start(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    store = room.filled()
    damage.damage(store.path, 100)
    monkeypatch.setattr(sqlite, "INDEX_CHECK_MOST_BYTES", 1000)
    assert store.index_works().ok
    with pytest.raises(StoreFailed):
        find(store, "oak")


def test_the_self_test_leaves_no_lock_and_no_change(room: Room) -> None:
    store = room.filled()
    store.backup()
    assert store.index_works().ok
    assert not store.changed
    other = sqlite3.connect(store.path, timeout=0.1)
    try:
        other.execute("begin immediate")
    finally:
        other.close()


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (["ok"], ""),
        (["malformed inverted index for FTS5 table main.notes_fts"], ""),
        (["malformed inverted index for FTS5 table main.notes_fts", "Tree 2 page 3: btreeInitPage() 11"], "Tree 2"),
        ([], "the check gave no answer"),
    ],
)
def test_what_newer_sqlite_says_of_an_index_is_no_damage_of_the_file(said: list[str], problem: str) -> None:
    class Played:
        def execute(self, sql: str) -> list[tuple[str]]:
            assert sql == "PRAGMA quick_check(100)"
            return [(line,) for line in said]

    found = search_index.file_problem(Played())  # type: ignore[arg-type]
    assert found.startswith(problem) and bool(found) is bool(problem)


def test_librarian_fails_its_self_test_on_a_damaged_index_and_keeps_its_documents(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("librarian", Librarian)
    for name in ("one.md", "two.md"):
        (tmp_path / "inbox" / name).write_text(f"The oak of {name}. " * 50)
    bench.advance(6.0)
    done = damage.damage(tmp_path / "data/librarian/library.db", 4096)
    assert done["where"] == "search index chunks_fts"
    with pytest.raises(AssertionError, match=r"librarian is not ready: \[Check\(name='index_works'"):
        bench.add("librarian", Librarian)
    with pytest.raises(GraceError, match=r"store_failed.*its rows are sound.*rebuild it"):
        bench.ask("librarian", "search", words="oak")
    assert bench.ask("librarian", "documents")["count"] == 2


def test_memory_fusion_fails_its_self_test_on_a_damaged_index(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("memory_fusion", MemoryFusion)
    bench.ask("memory_fusion", "put", key="a", value={"tree": "oak"}, tags=[])
    damage.damage(tmp_path / "data/memory_fusion/memory.db", 4096)
    with pytest.raises(AssertionError, match=r"memory_fusion is not ready: \[Check\(name='index_works'"):
        bench.add("memory_fusion", MemoryFusion)
