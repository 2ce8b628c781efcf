"""The public names of recognition: a name added or lost is a decision, so this list changes with it."""

from __future__ import annotations

from playbooks import recognition


def test_public_surface_is_pinned() -> None:
    names = (
        "ALGO NO_RULES Component Failure FailureKind Frame Hash Raised Relation Rule Rules RulesRefused Signature "
        "failure_of_exit masked outline parse parse_rules signature_of"
    )
    assert " ".join(recognition.__all__) == names


def test_the_example_and_the_rules_of_the_page_work() -> None:
    import yaml

    from tests.contract.pages import page

    (example,) = page("docs/signatures.md").blocks("python")
    exec(compile(example, "docs/signatures.md", "exec"), {})
    (rules,) = page("docs/signatures.md").blocks("yaml")
    assert len(recognition.parse_rules(yaml.safe_load(rules)).rules) == 2
