"""Keeps work orders and every move they made.

It must not know who does the work. Invariant: the state of an order is the target of its last move, both written in
one transaction, every move is legal by the table in `work_orders`, and a key has one order. A move is remembered as
untold until `note_told`, so that what a crash kept from being told is told after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Data
from grace_actors.kernels.rows import as_json, count, dated_id, moment, rows, schema, unpacked
from grace_actors.kernels.work_orders import ACTIVE, CLOSED, MAX_PARALLEL, OrderState, OrderType, check_move, path_to
from grace_actors.stores.sqlite import Store

migrations = schema(
    "work_orders",
    {
        "orders_and_moves": (
            """create table orders (
                id text primary key, type text not null, description text not null, status text not null,
                priority text not null, rank integer not null, estimated_complexity text not null,
                self_healing_run_id text not null, playbook_id text not null, incident text not null,
                assigned_agent text not null, created_at real not null, updated_at real not null, started_at real,
                completed_at real, created_by text not null, context text not null, patch_result text not null,
                error text not null
            )""",
            "create index orders_by_status on orders (status, rank, created_at)",
            "create index orders_by_run on orders (self_healing_run_id)",
            """create table moves (
                number integer primary key autoincrement, work_order text not null, at real not null,
                before text not null, after text not null, by text not null, note text not null
            )""",
            "create index moves_by_order on moves (work_order, number)",
        ),
        "keys_and_notices": (
            "alter table orders add column key text not null default ''",
            "create unique index orders_by_key on orders (key) where key != ''",
            "create index orders_by_incident on orders (incident)",
            "alter table moves add column told integer not null default 1",
            "create index moves_untold on moves (told) where told = 0",
        ),
    },
)

_ACTIVE_SQL = ", ".join(f"'{state.value}'" for state in ACTIVE)
_SCAN = OrderType.SYNTAX_SCAN.value
_UNSET: Data = {
    "self_healing_run_id": "",
    "playbook_id": "",
    "incident": "",
    "estimated_complexity": "medium",
    "key": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """What a crash may have kept from being told: the order as it is, and the note of its last move."""

    order: Data
    is_new: bool
    has_moved: bool
    note: str


class Orders:
    """Reading and writing work orders in a store. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, order: Data, *, at: float, by: str) -> tuple[Data, bool]:
        """A new order in the queue and True; or the order that has the same key and False, which may be withdrawn.
        `order` has type, description, priority, rank and what else is known."""
        fresh = {"status": OrderState.QUEUED.value, "assigned_agent": "", "error": "", "created_by": by}
        times = {"created_at": at, "updated_at": at, "started_at": None, "completed_at": None}
        row: Data = _UNSET | order | fresh | times | {"patch_result": "null"}
        row["context"] = as_json(row.get("context") or {}, "create: context")
        with self._store.write() as db:
            same = rows(db, "select * from orders where key = ? and key != ''", [row["key"]])
            if same:
                return shown(same[0]), False
            row["id"] = dated_id(db, "orders", "wo", at)
            db["orders"].insert(row)
            self._note(db, row["id"], "", OrderState.QUEUED.value, at, by, "created")
        return shown(row), True

    def take(self, id: str, agent: str, *, at: float, note: str) -> Data:
        """Put a queued order into the hands of an agent, in one transaction. Raises Refused when it is not in the
        queue, and when five orders are active already; NotFound."""
        path = [OrderState.ASSIGNED, OrderState.IN_PROGRESS]
        return self._walk(id, lambda _: path, at=at, by=agent, note=note, values={"assigned_agent": agent})

    def move(self, id: str, after: OrderState, *, at: float, by: str, note: str = "", **values: Any) -> Data:
        """One legal move. Raises Refused for another, and when five orders are active already; NotFound."""
        return self._walk(id, lambda _: [after], at=at, by=by, note=note, values=values)

    def finish(self, id: str, after: OrderState, *, at: float, by: str, note: str = "", **values: Any) -> Data:
        """Through testing to `completed` or `failed`, whatever came before, in one transaction. Raises Refused when
        it is finished already; NotFound."""

        def path(before: OrderState) -> list[OrderState]:
            tested = OrderState.TESTING
            return [*([] if before is tested else path_to(before, tested)), after]

        return self._walk(id, path, at=at, by=by, note=note, values=values)

    def queue_again(self, id: str, *, at: float, by: str, note: str) -> Data:
        """What was withdrawn is needed again. Raises Refused for any other; NotFound."""
        with self._store.write() as db:
            row = _one(db, id)
            _check_move(row, OrderState(row["status"]), OrderState.QUEUED)
            self._note(db, id, row["status"], OrderState.QUEUED.value, at, by, note)
            changed = {"status": OrderState.QUEUED.value, "updated_at": at, "completed_at": None, "error": ""}
            db["orders"].update(id, changed)
            return shown(row | changed)

    def _walk(
        self,
        id: str,
        path_from: Callable[[OrderState], list[OrderState]],
        *,
        at: float,
        by: str,
        note: str,
        values: Data,
    ) -> Data:
        with self._store.write() as db:
            row = _one(db, id)
            _check_not_final(db, row)
            path = path_from(OrderState(row["status"]))
            for after in path:
                before = OrderState(row["status"])
                _check_move(row, before, after)
                self._check_room(db, before, after, final=path[-1])
                row["status"] = after.value
                if after is OrderState.IN_PROGRESS and row["started_at"] is None:
                    values.setdefault("started_at", at)
                self._note(db, id, before.value, after.value, at, by, note)
            if path[-1] in CLOSED:
                values.setdefault("completed_at", at)
            changed = values | {"status": row["status"], "updated_at": at}
            if "patch_result" in changed:
                changed["patch_result"] = as_json(changed["patch_result"], "patch_result")
            db["orders"].update(id, changed)
            return shown(row | changed)

    def _check_room(self, db: Any, before: OrderState, after: OrderState, *, final: OrderState) -> None:
        """An order that goes through to its end at once takes nobody's place."""
        if before in ACTIVE or after not in ACTIVE or final not in ACTIVE:
            return
        active = count(db, f"select count(*) from orders where status in ({_ACTIVE_SQL})")  # noqa: S608
        if active >= MAX_PARALLEL:
            raise Refused(f"{active} work orders are active, the most there may be", hint="finish or fail one first")

    def _note(self, db: Any, id: str, before: str, after: str, at: float, by: str, note: str) -> None:
        move = {"work_order": id, "at": at, "before": before, "after": after, "by": by, "note": note, "told": 0}
        db["moves"].insert(move)

    def untold(self) -> list[Untold]:
        """Orders with moves that nobody may have heard of, in the order they happened."""
        sql = """select work_order, min(before = '') only_new, max(before = '') is_new from moves where told = 0
                 group by 1 order by min(number)"""
        with self._store.read() as db:
            return [
                Untold(
                    order=shown(_one(db, row["work_order"])),
                    is_new=bool(row["is_new"]),
                    has_moved=not row["only_new"],
                    note=_last_move(db, row["work_order"])["note"],
                )
                for row in rows(db, sql)
            ]

    def note_told(self, id: str) -> None:
        """Everything about the order has been told."""
        with self._store.write() as db:
            db.execute("update moves set told = 1 where work_order = ? and told = 0", [id])

    def get(self, id: str) -> Data:
        """One order. Raises NotFound."""
        with self._store.read() as db:
            return shown(_one(db, id))

    def moves(self, id: str) -> list[Data]:
        """Every move of an order, oldest first."""
        with self._store.read() as db:
            found = rows(db, "select at, before, after, by, note from moves where work_order = ? order by number", [id])
        return [move | {"time": moment(move["at"])} for move in found]

    def next_queued(self) -> Data | None:
        """What to do first: the highest priority, then the oldest. Scans are not for others to take."""
        sql = """select * from orders where status = 'queued' and type != 'syntax_scan'
                 order by rank desc, created_at, id limit 1"""
        with self._store.read() as db:
            found = rows(db, sql)
        return shown(found[0]) if found else None

    def list(
        self, *, status: str = "", type: str = "", run: str = "", incident: str = "", limit: int = 50
    ) -> list[Data]:
        """Orders in the order of work: active and queued ones by priority, then the finished, newest first. Scans
        only when their type is asked for."""
        sql = """select * from orders where ? in ('', status) and (? = type or (? = '' and type != 'syntax_scan'))
                 and ? in ('', self_healing_run_id) and ? in ('', incident)
                 order by status in ('completed', 'failed', 'withdrawn'),
                 case when completed_at is null then -rank else 0 end,
                 coalesce(-completed_at, created_at), id limit ?"""
        with self._store.read() as db:
            return [shown(row) for row in rows(db, sql, [status, type, type, run, incident, limit])]

    def last_scan(self) -> Data | None:
        """The last finished syntax scan."""
        sql = "select * from orders where type = ? and status = 'completed' order by completed_at desc limit 1"
        with self._store.read() as db:
            found = rows(db, sql, [_SCAN])
        return shown(found[0]) if found else None

    def stats(self) -> Data:
        """Counts by state, and the mean time from creation to completion in minutes (None if none). Scans, which are
        nobody's work, are not counted."""
        with self._store.read() as db:
            sql = "select status k, count(*) n from orders where type != ? group by 1"
            states = {row["k"]: row["n"] for row in rows(db, sql, [_SCAN])}
            sql = """select avg(completed_at - created_at) / 60 m from orders
                     where status = 'completed' and type != ?"""
            mean = rows(db, sql, [_SCAN])[0]["m"]
        counts = {state.value: states.get(state.value, 0) for state in OrderState}
        return {
            "total_work_orders": sum(states.values()),
            **counts,
            "average_patch_time_minutes": None if mean is None else round(mean, 2),
        }


