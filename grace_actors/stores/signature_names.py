"""The names of signatures: which id, alias or hint leads where, and how often a failure was met.

Statements within a transaction of the caller. Must not know repairs. Invariant: a name leads to one signature; a hint,
which several failures share, leads to one and names none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.stores.signature_schema import packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A failure was met. `hashes` in the order of recognition: specific, full, broad. The first two name the signature;
    the third, and what follows it, only leads to it."""

    signature: str
    hashes: Sequence[str] = ()
    kernel: str = ""
    at: float
    incident: str = ""
    components: Sequence[Data] = ()
    count: int = 1

    @property
    def names(self) -> list[str]:
        return [self.signature, *self.hashes[:2]]

    @property
    def hints(self) -> Sequence[str]:
        return self.hashes[2:]


class Seen(NamedTuple):
    """What became of an occurrence."""

    signature: str
    is_new: bool
    seen: int


def note(connection: sqlite3.Connection, occurrence: Occurrence, *, worked: bool | None = None) -> Seen:
    """Count an occurrence under the signature that one of its names leads to, else under its own. `worked` says that
    this is the outcome of a repair: the last incident that was counted is not counted again for it."""
    signature, is_new = occurrence.signature, False
    is_tied = _is_tied(connection, signature, occurrence.hashes)
    if not is_tied:
        found = named(connection, occurrence.names)
        signature, is_new = found or signature, found is None
    seen = connection.execute(
        "insert into signatures (signature, first_seen, last_seen, seen, kernel, last_incident)"
        " values (?1, ?2, ?2, ?3, ?4, ?5) on conflict (signature) do update set"
        " first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen),"
        " seen = seen + case when ?6 and ?5 <> '' and last_incident = ?5 then 0 else excluded.seen end,"
        " kernel = case when kernel = '' then excluded.kernel else kernel end,"
        " last_incident = case when ?5 = '' then last_incident else ?5 end returning seen",
        (signature, occurrence.at, occurrence.count, occurrence.kernel, occurrence.incident, worked is not None),
    ).fetchone()[0]
    if not is_tied:
        tie(connection, signature, occurrence.names, occurrence.hints, worked=bool(worked))
    if occurrence.components:
        keep_components(connection, signature, occurrence.components)
    return Seen(signature, is_new, seen)


def _is_tied(connection: sqlite3.Connection, signature: str, hashes: Sequence[str]) -> bool:
    """Whether all hashes lead to the signature already, as nearly always: a look costs a third of writing them."""
    marks = ", ".join("?" * len(hashes))
    sql = f"select count(*), sum(is_hint) from aliases where alias in ({marks}) and signature = ?"  # noqa: S608 - marks
    count, hints = connection.execute(sql, (*hashes, signature)).fetchone() if hashes else (0, 0)
    return count > 0 and count == len(hashes) and hints == max(0, len(hashes) - 2)


def named(connection: sqlite3.Connection, names: Sequence[str]) -> str | None:
    """The signature of the first name that is known as id or alias. A hint names nothing."""
    sql = (
        "select signature from signatures where signature = ?1 union all"
        " select signature from aliases where alias = ?1 and is_hint = 0 limit 1"
    )
    for name in names:
        row = connection.execute(sql, (name,)).fetchone()
        if row is not None:
            return str(row[0])
    return None


def tie(
    connection: sqlite3.Connection, signature: str, names: Sequence[str], hints: Sequence[str], *, worked: bool
) -> int:
    """Make names lead to a signature, unless they lead to another one already; how many did not before. A hint leads
    to the signature whose repair has worked last."""
    aliases = [name for name in names if name != signature]
    connection.execute("delete from aliases where alias = ?", (signature,))  # a hint was, which names nothing
    before = connection.total_changes
    connection.executemany(
        "insert into aliases (alias, signature, is_hint) select ?1, ?2, 0"
        " where not exists (select 1 from signatures where signature = ?1)"
        " on conflict (alias) do update set signature = excluded.signature, is_hint = 0 where is_hint = 1",
        [(name, signature) for name in aliases],
    )
    tied = connection.total_changes - before
    takes_over = "update set signature = excluded.signature where is_hint = 1" if worked else "nothing"
    connection.executemany(
        "insert into aliases (alias, signature, is_hint) select ?1, ?2, 1"  # noqa: S608
        f" where not exists (select 1 from signatures where signature = ?1) on conflict (alias) do {takes_over}",
        [(hint, signature) for hint in hints],
    )
    return tied


def keep_components(connection: sqlite3.Connection, signature: str, components: Sequence[Data]) -> None:
    """Keep what made a signature; the first time counts."""
    if connection.execute("select 1 from components where signature = ?", (signature,)).fetchone() is None:
        connection.execute("insert into components values (?, ?)", (signature, packed(list(components))))


def owner(connection: sqlite3.Connection, word: str) -> str:
    """The signature that an id or alias names. Raises NotFound."""
    found = named(connection, [word])
    if found is None:
        raise NotFound(f"the signature {word!r} is not known", hint="`signature list` shows those that are")
    return found


def move_names(connection: sqlite3.Connection, old: str, kept: str) -> None:
    """Make a signature an alias of another, with its own aliases, hints, components and counts."""
    connection.execute("update aliases set signature = ? where signature = ?", (kept, old))
    sql = "select first_seen, last_seen, seen, kernel from signatures where signature = ?"
    first_seen, last_seen, seen, kernel = connection.execute(sql, (old,)).fetchone()
    connection.execute(
        "update signatures set first_seen = min(first_seen, ?), last_seen = max(last_seen, ?), seen = seen + ?,"
        " kernel = iif(kernel = '', ?, kernel) where signature = ?",
        (first_seen, last_seen, seen, kernel, kept),
    )
    connection.execute("delete from signatures where signature = ?", (old,))
    connection.execute("insert or replace into aliases (alias, signature, is_hint) values (?, ?, 0)", (old, kept))
    connection.execute("update or ignore components set signature = ? where signature = ?", (kept, old))
    connection.execute("delete from components where signature = ?", (old,))
