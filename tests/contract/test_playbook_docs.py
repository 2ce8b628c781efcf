"""docs/playbook-file.md describes the format as it is, and its examples load."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from grace_actors.actions.catalogue import specs
from playbooks.conditions import FUNCTIONS, MAX_CHARACTERS, MAX_TEXT
from playbooks.file.keys import SECTIONS
from playbooks.loader import read_playbook
from playbooks.messages import Status
from playbooks.policy import MAX_WAITING
from playbooks.spec import RESULT_FIELDS, RUN_FIELDS, OnFailure, OnLimit, ParamType, Severity
from supervisors.durations import parse_duration
from supervisors.yaml_source import parse_yaml
from tests.contract.sources import REPOSITORY

PAGE = (REPOSITORY / "docs" / "playbook-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(schema:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [
    re.findall(r"^\| `(\w+)` \|(.*)$", table, re.MULTILINE)
    for table in re.findall(r"^\| key \|.*?\n\n", PAGE, re.M | re.S)
]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_a_table_of_its_keys_in_their_order(name: str) -> None:
    assert list(SECTIONS[name]) in [[key for key, _ in table] for table in TABLES]


def test_no_table_is_about_something_else() -> None:
    assert len(TABLES) == len(SECTIONS)


def test_every_default_is_told_as_it_is() -> None:
    keys = {tuple(table): table for table in SECTIONS.values()}
    wrong = []
    for table in TABLES:
        entries = keys[tuple(key for key, _ in table)]
        for key, row in table:
            default, told = entries[key].default, row.split("|")[1].strip().strip("`")
            if entries[key].required:
                wrong += [key] if told != "required" else []
            elif isinstance(default, float):
                wrong += [key] if parse_duration(told) != default else []
            elif isinstance(default, bool | StrEnum):
                wrong += [key] if told != str(default).lower() else []
            elif default not in (None, "", ()):
                wrong += [key] if told != str(default) else []
    assert wrong == []


@pytest.mark.parametrize("choices", [Severity, OnLimit, OnFailure, ParamType, Status])
def test_every_choice_of_a_key_is_named(choices: type[StrEnum]) -> None:
    assert [choice for choice in choices if f"`{choice}`" not in PAGE] == []


@pytest.mark.parametrize("word", [*FUNCTIONS, *RUN_FIELDS, *RESULT_FIELDS])
def test_every_word_of_an_expression_is_named(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    assert f"at most {MAX_CHARACTERS} characters" in PAGE
    assert re.search(rf"at most {MAX_TEXT}\s+characters", PAGE)
    assert f"At most {MAX_WAITING} wait" in PAGE


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads_with_the_actions_there_are(example: str) -> None:
    name = re.search(r"^name: (\w+)$", example, re.MULTILINE)
    assert name
    assert read_playbook(example, Path(f"{name[1]}.yaml"), specs()).steps


def test_the_page_has_an_example() -> None:
    assert len(EXAMPLES) == 1


@pytest.mark.parametrize(("key", "row"), [entry for table in TABLES for entry in table if entry[1].count("|") == 4])
def test_an_example_in_a_table_is_of_its_key(key: str, row: str) -> None:
    node, faults = parse_yaml(row.split("|")[3].strip().strip("`"), "example")
    assert not faults
    assert node is not None
    assert list(node.plain()) == [key]
