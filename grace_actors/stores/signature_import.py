"""Puts imported entries into the knowledge base.

Must not know the form of files; `signature_json` has checked them. Invariant: one transaction, and without `replace`
nothing that is known becomes less.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Sequence

from grace_actors.kernel import Data
from grace_actors.stores.confidence import knows_more
from grace_actors.stores.signature_entries import Entry, ImportedRepair
from grace_actors.stores.signature_names import keep_components, named, tie
from grace_actors.stores.signature_repairs import drop_repairs, insert_repair, set_base
from grace_actors.stores.signature_rows import SignatureRows
from grace_actors.stores.signature_schema import standing_of

COUNTED = (
    "signatures_added", "signatures_known", "repairs_added", "repairs_raised", "repairs_kept", "repairs_replaced",
    "aliases_added",
)  # fmt: skip


class _Checked(Exception):
    """All entries could be put."""


def put(rows: SignatureRows, entries: Sequence[Entry], *, replace: bool, check: bool = False, now: float) -> Data:
    """Take entries over; how many of what, by the names of COUNTED. With `replace` the repairs of their signatures are
    deleted first, with their history; else an entry counts where nothing of it is less. With `check` nothing is
    written. May raise StoreFailed."""
    counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    with contextlib.suppress(_Checked), rows.store.write():
        for entry in entries:
            _put_entry(rows.connection(), entry, counts, replace=replace, now=now)
        if check:
            raise _Checked
    return dict(counts)


def _put_entry(
    connection: sqlite3.Connection, entry: Entry, counts: Counter[str], *, replace: bool, now: float
) -> None:
    known = named(connection, [entry.signature, *entry.aliases])
    signature = known or entry.signature
    counts["signatures_known" if known else "signatures_added"] += 1
    _put_signature(connection, signature, entry, now)
    if replace:
        counts["repairs_replaced"] += drop_repairs(connection, signature)
    for repair in entry.repairs:
        counts[f"repairs_{_put_repair(connection, signature, repair, now)}"] += 1
    names = [entry.signature, *entry.aliases]
    counts["aliases_added"] += tie(connection, signature, names, entry.hints, worked=False)
    if entry.components:
        keep_components(connection, signature, entry.components)


def _put_signature(connection: sqlite3.Connection, signature: str, entry: Entry, now: float) -> None:
    used = [repair.last_used for repair in entry.repairs if repair.last_used]
    last_seen = entry.last_seen if entry.last_seen is not None else max(used, default=now)
    first_seen = entry.first_seen if entry.first_seen is not None else min([*used, last_seen])
    connection.execute(
        "insert into signatures (signature, first_seen, last_seen, seen, kernel) values (?, ?, ?, ?, ?)"
        " on conflict (signature) do update set first_seen = min(first_seen, excluded.first_seen),"
        " last_seen = max(last_seen, excluded.last_seen), seen = max(seen, excluded.seen),"
        " kernel = iif(kernel = '', excluded.kernel, kernel)",
        (signature, first_seen, last_seen, entry.seen, entry.kernel),
    )


def _put_repair(connection: sqlite3.Connection, signature: str, repair: ImportedRepair, now: float) -> str:
    """What became of it: added, raised or kept."""
    key = (signature, repair.playbook, repair.params)
    sql = (
        "select id, last_used, successes, failures, confidence, auto_apply from repairs"
        " where signature = ? and playbook = ? and params = ?"
    )
    row = connection.execute(sql, key).fetchone()
    if row is None:
        insert_repair(connection, key, repair.standing, now, repair.last_used)
        return "added"
    if not knows_more(repair.standing, standing_of(row[2:])):
        return "kept"
    set_base(connection, row[0], repair.standing, max(row[1], repair.last_used))
    return "raised"
