"""Full-text indexes of a SQLite file: which there are, whether they are sound, and building them anew from their rows.

An index is made of rows of its own; SQLite's check of the file finds nothing wrong with an index that says nonsense.
Must not know any table by name, nor who owns the file. Invariant: nothing here changes a row that is not an index's.
"""

from __future__ import annotations

import sqlite3

DAMAGED = sqlite3.SQLITE_CORRUPT_VTAB
"""SQLite's extended code for an index that says nonsense while the pages of the file are in order."""
_OF_AN_INDEX = "inverted index"
"""In what the check of the file says from SQLite 3.44 on, which looks into full-text indexes, too."""


def is_index_damage(error: sqlite3.Error) -> bool:
    """Whether an error speaks of an index and not of the file."""
    return getattr(error, "sqlite_errorcode", 0) == DAMAGED


def file_problem(connection: sqlite3.Connection, check: str = "quick_check") -> str:
    """What SQLite's own check says of the file; empty when it is sound, whatever its full-text indexes are."""
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(100)")]
    if not found:
        return "the check gave no answer"
    return next((line for line in found if line != "ok" and _OF_AN_INDEX not in line), "")


def indexes(connection: sqlite3.Connection) -> list[str]:
    """The full-text indexes in the file, by name."""
    sql = "select name from sqlite_master where type = 'table' and sql like 'create virtual table%using%fts5%'"
    return sorted(str(row[0]) for row in connection.execute(sql))


def index_problem(connection: sqlite3.Connection, index: str, *, compare: bool = False) -> str:
    """What is wrong with an index; empty when it is sound. With `compare` its rows are read, too. Needs a connection
    that may write, and a transaction that the caller rolls back; nothing is written. Raises sqlite3.Error."""
    name = quoted(index)
    try:
        connection.execute(f"insert into {name} ({name}, rank) values ('integrity-check', ?)", [int(compare)])  # noqa: S608
    except sqlite3.DatabaseError as error:
        if is_index_damage(error):
            return str(error)
        raise
    return ""


def problems(connection: sqlite3.Connection, *, compare: bool = False) -> dict[str, str]:
    """The damaged indexes and what is wrong with them, on the same terms as `index_problem`."""
    found = {index: index_problem(connection, index, compare=compare) for index in indexes(connection)}
    return {index: problem for index, problem in found.items() if problem}


def rebuild(connection: sqlite3.Connection, index: str) -> None:
    """Build an index anew from its rows, in the caller's transaction. Raises sqlite3.Error for one without rows."""
    name = quoted(index)
    connection.execute(f"insert into {name} ({name}) values ('rebuild')")  # noqa: S608 - a name of the schema


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
