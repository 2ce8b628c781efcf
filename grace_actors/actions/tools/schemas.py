"""Compares the schema of a SQLite file with what migrations make, and creates what is missing. JSON in, JSON out.

The measure is a fresh database with the same migrations; for a kernel that shows none, the newest good snapshot.
Invariant: a file is changed in one transaction that ends with nothing missing, or not at all; nothing is ever dropped
but a search index that is built again.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlite_utils import Database, Migrations

from grace_actors.actions.tools.stores import newest, open_to_read, problem_of
from grace_actors.errors import GraceError
from grace_actors.kernels.dependencies import tree_file
from grace_actors.resolve import resolve
from supervisors.loader import TreeFileError, load_tree
from supervisors.spec import KernelStart

RECORD = Migrations.migrations_table
_ZERO = {"TEXT": "''", "BLOB": "x''"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What is in a database: SQL of each object by (type, name), columns of each table, migrations applied."""

    objects: dict[tuple[str, str], str]
    columns: dict[str, dict[str, tuple[str, int, Any, int]]]
    migrations: frozenset[tuple[str, str]]

    @property
    def virtual(self) -> list[str]:
        """Its virtual tables, such as search indexes."""
        return [name for (_, name), sql in self.objects.items() if sql.upper().startswith("CREATE VIRTUAL")]

    def owner(self, table: str) -> str:
        """The virtual table that keeps its data in this one; empty for an ordinary table."""
        return next((name for name in self.virtual if table.startswith(f"{name}_")), "")


def schema_of(connection: sqlite3.Connection) -> Schema:
    """Read it. Raises sqlite3.Error."""
    found = connection.execute("select type, name, sql from sqlite_master where name not like 'sqlite\\_%' escape '\\'")
    objects = {(type, name): sql or "" for type, name, sql in found}
    columns = {}
    for type, name in objects:
        if type == "table" and not objects[type, name].upper().startswith("CREATE VIRTUAL"):
            info = connection.execute(f"pragma table_info({_quoted(name)})")
            columns[name] = {row[1]: (row[2], row[3], row[4], row[5]) for row in info}
    applied: list[tuple[str, str]] = []
    if RECORD in columns:
        applied = connection.execute(f"select migration_set, name from {RECORD}").fetchall()  # noqa: S608
    return Schema(objects=objects, columns=columns, migrations=frozenset(applied))


def missing(wanted: Schema, there: Schema) -> list[str]:
    """What is wanted and not there, each in words that name it once."""
    found = [f"{type} {name}" for type, name in wanted.objects if (type, name) not in there.objects]
    for table, columns in wanted.columns.items():
        found += [f"column {table}.{name}" for name in columns if name not in there.columns.get(table, columns)]
    return found + [f"migration {name}" for _, name in sorted(wanted.migrations - there.migrations)]


# ---- the measure ----------------------------------------------------------------------------------------------------


def reference(order: Any, there: Schema) -> tuple[sqlite3.Connection, str]:
    """A database as it should be, and what it rests on. Raises ValueError when there is nothing to compare with."""
    sets = _migrations(Path(order["home"]), order["kernel"], {name for name, _ in there.migrations})
    if sets:
        connection = sqlite3.connect(":memory:")
        for one in sets:
            one.apply(Database(connection, execute_plugins=False))
        connection.commit()
        return connection, f"its migrations {', '.join(one.name for one in sets)}"
    good = newest({"directory": order["snapshots"]}) if order["snapshots"] else None
    if good is None:
        raise ValueError(f"{order['kernel']} shows no migrations and has no good snapshot; nothing to compare with")
    return open_to_read(Path(good["file"])), f"its snapshot {Path(good['file']).name}"


def _migrations(home: Path, kernel: str, recorded: set[str]) -> list[Migrations]:
    """The migrations of the kernel's store: those that the file says were applied, else those its module names."""
    tree = tree_file(home)
    try:
        children = list(load_tree(tree, imports=False, resolve=resolve).children())
    except TreeFileError as error:
        raise ValueError(f"the tree file cannot be read: {error.faults[0]}; see: validate") from None
    starts = [child.start for child in children if child.id == kernel and isinstance(child.start, KernelStart)]
    if not starts:
        raise ValueError(f"the tree file has no kernel {kernel}; see: tree")
    sys.path.append(str(tree.resolve().parent))  # a user's modules stand beside the tree file
    try:
        module = importlib.import_module(starts[0].path.partition(":")[0])
    except (Exception, SystemExit):  # whatever a module of the user's does here: then a snapshot is the measure
        return []
    own = [value for value in vars(module).values() if isinstance(value, Migrations)]
    if not recorded:
        return own[:1] if len(own) == 1 else []
    loaded = [value for each in list(sys.modules.values()) for value in list(vars(each).values())]
    known = {one.name: one for one in [*loaded, *own] if isinstance(one, Migrations)}
    return [known[name] for name in sorted(recorded)] if recorded <= known.keys() else []


# ---- comparing and repairing ----------------------------------------------------------------------------------------


def compare(order: Any) -> Any:
    """What is missing in a file, what it has beyond the measure, and what the measure is."""
    with contextlib.closing(open_to_read(Path(order["file"]))) as connection:
        there = schema_of(connection)
    measure, basis = reference(order, there)
    with contextlib.closing(measure):
        wanted = schema_of(measure)
    return {"basis": basis, "missing": missing(wanted, there), "extra": missing(there, wanted)}


