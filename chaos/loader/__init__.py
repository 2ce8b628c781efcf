"""Loads cards: YAML in, cards out, or every mistake of a file at once.

The format is described in docs/drill-file.md and listed in `chaos.loader.keys`. The names of playbooks and actions
are a parameter. Invariant: for any bytes `load_card` returns a Card or raises CardFileError, and one bad file never
keeps the others from loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.card import Card
from chaos.loader.build import Builder
from chaos.loader.functions import Known
from supervisors.tree_file.fields import Faults
from supervisors.yaml_source import FileError, FileFault, Node, Place, parse_yaml, read_text

BUILT_IN = Path(__file__).parents[1] / "cards"
FOLDER = "drills"
"""Where the cards of a user are, below the home."""
ALL = Known()
SUFFIXES = (".yaml", ".yml")
__all__ = ["BUILT_IN", "FOLDER", "CardFileError", "Deck", "Known", "load_card", "load_cards", "read_card"]


class CardFileError(FileError):
    """A card that cannot be used; `faults` holds every mistake with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """The cards by id, in the order of their ids, and what is wrong with the files that are left out."""

    cards: Mapping[str, Card]
    faults: tuple[FileFault, ...] = ()


def load_card(path: Path | str, known: Known = ALL) -> Card:
    """The card of one file. Raises CardFileError with all faults."""
    source = Path(path)
    text, unreadable = read_text(source)
    if text is None:
        raise CardFileError(unreadable)
    return read_card(text, source, known)


def read_card(text: str, source: Path, known: Known = ALL) -> Card:
    """The card in a text that stands in the file `source`. Raises CardFileError."""
    card, faults = _read(text, source, known)
    if card is None or faults.found:
        raise CardFileError(list(faults.found))
    return card


def load_cards(*places: Path | str, known: Known = ALL) -> Deck:
    """The cards of files and folders, the built-in ones first. Of two cards with one id the first counts, the other
    is a fault. A folder that is not there holds none."""
    cards: dict[str, Card] = {}
    faults: list[FileFault] = []
    for path in (path for place in places for path in _files(Path(place))):
        try:
            card = load_card(path, known)
        except CardFileError as error:
            faults += error.faults
            continue
        if card.id in cards:
            message = f"the card {card.id} for the second time, first in {cards[card.id].place}"
            faults.append(FileFault(place=Place(str(path), 1, 1), message=message, allowed="each id once"))
        else:
            cards[card.id] = card
    return Deck(cards=dict(sorted(cards.items())), faults=tuple(faults))


def _files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(path for path in place.iterdir() if path.suffix in SUFFIXES)
    return [place] if place.suffix in SUFFIXES else []


def _read(text: str, source: Path, known: Known) -> tuple[Card | None, Faults]:
    node, found = parse_yaml(text, str(source))
    faults = Faults(found)
    if node is None and not found:
        faults.add(Place(str(source), 1, 1), "an empty file", "title: ... and an experiment")
    if not _is_mapping(node):
        if node is not None:
            faults.wrong(node, "the file", "a mapping that begins with title: ...")
        return None, faults
    assert node is not None
    return Builder(faults, known).build(node), faults


def _is_mapping(node: Node | None) -> bool:
    return node is not None and isinstance(node.value, Mapping)
