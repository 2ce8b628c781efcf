"""The schema of a store is compared with what its migrations make, and completed while its kernel is down."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from grace_actors.kernels.library.index import MIGRATIONS, Index
from grace_actors.stores.sqlite import Store
from tests.harness.till import migrations
from tests.unit.actions.stage import Stage
from tests.unit.actions.test_stores import write


def change(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.fixture
def store(stage: Stage) -> Path:
    """A library with one document in it, also in its snapshot."""
    stage.world.add("librarian")
    file = stage.home / "data/librarian/library.db"
    made = Store(file, MIGRATIONS, emit=lambda *args: None, name="librarian", home=stage.home)
    index = Index(made)
    document = index.begin(digest="d", name="a.md", size=1, chars=1, at=1.0, source="x")
    index.add(document, 0, ["an oak"])
    index.complete(document, 1)
    made.backup()
    made.close()
    return file


def found(file: Path, home: Path) -> int:
    made = Store(file, MIGRATIONS, emit=lambda *args: None, name="librarian", home=home)
    try:
        return len(Index(made).search("oak", 5))
    finally:
        made.close()


def test_a_store_as_its_migrations_make_it_lacks_nothing(stage: Stage, store: Path) -> None:
    result = stage.ok("verify_store_schema", kernel="librarian")
    assert "library.db has all of its migrations library" in result.message
    assert not stage.ok("repair_store_schema", kernel="librarian").changed
    assert stage.world.done == []


@pytest.mark.parametrize(
    ("statements", "lacking"),
    [
        (["drop table documents"], "table documents"),
        (["drop trigger chunks_ai"], "trigger chunks_ai"),
        (["drop table chunks_fts"], "table chunks_fts"),
        (["alter table documents drop column source"], "column documents.source"),
        (["delete from _sqlite_migrations"], "migration create_tables"),
        (["drop table documents", "drop table chunks", "drop table chunks_fts"], "table chunks"),
    ],
)
def test_what_is_missing_is_named_and_created_with_the_rows_of_the_snapshot(
    stage: Stage, store: Path, statements: list[str], lacking: str
) -> None:
    change(store, *statements)
    assert lacking in stage.fails("verify_store_schema", kernel="librarian").data["missing"]["library.db"]
    result = stage.ok("repair_store_schema", kernel="librarian")
    assert [op for op, _ in stage.world.done] == ["terminate_child", "restart_child"]
    assert lacking in result.data["created"]
    assert stage.ok("verify_store_schema", kernel="librarian").data["value"] is True
    assert found(store, stage.home) == 1
    (kept,) = Path(result.data["quarantine"]).iterdir()
    assert kept.name == "library.db"


def test_a_column_gets_its_values_back_from_the_snapshot(stage: Stage, store: Path) -> None:
    change(store, "alter table documents drop column source")
    assert stage.ok("repair_store_schema", kernel="librarian").data["rows"] == {"documents.source": 1}
    connection = sqlite3.connect(store)
    assert connection.execute("select source from documents").fetchall() == [("x",)]
    connection.close()


def test_what_is_there_beyond_the_migrations_is_shown_and_kept(stage: Stage, store: Path) -> None:
    change(store, "create table extra (n)", "drop trigger chunks_ai")
    assert stage.fails("verify_store_schema", kernel="librarian").data["extra"] == {"library.db": ["table extra"]}
    stage.ok("repair_store_schema", kernel="librarian")
    assert stage.ok("verify_store_schema", kernel="librarian").data["extra"] == {"library.db": ["table extra"]}


def test_a_repair_that_fails_changes_nothing_and_starts_the_kernel(stage: Stage, store: Path) -> None:
    change(
        store,
        "drop table documents",
        "create table documents (hash text, name text, bytes integer, chars integer, chunks integer, added_at real,"
        " source text, complete integer)",
    )
    result = stage.fails("repair_store_schema", kernel="librarian")
    assert "documents.id is part of the key" in result.message
    assert stage.world.nodes["librarian"]["state"] == "running"
    assert "column documents.id" in stage.fails("verify_store_schema", kernel="librarian").message


def test_a_kernel_without_migrations_is_measured_by_its_snapshot(stage: Stage) -> None:
    stage.world.add("sandbox")
    file = stage.home / "data/sandbox/notes.db"
    write(file, 1)
    assert "nothing to compare with" in stage.fails("verify_store_schema", kernel="sandbox").message
    stage.ok("capture_store_snapshot", kernel="sandbox")
    assert "its snapshot" in stage.ok("verify_store_schema", kernel="sandbox").message
    change(file, "drop table notes")
    assert stage.ok("repair_store_schema", kernel="sandbox").data["rows"] == {"notes": 1}


def test_the_migrations_of_a_kernel_whose_module_stands_beside_the_tree_file_are_found(stage: Stage) -> None:
    folder = stage.home / "shop"
    folder.mkdir()
    (folder / "till.py").write_text((Path(__file__).parents[2] / "harness" / "till.py").read_text())
    tree = "schema: grace.tree/1\nname: shop\nchildren: [{id: till, kernel: 'till:Till'}]\n"
    (folder / "tree.yaml").write_text(tree)
    (stage.home / "instance.json").write_text(json.dumps({"tree": str(folder / "tree.yaml")}))
    stage.world.add("till")
    file = stage.home / "data/till/till.db"
    Store(file, migrations, emit=lambda *args: None, name="till", home=stage.home).close()
    assert "till.db has all of its migrations till" in stage.ok("verify_store_schema", kernel="till").message
    change(file, "drop table notes")
    assert stage.ok("repair_store_schema", kernel="till").data["created"] == ["table notes", "index by_text"]
    (folder / "till.py").write_text("raise SystemExit('not here')")
    assert "nothing to compare with" in stage.fails("verify_store_schema", kernel="till").message


def test_a_kernel_without_a_store_or_a_place_in_the_tree_file_cannot_be_measured(stage: Stage) -> None:
    assert "has no store" in stage.fails("verify_store_schema", kernel="sandbox").message
    write(stage.home / "data/nobody/x.db", 1)
    assert "the tree file has no kernel nobody" in stage.fails("verify_store_schema", kernel="nobody").message


def test_the_kernel_that_performs_is_not_repaired_by_itself(stage: Stage) -> None:
    assert "cannot repair itself" in stage.fails("repair_store_schema", kernel="self_healing").message
