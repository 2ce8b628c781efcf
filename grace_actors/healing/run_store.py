"""Keeps runs of playbooks: one row a run with all its state, one row for each attempt at a step.

It must not know what a run does next. Invariant: what belongs to one event is written whole or not at all; a run that
has not ended is never pruned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.kernels.rows import count, dated_id, rows
from grace_actors.stores.sqlite import Store
from playbooks.messages import FINAL, Status

KEPT_RUNS = 1000
"""Ended runs; older ones are deleted with their steps."""
JUDGED_RUNS = 10
RUNNING, INTERRUPTED = "running", "interrupted"

TABLES: Mapping[str, Sequence[str]] = {
    "runs_and_steps": (
        """create table runs (
            id text primary key, playbook text not null, status text not null, is_check integer not null,
            inputs text not null, incident text not null, requested_by text not null, requested_at real not null,
            started_at real, ended_at real, changed integer not null, message text not null,
            approval text not null, restores integer not null, data text not null
        )""",
        "create index runs_by_end on runs (ended_at)",
        """create table steps (
            number integer primary key autoincrement, run text not null, step text not null, kind text not null,
            action text not null, attempt integer not null, status text not null, started_at real not null,
            ended_at real, changed integer not null, message text not null
        )""",
        "create index steps_by_run on steps (run, number)",
        "create table admission (name text primary key, data text not null)",
    )
}
"""Steps of the schema, by name. They stand beside the incidents: a kernel keeps one store."""
_FINAL = ", ".join(f"'{status.value}'" for status in FINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBegan:
    """An attempt at a step or a check."""

    run: str
    step: str
    action: str
    attempt: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """How it went; a step that was never called has no beginning."""

    run: str
    step: str
    kind: str
    status: str
    at: float
    changed: bool = False
    message: str = ""


Note = StepBegan | StepEnded


@dataclass(slots=True)
class Changes:
    """What one event has to write: columns by run, and notes in order."""

    runs: dict[str, Data] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def put(self, run: str, **values: Any) -> None:
        self.runs.setdefault(run, {}).update(values)


class RunStore:
    """Reading and writing runs in a store. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def next_id(self, at: float) -> str:
        """The id of the run that is inserted next."""
        with self._store.read() as db:
            return dated_id(db, "runs", "run", at)

    def insert(self, row: Data) -> None:
        """A new run."""
        with self._store.write() as db:
            db["runs"].insert(row)

    def save(self, changes: Changes, admission: Mapping[str, Any]) -> None:
        """Write what one event changed, in one transaction."""
        with self._store.write() as db:
            for note in changes.notes:
                _write_note(db, note)
            for id, values in changes.runs.items():
                columns = ", ".join(f"[{column}] = ?" for column in values)
                # A store that was begun anew does not know the run; it goes on and is not kept.
                db.execute(f"update runs set {columns} where id = ?", [*values.values(), id])  # noqa: S608
                if values.get("ended_at") is not None:
                    _close_steps(db, id, values["ended_at"])
            db["admission"].upsert({"name": "runs", "data": json.dumps(admission)}, pk="name")
            if any(values.get("ended_at") is not None for values in changes.runs.values()):
                _prune(db)

    def unfinished(self) -> list[Data]:
        """The runs that have not ended, the oldest first."""
        with self._store.read() as db:
            sql = f"select * from runs where status not in ({_FINAL}) order by requested_at, id"  # noqa: S608
            return rows(db, sql)

    def admission(self) -> Any:
        """What was saved of the admission, or None."""
        with self._store.read() as db:
            found = rows(db, "select data from admission where name = 'runs'")
        return json.loads(found[0]["data"]) if found else None

    def get(self, id: str) -> Data:
        """The row of a run. Raises NotFound."""
        with self._store.read() as db:
            found = rows(db, "select * from runs where id = ?", [id])
        if not found:
            raise NotFound(f"there is no run {id!r:.80}", hint=f"see: run list; {KEPT_RUNS} ended runs are kept")
        return found[0]

    def steps(self, id: str) -> list[Data]:
        """The attempts of a run, in order."""
        with self._store.read() as db:
            return rows(db, "select * from steps where run = ? order by number", [id])

    def list(self, *, status: str, playbook: str, limit: int, incident: str = "") -> list[Data]:
        """Runs, the newest first; empty texts select all."""
        sql = """select * from runs where ? in ('', status) and ? in ('', playbook) and ? in ('', incident)
                 order by requested_at desc, id desc limit ?"""
        with self._store.read() as db:
            return rows(db, sql, [status, playbook, incident, limit])

    def has_run_for(self, playbook: str, event: int, at: float) -> bool:
        """Whether one of the last runs of the playbook was begun for the event with this number and time."""
        issues = [json.loads(row["data"])["issue"] for row in self.list(status="", playbook=playbook, limit=20)]
        return any((issue.get("event"), issue.get("event_at")) == (event, at) for issue in issues)

    def failed_of_last(self, since: float) -> int:
        """How many of the last ten runs that ended after `since` have failed or took too long. What was cancelled or
        given up, and what only checked, says nothing about who runs them."""
        sql = """select status from runs where status in (?, ?, ?) and is_check = 0 and ended_at >= ?
                 order by ended_at desc, id desc limit ?"""
        good, *bad = (status.value for status in (Status.SUCCEEDED, Status.FAILED, Status.TIMED_OUT))
        with self._store.read() as db:
            return sum(row["status"] in bad for row in rows(db, sql, [good, *bad, since, JUDGED_RUNS]))

    def counts(self) -> dict[str, int]:
        """How many runs there are of each status."""
        with self._store.read() as db:
            return {row["k"]: row["n"] for row in rows(db, "select status k, count(*) n from runs group by 1")}


