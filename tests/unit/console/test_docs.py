"""docs/cli.md is what the table of verbs says."""

from __future__ import annotations

from chaos.faults.table import FAULTS
from grace_actors.console import docs
from grace_actors.console.verbs import GROUPS, VERBS


def test_cli_page_is_not_stale() -> None:
    assert docs.FILE.read_text(encoding="utf-8") == docs.render(), "run: python -m grace_actors.console.docs"


def test_every_verb_option_and_fault_is_on_the_page() -> None:
    page = docs.render()
    for verb in VERBS.values():
        assert f"### {verb.name}\n" in page
        assert f"python run.py {verb.example}" in page
        assert all(f"`--{option.name}" in page for option in verb.options)
    assert all(f"| `{fault}` |" in page for fault in FAULTS)


def test_names_of_verbs_are_unique() -> None:
    names = [verb.name for verbs in GROUPS.values() for verb in verbs]
    assert len(names) == len(set(names)) == len(VERBS)
