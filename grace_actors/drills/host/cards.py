"""The cards there are: those that come along and those of the home, and what is known of each from its runs.

Reads files and rows; it judges no card itself. Invariant: a file that is no card is told with its place and hides
none of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chaos.card import Card
from chaos.loader import BUILT_IN, FOLDER, Known, load_cards
from chaos.weights import Past
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.errors import NotFound
from grace_actors.healing.library import FOLDER as PLAYBOOKS
from grace_actors.healing.library import PACKS
from grace_actors.kernel import Data

SHOWN_FAULTS = 5


def known(home: Path) -> Known:
    """The names that cards of this home may use."""
    files = (file for folder in (PACKS, home / PLAYBOOKS) for file in folder.glob("*.y*ml"))
    return Known(playbooks={file.stem for file in files}, actions=tuple(CATALOGUE))


class Cards:
    """Every card by its id."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.cards: dict[str, Card] = {}
        self.faults: list[str] = []
        self.read()

    def read(self) -> None:
        """Read all files anew."""
        deck = load_cards(BUILT_IN, self._home / FOLDER, known=known(self._home))
        self.cards = dict(deck.cards)
        self.faults = [str(fault) for fault in deck.faults]

    def get(self, id: str) -> Card:
        """Raises NotFound with what is wrong with files that could not be read."""
        found = self.cards.get(id.upper()) or self.cards.get(id)
        if found is None:
            broken = "; ".join(self.faults[:SHOWN_FAULTS])
            hint = f"known: {', '.join(self.cards)}" + (f"; not readable: {broken}" if broken else "")
            raise NotFound(f"there is no drill {id!r:.60}", hint=hint)
        return found


def row(card: Card, runs: Sequence[Data], *, due: bool) -> Data:
    """One card as `drill list` shows it; `runs` are its own, the newest first."""
    judged = [run for run in runs if run["passed"] is not None]
    last = runs[0] if runs else None
    return {
        "id": card.id,
        "title": card.title,
        "category": card.category,
        "weight": card.weight,
        "micro": card.is_micro,
        "last_run": last["started_at"] if last else None,
        "passed": judged[0]["passed"] if judged else None,
        "runs": len(runs),
        "deviations": sum(run["passed"] is False for run in runs),
        **{key: judged[0][key] if judged else None for key in ("detect_s", "heal_s")},
        "due": due,
    }


def history(runs: Sequence[Data]) -> list[Data]:
    """The runs of a card as `drill show` shows them."""
    keys = ("status", "passed", "gates", "detect_s", "heal_s", "reason")
    return [{"run": run["id"], "at": run["started_at"], **{key: run[key] for key in keys}} for run in runs]


def past(runs: Sequence[Data]) -> list[Past]:
    """Runs as weights and coverage take them."""
    return [
        Past(card=run["card"], at=run["started_at"], passed=run["passed"], run=run["id"], reason=run["reason"])
        for run in runs
    ]