def _check_not_final(db: Any, row: Data) -> None:
    if row["status"] in CLOSED:
        last = _last_move(db, row["id"])
        note = f": {last['note']}" if last["note"] else ""
        raise Refused(
            f"{row['id']} is {row['status']} already, by {last['by']} at {moment(last['at'])}{note}",
            hint="that is final; what is still wrong needs a new order"
            if row["status"] != OrderState.WITHDRAWN
            else "nobody needs it any more; should it be needed again it is queued again",
        )


def _check_move(row: Data, before: OrderState, after: OrderState) -> None:
    try:
        check_move(before, after)
    except Refused as error:
        agent = f" by {row['assigned_agent']}" if row["assigned_agent"] else ""
        raise Refused(f"{row['id']} is {before.value}{agent}: {error.message}", hint=error.hint) from None


def _last_move(db: Any, id: str) -> Data:
    return rows(db, "select * from moves where work_order = ? order by number desc limit 1", [id])[0]


def _one(db: Any, id: str) -> Data:
    found = rows(db, "select * from orders where id = ?", [id])
    if not found:
        raise NotFound(f"no work order {id!r}", hint="`list` shows them")
    return found[0]


def shown(row: Data) -> Data:
    """An order as an answer."""
    if isinstance(row["context"], str):
        row = unpacked(row, "context")
    if isinstance(row["patch_result"], str):
        row = row | {"patch_result": json.loads(row["patch_result"])}
    answer = {key: value for key, value in row.items() if key != "rank"}
    return answer | {"work_order_id": row["id"], "created": moment(row["created_at"])}
