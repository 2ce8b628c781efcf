"""What is drilled and what is not: by card, by category, by kernel. Pure.

Invariant: every card is in exactly one of three: never drilled, overdue, or drilled within its interval.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from chaos.card import HOME, HOST, Card
from chaos.weights import DAY_S, HIGH_RISK, Past, is_due, last_of

RECENT_S = 7 * DAY_S


def coverage(
    cards: Iterable[Card], history: Iterable[Past], now: float, tree: Collection[str] | None = None
) -> dict[str, Any]:
    """The state of the drills as JSON data. A drill that was not completed covers nothing. `tree` are the names of the
    children of the tree; None: not known, and then `no_drill` is null."""
    known, deck = list(history), sorted(cards, key=lambda card: card.id)
    last = {card.id: last_of(card, known) for card in deck}
    due = [card for card in deck if is_due(card, known, now)]
    kernels = _by_kernel(deck, last, tree or ())
    recent = [card for card in deck if (past := last[card.id]) is not None and now - past.at < RECENT_S]
    return {
        "total": len(deck),
        "drilled_recently": len(recent),
        "never": [card.id for card in deck if last[card.id] is None],
        "overdue": [card.id for card in due if last[card.id] is not None],
        "high_risk_pending": [card.id for card in due if card.weight >= HIGH_RISK],
        "by_category": _by_category(deck, {card.id for card in due}),
        "kernels": kernels,
        "no_drill": None if tree is None else [name for name, each in kernels.items() if not each["cards"]],
        "deviated": [_deviated(past) for past in last.values() if past is not None and past.passed is False],
    }


def _by_category(deck: list[Card], due: set[str]) -> dict[str, Any]:
    found: dict[str, dict[str, int]] = {}
    for card in deck:
        counts = found.setdefault(card.category, {"total": 0, "drilled": 0})
        counts["total"] += 1
        counts["drilled"] += card.id not in due
    return dict(sorted(found.items()))


def _by_kernel(deck: list[Card], last: dict[str, Past | None], tree: Collection[str]) -> dict[str, Any]:
    """The newest of the last drills of its cards says how it is with a kernel. What nobody drills is there, too."""
    found: dict[str, Any] = {}
    drilled = {name for card in deck for name in card.targets if name not in (HOST, HOME)}
    for name in sorted({*drilled, *tree}):
        mine = [card.id for card in deck if name in card.targets]
        newest = max((past for id in mine if (past := last[id]) is not None), key=lambda past: past.at, default=None)
        told = {"last": newest.at, "passed": newest.passed} if newest is not None else {"last": None, "passed": None}
        found[name] = {"cards": mine, **told}
    return found


def _deviated(past: Past) -> dict[str, Any]:
    return {"id": past.card, "run": past.run, "at": past.at, "reason": past.reason}
