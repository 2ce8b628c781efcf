"""The table of artifacts: keyed values with tags, versions, provenance and a signature each.

Queries and signing; must not merge or judge values. Invariant: a value that was changed behind the store's back is
never answered as if it were genuine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grace_actors.errors import NotFound, StoreFailed
from grace_actors.kernel import Data
from grace_actors.kernels.memory.signing import Seal, Signer
from grace_actors.kernels.rows import count, rows, schema
from grace_actors.stores.fts import match_query
from grace_actors.stores.sqlite import Store

MIGRATIONS = schema(
    "memory",
    {
        "artifacts": (
            """create table artifacts (
                key text primary key, value text not null, tags text not null, version integer not null,
                writer text not null, created_at real not null, updated_at real not null, provenance text not null,
                signature text not null
            )""",
            "create index artifacts_by_time on artifacts (updated_at)",
            "create virtual table artifacts_text using fts5 (key, value, tags, content='artifacts')",
            """create trigger artifacts_inserted after insert on artifacts begin
                insert into artifacts_text (rowid, key, value, tags) values (new.rowid, new.key, new.value, new.tags);
            end""",
            """create trigger artifacts_deleted after delete on artifacts begin
                insert into artifacts_text (artifacts_text, rowid, key, value, tags)
                values ('delete', old.rowid, old.key, old.value, old.tags);
            end""",
            """create trigger artifacts_updated after update on artifacts begin
                insert into artifacts_text (artifacts_text, rowid, key, value, tags)
                values ('delete', old.rowid, old.key, old.value, old.tags);
                insert into artifacts_text (rowid, key, value, tags) values (new.rowid, new.key, new.value, new.tags);
            end""",
        )
    },
)


class Tampered(StoreFailed):
    """The signature of an artifact does not fit its content."""

    code = "tampered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An artifact to be written. `value` is JSON."""

    key: str
    value: str
    tags: Sequence[str]
    writer: str
    at: float
    provenance: Sequence[Data]


class Artifacts:
    """Reading and writing artifacts. Every method may raise StoreFailed."""

    def __init__(self, store: Store, signer: Signer) -> None:
        self.store, self.signer = store, signer

    def put(self, draft: Draft) -> int:
        """Write, signed; the version it has now. An equal write repeated is a new version all the same."""
        with self.store.write() as db:
            known = rows(db, "select version, created_at from artifacts where key = ?", [draft.key])
            version = known[0]["version"] + 1 if known else 1
            row: Data = {
                "key": draft.key,
                "value": draft.value,
                "tags": json.dumps(sorted(set(draft.tags)), ensure_ascii=False),
                "version": version,
                "writer": draft.writer,
                "created_at": known[0]["created_at"] if known else draft.at,
                "updated_at": draft.at,
                "provenance": json.dumps(list(draft.provenance), ensure_ascii=False),
            }
            row["signature"] = self.signer.sign(*_signed(row))
            columns = ", ".join(f"{name} = excluded.{name}" for name in row if name != "key")
            db.execute(
                f"insert into artifacts values (:{', :'.join(row)}) on conflict (key) do update set {columns}",  # noqa: S608
                row,
            )
        return int(version)

    def get(self, key: str) -> Data:
        """The artifact with `value`, `tags`, `version`, `provenance` and `signature`: valid or unverifiable.
        Raises NotFound, Tampered."""
        with self.store.read() as db:
            found = rows(db, "select * from artifacts where key = ?", [key])
        if not found:
            raise NotFound(f"there is no artifact {key!r}", hint="`search` finds those that are stored")
        return self._opened(found[0])

    def _opened(self, row: Data) -> Data:
        seal = self.signer.check(row["signature"], *_signed(row))
        if seal is Seal.FALSE:
            raise Tampered(
                f"the artifact {row['key']!r} was changed by somebody else",
                hint="write it again from its source, or delete it; its content is not to be trusted",
            )
        opened = {name: json.loads(row[name]) for name in ("value", "tags", "provenance")}
        return row | opened | {"signature": seal.value}

    def delete(self, key: str) -> bool:
        """True when there was one."""
        with self.store.write() as db:
            return bool(db.execute("delete from artifacts where key = ?", [key]).rowcount)

    def search(self, words: str, prefix: str, tag: str, limit: int) -> list[Data]:
        """Artifacts, without their values, by words anywhere, start of the key, and tag; newest first."""
        where, params = ["1"], list[Any]()
        if words:
            where.append("rowid in (select rowid from artifacts_text where artifacts_text match ?)")
            params.append(match_query(words))
        if prefix:
            where.append("substr(key, 1, ?) = ?")
            params += [len(prefix), prefix]
        if tag:
            where.append("exists (select 1 from json_each(tags) where json_each.value = ?)")
            params.append(tag)
        names = "key, tags, version, writer, created_at, updated_at, length(value) as chars"
        sql = f"select {names} from artifacts where {' and '.join(where)} order by updated_at desc, key limit ?"  # noqa: S608
        with self.store.read() as db:
            return [row | {"tags": json.loads(row["tags"])} for row in rows(db, sql, [*params, limit])]

    def count(self) -> int:
        with self.store.read() as db:
            return count(db, "select count(*) from artifacts")


def _signed(row: Data) -> list[bytes]:
    names = ("key", "value", "tags", "version", "writer", "updated_at", "provenance")
    return [str(row[name]).encode() for name in names]
