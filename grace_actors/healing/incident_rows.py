"""Keeps incidents: a row each with its whole case, what was tried, the story, the diagnostics, and what is to be told.

It must not know where failures come from or what is done about them. Invariant: what belongs to one page of events is
written whole or not at all; no incident is deleted and its count never falls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.kernels.rows import count, dated_id, moment, rows
from grace_actors.stores.sqlite import Store

KEPT_STORIES = 1000
"""Incidents that are over and whose diagnostics, story, components and events are kept; of older ones the rest of the
row stays."""
KEPT_DAYS = 100

TABLES: Mapping[str, Sequence[str]] = {
    "incidents_and_recoveries": (
        """create table incidents (
            id text primary key, kernel text not null, kind text not null, reason text not null,
            detail text not null, fingerprint text not null, state text not null, opened_at real not null,
            failed_at real not null, last_at real not null, count integer not null, recovered_at real,
            recovery_s real, resolved_at real, resolved_by text not null, note text not null,
            reported_by text not null, seq integer not null
        )""",
        "create index incidents_by_fingerprint on incidents (fingerprint, last_at)",
        "create index incidents_by_state on incidents (state, last_at)",
        "create index incidents_by_kernel on incidents (kernel, last_at)",
        """create table recoveries (
            number integer primary key autoincrement, incident text not null, kernel text not null,
            failed_at real not null, recovered_at real not null, seconds real not null
        )""",
        "create table feed (name text primary key, last integer not null)",
    )
}
"""The first steps of the schema, by name. Those of runs follow, then CASES."""

CASES: Mapping[str, Sequence[str]] = {
    "cases": (
        "alter table incidents add column signature text not null default ''",
        "alter table incidents add column hashes text not null default '[]'",
        "alter table incidents add column components text not null default '[]'",
        "alter table incidents add column events text not null default '[]'",
        "alter table incidents add column detected_s real",
        "alter table incidents add column action_at real",
        "alter table incidents add column healed_at real",
        "alter table incidents add column heal_s real",
        "alter table incidents add column repair text not null default ''",
        "alter table incidents add column auto integer not null default 0",
        "alter table incidents add column was_known integer not null default 0",
        "alter table incidents add column escalated integer not null default 0",
        "alter table incidents add column run text not null default ''",
        "alter table incidents add column approval text not null default ''",
        "alter table incidents add column work_order text not null default ''",
        "alter table incidents add column cause text not null default ''",
        "alter table incidents add column next_step text not null default ''",
        "alter table incidents add column decision text not null default ''",
        "alter table incidents add column is_over integer not null default 0",
        "alter table incidents add column data text not null default ''",
        """update incidents set is_over = 1, healed_at = coalesce(resolved_at, recovered_at), heal_s = recovery_s,
           auto = state = 'recovered', repair = case state when 'resolved' then 'by hand' else 'restart' end,
           state = 'healed' where state in ('recovered', 'resolved')""",
        """update incidents set is_over = 1, state = 'failed', cause = 'it was open when this version came',
           next_step = 'incident resolve ' || id where state = 'open'""",
        "alter table incidents add column is_slim integer not null default 0",
        "create index incidents_that_go_on on incidents (is_over, opened_at)",
        "create index incidents_with_a_story on incidents (is_over, is_slim, opened_at, id)",
        "drop table recoveries",
        """create table attempts (
            number integer primary key autoincrement, incident text not null, playbook text not null,
            params text not null, run text not null, how text not null, status text not null,
            message text not null, at real not null
        )""",
        "create index attempts_by_incident on attempts (incident, number)",
        """create table timeline (
            number integer primary key autoincrement, incident text not null, at real not null, what text not null
        )""",
        "create index timeline_by_incident on timeline (incident, number)",
        "create table diagnostics (incident text primary key, data text not null)",
        """create table outbox (
            number integer primary key autoincrement, receiver text not null, verb text not null, args text not null,
            incident text not null
        )""",
    )
}


@dataclass(slots=True)
class Batch:
    """What is to be written at once: new rows, changed columns, lines of stories, attempts, messages for others."""

    inserts: dict[str, Data] = field(default_factory=dict)
    updates: dict[str, Data] = field(default_factory=dict)
    timeline: list[tuple[str, float, str]] = field(default_factory=list)
    attempts: list[Data] = field(default_factory=list)
    ended: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Incident, playbook, status and message of an attempt that is over."""
    runs: list[tuple[str, str, str]] = field(default_factory=list)
    """Incident, playbook and run of an attempt that has begun."""
    outbox: list[Data] = field(default_factory=list)
    last_event: int | None = None
    is_new_log: bool = False
    """The numbers of events so far are those of another log."""
    is_other_file: bool = False
    """The file is an older one or a new one; `updates` are whole rows and `outbox` is all of it."""

    def change(self, id: str, values: Data) -> None:
        if not values:
            return
        row = self.inserts.get(id)
        if row is None:
            self.updates.setdefault(id, {}).update(values)
        else:
            row.update(values)

    @property
    def is_empty(self) -> bool:
        parts = (self.inserts, self.updates, self.timeline, self.attempts, self.ended, self.runs, self.outbox)
        return not any(parts) and self.last_event is None and not self.is_new_log and not self.is_other_file


