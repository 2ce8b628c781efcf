"""Keeps jobs and their runs in one SQLite file.

Rows in, rows out; when a job is due is decided elsewhere. Invariant: a run that was begun is in the table, also
if the process ended before it was over.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from grace_actors.kernel import Data
from grace_actors.kernels.rows import rows, schema
from grace_actors.stores.sqlite import Store

KEPT_RUNS = 50

migrations = schema(
    "jobs",
    {
        "jobs_and_runs": (
            """create table jobs (
                name text primary key, schedule text not null, target text not null, verb text not null,
                args text not null, misfire text not null, timeout_s real not null, enabled integer not null,
                origin text not null, next_run real, last_run real, last_state text not null
            )""",
            """create table runs (
                number integer primary key autoincrement, job text not null, due_at real, started_at real not null,
                finished_at real, state text not null, detail text not null
            )""",
            "create index runs_by_job on runs (job, number)",
        )
    },
)


class RunState(StrEnum):
    """How a run went. `interrupted`: this process ended before the answer came."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


class Jobs:
    """Reading and writing in a store. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Data]:
        """Every job, by name."""
        with self._store.read() as db:
            return [_job(row) for row in rows(db, "select * from jobs order by name")]

    def find(self, name: str) -> Data | None:
        with self._store.read() as db:
            found = rows(db, "select * from jobs where name = ?", [name])
        return _job(found[0]) if found else None

    def put(self, job: Data) -> None:
        """Insert or replace a job."""
        row = job | {"args": json.dumps(job["args"]), "enabled": int(job["enabled"])}
        with self._store.write() as db:
            db["jobs"].upsert(row, pk="name")

    def set(self, name: str, **values: Any) -> None:
        """Change columns of a job."""
        with self._store.write() as db:
            db["jobs"].update(name, values)

    def remove(self, name: str) -> None:
        """Forget a job and its runs."""
        with self._store.write() as db:
            db.execute("delete from jobs where name = ?", [name])
            db.execute("delete from runs where job = ?", [name])

    def begin(self, name: str, due_at: float | None, at: float, next_run: float | None, state: RunState) -> int:
        """Note a run that begins (or is skipped), and when the job is due next; its number."""
        with self._store.write() as db:
            run = {"job": name, "due_at": due_at, "started_at": at, "state": state.value, "detail": ""}
            number = int(db["runs"].insert(run | {"finished_at": None}).last_pk)
            db["jobs"].update(name, {"next_run": next_run, "last_run": at, "last_state": state.value})
            sql = """delete from runs where job = ? and number <=
                     (select max(number) from runs where job = ?) and number not in
                     (select number from runs where job = ? order by number desc limit ?)"""
            db.execute(sql, [name, name, name, KEPT_RUNS])
        return number

    def finish(self, number: int, name: str, at: float, state: RunState, detail: str) -> None:
        """Note how a run ended."""
        with self._store.write() as db:
            sql = "update runs set finished_at = ?, state = ?, detail = ? where number = ?"
            db.execute(sql, [at, state.value, detail[:2000], number])
            db.execute("update jobs set last_state = ? where name = ?", [state.value, name])

    def interrupted(self, at: float) -> list[str]:
        """Close the runs of an earlier process; the names of their jobs."""
        with self._store.read() as db:
            names = [row["job"] for row in rows(db, "select job from runs where state = 'running'")]
        if names:
            with self._store.write() as db:
                sql = "update runs set state = ?, finished_at = ?, detail = ? where state = 'running'"
                db.execute(sql, [RunState.INTERRUPTED.value, at, "the scheduler ended before the answer came"])
        return names

    def runs(self, name: str | None, limit: int) -> list[Data]:
        """The last runs, newest first."""
        where, args = ("where job = ?", [name]) if name else ("", [])
        with self._store.read() as db:
            return rows(db, f"select * from runs {where} order by number desc limit ?", [*args, limit])  # noqa: S608


def _job(row: Data) -> Data:
    return row | {"args": json.loads(row["args"]), "enabled": bool(row["enabled"])}
