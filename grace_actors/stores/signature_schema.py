"""The tables of the knowledge base, and what a row is outside of the database.

Steps that were released are never changed; what is new is a further step. Must not query anything.
Invariant: a column that is not what was written into it is damage of the file, and is told as such.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Sequence
from typing import Any

from grace_actors.kernel import Data
from grace_actors.kernels.rows import schema
from grace_actors.stores.confidence import Standing

Steps = dict[str, tuple[str, ...]]

FIRST_STEP: Steps = {
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
}
"""What version 0.1.0 wrote."""

SECOND_STEP: Steps = {
    "knowledge_base": (
        # Names are looked up for every failure: one tree each, instead of an index and a table.
        """create table known_signatures (
                signature text primary key, first_seen real not null, last_seen real not null, seen integer not null,
                kernel text not null default '', last_incident text not null default ''
            ) without rowid""",
        "insert into known_signatures select signature, first_seen, last_seen, seen, '', '' from signatures",
        "drop table signatures",
        "alter table known_signatures rename to signatures",
        # Several failures share a hint; it leads to the one that was repaired last, and names none.
        """create table names (
                alias text primary key, signature text not null, is_hint integer not null
            ) without rowid""",
        """insert into names select alias, signature, 0 from aliases
                where alias not in (select signature from signatures)""",
        "drop table aliases",
        "alter table names rename to aliases",
        "create index aliases_by_signature on aliases (signature)",
        "create table components (signature text primary key, packed blob not null)",
        # The base is what stood before the first row of history that counts: imported, or shortened away.
        """create table known_repairs (
                signature text not null, playbook text not null, params text not null, id integer not null unique,
                successes integer not null, failures integer not null, confidence integer not null,
                auto_apply integer not null, base_successes integer not null, base_failures integer not null,
                base_confidence integer not null, base_auto_apply integer not null, created_at real not null,
                last_used real not null, primary key (signature, playbook, params)
            ) without rowid""",
        """insert into known_repairs select signature, playbook, params, id, successes, failures, confidence,
                auto_apply, 0, 0, 0, 0, created_at, last_used from repairs""",
        "drop table repairs",
        "alter table known_repairs rename to repairs",
        "alter table history add column is_in_base integer not null default 0",
        "create index repairs_by_playbook on repairs (playbook)",
    )
}

migrations = schema("signatures", FIRST_STEP | SECOND_STEP)

TRUST = "auto_apply desc, confidence desc, last_used desc, playbook, params"
"""The order of repairs of one signature: the most trusted first."""
REPAIR = "playbook, params, successes, failures, confidence, auto_apply, last_used"


def repair_of(row: Sequence[Any]) -> Data:
    """A repair as requests see it, from the columns REPAIR."""
    playbook, params, successes, failures, confidence, auto_apply, last_used = row
    return {
        "playbook": playbook,
        "params": {} if params == "{}" else read_json(params),
        "successes": successes,
        "failures": failures,
        "confidence": confidence,
        "auto_apply": bool(auto_apply),
        "last_used": last_used or None,
    }


def standing_of(row: Sequence[Any]) -> Standing:
    """From the columns successes, failures, confidence, auto_apply."""
    return Standing(row[0], row[1], row[2], bool(row[3]))


def columns_of(standing: Standing) -> tuple[int, int, int, int]:
    """The columns that `standing_of` reads."""
    return (standing.successes, standing.failures, standing.confidence, int(standing.auto_apply))


def packed(components: list[Data]) -> bytes:
    """Components as they are kept: they are most of what is known of a signature, and seldom looked at."""
    return zlib.compress(json.dumps(components, ensure_ascii=False, separators=(",", ":")).encode(), 6)


def unpacked(blob: bytes | None) -> list[Data]:
    """The components, none when none were given. Raises sqlite3.DatabaseError for damage."""
    if blob is None:
        return []
    try:
        found: list[Data] = json.loads(zlib.decompress(blob))
    except (zlib.error, ValueError, TypeError) as error:
        raise _damage(f"components cannot be read: {error}") from error
    return found


def read_json(text: str) -> Any:
    """A JSON column. Raises sqlite3.DatabaseError for damage."""
    try:
        return json.loads(text)
    except (ValueError, TypeError) as error:
        raise _damage(f"parameters cannot be read: {error}") from error


def canonical(params: Data) -> str:
    """Parameters as the text by which a repair is known. Raises ValueError or TypeError for what is not plain data."""
    return json.dumps(params, sort_keys=True, allow_nan=False) if params else "{}"


def _damage(problem: str) -> sqlite3.DatabaseError:
    """SQLite's check of the file sees the order of its pages, not what they say."""
    error = sqlite3.DatabaseError(problem)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