class Incidents:
    """Reading and writing incidents in a store. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers: dict[str, int] = {}
        self._file = store.db

    def is_another_file(self) -> bool:
        """Whether the store was replaced since this was asked for the last time."""
        before, self._file = self._file, self._store.db
        return before is not self._file

    # ---- writing ----------------------------------------------------------------------------------------

    def next_id(self, at: float) -> str:
        """An id that was given to nobody, also not to an incident that is not written yet."""
        with self._store.read() as db:
            id = dated_id(db, "incidents", "inc", at)
        day, _, number = id.rpartition("_")
        self._numbers[day] = max(int(number), self._numbers.get(day, 0) + 1)
        while len(self._numbers) > KEPT_DAYS:
            del self._numbers[next(iter(self._numbers))]
        return f"{day}_{self._numbers[day]:04d}"

    def save(self, batch: Batch) -> None:
        """Write a batch in one transaction."""
        with self._store.write() as db:
            if batch.is_new_log:
                db.execute("update incidents set seq = 0 where seq > 0")
            if batch.is_other_file:
                db.execute("delete from outbox")
            for row in batch.inserts.values():
                _insert(db, "incidents", row)
            for id, values in batch.updates.items():
                columns = ", ".join(f"{column} = ?" for column in values)
                found = db.execute(f"update incidents set {columns} where id = ?", [*values.values(), id])  # noqa: S608
                if not found.rowcount and "kernel" in values:
                    _insert(db, "incidents", values)
            for attempt in batch.attempts:
                _attempt(db, attempt)
            last = "(select max(number) from attempts where incident = ? and playbook = ?)"
            for incident, playbook, run in batch.runs:
                db.execute(f"update attempts set run = ? where number = {last}", [run, incident, playbook])  # noqa: S608
            for incident, playbook, status, message in batch.ended:
                sql = f"update attempts set status = ?, message = ? where number = {last}"  # noqa: S608 - own text
                db.execute(sql, [status, message, incident, playbook])
            sql = "insert into timeline (incident, at, what) values (?, ?, ?)"
            db.conn.executemany(sql, batch.timeline)
            for mail in batch.outbox:
                _insert(db, "outbox", mail)
            if batch.last_event is not None:
                db.execute("insert or replace into feed (name, last) values ('tree', ?)", [batch.last_event])
            if batch.inserts:
                _prune(db)

    def set_diagnostics(self, id: str, data: Data) -> None:
        """Keep what was found out about an incident; it was checked for secrets."""
        with self._store.write() as db:
            db["diagnostics"].upsert({"incident": id, "data": json.dumps(data, default=str)}, pk="incident")

    def sent(self, number: int) -> None:
        """A message of the outbox was answered."""
        with self._store.write() as db:
            db.execute("delete from outbox where number = ?", [number])

    def set_decision(self, id: str, decision: str) -> None:
        """The record of the decision that was made about it."""
        with self._store.write() as db:
            db.execute("update incidents set decision = ? where id = ?", [decision, id])

    # ---- reading ----------------------------------------------------------------------------------------

    @property
    def last_event(self) -> int:
        """The number of the last event of the tree that was taken."""
        with self._store.read() as db:
            return count(db, "select last from feed where name = 'tree'")

    def going_on(self) -> list[Data]:
        """The incidents whose case is not over, the oldest first."""
        with self._store.read() as db:
            return rows(db, "select * from incidents where is_over = 0 order by opened_at, id")

    def totals(self) -> tuple[int, int]:
        """How many incidents there are, and how many of them go on."""
        with self._store.read() as db:
            sql = "select count(*) from incidents where is_over = 0"
            return count(db, "select count(*) from incidents"), count(db, sql)

    def latest(self, kernel: str, specific: str) -> Data | None:
        """The newest incident of this kernel with this specific hash."""
        sql = "select * from incidents where fingerprint = ? and kernel = ? order by last_at desc, id desc limit 1"
        with self._store.read() as db:
            found = rows(db, sql, [specific, kernel])
        return found[0] if found else None

    def outbox(self, after: int = 0) -> list[Data]:
        """Messages with a higher number that nobody has answered yet, the oldest first."""
        with self._store.read() as db:
            return rows(db, "select * from outbox where number > ? order by number", [after])

    def run_of(self, incident: str, playbook: str, by: str) -> Data | None:
        """The newest run of this playbook that `by` began for the incident and that no attempt names."""
        sql = """select * from runs where incident = ? and playbook = ? and requested_by = ? and is_check = 0
                 and id not in (select run from attempts where incident = ?)
                 order by requested_at desc, id desc limit 1"""
        with self._store.read() as db:
            found = rows(db, sql, [incident, playbook, by, incident])
        return found[0] if found else None

    def get(self, id: str) -> Data:
        """One incident. Raises NotFound."""
        with self._store.read() as db:
            found = rows(db, "select * from incidents where id = ?", [id])
        if not found:
            raise NotFound(f"no incident {id!r:.80}", hint="see: incident list")
        return found[0]

    def details(self, id: str) -> Data:
        """What was tried, the story and the diagnostics of an incident."""
        with self._store.read() as db:
            attempts = rows(db, "select * from attempts where incident = ? order by number", [id])
            timeline = rows(db, "select at, what from timeline where incident = ? order by number", [id])
            found = rows(db, "select data from diagnostics where incident = ?", [id])
        for attempt in attempts:
            attempt["params"] = json.loads(attempt["params"])
            del attempt["number"], attempt["incident"]
        diagnostics = json.loads(found[0]["data"]) if found else None
        return {"attempts": attempts, "timeline": timeline, "diagnostics": diagnostics}

    def list(self, *, state: str, kernel: str, limit: int) -> list[Data]:
        """Incidents, the most recently failed first; empty texts select all."""
        sql = """select * from incidents where ? in ('', state) and ? in ('', kernel)
                 order by last_at desc, id desc limit ?"""
        with self._store.read() as db:
            return rows(db, sql, [state, kernel, limit])


def _insert(db: Any, table: str, row: Data) -> None:
    """One statement: in a storm, what a library looks up for each row costs more than the row."""
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"insert into {table} ({columns}) values ({marks})", list(row.values()))  # noqa: S608 - own names


def _attempt(db: Any, attempt: Data) -> None:
    """An attempt that had not begun when everything was restarted is the same one."""
    sql = "select count(*) from attempts where incident = ? and playbook = ? and run = '' and status = 'running'"
    if not count(db, sql, [attempt["incident"], attempt["playbook"]]):
        _insert(db, "attempts", attempt)


def _prune(db: Any) -> None:
    sql = f"""select id from incidents where is_over = 1 and is_slim = 0 order by opened_at desc, id desc
              limit -1 offset {KEPT_STORIES}"""  # noqa: S608 - a number of ours
    for row in rows(db, sql):
        for table in ("diagnostics", "timeline"):
            db.execute(f"delete from {table} where incident = ?", [row["id"]])  # noqa: S608 - two own tables
        slim = "is_slim = 1, events = '[]', components = '[]', hashes = '[]', detail = '', data = ''"
        db.execute(f"update incidents set {slim} where id = ?", [row["id"]])  # noqa: S608 - own text


_SHOWN = (
    *("id", "kernel", "state", "opened_at", "detected_s", "healed_at", "heal_s", "kind", "reason", "count", "last_at"),
    *("failed_at", "run", "approval", "work_order", "cause", "next_step", "decision", "reported_by", "note"),
)


def shown(row: Data) -> Data:
    """An incident as an answer, with readable times."""
    found = {key: row[key] if row[key] != "" else None for key in _SHOWN}
    found |= {"signature_id": row["signature"] or None, "repair": row["repair"] or None, "auto": bool(row["auto"])}
    return found | {
        "was_known": bool(row["was_known"]),
        "opened": moment(row["opened_at"]),
        "last": moment(row["last_at"]),
    }
