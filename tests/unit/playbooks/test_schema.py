"""playbooks/schema.json says what the loader says, as far as a schema can."""

from __future__ import annotations

from pathlib import Path

import pytest

from playbooks.file.schema import FILE, render, schema
from supervisors.yaml_source import parse_yaml
from tests.unit.playbooks.driver import HEAD
from tests.unit.playbooks.json_schema import problems

FIXTURES = Path(__file__).parents[2] / "fixtures" / "playbooks"
KINDS = (
    *(
        "unknown_key_at_the_root",
        "unknown_key_of_a_step",
        "unknown_key_of_a_trigger",
        "missing_verify",
        "missing_title",
    ),
    *("missing_steps", "missing_schema", "empty_steps", "steps_is_a_mapping", "bad_duration", "timeout_of_zero"),
    *("misspelt_severity", "misspelt_on_failure", "retry_is_a_number", "retry_without_count", "other_schema"),
    *("unknown_type_of_an_input", "bad_name_of_an_input", "max_of_zero", "enabled_is_a_word", "playbook_is_a_list"),
    *("condition_is_a_mapping", "three_mistakes"),
)
"""The bad files whose mistake is one of keys and kinds of values, which a schema sees."""


def test_the_file_is_not_stale() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "run: python -m playbooks.file.schema"


@pytest.mark.parametrize("name", KINDS)
def test_a_mistake_of_keys_and_kinds_is_refused_by_the_schema_too(name: str) -> None:
    node, _ = parse_yaml((FIXTURES / f"{name}.yaml").read_text(encoding="utf-8"), name)
    assert node is not None
    assert problems(schema(), node.plain())


def test_a_plain_playbook_is_accepted() -> None:
    node, _ = parse_yaml(HEAD + "steps: [{action: poke, when: [true, issue.a > 1], timeout: 1h30m}]\nverify: []\n", "p")
    assert node is not None
    assert problems(schema(), node.plain()) == []
