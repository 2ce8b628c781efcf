"""Keeps the drills that were run: a row each in one SQLite file, and their journals as JSON files beside it.

Rows in, rows out. Invariant: a drill that was begun is in the table before anything is injected, also if this process
ends before it is over; what came of one that the disk would not take is told from memory until the disk takes it; a
journal is a whole file or none.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from grace_actors.errors import NotFound
from grace_actors.home import read_json_object
from grace_actors.kernel import Data
from grace_actors.kernels.rows import dated_id, rows, schema
from grace_actors.stores.files import failed, replace
from grace_actors.stores.sqlite import Store

KEPT_RUNS = 500
KONG = "KONG"
"""What stands for a card in the rows of Kong."""
RUNNING, INTERRUPTED = "running", "interrupted"

migrations = schema(
    "drills",
    {
        "runs": (
            """create table runs (
                id text primary key, card text not null, title text not null, started_by text not null,
                status text not null, started_at real not null, ended_at real, passed integer, gates text not null,
                said text not null, detect_s real, heal_s real, reason text not null, timeline text not null
            )""",
            "create index runs_by_card on runs (card, started_at)",
        ),
        "leash": ("create table leash (held integer not null, changed_by text not null, at real not null)",),
    },
)


class Runs:
    """Reading and writing. Every method may raise StoreFailed."""

    def __init__(self, store: Store, journals: Path) -> None:
        self._store, self._journals = store, journals
        self._unwritten: dict[str, Data] = {}
        """What came of drills that is not on the disk, by their ids."""

    def begin(self, card: str, title: str, by: str, at: float) -> str:
        """The id of a drill that begins now."""
        with self._store.write() as db:
            id = dated_id(db, "runs", "drill", at)
            db["runs"].insert(
                {
                    "id": id,
                    "card": card,
                    "title": title,
                    "started_by": by,
                    "status": RUNNING,
                    "started_at": at,
                    "ended_at": None,
                    "passed": None,
                    "gates": "{}",
                    "said": "{}",
                    "detect_s": None,
                    "heal_s": None,
                    "reason": "",
                    "timeline": "[]",
                }
            )
            old = "select id from runs order by started_at desc limit -1 offset ?"
            for row in rows(db, old, [KEPT_RUNS]):
                db.execute("delete from runs where id = ?", [row["id"]])
                with contextlib.suppress(OSError):  # there may be none
                    self._file(row["id"]).unlink()
        return id

    def end(self, id: str, at: float, verdict: Data) -> None:
        """What came of it: status, passed, gates, said, detect_s, heal_s, reason, timeline."""
        self._unwritten[id] = {
            **{key: verdict[key] for key in ("status", "detect_s", "heal_s", "reason")},
            **{key: json.dumps(verdict[key], default=str) for key in ("gates", "said", "timeline")},
            "ended_at": at,
            "passed": None if verdict["passed"] is None else int(verdict["passed"]),
        }
        self.write_left()

    def write_left(self) -> None:
        """Write what the disk has not taken yet."""
        with self._store.write() as db:
            for id, fields in self._unwritten.items():
                db["runs"].update(id, fields)
        self._unwritten.clear()

    def interrupt_left(self, at: float) -> list[str]:
        """Close the drills that a former life of this process had begun; their ids."""
        with self._store.write() as db:
            left = [row["id"] for row in rows(db, "select id from runs where status = ?", [RUNNING])]
            for id in left:
                reason = "the runner ended while the drill ran; what it had injected is undone"
                db["runs"].update(id, {"status": INTERRUPTED, "ended_at": at, "passed": None, "reason": reason})
        return left

    def get(self, id: str) -> Data:
        """One run. Raises NotFound."""
        with self._store.read() as db:
            found = rows(db, "select * from runs where id = ?", [id])
        if not found:
            raise NotFound(f"there is no drill run {id!r}", hint="see: drill list, drill show ID")
        return self._read(found[0])

    def newest(self) -> Data | None:
        """The run that began last."""
        with self._store.read() as db:
            found = rows(db, "select * from runs order by started_at desc, id desc limit 1")
        return self._read(found[0]) if found else None

    def of(self, card: str | None = None, limit: int = 1000) -> list[Data]:
        """The runs of a card, or of all, the newest first."""
        where, params = ("where card = ?", [card]) if card else ("", [])
        sql = f"select * from runs {where} order by started_at desc, id desc limit ?"  # noqa: S608 - two constants
        with self._store.read() as db:
            return [self._read(row) for row in rows(db, sql, [*params, limit])]

    def _read(self, row: Any) -> Data:
        row = {**row, **self._unwritten.get(row["id"], {})}
        read = {key: json.loads(row[key]) for key in ("gates", "said", "timeline")}
        passed = None if row["passed"] is None else bool(row["passed"])
        return {**row, **read, "passed": passed, "by": row["started_by"]}

    # ---- journals -------------------------------------------------------------------------------------

    def _file(self, id: str) -> Path:
        return self._journals / f"{id}.json"

    def write_journal(self, id: str, journal: Data) -> Path:
        """Store the journal of a run; its path."""
        try:
            self._journals.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise failed(self._journals, error) from error
        replace(self._file(id), json.dumps(journal, indent=2, default=str).encode() + b"\n")
        return self._file(id)

    def add_problem(self, id: str, text: str) -> None:
        """One more line among the `problems` of a journal, if there is one."""
        found = dict(read_json_object(self._file(id)))
        if found:
            self.write_journal(id, found | {"problems": [*found.get("problems", ()), text]})

    def journal(self, id: str) -> Data:
        """The journal of a run. Raises NotFound."""
        found = read_json_object(self._file(id))
        if not found:
            raise NotFound(f"drill run {id} has no journal", hint="it runs still, was interrupted, or is unknown")
        return dict(found)

    def activities(self, id: str) -> list[Data]:
        """What its journal has of the activities; none without a journal."""
        return list(read_json_object(self._file(id)).get("activities", ()))

    def journal_path(self, id: str) -> str:
        """Where the journal of a run is; empty when there is none."""
        return str(self._file(id)) if self._file(id).is_file() else ""

    # ---- the leash --------------------------------------------------------------------------------------

    def leash(self) -> bool:
        """Whether drills may not start by themselves; so it is until somebody says otherwise."""
        with self._store.read() as db:
            found = rows(db, "select held from leash")
        return bool(found[0]["held"]) if found else True

    def set_leash(self, held: bool, by: str, at: float) -> None:
        """Say otherwise."""
        with self._store.write() as db:
            db.execute("delete from leash")
            db["leash"].insert({"held": int(held), "changed_by": by, "at": at})
