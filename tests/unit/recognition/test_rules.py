"""Rules of users: what is project code, what belongs together, and how mistakes are told."""

from __future__ import annotations

from typing import Any

import pytest

from playbooks.recognition import NO_RULES, Rules, RulesRefused, parse_rules
from tests.unit.recognition.texts import signed, values, written

SCHEMA = "grace.signatures/1"
INSTALLED = "/opt/venv/lib/python3.11/site-packages/shop/cart.py"
TIMEOUT = written("TimeoutError: no answer from db 3", ("worker.py", "serve"), ("shop/db.py", "ask"))
OTHER = written("TimeoutError: no answer from mail 4", ("worker.py", "serve"), ("shop/mail.py", "send"))


def rules(**data: Any) -> Rules:
    return parse_rules({"schema": SCHEMA, **data})


def grouping(*signature: str, **when: str) -> Rules:
    return rules(rules=[{"when": when, "signature": list(signature)}])


def test_an_installed_package_is_project_code_when_the_rules_say_so() -> None:
    text = written("KeyError: 'x'", (INSTALLED, "total"))
    assert values(signed(text), "call") == ["shop.cart:total"]
    assert "no project code" in signed(text).components[1].hint
    found = signed(text, rules=rules(in_app=["shop"]))
    assert values(found, "call") == ["shop.cart:total"]
    assert "first failure in project code" in found.components[1].hint


def test_an_installed_package_and_its_checkout_have_the_same_hash_when_it_is_named() -> None:
    named = rules(in_app=["shop"])
    checkout = written("KeyError: 'x'", ("shop/cart.py", "total"))
    assert (
        signed(checkout, rules=named).specific
        == signed(written("KeyError: 'x'", (INSTALLED, "total")), rules=named).specific
    )


def test_code_beside_the_project_is_left_out_when_the_rules_say_so() -> None:
    text = written("KeyError: 'x'", ("worker.py", "serve"), ("shop/vendored/lib.py", "act"))
    assert values(signed(text, rules=rules(not_in_app=["shop.vendored"])), "call") == ["worker:serve"]


def test_a_root_with_a_star_gives_the_names_of_modules() -> None:
    text = written("KeyError: 'x'", ("/srv/releases/47/py/shop/cart.py", "total"))
    assert values(signed(text, rules=rules(roots=["/srv/releases/*/py"])), "call") == ["shop.cart:total"]


def test_a_rule_joins_failures_that_are_one_to_the_user() -> None:
    assert signed(TIMEOUT).specific != signed(OTHER).specific
    joined = grouping("nobody answers", type="TimeoutError")
    assert signed(TIMEOUT, rules=joined).specific == signed(OTHER, rules=joined).specific
    assert signed(TIMEOUT, rules=joined).full != signed(OTHER, rules=joined).full


def test_a_rule_with_the_default_refines() -> None:
    other = TIMEOUT.replace("from db", "from cache")
    one, two = (signed(text.replace("call_ask(at)", "raise Late(x)")) for text in (TIMEOUT, other))
    assert one.specific == two.specific
    refined = grouping("{{ default }}", "{{ message }}", type="*Error")
    one, two = (signed(t.replace("call_ask(at)", "raise Late(x)"), rules=refined) for t in (TIMEOUT, other))
    assert one.specific != two.specific
    assert one.full != two.full


def test_the_default_alone_changes_nothing_specific() -> None:
    same = grouping("{{ default }}", kernel="shop")
    assert signed(TIMEOUT, rules=same).specific == signed(TIMEOUT).specific


def test_the_first_rule_that_fits_counts() -> None:
    both = rules(
        rules=[
            {"name": "mail", "when": {"place": "shop.mail:*"}, "signature": ["mail"]},
            {"name": "all", "when": {"message": "no answer*"}, "signature": ["all"]},
        ]
    )
    named = {c.value for text in (TIMEOUT, OTHER) for c in signed(text, rules=both).components if c.name == "rule"}
    assert named == {"mail", "all"}


@pytest.mark.parametrize(
    "when", [{"kernel": "blog"}, {"type": "KeyError"}, {"kind": "hung"}, {"type": "TimeoutError", "message": "x*"}]
)
def test_a_rule_fits_only_when_all_its_patterns_do(when: dict[str, str]) -> None:
    assert signed(TIMEOUT, rules=grouping("x", **when)).hashes == signed(TIMEOUT).hashes


def test_a_pattern_may_name_the_type_with_or_without_its_module_and_the_message_as_printed() -> None:
    text = written("shop.errors.Late: db 3", ("shop/db.py", "ask"))
    for when in ({"type": "Late"}, {"type": "shop.errors.Late"}, {"message": "db 3"}, {"message": "db <n>"}):
        assert signed(text, rules=grouping("x", **when)).specific != signed(text).specific


def test_no_mistake_is_no_rules_at_all() -> None:
    assert rules() == NO_RULES


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "rules are NoneType"),
        ({}, "schema is None"),
        ({"schema": SCHEMA, "rulez": []}, "'rulez' means nothing here"),
        ({"schema": SCHEMA, "roots": "x"}, "roots is 'x'"),
        ({"schema": SCHEMA, "in_app": ["a-b"]}, "'a-b' is no name of a package"),
        ({"schema": SCHEMA, "rules": {}}, "rules is dict"),
        ({"schema": SCHEMA, "rules": ["x"]}, "a rule is str"),
        ({"schema": SCHEMA, "rules": [{"signature": ["x"]}]}, "rules.0.when"),
        ({"schema": SCHEMA, "rules": [{"when": {"color": "x"}, "signature": ["x"]}]}, "'color'"),
        ({"schema": SCHEMA, "rules": [{"when": {"type": 3}, "signature": ["x"]}]}, "rules.0.when.type"),
        ({"schema": SCHEMA, "rules": [{"when": {"type": "x"}}]}, "a rule needs a signature"),
        ({"schema": SCHEMA, "rules": [{"when": {"type": "x"}, "signature": ["{{ x }}"]}]}, "{{ x }}"),
        ({"schema": SCHEMA, "rules": [{"when": {"type": "x"}, "signature": ["a {{ default }}"]}]}, "more than"),
        ({"schema": SCHEMA, "rules": [{"when": {"type": "x"}, "signature": ["x"], "name": 3}]}, "name is 3"),
        ({"schema": SCHEMA, "rules": [{"when": {"type": "x"}, "signature": ["x"], "if": 3}]}, "'if'"),
    ],
)
def test_a_mistake_is_told_with_its_place(data: Any, told: str) -> None:
    with pytest.raises(RulesRefused) as refused:
        parse_rules(data)
    assert told in str(refused.value)


def test_every_mistake_is_told() -> None:
    with pytest.raises(RulesRefused) as refused:
        parse_rules({"schema": "x", "roots": 1, "rules": [{"when": {}, "signature": []}]})
    assert {fault.code for fault in refused.value.faults} == {"other_schema", "not_texts", "no_condition", "no_parts"}
