"""Answers to lookups, kept until something changes: a storm asks for the same few failures again and again.

Must not know requests. Invariant: an answer that is given is what the database would say now; whoever changes it calls
`changed`.
"""

from __future__ import annotations

import sqlite3

from grace_actors.kernel import Data
from grace_actors.stores.signature_advice import best_of
from grace_actors.stores.signature_rows import SignatureRows

MOST_KEPT = 10_000
"""About 15 MB."""


class Answers:
    """Lookups in a knowledge base. May raise StoreFailed."""

    def __init__(self, rows: SignatureRows) -> None:
        self._rows = rows
        self._kept: dict[tuple[str, ...], Data] = {}
        self._connection: sqlite3.Connection | None = None

    def changed(self) -> None:
        """Forget all answers."""
        self._kept.clear()

    def lookup(self, names: tuple[str, ...]) -> Data:
        """What is known of the first of the names that is known."""
        connection = self._rows.store.db.conn
        if connection is not self._connection or len(self._kept) >= MOST_KEPT:  # the file was replaced
            self._kept.clear()
            self._connection = connection
        found = self._kept.get(names)
        if found is None:
            found = self._kept[names] = self._answer(names)
        return found

    def _answer(self, names: tuple[str, ...]) -> Data:
        known = self._rows.lookup(names)
        if known is None:
            return {"known": False, "signature": names[0], "matched": None, "kernel": "", "repairs": [], "best": None}
        return {
            "known": True,
            "signature": known.signature,
            "matched": known.matched,
            "kernel": known.kernel,
            "repairs": known.repairs,
            "best": best_of(known.repairs),
        }
