"""docs/tree-file.md describes the format as it is, and its examples load."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from supervisors.loader import load_tree
from supervisors.policies import POLICIES as KNOWN
from supervisors.spec import AutoShutdown, OnExhausted, Restart, Startup, Strategy
from supervisors.tree_file.keys import ACTORS, DEFAULTS, POLICIES, RESERVED_NAMES, SECTIONS, SIGNALS
from tests.contract.sources import REPOSITORY

PAGE = (REPOSITORY / "docs" / "tree-file.md").read_text(encoding="utf-8")
ROWS = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
POLICY_ROWS = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
KEYS = sorted({key for section in SECTIONS.values() for key in section})
EXAMPLES = re.findall(r"^```yaml\n(schema:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_format_has_a_row(key: str) -> None:
    assert key in ROWS


def test_no_row_is_about_a_key_that_does_not_exist() -> None:
    assert ROWS - set(KEYS) - set(POLICIES) == set()


def test_every_policy_parameter_has_a_row_and_every_row_a_parameter() -> None:
    documented = {(policy, parameter) for policy, parameter in POLICY_ROWS if policy in POLICIES}
    assert documented == {(policy, parameter) for policy, params in POLICIES.items() for parameter in params}


def test_the_file_knows_the_policies_of_the_core_and_their_parameters() -> None:
    assert set(KNOWN) == set(POLICIES)
    for name, parameters in POLICIES.items():
        given = {f"{key}_s" if kind == "duration" else key: None for key, kind in parameters.items()}
        assert [fault for fault in KNOWN[name].validate(given) if fault.code == "unknown_parameter"] == []


@pytest.mark.parametrize("choices", [Strategy, Startup, AutoShutdown, Restart, OnExhausted])
def test_every_choice_of_a_key_is_named(choices: type[StrEnum]) -> None:
    assert [choice for choice in choices if f"`{choice}`" not in PAGE] == []


@pytest.mark.parametrize("word", [*DEFAULTS, *SIGNALS, *ACTORS, *RESERVED_NAMES])
def test_every_word_with_a_meaning_is_named(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str, tmp_path: Path) -> None:
    path = tmp_path / "tree.yaml"
    path.write_text(example, encoding="utf-8")
    assert list(load_tree(path).children())


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 3
