"""The full-text index: documents by content hash, their chunks, search by relevance.

Tables and queries; must not read files. Invariant: a document is visible only when all its chunks are stored, and a
content is stored once whatever its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlite_utils import Migrations

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.kernels.rows import count, rows
from grace_actors.stores.fts import match_query
from grace_actors.stores.sqlite import Store

MIGRATIONS = Migrations("library")
_SHOWN = "id, hash, name, bytes, chars, chunks, added_at, source"


def _create_tables(db: Any) -> None:
    db.execute(
        "create table documents (id integer primary key, hash text not null unique, name text not null,"
        " bytes integer not null, chars integer not null, chunks integer not null, added_at real not null,"
        " source text not null, complete integer not null)"
    )
    db.execute(
        "create table chunks (id integer primary key, document integer not null, number integer not null,"
        " text text not null, unique (document, number))"
    )
    db["chunks"].enable_fts(["text"], create_triggers=True, tokenize="porter unicode61")


MIGRATIONS(name="create_tables")(_create_tables)


class Index:
    """Reading and writing documents. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def sweep(self) -> int:
        """Delete documents whose indexing was interrupted; how many."""
        with self.store.read() as db:
            broken = [row["id"] for row in rows(db, "select id from documents where complete = 0")]
        for document in broken:
            self.delete(document)
        return len(broken)

    def known(self, digest: str) -> Data | None:
        """The complete document with this content."""
        with self.store.read() as db:
            found = rows(db, f"select {_SHOWN} from documents where hash = ? and complete = 1", [digest])  # noqa: S608
        return found[0] if found else None

    def begin(self, *, digest: str, name: str, size: int, chars: int, at: float, source: str) -> int:
        """Announce a document; its id. What an interrupted attempt left of the same content goes first."""
        with self.store.write() as db:
            broken = "select id from documents where hash = ? and complete = 0"
            db.execute(f"delete from chunks where document in ({broken})", [digest])  # noqa: S608 - own text
            db.execute("delete from documents where hash = ? and complete = 0", [digest])
            cursor = db.execute(
                "insert into documents (hash, name, bytes, chars, chunks, added_at, source, complete)"
                " values (?, ?, ?, ?, 0, ?, ?, 0)",
                [digest, name, size, chars, at, source],
            )
            return int(cursor.lastrowid)

    def add(self, document: int, first: int, chunks: Sequence[str]) -> None:
        """Store chunks, numbered from `first`."""
        with self.store.write() as db:
            db.conn.executemany(
                "insert into chunks (document, number, text) values (?, ?, ?)",
                [(document, first + at, text) for at, text in enumerate(chunks)],
            )

    def complete(self, document: int, chunks: int) -> Data:
        """Make a document visible."""
        with self.store.write() as db:
            db.execute("update documents set complete = 1, chunks = ? where id = ?", [chunks, document])
            return rows(db, f"select {_SHOWN} from documents where id = ?", [document])[0]  # noqa: S608

    def delete(self, document: int) -> None:
        with self.store.write() as db:
            db.execute("delete from chunks where document = ?", [document])
            db.execute("delete from documents where id = ?", [document])

    def find(self, name: str) -> Data:
        """The document with this hash, id or name. Raises NotFound."""
        with self.store.read() as db:
            sql = (
                f"select {_SHOWN} from documents where complete = 1 and (hash = ? or cast(id as text) = ? or name = ?)"  # noqa: S608
            )
            found = rows(db, f"{sql} order by id desc limit 1", [name, name, name])
        if not found:
            raise NotFound(f"there is no document {name!r}", hint="`documents` lists those that are indexed")
        return found[0]

    def page(self, limit: int) -> list[Data]:
        """The newest documents."""
        with self.store.read() as db:
            return rows(db, f"select {_SHOWN} from documents where complete = 1 order by id desc limit ?", [limit])  # noqa: S608

    def search(self, words: str, limit: int) -> list[Data]:
        """The chunks that hold all the words, the most relevant first. `score` is higher for better."""
        sql = """select documents.name, documents.hash, documents.id as document, chunks.number, chunks.text,
                 snippet(chunks_fts, 0, '[', ']', '…', 24) as snippet, -bm25(chunks_fts) as score
                 from chunks_fts join chunks on chunks.id = chunks_fts.rowid
                 join documents on documents.id = chunks.document
                 where chunks_fts match ? and documents.complete = 1 order by bm25(chunks_fts), chunks.id limit ?"""
        with self.store.read() as db:
            return rows(db, sql, [match_query(words), limit])

    def totals(self) -> dict[str, int]:
        with self.store.read() as db:
            return {
                "documents": count(db, "select count(*) from documents where complete = 1"),
                "chunks": count(db, "select sum(chunks) from documents where complete = 1"),
            }
