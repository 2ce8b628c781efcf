"""Damages a SQLite file on purpose, where the next start meets it: a full-text index if there is one, else a page.

Only fault injection calls it, for a file whose owner stands still. Must not know kernels nor signals. Invariant: the
damage it reports was seen by SQLite's own check, and the header of the file is as it was.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grace_actors.errors import NotFound, StoreFailed
from grace_actors.stores import search_index

BUSY_S = 2.0
FEW_ROWS = 10
"""The first rows of an index's data are its totals and its structure (ids 1 and 10); its words come after."""
MOST_PAGES = 50


def stores(data: Path, kernel: str) -> list[Path]:
    """The SQLite files of a kernel, below the data directory of the home."""
    return sorted((data / kernel).glob("*.db"))


def owners(data: Path) -> list[str]:
    """The kernels that have a store."""
    return sorted({file.parent.name for file in data.glob("*/*.db")})


def chosen(data: Path, kernel: str) -> Path:
    """The store of a kernel that is damaged: one with a full-text index before others. Raises NotFound."""
    files = stores(data, kernel)
    if not files:
        allowed = ", ".join(owners(data)) or "no kernel has one"
        raise NotFound(f"{kernel} has no store in {data / kernel}", hint=f"kernels with a store: {allowed}")
    return next((file for file in files if _indexes(file)), files[0])


def damage(file: Path, count: int) -> dict[str, Any]:
    """Overwrite about `count` bytes: {file, bytes, where}. Raises StoreFailed when nothing there can be damaged."""
    try:
        with _opened(file) as connection:
            found = search_index.indexes(connection)
            done = _damage_index(connection, found, count) if found else None
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return {"file": str(file)} | (done or _damage_page(file, count))
    except (sqlite3.Error, OSError) as error:
        raise StoreFailed(f"{file} cannot be damaged: {error}", hint="try again; its owner may be writing") from error


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def _indexes(file: Path) -> list[str]:
    with contextlib.suppress(sqlite3.Error), _opened(file) as connection:
        return search_index.indexes(connection)
    return []


def _damage_index(connection: sqlite3.Connection, indexes: list[str], count: int) -> dict[str, Any] | None:
    """Overwrite words of the first index that holds some. The pages of the file stay in order."""
    for index in indexes:
        table = search_index.quoted(f"{index}_data")
        connection.execute("BEGIN IMMEDIATE")
        left = count
        sql = f"select id, length(block) from {table} where id > ? order by id"  # noqa: S608 - a name of the schema
        for id, length in connection.execute(sql, [FEW_ROWS]).fetchall():
            connection.execute(f"update {table} set block = ? where id = ?", [os.urandom(length), id])  # noqa: S608
            left -= length
            if left <= 0:
                break
        connection.execute("COMMIT")
        if left < count:
            return {"bytes": count - left, "where": f"search index {index}"}
    return None


def _damage_page(file: Path, count: int) -> dict[str, Any]:
    """Overwrite a page in the middle, or the nearest one that SQLite's check finds damaged then."""
    with file.open("r+b") as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(18)
        page_bytes = int.from_bytes(head[16:18], "big") if len(head) == 18 else 0
        page_bytes = 65536 if page_bytes == 1 else page_bytes or 4096
        pages = size // page_bytes
        for page in sorted(range(2, pages + 1), key=lambda each: abs(each - (pages + 1) // 2))[:MOST_PAGES]:
            at = (page - 1) * page_bytes
            length = min(count, size - at)
            before = os.pread(stream.fileno(), length, at)
            os.pwrite(stream.fileno(), os.urandom(length), at)
            if _is_damaged(file):
                return {"bytes": length, "where": f"page {page} of {pages}"}
            os.pwrite(stream.fileno(), before, at)
    raise StoreFailed(f"{file} has no page whose damage would be seen", hint="it is empty; store something first")


def _is_damaged(file: Path) -> bool:
    try:
        with _opened(file) as connection:
            return bool(search_index.file_problem(connection))
    except sqlite3.Error:
        return True
