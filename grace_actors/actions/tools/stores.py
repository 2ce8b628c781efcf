"""Checks SQLite files and their search indexes, restores snapshots, rebuilds indexes. A command: JSON in, JSON out.

Nothing outside the standard library is imported, so that it starts fast. It opens databases read-only unless the order
is to change them. Invariant: a file is replaced only by a snapshot whose
checksum and content were found good in the same run, and the replaced one is in quarantine.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from grace_actors.errors import GraceError
from grace_actors.stores import backups, damage, search_index
from grace_actors.stores.backups import Backup
from grace_actors.stores.files import quarantine

SIDES = ("-wal", "-shm", "-journal")


def problem_of(file: Path) -> str:
    """What SQLite's integrity check says; empty when the file is sound."""
    if not file.is_file():
        return "there is no such file"
    connection = None
    try:
        connection = open_to_read(file)
        return search_index.file_problem(connection, "integrity_check")
    except sqlite3.Error as error:
        return str(error)
    finally:
        if connection is not None:
            connection.close()


def index_problems(file: Path) -> dict[str, str]:
    """Damaged search index -> problem, of a sound file. The check needs to write, and others may use the file: a copy
    in memory is checked."""
    with contextlib.closing(open_to_read(file)) as connection:
        if not search_index.indexes(connection):
            return {}
        with contextlib.closing(sqlite3.connect(":memory:")) as copy:
            connection.backup(copy)
            return search_index.problems(copy, compare=True)


def open_to_read(file: Path) -> sqlite3.Connection:
    """Without a write-ahead log nobody has it open: then nothing, not even an index, is made beside it."""
    how = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(file))}?{how}", uri=True, timeout=2.0)


def check(order: Any) -> Any:
    """File -> problem."""
    return {file: problem_of(Path(file)) for file in order["files"]}


def examine(order: Any) -> Any:
    """File -> {problem, indexes}: of the file itself, and of each damaged search index in a sound one."""
    found = {}
    for name in order["files"]:
        problem = problem_of(Path(name))
        found[name] = {"problem": problem, "indexes": {} if problem else index_problems(Path(name))}
    return found


def indexes(order: Any) -> Any:
    """File -> names of its search indexes."""
    found = {}
    for name in order["files"]:
        with contextlib.closing(open_to_read(Path(name))) as connection:
            found[name] = search_index.indexes(connection)
    return found


def rebuild(order: Any) -> Any:
    """Build every search index of the files anew from its rows, each file in one transaction: file -> {indexes, rows,
    problem}. The problem is what the check says afterwards; then nothing was changed."""
    return {name: rebuilt(Path(name)) for name in order["files"]}


def rebuilt(file: Path) -> dict[str, Any]:
    """What became of the indexes of one file."""
    if problem := problem_of(file):
        return {"indexes": [], "rows": 0, "problem": f"the file itself is damaged: {problem}"}
    with contextlib.closing(sqlite3.connect(file, timeout=2.0, isolation_level=None)) as connection:
        names = search_index.indexes(connection)
        rows = 0
        connection.execute("BEGIN IMMEDIATE")
        for index in names:
            search_index.rebuild(connection, index)
            rows += int(connection.execute(f"select count(*) from {search_index.quoted(index)}").fetchone()[0])  # noqa: S608
        left = search_index.problems(connection, compare=True)
        connection.execute("ROLLBACK" if left else "COMMIT")
    problem = "; ".join(f"{index}: {said}" for index, said in left.items())
    return {"indexes": names, "rows": rows, "problem": problem}


def corrupt(order: Any) -> Any:
    """Damage a file on purpose, while its owner stands still."""
    return damage.damage(Path(order["file"]), order["bytes"])


def newest(order: Any) -> Any:
    """The newest snapshot of a directory that is good, or null."""
    found = next((one for one in backups.valid(Path(order["directory"])) if not problem_of(one.file)), None)
    return found and {"file": str(found.file), "at": found.at, "sha256": found.sha256}


def capture(order: Any) -> Any:
    """A new snapshot of a file that may be in use."""
    connection = open_to_read(Path(order["file"]))
    try:
        taken = backups.take(connection, Path(order["directory"]), time.time())
    finally:
        connection.close()
    return newest(order) | {"taken": str(taken)}


def restore(order: Any) -> Any:
    """Put a snapshot in the place of a file, whose remains go to quarantine."""
    file, snapshot = Path(order["file"]), order["snapshot"]
    if found := problem_of(Path(snapshot["file"])):
        raise ValueError(f"the snapshot {snapshot['file']} is damaged: {found}")
    files = [file, *(file.with_name(file.name + side) for side in SIDES)]
    kept = quarantine(Path(order["home"]), order["name"], files, time.time())
    backups.restore(Backup(Path(snapshot["file"]), snapshot["at"], snapshot["sha256"]), file)
    return {"quarantine": str(kept), "problem": problem_of(file)}


WORK: dict[str, Callable[[Any], Any]] = {
    work.__name__: work for work in (check, examine, indexes, newest, capture, restore, rebuild, corrupt)
}


def main() -> None:
    """Obey the order on standard input."""
    order = json.load(sys.stdin)
    try:
        print(json.dumps(WORK[order["do"]](order)))
    except GraceError as error:
        sys.exit(f"{error.message}; {error.hint}")
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
