"""The tables of failure signatures: aliases, repairs with their standing, and the history of outcomes.

Queries only; the arithmetic is in `confidence`. Must not know who asks. Invariant: an outcome with a run id counts
once, and the standing of a repair is the fold of its verified history.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.kernels.rows import count, rows, schema
from grace_actors.stores.confidence import Standing, after
from grace_actors.stores.sqlite import Store

HISTORY_SHOWN = 50

migrations = schema(
    "signatures",
    {
        "signatures_and_repairs": (
            """create table signatures (
                signature text primary key, first_seen real not null, last_seen real not null, seen integer not null
            )""",
            "create table aliases (alias text primary key, signature text not null)",
            "create index aliases_by_signature on aliases (signature)",
            """create table repairs (
                id integer primary key autoincrement, signature text not null, playbook text not null,
                params text not null, successes integer not null, failures integer not null,
                confidence integer not null, auto_apply integer not null, created_at real not null,
                last_used real not null, unique (signature, playbook, params)
            )""",
            """create table history (
                id integer primary key autoincrement, repair integer not null, ok integer not null,
                verified integer not null, at real not null, run text, incident text not null, detail text not null,
                confidence integer not null
            )""",
            "create unique index history_by_run on history (run) where run is not null",
            "create index history_by_repair on history (repair, id)",
        )
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One use of a repair. `run` makes a repeated report harmless; an unverified outcome changes no standing."""

    signature: str
    aliases: Sequence[str]
    playbook: str
    params: Data
    ok: bool
    verified: bool
    at: float
    run: str
    incident: str
    detail: str


class SignatureRows:
    """Reading and writing signatures in a store. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, names: Sequence[str]) -> str | None:
        """The signature of the first name that is known, as signature or as alias."""
        with self.store.read() as db:
            for name in names:
                found = rows(db, "select signature from signatures where signature = ?", [name])
                found = found or rows(db, "select signature from aliases where alias = ?", [name])
                if found:
                    return str(found[0]["signature"])
        return None

    def describe(self, signature: str, *, history: bool = False) -> Data:
        """A signature with its aliases and repairs, the most trusted first. Raises NotFound."""
        with self.store.read() as db:
            found = rows(db, "select * from signatures where signature = ?", [signature])
            if not found:
                raise NotFound(f"the signature {signature!r} is not known", hint="`list` shows those that are")
            aliases = rows(db, "select alias from aliases where signature = ? order by alias", [signature])
            sql = "select * from repairs where signature = ? order by auto_apply desc, confidence desc, last_used desc"
            repairs = [_repair(row) for row in rows(db, sql, [signature])]
            if history:
                sql = "select * from history where repair = ? order by id desc limit ?"
                repairs = [
                    r | {"history": [_past(h) for h in rows(db, sql, [r["id"], HISTORY_SHOWN])]} for r in repairs
                ]
        return found[0] | {"aliases": [row["alias"] for row in aliases], "repairs": repairs}

    def record(self, outcome: Outcome) -> tuple[Data, bool]:
        """Count an outcome; the repair as it stands now, and whether this run was new."""
        params = json.dumps(outcome.params, sort_keys=True)
        with self.store.write() as db:
            if outcome.run and (known := self._of_run(db, outcome.run)):
                return known, False
            self._see(db, outcome)
            key = [outcome.signature, outcome.playbook, params]
            db.execute(
                "insert into repairs (signature, playbook, params, successes, failures, confidence, auto_apply,"
                " created_at, last_used) values (?, ?, ?, 0, 0, 0, 0, ?, ?) on conflict do nothing",
                [*key, outcome.at, outcome.at],
            )
            row = rows(db, "select * from repairs where signature = ? and playbook = ? and params = ?", key)[0]
            standing = _standing(row)
            if outcome.verified:
                standing = after(standing, ok=outcome.ok)
            self._store(db, row["id"], standing, outcome)
            return _repair(rows(db, "select * from repairs where id = ?", [row["id"]])[0]), True

    def _of_run(self, db: Any, run: str) -> Data | None:
        sql = "select repairs.* from repairs join history on history.repair = repairs.id where history.run = ?"
        found = rows(db, sql, [run])
        return _repair(found[0]) if found else None

    def _see(self, db: Any, outcome: Outcome) -> None:
        db.execute(
            "insert into signatures values (?, ?, ?, 1) on conflict (signature) do update set"
            " last_seen = excluded.last_seen, seen = seen + 1",
            [outcome.signature, outcome.at, outcome.at],
        )
        for alias in outcome.aliases:
            if alias != outcome.signature:
                db.execute("insert into aliases values (?, ?) on conflict do nothing", [alias, outcome.signature])

    def _store(self, db: Any, repair: int, standing: Standing, outcome: Outcome) -> None:
        now = [standing.successes, standing.failures, standing.confidence, int(standing.auto_apply), outcome.at]
        db.execute(
            "update repairs set successes = ?, failures = ?, confidence = ?, auto_apply = ?, last_used = ?"
            " where id = ?",
            [*now, repair],
        )
        flags = [int(outcome.ok), int(outcome.verified), outcome.at, outcome.run or None]
        db.execute(
            "insert into history (repair, ok, verified, at, run, incident, detail, confidence)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            [repair, *flags, outcome.incident, outcome.detail, standing.confidence],
        )

    def forget(self, signature: str) -> Data:
        """Delete a signature and all that belongs to it; what was deleted. Raises NotFound."""
        gone = self.describe(signature)
        with self.store.write() as db:
            db.execute("delete from history where repair in (select id from repairs where signature = ?)", [signature])
            for table in ("repairs", "aliases", "signatures"):
                db.execute(f"delete from {table} where signature = ?", [signature])  # noqa: S608 - three own tables
        return gone

    def page(self, limit: int, *, auto_only: bool = False) -> list[Data]:
        """The newest used repairs of all signatures."""
        where = "where auto_apply = 1" if auto_only else ""
        sql = f"select * from repairs {where} order by last_used desc, id desc limit ?"  # noqa: S608
        with self.store.read() as db:
            return [_repair(row) for row in rows(db, sql, [limit])]

    def totals(self) -> dict[str, int]:
        """Counts over everything."""
        with self.store.read() as db:
            return {
                "known_signatures": count(db, "select count(*) from signatures"),
                "repairs": count(db, "select count(*) from repairs"),
                "auto_apply": count(db, "select count(distinct signature) from repairs where auto_apply = 1"),
                "high_confidence": count(db, "select count(distinct signature) from repairs where confidence > 80"),
                "successes": count(db, "select sum(successes) from repairs"),
                "failures": count(db, "select sum(failures) from repairs"),
            }


def _standing(row: Data) -> Standing:
    return Standing(row["successes"], row["failures"], row["confidence"], bool(row["auto_apply"]))


def _repair(row: Data) -> Data:
    return row | {"params": json.loads(row["params"]), "auto_apply": bool(row["auto_apply"])}


def _past(row: Data) -> Data:
    return {key: row[key] for key in ("at", "run", "incident", "detail", "confidence")} | {
        "ok": bool(row["ok"]),
        "verified": bool(row["verified"]),
    }
