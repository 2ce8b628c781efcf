"""Keeps proposals of the meta loop and how they were decided.

It must not know what a setting means. Invariant: of one child's setting at most one proposal is undecided, and one
that was turned down is not made again within a day.
"""

from __future__ import annotations

from enum import StrEnum

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.kernels.rows import as_json, count, dated_id, moment, rows, schema, unpacked
from grace_actors.kernels.tuning import Suggestion
from grace_actors.stores.sqlite import Store

AGAIN_AFTER_S = 86_400.0

migrations = schema(
    "proposals",
    {
        "proposals": (
            """create table proposals (
                id text primary key, child text not null, setting text not null, change text not null,
                why text not null, state text not null, approval text not null, note text not null,
                made_at real not null, changed_at real not null
            )""",
            "create index proposals_by_setting on proposals (child, setting, changed_at)",
        )
    },
)


class ProposalState(StrEnum):
    """`approved` may be applied; `applied` stands in the overrides."""

    PROPOSED = "proposed"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    APPLIED = "applied"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"


class Proposals:
    """Reading and writing proposals in a store. Every method may raise StoreFailed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def make(self, found: Suggestion, *, at: float) -> Data | None:
        """A new proposal; None when the same one is undecided, or any was decided within a day."""
        sql = """select count(*) from proposals where child = ? and setting = ?
                 and (state in ('proposed', 'awaiting_approval', 'approved') or changed_at > ?)"""
        row = {
            "child": found.child,
            "setting": found.setting.value,
            "change": as_json(found.change, "change"),
            "why": found.why,
            "state": ProposalState.PROPOSED.value,
            "approval": "",
            "note": "",
            "made_at": at,
            "changed_at": at,
        }
        with self._store.write() as db:
            if count(db, sql, [found.child, found.setting.value, at - AGAIN_AFTER_S]):
                return None
            row["id"] = dated_id(db, "proposals", "mp", at)
            db["proposals"].insert(row)
        return _shown(row)

    def change(self, id: str, state: ProposalState, *, at: float, approval: str = "", note: str = "") -> Data:
        """Note what became of a proposal. Raises NotFound."""
        row = self.get(id)
        values = {"state": state.value, "changed_at": at}
        values |= {"approval": approval or row["approval"], "note": note or row["note"]}
        with self._store.write() as db:
            db["proposals"].update(id, values)
        return row | values

    def get(self, id: str) -> Data:
        """One proposal. Raises NotFound."""
        with self._store.read() as db:
            found = rows(db, "select * from proposals where id = ?", [id])
        if not found:
            raise NotFound(f"no proposal {id!r}", hint="`proposals` lists them")
        return _shown(found[0])

    def list(self, state: str, limit: int = 50) -> list[Data]:
        """Proposals, newest first; an empty state selects all."""
        sql = "select * from proposals where ? in ('', state) order by made_at desc, id desc limit ?"
        with self._store.read() as db:
            return [_shown(row) for row in rows(db, sql, [state, limit])]

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        with self._store.read() as db:
            return {row["k"]: row["n"] for row in rows(db, "select state k, count(*) n from proposals group by 1")}


def _shown(row: Data) -> Data:
    return unpacked(row, "change") | {"made": moment(row["made_at"])}