def _write_note(db: Any, note: Note) -> None:
    sql = "select max(number) from steps where run = ? and step = ? and status = ?"
    match note:
        case StepBegan():
            _close_steps(db, note.run, note.at)
            row = {"run": note.run, "step": note.step, "kind": "step", "action": note.action, "attempt": note.attempt}
            row |= {"status": RUNNING, "started_at": note.at, "ended_at": None, "changed": 0, "message": ""}
            db["steps"].insert(row)
        case StepEnded():
            values = {"kind": note.kind, "status": note.status, "ended_at": note.at}
            values |= {"changed": int(note.changed), "message": note.message}
            number = count(db, sql, [note.run, note.step, RUNNING])
            if number:
                db["steps"].update(number, values)
            else:
                row = {"run": note.run, "step": note.step, "action": "", "attempt": 0, "started_at": note.at}
                db["steps"].insert(row | values)


def _close_steps(db: Any, run: str, at: float) -> None:
    """Attempts whose end was not seen: everything was restarted meanwhile, or the run ended."""
    sql = "update steps set status = ?, ended_at = ? where run = ? and status = ?"
    db.execute(sql, [INTERRUPTED, at, run, RUNNING])


def _prune(db: Any) -> None:
    sql = f"""select id from runs where status in ({_FINAL}) order by ended_at desc, id desc
              limit -1 offset {KEPT_RUNS}"""  # noqa: S608
    for row in rows(db, sql):
        db.execute("delete from steps where run = ?", [row["id"]])
        db["runs"].delete(row["id"])


def new_row(**values: Any) -> Data:
    """The row of a run that was just requested."""
    empty = {"status": "requested", "started_at": None, "ended_at": None, "changed": 0, "message": ""}
    return empty | {"incident": "", "requested_by": "", "approval": "", "restores": 0} | values


def shown(row: Data, steps: Sequence[Data] | None = None) -> Data:
    """A run as an answer; with its steps when they are given."""
    found = {
        "id": row["id"],
        "playbook": row["playbook"],
        "status": row["status"],
        "check": bool(row["is_check"]),
        "inputs": json.loads(row["inputs"]),
        "incident": row["incident"] or None,
        "requested_by": row["requested_by"],
        "requested_at": row["requested_at"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "changed": bool(row["changed"]),
        "message": row["message"],
        "approval": row["approval"] or None,
        "work_order": json.loads(row["data"]).get("work_order") or None,
    }
    return found if steps is None else found | {"steps": list(_shown_steps(steps))}


def _shown_steps(steps: Iterable[Data]) -> Iterable[Data]:
    for step in steps:
        kept = {key: value for key, value in step.items() if key not in ("number", "run", "step")}
        yield {"id": step["step"], **kept, "changed": bool(step["changed"])}
