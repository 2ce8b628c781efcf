"""Full-text indexes are rebuilt from their rows, with real SQLite files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from grace_actors.actions.tools.stores import problem_of
from grace_actors.errors import NotFound, StoreFailed
from grace_actors.stores import damage, search_index
from tests.unit.actions.stage import Stage


def write(file: Path, *texts: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table notes (text text)")
    connection.execute("create virtual table notes_fts using fts5 (text, content='notes')")
    connection.executemany("insert into notes values (?)", [(text,) for text in texts])
    search_index.rebuild(connection, "notes_fts")
    connection.commit()
    connection.close()


def found(file: Path, word: str) -> int:
    connection = sqlite3.connect(file)
    try:
        sql = "select count(*) from notes_fts where notes_fts match ?"
        return int(connection.execute(sql, [word]).fetchone()[0])
    finally:
        connection.close()


@pytest.fixture
def store(stage: Stage) -> Path:
    stage.world.add("librarian", state="awaiting_repair")
    file = stage.home / "data/librarian/library.db"
    write(file, *(f"oak number {n} " + "leaf " * 50 for n in range(50)))
    return file


def test_a_damaged_index_is_found_and_the_file_is_called_sound(stage: Stage, store: Path) -> None:
    stage.ok("verify_kernel_store", kernel="librarian")
    done = damage.damage(store, 500)
    assert done["where"] == "search index notes_fts"
    result = stage.fails("verify_kernel_store", kernel="librarian")
    assert (result.data["damaged"], list(result.data["indexes"])) == ({}, ["notes_fts"])
    assert "rebuild_search_index" in result.message


def test_a_damaged_index_restores_no_snapshot(stage: Stage, store: Path) -> None:
    stage.ok("capture_store_snapshot", kernel="librarian")
    damage.damage(store, 500)
    assert "nothing was restored" in stage.ok("restore_from_snapshot", kernel="librarian").message
    assert list((stage.home / "quarantine").iterdir()) == []


def test_a_damaged_index_is_rebuilt_while_its_kernel_is_held_and_the_kernel_started(stage: Stage, store: Path) -> None:
    damage.damage(store, 500)
    result = stage.ok("rebuild_search_index", kernel="librarian")
    assert (result.changed, result.data["indexes"], result.data["rows"]) == (True, ["notes_fts"], 50)
    assert stage.world.done == [("reset", "librarian")]
    assert found(store, "oak") == 50


def test_a_running_kernel_is_stopped_first(stage: Stage, store: Path) -> None:
    stage.world.nodes["librarian"]["state"] = "running"
    stage.ok("rebuild_search_index", kernel="librarian")
    assert stage.world.done == [("terminate_child", "librarian"), ("restart_child", "librarian")]


def test_a_kernel_that_is_to_stay_down_is_not_started(stage: Stage, store: Path) -> None:
    stage.ok("rebuild_search_index", kernel="librarian", start=False)
    assert stage.world.done == []


def test_a_prediction_names_the_damaged_index_and_changes_nothing(stage: Stage, store: Path) -> None:
    damage.damage(store, 500)
    before = store.read_bytes()
    result = stage.perform("rebuild_search_index", kernel="librarian", check=True)
    assert (result.ok, result.changed, result.data["damaged"]) == (True, True, ["notes_fts"])
    assert (store.read_bytes(), stage.world.done) == (before, [])


def test_a_damaged_file_is_not_rebuilt(stage: Stage, store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    store.write_bytes(content)
    result = stage.fails("rebuild_search_index", kernel="librarian")
    assert "damaged" in result.message and "restore_from_snapshot" in result.message
    assert stage.world.nodes["librarian"]["state"] == "awaiting_repair"


def test_a_running_kernel_without_an_index_is_not_stopped(stage: Stage) -> None:
    stage.world.add("scheduler")
    file = stage.home / "data/scheduler/jobs.db"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        connection.execute("create table jobs (n integer)")
    connection.close()
    assert "has a search index" in stage.fails("rebuild_search_index", kernel="scheduler").message
    assert "has no store" in stage.fails("rebuild_search_index", kernel="self_healing", by="meta_loop").message
    assert stage.world.done == []


def test_a_kernel_does_not_rebuild_its_own_index(stage: Stage) -> None:
    assert "cannot rebuild itself" in stage.fails("rebuild_search_index", kernel="self_healing").message


def test_a_store_without_an_index_is_damaged_in_a_page_that_its_check_finds(tmp_path: Path) -> None:
    file = tmp_path / "plain/plain.db"
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table rows (text text)")
    connection.executemany("insert into rows values (?)", [("x" * 3000,) for _ in range(20)])
    connection.commit()
    head = file.read_bytes()[:100]
    try:  # it is open while it is damaged
        done = damage.damage(file, 64)
    finally:
        connection.close()
    assert (done["file"], done["bytes"]) == (str(file), 64) and done["where"].startswith("page ")
    assert file.read_bytes()[:16] == head[:16]
    assert problem_of(file)


def test_an_empty_file_cannot_be_damaged(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    sqlite3.connect(file).close()
    with pytest.raises(StoreFailed, match="no page whose damage would be seen"):
        damage.damage(file, 4096)


def test_who_has_no_store_is_told_who_has_one(stage: Stage, store: Path) -> None:
    with pytest.raises(NotFound) as refused:
        damage.chosen(stage.home / "data", "sandbox")
    assert refused.value.hint == "kernels with a store: librarian"
