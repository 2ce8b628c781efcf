"""Small helpers for kernels that keep records in a store: dated ids, JSON columns, queries as lists.

It must not know any table's meaning; table names come from the calling kernel's own code, never from a request.
Invariant: a dated id is unique within its table as long as it is made inside the write that inserts it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Migrations

from grace_actors.errors import Refused
from grace_actors.kernel import Data

MAX_JSON_CHARS = 100_000


def schema(name: str, steps: Mapping[str, Sequence[str]]) -> Migrations:
    """Migrations whose steps are SQL statements, by name, in order. A released step is never changed."""
    migrations = Migrations(name)
    for step, statements in steps.items():
        migrations(name=step)(_execute(statements))
    return migrations


def _execute(statements: Sequence[str]) -> Callable[[Any], None]:
    def step(db: Any) -> None:
        for statement in statements:
            db.execute(statement)

    return step


def dated_id(db: Any, table: str, prefix: str, wall: float) -> str:
    """The next id of the day, `<prefix>_YYYYMMDD_NNNN` in UTC; call inside the write that inserts the row."""
    day = f"{prefix}_{datetime.fromtimestamp(wall, UTC):%Y%m%d}_"
    sql = f"select max(cast(substr(id, ?) as integer)) from [{table}] where id >= ? and id < ?"  # noqa: S608
    row = db.execute(sql, [len(day) + 1, day, day + "~"]).fetchone()
    return f"{day}{(row[0] or 0) + 1:04d}"


def rows(db: Any, sql: str, params: Sequence[Any] = ()) -> list[Data]:
    """Every row of a query as a mapping."""
    return list(db.query(sql, list(params)))


def count(db: Any, sql: str, params: Sequence[Any] = ()) -> int:
    """The first column of the first row as a whole number; 0 when there is none."""
    row = db.execute(sql, list(params)).fetchone()
    return int(row[0] or 0) if row else 0


def as_json(value: Any, what: str) -> str:
    """Plain data as JSON text. Raises Refused when it is not plain data or too large to keep."""
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Refused(f"{what} is not plain data: {error}", hint="texts, numbers, lists and mappings") from None
    if len(text) > MAX_JSON_CHARS:
        raise Refused(f"{what} has {len(text)} characters as JSON", hint=f"at most {MAX_JSON_CHARS} are kept")
    return text


def unpacked(row: Data, *columns: str) -> Data:
    """The row with these JSON columns read."""
    return row | {column: json.loads(row[column]) if row[column] else None for column in columns}


def moment(wall: float) -> str:
    """Unix seconds as RFC 3339 text in UTC, for people."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
