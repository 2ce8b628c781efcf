"""docs/drill-file.md describes the format of cards as it is, and its example is a card."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml
from chaoslib.experiment import ensure_experiment_is_valid

from chaos.card import Cure
from chaos.drill.messages import GATES, Phase, Status
from chaos.loader import read_card
from chaos.loader.event_types import EVENT_TYPES
from chaos.loader.functions import known_functions
from chaos.loader.keys import SECTIONS, ActivityType, ToleranceType
from supervisors.durations import parse_duration
from tests.contract.pages import page
from tests.contract.sources import REPOSITORY

PAGE = (REPOSITORY / "docs" / "drill-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(title:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [
    re.findall(r"^\| `([\w-]+)` \|(.*)$", table, re.MULTILINE)
    for table in re.findall(r"^\| key \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
]


def test_cards_know_every_type_of_event() -> None:
    documented = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", page("docs/events.md").text, re.MULTILINE)
    assert sorted(EVENT_TYPES) == sorted(documented), "a new type belongs into chaos/loader/event_types.py, too"


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_a_table_of_its_keys_in_their_order(name: str) -> None:
    assert list(SECTIONS[name]) in [[key for key, _ in table] for table in TABLES]


def test_no_table_is_about_something_else() -> None:
    assert sorted([key for key, _ in table] for table in TABLES) == sorted(list(table) for table in SECTIONS.values())


def test_every_default_is_told_as_it_is() -> None:
    left = [(list(table), table) for table in SECTIONS.values()]
    wrong = []
    for rows in TABLES:
        keys = next(table for names, table in left if names == [key for key, _ in rows])
        for key, row in rows:
            entry, told = keys[key], row.split("|")[1].strip().strip("`")
            if (
                entry.required != (told == "required")
                or (isinstance(entry.default, bool | StrEnum | int) and told != str(entry.default).lower())
                or (isinstance(entry.default, float) and parse_duration(told) != entry.default)
            ):
                wrong.append(key)
    assert wrong == []


@pytest.mark.parametrize("choices", [Cure, ActivityType, ToleranceType, Status, Phase])
def test_every_choice_is_named(choices: type[StrEnum]) -> None:
    left_out = {Status.RUNNING, Phase.WAITING}  # what a drill is before it begins, and until it ends
    assert [choice for choice in choices if f"`{choice}`" not in PAGE and choice not in left_out] == []


@pytest.mark.parametrize("word", [*GATES, *known_functions()["chaos.steps"]])
def test_every_gate_and_step_is_named(word: str) -> None:
    assert f"`{word}`" in PAGE or f"| {word} |" in PAGE


def test_its_example_is_a_card_for_grace_and_for_the_chaos_toolkit() -> None:
    assert len(EXAMPLES) == 1
    assert read_card(EXAMPLES[0], Path("kh002.yaml")).id == "KH002"
    ensure_experiment_is_valid(yaml.safe_load(EXAMPLES[0]))
