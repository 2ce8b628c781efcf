"""Whatever stands in a playbook file or an expression, the reader says what is wrong and never fails otherwise."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from playbooks.conditions import FUNCTIONS, MAX_NUMBER, ConditionError, EvaluationError, compile_expression
from playbooks.file.keys import SECTIONS
from playbooks.file.schema import schema
from playbooks.loader import PlaybookFileError, read_playbook
from playbooks.templates import compile_template, fill
from supervisors.yaml_source import parse_yaml
from tests.harness.examples import examples
from tests.unit.playbooks.driver import ACTIONS, FILE, HEAD
from tests.unit.playbooks.json_schema import problems
from tests.unit.playbooks.test_loader import FULL, VERIFY

LINES = (HEAD + "\n".join(line.removeprefix("    ") for line in FULL.splitlines()) + VERIFY).splitlines()
WORDS = sorted({key for table in SECTIONS.values() for key in table} | set(ACTIONS))
VALUES = [
    *("0", "-1", "2.5", "''", "x", "true", "null", "[]", "[a]", "{}", "{a: 1}", "500ms", "6h30m", "1.5s", "' 30 '"),
    *("cancel", "low", "running", "{min: 1}", "{pattern: a}", "issue.a", "snap.ok", '"{{ inputs.n }}"', "[1, 2]"),
]
TOKENS = [
    *("issue", "inputs", "snap", ".", "ok", "(", ")", "[", "]", "'a'", "1", "9e9", "+", "*", "%", "//", "-", "**", ","),
    *(
        "and",
        "or",
        "not",
        "in",
        "==",
        "<",
        "if",
        "else",
        "true",
        "null",
        "__class__",
        "lambda",
        ":",
        "{",
        "}",
        "\n",
        "#",
    ),
    *FUNCTIONS,
]
DATA = {"issue": {"ok": "x" * 50, "a": [1, 2]}, "inputs": {"n": 2.5}, "snap": {"ok": True, "data": {"a": None}}}
NAMES = {"issue": None, "inputs": ("n",), "snap": ("ok", "data")}


@st.composite
def damaged(draw):
    """The full playbook with lines lost, doubled, indented or given another value."""
    lines = list(LINES)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        key, colon, _ = lines[at].partition(":")
        match draw(st.sampled_from(["value", "value", "value", "key", "lose", "double", "indent"])):
            case "value" if colon:
                lines[at] = f"{key}: {draw(st.sampled_from(VALUES))}"
            case "key" if colon:
                blank = key[: len(key) - len(key.lstrip(" -"))]
                lines[at] = lines[at].replace(key, blank + draw(st.sampled_from(WORDS)), 1)
            case "lose" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "indent":
                lines[at] = "  " + lines[at]
    return "\n".join(lines) + "\n"


@settings(max_examples=examples(400), deadline=None)
@given(damaged())
@example("\n".join(LINES))
def test_a_damaged_file_is_a_playbook_or_a_list_of_faults_and_the_schema_accepts_every_playbook(text):
    try:
        read_playbook(text, FILE, ACTIONS)
    except PlaybookFileError as error:
        assert error.faults
        assert all(fault.place.file == str(FILE) for fault in error.faults)
        return
    node, faults = parse_yaml(text, "p.yaml")
    assert node is not None
    assert not faults
    assert problems(schema(), node.plain()) == []


@settings(deadline=None)
@given(st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_text_is_read_without_another_exception(text):
    try:
        read_playbook(text, Path("x.yaml"), ACTIONS)
    except PlaybookFileError as error:
        assert error.faults


@settings(max_examples=examples(600), deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join) | st.text(max_size=40))
@example("1000000000000000001")
def test_an_expression_gives_plain_data_or_says_why_not(text):
    try:
        test = compile_expression(text, NAMES)
    except ConditionError as error:
        assert 0 <= error.offset <= len(text)
        return
    assert set(test.seen(DATA)) == set(test.seen(DATA))
    try:
        value = test.value(DATA)
    except EvaluationError:
        return
    json.dumps(value)
    assert test.value(DATA) == value
    if isinstance(value, int | float):
        assert abs(value) <= MAX_NUMBER


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.sampled_from(["{{", "}}", " issue.ok ", "snap.ok", " text ", "{", "}"]), max_size=6).map("".join))
def test_a_template_gives_a_value_or_says_why_not(text):
    try:
        template = compile_template(text, NAMES)
    except ConditionError as error:
        assert 0 <= error.offset <= len(text)
        return
    try:
        value = fill(template, DATA)
    except EvaluationError:
        return
    assert value == text or "{{" in text
