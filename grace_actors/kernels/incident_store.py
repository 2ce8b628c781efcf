"""Keeps incidents: one row for a failure that repeats, its recoveries, how long they took.

The same kernel failing for the same reason again within five minutes is the same incident. It must not know where
failures come from or what is done about them. Invariant: no incident is lost or deleted; its count never falls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.kernels.masking import first_line, masked
from grace_actors.kernels.rows import count, dated_id, moment, rows
from grace_actors.stores.sqlite import Store

SAME_INCIDENT_S = 300.0
WITHHELD = "(withheld: could not be checked for secrets)"

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
"""Steps of the schema, by name."""


class IncidentState(StrEnum):
    """`recovered`: the kernel runs again, the cause may remain; `resolved`: somebody says it is over."""

    OPEN = "open"
    RECOVERED = "recovered"
    RESOLVED = "resolved"


class Incidents:
    """Reading and writing incidents in a store. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(
        self, *, kernel: str, kind: str, reason: str, at: float, reported_by: str, seq: int = 0
    ) -> tuple[Data, bool]:
        """The incident this failure belongs to, and whether it is a new one. The reason is masked by shape; the
        detail is left to `set_detail`. `seq` numbers an event: the same one read twice counts once."""
        reason = masked(first_line(reason)) or kind
        fingerprint = hashlib.sha256(f"{kernel}\n{reason}".encode()).hexdigest()[:16]
        sql = """select * from incidents where fingerprint = ? and last_at >= ? and state != 'resolved'
                 order by last_at desc limit 1"""
        with self._store.write() as db:
            known = rows(db, sql, [fingerprint, at - SAME_INCIDENT_S])
            if known:
                is_old = 0 < seq <= known[0]["seq"]
                return known[0] if is_old else self._again(db, known[0], at, seq), False
            row = {
                "id": dated_id(db, "incidents", "inc", at),
                "kernel": kernel,
                "kind": kind,
                "reason": reason,
                "detail": "",
                "fingerprint": fingerprint,
                "state": IncidentState.OPEN.value,
                "count": 1,
                "opened_at": at,
                "failed_at": at,
                "last_at": at,
                "recovered_at": None,
                "recovery_s": None,
                "resolved_at": None,
                "resolved_by": "",
                "note": "",
                "reported_by": reported_by,
                "seq": seq,
            }
            db["incidents"].insert(row)
            return row, True

    def _again(self, db: Any, row: Data, at: float, seq: int) -> Data:
        """An open incident keeps the time of its first failure: the outage has gone on since."""
        was_open = row["state"] == IncidentState.OPEN
        changed = {
            "count": row["count"] + 1,
            "last_at": max(at, row["last_at"]),
            "failed_at": row["failed_at"] if was_open else at,
            "state": IncidentState.OPEN.value,
            "seq": max(seq, row["seq"]),
        }
        db["incidents"].update(row["id"], changed)
        return row | changed

    def set_detail(self, id: str, detail: str) -> None:
        """Store a detail that was checked for secrets, or the words that it is withheld."""
        with self._store.write() as db:
            db["incidents"].update(id, {"detail": detail})

    def recovered(self, kernel: str, at: float, seq: int = 0) -> list[Data]:
        """Mark the open incidents of a kernel that runs again; answers them with `recovery_s`."""
        with self._store.read() as db:
            sql = "select * from incidents where kernel = ? and state = 'open' and (seq < ? or ? = 0)"
            open_ones = rows(db, sql, [kernel, seq, seq])
        if not open_ones:
            return []
        changed = []
        with self._store.write() as db:
            for row in open_ones:
                seconds = max(0.0, at - row["failed_at"])
                values = {"state": IncidentState.RECOVERED.value, "recovered_at": at, "recovery_s": seconds}
                db["incidents"].update(row["id"], values)
                entry = {"incident": row["id"], "kernel": kernel, "failed_at": row["failed_at"]}
                db["recoveries"].insert(entry | {"recovered_at": at, "seconds": seconds})
                changed.append(row | values)
        return changed

    def is_open(self, kernel: str, kind: str) -> bool:
        """Whether the kernel has an open incident of this kind."""
        sql = "select count(*) from incidents where kernel = ? and kind = ? and state = 'open'"
        with self._store.read() as db:
            return count(db, sql, [kernel, kind]) > 0

    @property
    def last_event(self) -> int:
        """The number of the last event of the tree that was taken."""
        with self._store.read() as db:
            return count(db, "select last from feed where name = 'tree'")

    def remember_event(self, last: int) -> None:
        """Keep the number of the last event that was taken."""
        with self._store.write() as db:
            db["feed"].upsert({"name": "tree", "last": last}, pk="name")

    def resolve(self, id: str, *, by: str, note: str, at: float) -> Data:
        """Close an incident for good. Raises NotFound."""
        row = self.get(id)
        values = {"state": IncidentState.RESOLVED.value, "resolved_at": at, "resolved_by": by, "note": note}
        with self._store.write() as db:
            db["incidents"].update(id, values)
        return row | values

    def get(self, id: str) -> Data:
        """One incident. Raises NotFound."""
        with self._store.read() as db:
            found = rows(db, "select * from incidents where id = ?", [id])
        if not found:
            raise NotFound(f"no incident {id!r}", hint="`incidents` lists them")
        return found[0]

    def list(self, *, state: str, kernel: str, limit: int) -> list[Data]:
        """Incidents, the most recently failed first; empty texts select all."""
        sql = """select * from incidents where ? in ('', state) and ? in ('', kernel)
                 order by last_at desc, id desc limit ?"""
        with self._store.read() as db:
            return rows(db, sql, [state, kernel, limit])

    def stats(self) -> Data:
        """Counts by state and kernel, and the mean time to recovery in seconds (None before the first)."""
        with self._store.read() as db:
            states = {row["k"]: row["n"] for row in rows(db, "select state k, count(*) n from incidents group by 1")}
            by_kernel = rows(db, "select kernel, count(*) incidents, sum(count) failures from incidents group by 1")
            times = rows(db, "select avg(seconds) mean, max(seconds) longest, count(*) n from recoveries")[0]
        return {
            "incidents": sum(states.values()),
            **{state.value: states.get(state.value, 0) for state in IncidentState},
            "failures": sum(row["failures"] for row in by_kernel),
            "by_kernel": {row["kernel"]: row["failures"] for row in by_kernel},
            "recoveries": times["n"],
            "mean_time_to_recovery_s": times["mean"],
            "longest_recovery_s": times["longest"],
        }


def shown(row: Data) -> Data:
    """An incident as an answer, with readable times."""
    return row | {"opened": moment(row["opened_at"]), "last": moment(row["last_at"])}
