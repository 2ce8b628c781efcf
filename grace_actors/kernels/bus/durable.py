"""What the bus keeps on disk: durable messages, subscriptions with their offsets, declared topics, dead letters.

Tables and queries; must not decide who receives what. Invariant: a message is deleted only after every durable
subscription it matches has acknowledged it and the time in which its id is recognised is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgpack
from sqlite_utils import Migrations

from grace_actors.kernel import Data
from grace_actors.kernels.bus.message import Message, Priority
from grace_actors.stores.sqlite import Store

MIGRATIONS = Migrations("message_bus")
PRUNE_MOST = 5000
DEAD_MOST = 10_000
"""Durable dead letters kept; the oldest go first, each with its event long told."""


def _create_tables(db: Any) -> None:
    # AUTOINCREMENT: a number is an offset, and must not come back when the newest rows were deleted.
    db.execute(
        "create table messages (seq integer primary key autoincrement, id text not null unique, topic text not null,"
        " at real not null, body blob not null)"
    )
    db["subscriptions"].create(
        {"subscriber": str, "pattern": str, "durable": int, "acked": int, "capacity": int},
        pk=("subscriber", "pattern"),
    )
    db["topics"].create({"pattern": str, "durable": int}, pk="pattern")
    db["dead_letters"].create(
        {"number": int, "subscriber": str, "reason": str, "at": float, "body": bytes}, pk="number"
    )


MIGRATIONS(name="create_tables")(_create_tables)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber's wish. `acked` is the number of the last durable message it is done with."""

    subscriber: str
    pattern: str
    durable: bool
    acked: int
    capacity: int