def repair(order: Any) -> Any:
    """Create what is missing; rows of missing tables come from the newest good snapshot. A copy goes before it."""
    file, backup = Path(order["file"]), Path(order["backup"])
    with contextlib.closing(open_to_read(file)) as before, contextlib.closing(sqlite3.connect(backup)) as copy:
        before.backup(copy)
        measure, basis = reference(order, schema_of(before))
    good = newest({"directory": order["snapshots"]}) if order["snapshots"] else None
    with (
        contextlib.closing(measure),
        contextlib.closing(
            sqlite3.connect(f"file:{quote(str(file))}", uri=True, timeout=2.0, isolation_level=None)
        ) as db,
    ):
        if good:
            db.execute("attach database ? as snap", [f"file:{quote(good['file'])}?mode=ro&immutable=1"])
        db.execute("begin immediate")
        wanted, there = schema_of(measure), schema_of(db)
        work = _Repair(db=db, measure=measure, wanted=wanted, there=there, has_snapshot=bool(good))
        work.do()
        left = missing(wanted, schema_of(db))
        if left:
            raise ValueError(f"{', '.join(left[:5])} could not be created; use restore_from_snapshot")
        db.execute("commit")
        db.execute("pragma main.wal_checkpoint(truncate)")
    return {"basis": basis, "created": work.created, "rows": work.rows, "problem": problem_of(file)}


@dataclass(slots=True, kw_only=True)
class _Repair:
    """One repair within an open transaction."""

    db: sqlite3.Connection
    measure: sqlite3.Connection
    wanted: Schema
    there: Schema
    has_snapshot: bool
    created: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def do(self) -> None:
        """Tables, their columns and rows first; then what is computed from rows; at last what acts on new ones."""
        lacking = missing(self.wanted, self.there)
        for table in self.wanted.columns:
            if not self.wanted.owner(table):
                self._table(table)
        for index in self.wanted.virtual:
            if any(one == f"table {index}" or one.startswith(f"table {index}_") for one in lacking):
                self._search_index(index)
        for kind in ("index", "trigger", "view"):
            for type, name in self.wanted.objects:
                if type == kind and (type, name) not in self.there.objects and self.wanted.objects[type, name]:
                    self._create(kind, name)
        self._record()

    def _create(self, kind: str, name: str) -> None:
        self.db.execute(self.wanted.objects[kind, name])
        self.created.append(f"{kind} {name}")

    def _table(self, table: str) -> None:
        if table not in self.there.columns:
            self._create("table", table)
            if table != RECORD:
                self._fill(table)
            return
        for name in self.wanted.columns[table].keys() - self.there.columns[table].keys():
            self._column(table, name)

    def _fill(self, table: str) -> None:
        """The rows of the snapshot."""
        common = [name for name in self.wanted.columns[table] if name in self._of_snapshot(table)]
        count = 0
        if common:
            names = ", ".join(map(_quoted, common))
            sql = f"insert into main.{_quoted(table)} ({names}) select {names} from snap.{_quoted(table)}"  # noqa: S608
            count = self.db.execute(sql).rowcount
        self.rows[table] = count

    def _column(self, table: str, name: str) -> None:
        """Values come from the snapshot by key; a row that it lacks gets the default, or the empty value."""
        type, not_null, default, in_key = self.wanted.columns[table][name]
        if in_key:
            raise ValueError(f"column {table}.{name} is part of the key; use restore_from_snapshot")
        if not_null and default is None:
            default = _ZERO.get(type.upper(), "0")
        rule = (" not null" if not_null else "") + ("" if default is None else f" default {default}")
        at = f"main.{_quoted(table)}"
        self.db.execute(f"alter table {at} add column {_quoted(name)} {type}{rule}")
        self.created.append(f"column {table}.{name}")
        key = [one for one, info in self.there.columns[table].items() if info[3]] or ["rowid"]
        known = self._of_snapshot(table)
        if name in known and all(one in known or one == "rowid" for one in key):
            same = " and ".join(f"s.{_quoted(one)} = {at}.{_quoted(one)}" for one in key)
            value = f"from snap.{_quoted(table)} s where {same}"
            sql = (
                f"update {at} set {_quoted(name)} = (select s.{_quoted(name)} {value}) where exists (select 1 {value})"  # noqa: S608
            )
            self.rows[f"{table}.{name}"] = self.db.execute(sql).rowcount

    def _of_snapshot(self, table: str) -> set[str]:
        if not self.has_snapshot:
            return set()
        return {row[1] for row in self.db.execute(f"pragma snap.table_info({_quoted(table)})")}

    def _search_index(self, index: str) -> None:
        """Build it anew: from the rows of its table, or from the snapshot if it keeps rows of its own."""
        sql = self.wanted.objects["table", index]
        if ("table", index) in self.there.objects:
            self.db.execute(f"drop table main.{_quoted(index)}")
        for kind, name in self.there.objects:
            if kind == "table" and self.wanted.owner(name) == index:
                self.db.execute(f"drop table if exists main.{_quoted(name)}")
        self.db.execute(sql)
        self.created.append(f"table {index}")
        if "content" in sql.lower():
            self.db.execute(f"insert into main.{_quoted(index)} ({_quoted(index)}) values ('rebuild')")  # noqa: S608

    def _record(self) -> None:
        """Note the migrations as applied whose work is there."""
        sql = f"select migration_set, name, applied_at from {RECORD}"  # noqa: S608
        for row in self.measure.execute(sql).fetchall() if RECORD in self.wanted.columns else ():
            if (row[0], row[1]) not in self.there.migrations:
                self.db.execute(f"insert into {RECORD} (migration_set, name, applied_at) values (?, ?, ?)", row)  # noqa: S608
                self.created.append(f"migration {row[1]}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def main() -> None:
    """Obey the order on standard input."""
    order = json.load(sys.stdin)
    try:
        print(json.dumps({"compare": compare, "repair": repair}[order["do"]](order)))
    except GraceError as error:
        sys.exit(f"{error.message}; {error.hint}")
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
