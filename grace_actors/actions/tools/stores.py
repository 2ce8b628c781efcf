"""Checks SQLite files, takes and finds snapshots of them, and puts one back. A command: JSON in, JSON out.

It opens databases read-only and writes only what an order names. Invariant: a file is replaced only by a snapshot whose
checksum and content were found good in the same run, and the replaced one is in quarantine.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from grace_actors.errors import GraceError
from grace_actors.stores import backups
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
        row = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    finally:
        if connection is not None:
            connection.close()
    return "" if row and row[0] == "ok" else str(row[0] if row else "the check gave no answer")


def open_to_read(file: Path) -> sqlite3.Connection:
    """Without a write-ahead log nobody has it open: then nothing, not even an index, is made beside it."""
    how = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(file))}?{how}", uri=True, timeout=2.0)


def check(order: Any) -> Any:
    """File -> problem."""
    return {file: problem_of(Path(file)) for file in order["files"]}


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


def main() -> None:
    """Obey the order on standard input."""
    order = json.load(sys.stdin)
    try:
        print(
            json.dumps({"check": check, "newest": newest, "capture": capture, "restore": restore}[order["do"]](order))
        )
    except GraceError as error:
        sys.exit(f"{error.message}; {error.hint}")
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
