"""What changes the knowledge base: outcomes, occurrences, merging, forgetting.

One transaction each, also for a group of outcomes. The arithmetic is in `confidence`. Must not know who asks.
Invariant: an outcome with a run id counts once, and what was answered is on the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from grace_actors.errors import Refused
from grace_actors.kernel import Data
from grace_actors.stores.confidence import Standing, after
from grace_actors.stores.signature_names import Occurrence, Seen, move_names, note, owner
from grace_actors.stores.signature_repairs import (
    STANDING,
    assigned,
    drop_repairs,
    insert_history,
    insert_repair,
    move_repairs,
    shorten,
)
from grace_actors.stores.signature_rows import SignatureRows
from grace_actors.stores.signature_schema import columns_of, repair_of, standing_of

SHORTEN_EVERY = 64
"""Of so many outcomes one has the history of its repair shortened: looking costs more than a row too many."""
RUNS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One use of a repair. `run` makes a repeated report harmless; an unverified outcome changes no standing.
    `params` is canonical JSON."""

    occurrence: Occurrence
    playbook: str
    params: str = "{}"
    ok: bool
    verified: bool = True
    run: str = ""
    detail: str = ""


class Counted(NamedTuple):
    """What became of an outcome: the standing of its repair now, whether this run was new, and whether the repair was
    automatic before."""

    key: tuple[str, str, str]  # signature, playbook, params
    standing: Standing
    last_used: float
    is_new: bool
    was_auto: bool

    @property
    def signature(self) -> str:
        return self.key[0]

    @property
    def repair(self) -> Data:
        """The repair as requests see it."""
        return repair_of((*self.key[1:], *columns_of(self.standing), self.last_used))


@dataclass(slots=True)
class _Repair:
    """A repair while a group is being counted."""

    id: int
    key: tuple[str, str, str]
    standing: Standing
    last_used: float

    def counted(self, *, is_new: bool, was_auto: bool) -> Counted:
        return Counted(self.key, self.standing, self.last_used, is_new, was_auto)


@dataclass(slots=True)
class _Group:
    """What one transaction has read and will write. Repairs and history are written once, at its end."""

    connection: sqlite3.Connection
    repairs: dict[tuple[str, str, str], _Repair] = field(default_factory=dict)
    runs: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    history: list[tuple[Any, ...]] = field(default_factory=list)

    def count(self, outcome: Outcome) -> Counted:
        if outcome.run in self.runs:
            repair = self._repair(self.runs[outcome.run], 0.0)
            return repair.counted(is_new=False, was_auto=repair.standing.auto_apply)
        occurrence = outcome.occurrence
        signature = note(self.connection, occurrence, worked=outcome.ok and outcome.verified).signature
        repair = self._repair((signature, outcome.playbook, outcome.params), occurrence.at)
        was_auto = repair.standing.auto_apply
        if outcome.verified:
            repair.standing = after(repair.standing, ok=outcome.ok)
        repair.last_used = max(repair.last_used, occurrence.at)
        if outcome.run:
            self.runs[outcome.run] = repair.key
        flags = (int(outcome.ok), int(outcome.verified))
        tail = (occurrence.at, outcome.run or None, occurrence.incident, outcome.detail, repair.standing.confidence, 0)
        self.history.append((repair.id, *flags, *tail))
        return repair.counted(is_new=True, was_auto=was_auto)

    def look_up_runs(self, outcomes: Sequence[Outcome]) -> None:
        """Take note of the runs that were counted in earlier transactions."""
        runs = [outcome.run for outcome in outcomes if outcome.run]
        for at in range(0, len(runs), RUNS_AT_ONCE):
            some = runs[at : at + RUNS_AT_ONCE]
            sql = (
                "select h.run, r.signature, r.playbook, r.params from history h join repairs r on r.id = h.repair"  # noqa: S608
                f" where h.run in ({', '.join('?' * len(some))})"
            )
            self.runs.update({row[0]: row[1:] for row in self.connection.execute(sql, some)})

    def _repair(self, key: tuple[str, str, str], at: float) -> _Repair:
        found = self.repairs.get(key)
        if found is None:
            found = self.repairs[key] = self._load(key, at)
        return found

    def _load(self, key: tuple[str, str, str], at: float) -> _Repair:
        sql = f"select id, last_used, {STANDING} from repairs where signature = ? and playbook = ? and params = ?"  # noqa: S608
        row = self.connection.execute(sql, key).fetchone()
        if row is not None:
            return _Repair(row[0], key, standing_of(row[2:]), row[1])
        return _Repair(insert_repair(self.connection, key, Standing(), at), key, Standing(), at)

    def write(self) -> None:
        self.connection.executemany(
            f"update repairs set {assigned(STANDING)}, last_used = ?"  # noqa: S608
            " where signature = ? and playbook = ? and params = ?",
            [(*columns_of(repair.standing), repair.last_used, *repair.key) for repair in self.repairs.values()],
        )
        if not self.history:
            return
        insert_history(self.connection, self.history)
        last: int = self.connection.execute("select max(id) from history").fetchone()[0]
        first = last - len(self.history) + 1  # one writer: the ids of a transaction are without a gap
        for number in range(-first % SHORTEN_EVERY, len(self.history), SHORTEN_EVERY):
            shorten(self.connection, self.history[number][0])


class SignatureWriter:
    """Every method is one transaction and may raise StoreFailed."""

    def __init__(self, rows: SignatureRows) -> None:
        self.rows = rows

    def record(self, outcomes: Sequence[Outcome]) -> list[Counted]:
        """Count outcomes, in their order."""
        with self.rows.store.write():
            group = _Group(self.rows.connection())
            group.look_up_runs(outcomes)
            counted = [group.count(outcome) for outcome in outcomes]
            group.write()
        return counted

    def see(self, occurrence: Occurrence) -> Seen:
        """Count an occurrence without an outcome."""
        with self.rows.store.write():
            return note(self.rows.connection(), occurrence)

    def forget(self, word: str) -> Data:
        """Delete a signature and all that belongs to it; what was deleted. Raises NotFound."""
        with self.rows.store.write():
            connection = self.rows.connection()
            signature = owner(connection, word)
            gone = self.rows.describe(signature)
            drop_repairs(connection, signature)
            for table in ("aliases", "components", "signatures"):
                connection.execute(f"delete from {table} where signature = ?", (signature,))  # noqa: S608 - own tables
        return gone

    def merge(self, source: str, target: str) -> Data:
        """Make `source` an alias of `target`, with everything known of it; {signature, from, repairs_moved,
        repairs_united}. Raises NotFound, or Refused for one with itself."""
        with self.rows.store.write():
            connection = self.rows.connection()
            old, kept = owner(connection, source), owner(connection, target)
            if old == kept:
                same = "" if source == target == old else f" ({source!r} and {target!r} both name {old!r})"
                raise Refused(f"merge: {old!r} cannot be merged with itself{same}", hint="name two signatures")
            moved = move_repairs(connection, old, kept)
            move_names(connection, old, kept)
        return {"signature": kept, "from": old, **moved}
