"""What the runner tells of all drills: the list, one card with its history, the coverage, the report.

Puts rows and cards together; figures come from `chaos.coverage`. It changes nothing. Invariant: what is said of a card
comes from its rows, so a card that was never run says so.
"""

from __future__ import annotations

from collections.abc import Callable

from chaos.coverage import coverage
from chaos.weights import is_due
from grace_actors.actions.action import Result
from grace_actors.drills.host.cards import Cards, history, past, row
from grace_actors.drills.host.rows import KONG, Runs
from grace_actors.drills.host.stage import noted
from grace_actors.drills.host.surroundings import children
from grace_actors.kernel import Context, Data


class Overview:
    """Answers questions about drills."""

    def __init__(self, ctx: Context, cards: Cards, runs: Runs) -> None:
        self._ctx, self._cards, self._runs = ctx, cards, runs

    def _row(self, id: str) -> Data:
        card, runs = self._cards.get(id), self._runs.of(id)
        return row(card, runs, due=is_due(card, past(runs), self._ctx.wall()))

    def drills(self) -> Data:
        """Every card as a row."""
        rows = [self._row(id) for id in self._cards.cards]
        return {"drills": rows, "count": len(rows), "problems": self._cards.faults}

    def drill(self, id: str) -> Data:
        """One card, what it expects, what came of it. Raises NotFound."""
        card = self._cards.get(id)
        return {**self._row(card.id), "card": dict(card.experiment), "history": history(self._runs.of(card.id, 50))}

    def coverage(self, done: Callable[[Data], None]) -> None:
        """What was drilled and what was not, of everything in the tree; without that if status does not show it."""

        def known(found: Result) -> None:
            tree = None if not found.ok else [name for name in found.data["value"] if name not in noted(self._ctx.data)]
            done(coverage(self._cards.cards.values(), past(self._runs.of()), self._ctx.wall(), tree))

        children.perform(self._ctx, {}, False, known)

    def report(self, limit: int, done: Callable[[Data], None]) -> None:
        """The last runs with their time lines."""
        self.coverage(lambda found: done(self._report(limit, found)))

    def _report(self, limit: int, covered: Data) -> Data:
        runs = [
            {**run, "run": run["id"], "id": run["card"], "journal": self._runs.journal_path(run["id"])}
            for run in self._runs.of(None, limit)
        ]
        kong = [run for run in runs if run["id"] == KONG]
        drills = [run for run in runs if run["id"] != KONG]
        return {"made_at": self._ctx.wall(), "runs": drills, "coverage": covered, "kong": kong}
