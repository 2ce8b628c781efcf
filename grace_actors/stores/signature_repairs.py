"""Repairs and their history: written, shortened, united.

Statements within a transaction of the caller; the arithmetic is in `confidence`. Must not know names nor requests.
Invariant: the standing of a repair is what its verified history, in the order of its ids, makes of its base.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from grace_actors.stores.confidence import Standing, after, folded, united
from grace_actors.stores.signature_schema import columns_of, standing_of

HISTORY_KEPT = 200
"""Outcomes of one repair; what is older stays in its standing."""

STANDING = "successes, failures, confidence, auto_apply"
BASE = "base_successes, base_failures, base_confidence, base_auto_apply"
_HISTORY = "ok, verified, at, run, incident, detail, confidence, is_in_base"


def insert_repair(
    connection: sqlite3.Connection, key: tuple[str, str, str], base: Standing, at: float, last_used: float | None = None
) -> int:
    """A repair whose standing is its base; its row id."""
    row = connection.execute(
        f"insert into repairs (id, signature, playbook, params, {STANDING}, {BASE}, created_at, last_used)"  # noqa: S608
        " select coalesce(max(id), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? from repairs returning id",
        (*key, *columns_of(base), *columns_of(base), at, at if last_used is None else last_used),
    ).fetchone()
    return int(row[0])


def insert_history(connection: sqlite3.Connection, past: Sequence[Sequence[Any]]) -> None:
    """Rows of (repair, ok, verified, at, run, incident, detail, confidence, is_in_base)."""
    connection.executemany(
        f"insert into history (repair, {_HISTORY}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        past,
    )


def set_base(connection: sqlite3.Connection, repair: int, base: Standing, last_used: float) -> None:
    """Make `base` the standing of a repair, whatever its history says."""
    connection.execute("update history set is_in_base = 1 where repair = ?", (repair,))
    connection.execute(
        f"update repairs set {assigned(STANDING)}, {assigned(BASE)}, last_used = ? where id = ?",  # noqa: S608
        (*columns_of(base), *columns_of(base), last_used, repair),
    )


def drop_repairs(connection: sqlite3.Connection, signature: str) -> int:
    """Delete the repairs of a signature with their history; how many there were."""
    sql = "delete from history where repair in (select id from repairs where signature = ?)"
    connection.execute(sql, (signature,))
    return connection.execute("delete from repairs where signature = ?", (signature,)).rowcount


def shorten(connection: sqlite3.Connection, repair: int) -> None:
    """Let what is older than the newest HISTORY_KEPT outcomes become part of the base."""
    sql = "select id from history where repair = ? order by id desc limit 1 offset ?"
    row = connection.execute(sql, (repair, HISTORY_KEPT)).fetchone()
    if row is None:
        return
    sql = "select ok from history where repair = ? and id <= ? and verified = 1 and is_in_base = 0 order by id"
    outcomes = [bool(ok) for (ok,) in connection.execute(sql, (repair, row[0]))]
    columns = connection.execute(f"select {BASE} from repairs where id = ?", (repair,)).fetchone()  # noqa: S608
    base = folded(standing_of(columns), outcomes)
    connection.execute(f"update repairs set {assigned(BASE)} where id = ?", (*columns_of(base), repair))  # noqa: S608
    connection.execute("delete from history where repair = ? and id <= ?", (repair, row[0]))


def move_repairs(connection: sqlite3.Connection, old: str, kept: str) -> dict[str, int]:
    """Give the repairs of a signature to another one; how many were moved, and how many united with one of its own."""
    sql = (
        "select o.id, k.id from repairs o left join repairs k on k.signature = ?2 and k.playbook = o.playbook"
        " and k.params = o.params where o.signature = ?1"
    )
    pairs = connection.execute(sql, (old, kept)).fetchall()
    for one, other in pairs:
        if other is None:
            connection.execute("update repairs set signature = ? where id = ?", (kept, one))
        else:
            _unite(connection, one, other)
    united_count = sum(other is not None for _, other in pairs)
    return {"repairs_moved": len(pairs) - united_count, "repairs_united": united_count}


def _unite(connection: sqlite3.Connection, old: int, kept: int) -> None:
    """One repair of two: their outcomes in the order of time, from both bases together."""
    sql = f"select {BASE}, created_at, last_used from repairs where id in (?, ?)"  # noqa: S608
    one, other = connection.execute(sql, (old, kept)).fetchall()
    base = standing = united(standing_of(one[:4]), standing_of(other[:4]))
    sql = f"select {_HISTORY} from history where repair in (?, ?) order by is_in_base desc, at, id"  # noqa: S608
    history = []
    for *row, confidence, is_in_base in connection.execute(sql, (old, kept)).fetchall():
        if row[1] and not is_in_base:
            standing = after(standing, ok=bool(row[0]))
        history.append((kept, *row, confidence if is_in_base else standing.confidence, is_in_base))
    connection.execute("delete from history where repair in (?, ?)", (old, kept))
    connection.execute("delete from repairs where id = ?", (old,))
    insert_history(connection, history)
    connection.execute(
        f"update repairs set {assigned(STANDING)}, {assigned(BASE)}, created_at = ?, last_used = ? where id = ?",  # noqa: S608
        (*columns_of(standing), *columns_of(base), min(one[4], other[4]), max(one[5], other[5]), kept),
    )
    shorten(connection, kept)


def assigned(columns: str) -> str:
    """Columns as an update sets them."""
    return ", ".join(f"{name} = ?" for name in columns.split(", "))
