"""Questions to the knowledge base: which signature a hash leads to, its repairs, lists and figures.

Reads only; `signature_writing` is what writes. Must not know who asks. `lookup` and `find` are asked for every failure,
so they are plain statements on the connection. Invariant: an answer is one moment of the database, and nothing is kept
between two of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Data
from grace_actors.kernels.rows import count, rows
from grace_actors.stores.confidence import HIGH
from grace_actors.stores.signature_schema import REPAIR, TRUST, repair_of, standing_of, unpacked
from grace_actors.stores.sqlite import Store

HISTORY_SHOWN = 50
CANDIDATES_SHOWN = 5
CACHE_KIB = 16_384
"""Pages kept in memory: enough for the tables of 10,000 signatures without their components."""
LOG_PAGES = 2_000
"""Of 4 KiB, in the write-ahead log: a group of outcomes touches a thousand pages, and the same ones again and again."""

_SIGNATURE = "s.signature, s.kernel, s.first_seen, s.last_seen, s.seen"
_BY_ID = f"select {_SIGNATURE} from signatures s where s.signature = ?"  # noqa: S608 - columns of this file
_BY_ALIAS = (
    f"select {_SIGNATURE} from aliases a join signatures s on s.signature = a.signature"  # noqa: S608
    " where a.alias = ?"
)
_KNOWN = "from {} left join repairs r on r.signature = s.signature where {} = ?"
_LOOKUP = f"select s.signature, s.kernel, {REPAIR} {_KNOWN} order by {TRUST}"
_LOOKUP_ALIAS = _LOOKUP.format("aliases a join signatures s on s.signature = a.signature", "a.alias")
_LOOKUP_ID = _LOOKUP.format("signatures s", "s.signature")
_HIGHEST = "\U0010ffff"


class Known(NamedTuple):
    """What a lookup found: the given name that led to it, and the repairs, the most trusted first."""

    matched: str
    signature: str
    kernel: str
    repairs: list[Data]


class Found(NamedTuple):
    """A signature without its repairs."""

    signature: str
    kernel: str
    first_seen: float
    last_seen: float
    seen: int


class SignatureRows:
    """Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._tuned: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        """The store's connection; a new one after the file was replaced."""
        connection: sqlite3.Connection = self.store.db.conn
        if connection is not self._tuned:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
            self._tuned = connection
        return connection

    # ---- one signature ------------------------------------------------------------------------------

    def lookup(self, names: Sequence[str]) -> Known | None:
        """The signature of the first name that is known as id, alias or hint, and its repairs, the most trusted
        first."""
        try:
            return self._lookup(names)
        except sqlite3.Error:  # what it means, and what to do about it, the store knows
            with self.store.read():
                return self._lookup(names)

    def _lookup(self, names: Sequence[str]) -> Known | None:
        connection = self.connection()
        for name in names:
            # No alias is an id, so the order does not matter; hashes are asked for more often.
            found = connection.execute(_LOOKUP_ALIAS, (name,)).fetchall()
            found = found or connection.execute(_LOOKUP_ID, (name,)).fetchall()
            if found:
                repairs = [repair_of(row[2:]) for row in found if row[2] is not None]
                return Known(name, found[0][0], found[0][1], repairs)
        return None

    def resolve(self, word: str) -> str:
        """The signature meant by an id, an alias, or the beginning of one that no other signature has. Raises
        NotFound, or Refused with the candidates."""
        with self.store.read():
            connection = self.connection()
            row = _row(connection, word)
            if row is not None:
                return str(row[0])
            sql = (
                "select signature from signatures where signature >= ?1 and signature < ?2 union"
                " select signature from aliases where alias >= ?1 and alias < ?2 and is_hint = 0 order by 1 limit ?3"
            )
            near = [row[0] for row in connection.execute(sql, (word, word + _HIGHEST, CANDIDATES_SHOWN + 1))]
        if len(near) == 1:
            return str(near[0])
        if not near:
            raise NotFound(f"the signature {word!r} is not known", hint="`signature list` shows those that are")
        more = " and more" if len(near) > CANDIDATES_SHOWN else ""
        raise Refused(f"the signature {word!r} is ambiguous", hint=f"it may be {', '.join(near[:5])}{more}")

    def describe(self, signature: str) -> Data:
        """Everything known of a signature: aliases, hints, components, repairs with the newest of their history.
        Raises NotFound."""
        with self.store.read():
            connection = self.connection()
            row = connection.execute(_BY_ID, (signature,)).fetchone()
            if row is None:
                raise NotFound(
                    f"the signature {signature!r} is not known", hint="`signature list` shows those that are"
                )
            names: tuple[list[str], list[str]] = ([], [])
            sql = "select alias, is_hint from aliases where signature = ? order by alias"
            for alias, is_hint in connection.execute(sql, (signature,)):
                names[is_hint].append(alias)
            sql = "select packed from components where signature = ?"
            blob = connection.execute(sql, (signature,)).fetchone()
            return Found(*row)._asdict() | {
                "aliases": names[0],
                "hints": names[1],
                "components": unpacked(blob[0] if blob else None),
                "repairs": self._with_history(connection, signature),
            }

    def _with_history(self, connection: sqlite3.Connection, signature: str) -> list[Data]:
        base = "base_successes, base_failures, base_confidence, base_auto_apply"
        sql = f"select id, {REPAIR}, {base} from repairs where signature = ? order by {TRUST}"  # noqa: S608
        found = []
        for id, *columns in connection.execute(sql, (signature,)).fetchall():
            history = rows(
                self.store.db, "select * from history where repair = ? order by id desc limit ?", [id, HISTORY_SHOWN]
            )
            before = standing_of(columns[-4:])
            found.append(
                repair_of(columns[:-4])
                | {
                    "before": {"successes": before.successes, "failures": before.failures},
                    "history": [_past(row) for row in history],
                }
            )
        return found

    # ---- many ---------------------------------------------------------------------------------------

    def listed(self, limit: int, *, kernel: str = "", auto_only: bool = False) -> list[Data]:
        """Repairs of all signatures, the newest used first; a signature without repair counts as one with none."""
        sql = (
            "select s.signature, s.kernel, r.playbook, r.successes, r.failures, r.confidence, r.last_used, r.auto_apply"
            " from signatures s left join repairs r on r.signature = s.signature"
            " where (?1 = '' or s.kernel = ?1) and (not ?2 or r.auto_apply = 1)"
            " order by coalesce(nullif(r.last_used, 0.0), s.last_seen) desc, s.signature, r.playbook, r.params limit ?3"
        )
        with self.store.read():
            found = self.connection().execute(sql, (kernel, int(auto_only), limit)).fetchall()
        keys = ("signature", "kernel", "playbook", "successes", "failures", "confidence", "last_used", "auto_apply")
        return [dict(zip(keys, row, strict=True)) for row in found]

    def exported(self, after: str, limit: int) -> list[Data]:
        """Signatures in the order of their ids, behind `after`: what `describe` says of each without its history."""
        with self.store.read():
            connection = self.connection()
            sql = f"select {_SIGNATURE} from signatures s where signature > ? order by signature limit ?"  # noqa: S608
            found = {row[0]: Found(*row)._asdict() for row in connection.execute(sql, (after, limit))}
            if not found:
                return []
            for each in found.values():
                each |= {"aliases": [], "hints": [], "components": [], "repairs": []}
            span = (after, next(reversed(found)))
            within = "where signature > ? and signature <= ?"
            sql = f"select signature, alias, is_hint from aliases {within} order by alias"  # noqa: S608
            for signature, alias, is_hint in connection.execute(sql, span):
                found[signature]["hints" if is_hint else "aliases"].append(alias)
            sql = f"select signature, packed from components {within}"  # noqa: S608
            for signature, blob in connection.execute(sql, span):
                found[signature]["components"] = unpacked(blob)
            sql = f"select signature, {REPAIR} from repairs {within} order by {TRUST}"  # noqa: S608
            for signature, *columns in connection.execute(sql, span):
                found[signature]["repairs"].append(repair_of(columns))
        return list(found.values())

    def standing(self, playbooks: Sequence[str]) -> dict[str, dict[str, int]]:
        """Verified outcomes of each playbook over all signatures; zeros for one that was never used."""
        sql = "select coalesce(sum(successes), 0), coalesce(sum(failures), 0) from repairs where playbook = ?"
        with self.store.read():
            connection = self.connection()
            found = {name: connection.execute(sql, (name,)).fetchone() for name in playbooks}
        return {name: {"successes": row[0], "failures": row[1]} for name, row in found.items()}

    def totals(self) -> dict[str, int]:
        """Counts over everything."""
        with self.store.read() as db:
            return {
                "known_signatures": count(db, "select count(*) from signatures"),
                "repairs": count(db, "select count(*) from repairs"),
                "auto_apply": count(db, "select count(distinct signature) from repairs where auto_apply = 1"),
                "high_confidence": count(
                    db, "select count(distinct signature) from repairs where confidence > ?", [HIGH]
                ),
                "successes": count(db, "select sum(successes) from repairs"),
                "failures": count(db, "select sum(failures) from repairs"),
            }

    def by_playbook(self) -> list[Data]:
        """Each playbook over all signatures, the most used first."""
        sql = (
            "select playbook, count(distinct signature) as signatures, sum(successes) as successes,"
            " sum(failures) as failures, sum(auto_apply) as auto_apply, sum(confidence > ?) as high_confidence"
            " from repairs group by playbook order by sum(successes) + sum(failures) desc, playbook"
        )
        with self.store.read() as db:
            return rows(db, sql, [HIGH])


def _row(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(_BY_ALIAS, (name,)).fetchone() or connection.execute(_BY_ID, (name,)).fetchone()


def _past(row: Data) -> Data:
    kept = {key: row[key] for key in ("at", "run", "incident", "detail", "confidence")}
    return kept | {"ok": bool(row["ok"]), "verified": bool(row["verified"])}