class BusStore:
    """The tables behind one bus. Every method that writes raises StoreFailed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._offsets: dict[tuple[str, str], int] = {}

    # ---- messages -----------------------------------------------------------------------------------

    def add(self, messages: Sequence[Message]) -> list[tuple[Message, bool]]:
        """Store a group in one transaction, with the offsets that wait. Each comes back with its number, and
        whether it is new; an id that was stored before gives the stored number."""
        stored: list[tuple[Message, bool]] = []
        with self.store.write() as db:
            for message in messages:
                row = db.execute(
                    "insert into messages (id, topic, at, body) values (?, ?, ?, ?) on conflict (id) do nothing"
                    " returning seq",
                    (message.id, message.topic, message.at, pack(message)),
                ).fetchone()
                is_new = row is not None
                if row is None:
                    row = db.execute("select seq from messages where id = ?", (message.id,)).fetchone()
                stored.append((replace(message, seq=row[0]), is_new))
            self._write_offsets(db)
        self._offsets.clear()
        return stored

    def after(self, seq: int, limit: int) -> list[Message]:
        """The messages behind a number, in order."""
        with self.store.read() as db:
            rows = db.execute("select seq, body from messages where seq > ? order by seq limit ?", (seq, limit))
            return [unpack(body, number) for number, body in rows.fetchall()]

    def last(self) -> int:
        """The highest number ever given out."""
        with self.store.read() as db:
            row = db.execute("select seq from sqlite_sequence where name = 'messages'").fetchone()
        return int(row[0]) if row else 0

    def count(self) -> int:
        """Messages on disk, acknowledged ones not yet deleted included."""
        with self.store.read() as db:
            return int(db.execute("select count(*) from messages").fetchone()[0])

    def prune(self, done: int, before: float) -> int:
        """Delete messages numbered up to `done` and older than `before` (Unix seconds), at most PRUNE_MOST."""
        with self.store.write() as db:
            cursor = db.execute(
                "delete from messages where seq in (select seq from messages where seq <= ? and at < ?"
                " order by seq limit ?)",
                (done, before, PRUNE_MOST),
            )
            return int(cursor.rowcount)

    # ---- subscriptions ------------------------------------------------------------------------------

    def subscriptions(self) -> list[Subscription]:
        """All that were made and not withdrawn."""
        with self.store.read() as db:
            rows = db.execute("select subscriber, pattern, durable, acked, capacity from subscriptions order by rowid")
            return [Subscription(who, what, bool(keep), acked, size) for who, what, keep, acked, size in rows]

    def subscribe(self, wish: Subscription) -> None:
        with self.store.write() as db:
            row = (wish.subscriber, wish.pattern, int(wish.durable), wish.acked, wish.capacity)
            db.execute("insert or replace into subscriptions values (?, ?, ?, ?, ?)", row)

    def unsubscribe(self, subscriber: str, pattern: str) -> bool:
        """True when there was such a subscription."""
        self._offsets.pop((subscriber, pattern), None)
        with self.store.write() as db:
            found = db.execute("delete from subscriptions where subscriber = ? and pattern = ?", (subscriber, pattern))
            return bool(found.rowcount)

    def acknowledge(self, subscriber: str, pattern: str, seq: int) -> None:
        """Remember an offset; it reaches the disk with the next group or `flush`. Until then a crash only means
        that the message comes again."""
        self._offsets[(subscriber, pattern)] = seq

    @property
    def has_offsets(self) -> bool:
        return bool(self._offsets)

    def flush(self) -> None:
        """Store the offsets that wait."""
        if self._offsets:
            with self.store.write() as db:
                self._write_offsets(db)
            self._offsets.clear()

    def _write_offsets(self, db: Any) -> None:
        for (subscriber, pattern), seq in self._offsets.items():
            db.execute(
                "update subscriptions set acked = max(acked, ?) where subscriber = ? and pattern = ?",
                (seq, subscriber, pattern),
            )

    # ---- topics and dead letters --------------------------------------------------------------------

    def declare(self, pattern: str, *, durable: bool) -> None:
        """What is not durable is not declared: so are all topics of which nothing is said."""
        with self.store.write() as db:
            db.execute("delete from topics where pattern = ?", (pattern,))
            if durable:
                db.execute("insert into topics values (?, ?)", (pattern, 1))

    def declared(self) -> dict[str, bool]:
        """Pattern -> durable."""
        with self.store.read() as db:
            return {pattern: bool(durable) for pattern, durable in db.execute("select pattern, durable from topics")}

    def bury(self, subscriber: str, message: Message, reason: str, at: float) -> None:
        """Keep a durable message its subscriber rejects."""
        with self.store.write() as db:
            db.execute(
                "insert into dead_letters (subscriber, reason, at, body) values (?, ?, ?, ?)",
                (subscriber, reason, at, pack(message)),
            )
            db.execute(
                "delete from dead_letters where number <= (select max(number) from dead_letters) - ?", (DEAD_MOST,)
            )

    def dead(self, limit: int) -> Iterable[Data]:
        """The newest durable dead letters, newest first."""
        with self.store.read() as db:
            rows = db.execute(
                "select subscriber, reason, at, body from dead_letters order by number desc limit ?", (limit,)
            ).fetchall()
        for subscriber, reason, at, body in rows:
            yield {"subscriber": subscriber, "reason": reason, "at": at, "durable": True} | unpack(body, 0).as_data()


def pack(message: Message) -> bytes:
    """The message without its number. Raises TypeError, ValueError, OverflowError when the payload is not plain."""
    fields = (message.id, message.topic, message.payload, int(message.priority), message.source, message.at)
    packed: bytes = msgpack.packb((*fields, message.correlation_id, message.metadata))
    return packed


def unpack(body: bytes, seq: int) -> Message:
    """What `pack` made."""
    id, topic, payload, priority, source, at, correlation_id, metadata = msgpack.unpackb(body, strict_map_key=False)
    return Message(
        id=id,
        topic=topic,
        payload=payload,
        priority=Priority(priority),
        source=source,
        at=at,
        correlation_id=correlation_id,
        metadata=metadata,
        seq=seq,
    )
