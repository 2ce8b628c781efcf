"""`drill validate`: are files of cards sound. No instance is asked.

What counts is decided in `chaos.loader`; here files are named and mistakes shown. Invariant: it fails if and only if
there is a mistake, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode
from grace_actors.console.offline import Invalid, fault_data
from grace_actors.console.out import Out
from grace_actors.console.parse import readable_file
from grace_actors.console.table import Args

if TYPE_CHECKING:
    from chaos.card import Card
    from supervisors.yaml_source import FileFault


def validate_cards(client: Client, args: Args, out: Out) -> ExitCode:
    """Check files of cards, or folders of them, as the instance of this home would read them."""
    from chaos.loader import load_cards
    from grace_actors.drills.host.cards import known

    words: Sequence[str] = args["id"]
    paths = [path if (path := Path(word).expanduser()).is_dir() else readable_file(word) for word in words]
    deck = load_cards(*paths, known=known(client.home.root))
    faults = [*deck.faults, *_taken(deck.cards)]
    if out.json:
        out.value({"ok": not faults, "drills": list(deck.cards), "faults": list(map(fault_data, faults))})
        return ExitCode.FAILED if faults else ExitCode.OK
    if faults:
        raise Invalid(f"{', '.join(words)}: mistakes:\n" + "\n".join(map(str, faults)))
    out.say(f"{', '.join(words)}: valid (cards: {', '.join(deck.cards) or 'none'})")
    return ExitCode.OK


def _taken(cards: Mapping[str, Card]) -> list[FileFault]:
    """Cards whose id one has that comes along with Grace, which would count instead."""
    from chaos.loader import BUILT_IN, load_cards
    from supervisors.yaml_source import FileFault, Place

    built_in = load_cards(BUILT_IN).cards
    return [
        FileFault(
            place=Place(card.place, 1, 1),
            message=f"the id {id} has a card that comes with Grace: {built_in[id].place}",
            allowed="an id that no other card has",
        )
        for id, card in cards.items()
        if id in built_in and Path(card.place).resolve().parent != BUILT_IN.resolve()
    ]
