"""Which drill is due, and which is drawn: by its risk and by how long ago it was last done. Pure.

A card of weight 2 or more is due every 3 days, of 1 or more every 7, below that every 14. Invariant: a card that was
drilled within a day is not drawn while another one that may be drawn was not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chaos.card import Card

DAY_S = 86_400.0
HIGH_RISK = 2.0
MOST_URGENT = 4.0
"""A card that was never drilled, or not for four times its interval, is not drawn more eagerly than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One drill of before. `passed` is null when it was not completed."""

    card: str
    at: float
    passed: bool | None
    run: str = ""
    reason: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether something was learned from it."""
        return self.passed is not None


def interval_s(weight: float) -> float:
    """How often a card of this weight is to be drilled."""
    days = 3 if weight >= HIGH_RISK else 7 if weight >= 1.0 else 14
    return days * DAY_S


def last_of(card: Card, history: Iterable[Past], *, complete: bool = True) -> Past | None:
    """The last drill of a card; with `complete` the last that was completed."""
    mine = [past for past in history if past.card == card.id and (past.is_complete or not complete)]
    return max(mine, key=lambda past: past.at, default=None)


def waits_s(card: Card, history: Iterable[Past], now: float) -> float:
    """How long it still has until it is due; 0 when it is."""
    last = last_of(card, history)
    return 0.0 if last is None else max(0.0, last.at + interval_s(card.weight) - now)


def is_due(card: Card, history: Iterable[Past], now: float) -> bool:
    """Whether it was never drilled, or too long ago."""
    return waits_s(card, history, now) == 0.0


def choose(
    cards: Iterable[Card], history: Iterable[Past], now: float, draw: float, *, micro: bool = False
) -> Card | None:
    """The card that is drilled next; `draw` is drawn from [0, 1). With `micro` only of those that allow it. An
    attempt that was not completed counts here, so that a card that cannot be drilled does not keep the others
    waiting."""
    known = list(history)
    eligible = sorted((card for card in cards if card.is_micro or not micro), key=lambda card: card.id)
    ages = {card.id: _age_s(card, known, now) for card in eligible}
    rested = [card for card in eligible if ages[card.id] >= DAY_S]
    candidates = rested or eligible
    chances = [_chance(card, ages[card.id]) for card in candidates]
    left = min(max(draw, 0.0), 1.0) * sum(chances)
    for card, chance in zip(candidates, chances, strict=True):
        left -= chance
        if left < 0:
            return card
    return candidates[-1] if candidates else None


def _age_s(card: Card, history: list[Past], now: float) -> float:
    last = last_of(card, history, complete=False)
    return float("inf") if last is None else max(0.0, now - last.at)


def _chance(card: Card, age_s: float) -> float:
    """Its weight, more the longer it waits. Never nothing: a card that was drilled just now can be the only one."""
    return card.weight * max(0.01, min(MOST_URGENT, age_s / interval_s(card.weight)))
