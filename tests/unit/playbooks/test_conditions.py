"""The language of conditions: what it says, what it refuses, and where it stops."""

from __future__ import annotations

from typing import Any

import pytest

from playbooks.conditions import FUNCTIONS, ConditionError, EvaluationError, compile_expression
from playbooks.templates import compile_template, fill

NAMES = {"issue": None, "inputs": ("kernel",), "snap": ("ok", "data")}
DATA: dict[str, Any] = {
    "issue": {"age_s": 40, "kind": "gap", "tags": ["a", "b"], "empty": None},
    "inputs": {"kernel": "librarian"},
    "snap": {"ok": True, "data": {"n": 2, "list": [10, 20]}},
}


def value(text: str) -> Any:
    return compile_expression(text, NAMES).value(DATA)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("issue.age_s > 30", True),
        ("30 < issue.age_s <= 40 and snap.ok", True),
        ("not snap.ok or issue.kind == 'gap'", True),
        ("issue.kind in ['gap', 'silence']", True),
        ("issue.kind not in ('gap', 'silence')", False),
        ("issue.empty == null and true != false", True),
        ("snap.data.list[1] - snap.data['n'] * 3", 14),
        ("-issue.age_s // 7 % 4", 2),
        ("'high' if issue.age_s > 30 else 'low'", "high"),
        ("'a' + 'b'", "ab"),
        ("get(issue, 'none', 7) + len(issue.tags)", 9),
        ("glob(inputs.kernel, 'lib*') and startswith(inputs.kernel, 'lib') and endswith(inputs.kernel, 'ian')", True),
        ("min(3, issue.age_s) + max(1, 2) + abs(-1) + int('4') + round(1.26, 1)", 11.3),
        ("lower('ABC') + str(1) + str(true)", "abc1true"),
        ("  issue.age_s\n  > 30", True),
        ("snap.data.list[-1]", 20),
    ],
)
def test_an_expression_has_its_value(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("isue.age_s", 0, "unknown variable 'isue'"),
        ("snap.ok and  'é' == inputs.kernal", 27, "unknown variable 'inputs.kernal'"),
        ("issue.a >", 9, "not an expression: invalid syntax"),
        ("issue.a) + (1", 7, "not an expression: unmatched ')'"),
        ("", 0, "an empty expression"),
        ("issue.a # b\n and false", 8, "a comment within an expression"),
        ("2 ** 9", 0, "the operator **"),
        ("1 << 9", 0, "the operator <<"),
        ("issue is null", 0, "the operator is"),
        ("[x for x in issue]", 0, "ListComp in an expression"),
        ("{'a': 1}", 0, "Dict in an expression"),
        ("f'{issue}'", 0, "JoinedStr in an expression"),
        ("(y := 1)", 1, "NamedExpr in an expression"),
        ("b'x'", 0, "the constant b'x'"),
        ("1j", 0, "the constant 1j"),
        ("len", 0, "unknown variable 'len'"),
        ("true and open('x')", 9, "unknown function 'open'"),
        ("issue.run()", 0, "unknown function 'issue.run'"),
        ("len(issue, 1)", 0, "len with 2 arguments"),
        ("len(*issue)", 4, "Starred in an expression"),
        ("get(issue, key='a')", 0, "get with a named argument"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_its_place(text: str, offset: int, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_expression(text, NAMES)
    assert str(caught.value) == message
    assert caught.value.offset == offset


def test_the_nearest_variable_field_and_function_are_offered() -> None:
    for text, nearest in (("isue.a", "issue"), ("inputs.kernal", "kernel"), ("lenn(issue)", "len")):
        with pytest.raises(ConditionError) as caught:
            compile_expression(text, NAMES)
        assert caught.value.nearest == nearest


@pytest.mark.parametrize("text", ["-" * 900 + "1", "(" * 300 + "1" + ")" * 300, "1+" * 499 + "1", "a" * 2000, "\0"])
def test_an_expression_without_measure_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        compile_expression(text, {"a" * 2000: None})


@pytest.mark.parametrize(
    "text",
    [
        "issue.__class__",
        "().__class__",
        "''.join",
        "issue.keys",
        "issue['__class__']",
        "issue.none",
        "snap.data.list[9]",
        "snap.data.list['a']",
        "issue.kind > 3",
        "issue.kind * 1000000",
        "'%1000d' % 1",
        "[1] * 1000000",
        "1 / 0",
        "true + 1",
        "issue.age_s in 3",
        "int('x')",
        "lower(3)",
        "min(1)",
        "get(issue, [1])",
        "999999999999999999 * 10",
        "1e18 * 10",
    ],
)
def test_what_has_no_value_is_told_and_nothing_of_python_is_reached(text: str) -> None:
    with pytest.raises(EvaluationError):
        value(text)


def test_a_text_cannot_grow_without_bound() -> None:
    doubled = compile_expression("issue.t + issue.t", NAMES)
    assert len(doubled.value({"issue": {"t": "x" * 5000}})) == 10_000
    with pytest.raises(EvaluationError, match="more than 10000 characters"):
        doubled.value({"issue": {"t": "x" * 5001}})


def test_digits_of_a_rounding_are_bounded() -> None:
    assert value("round(issue.age_s, 999999999)") == 40
    assert value("round(issue.age_s, -999999999)") == 40


def test_what_follows_a_decided_and_is_not_evaluated() -> None:
    assert value("false and issue.none") is False
    assert value("true or issue.none") is True


def test_an_expression_tells_what_it_saw() -> None:
    test = compile_expression("issue.age_s > 30 and inputs.kernel == issue.none.x and len(snap.data.list) > 1", NAMES)
    assert test.seen(DATA) == {"issue.age_s": 40, "inputs.kernel": "librarian", "snap.data.list": [10, 20]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_meaning_and_wants_its_arguments(name: str) -> None:
    _, least, most, meaning = FUNCTIONS[name]
    assert meaning
    assert 1 <= least <= most
    with pytest.raises(ConditionError):
        compile_expression(f"{name}()", {})


def test_a_template_alone_keeps_the_type_of_its_value() -> None:
    assert fill(compile_template("{{ snap.data.list }}", NAMES), DATA) == [10, 20]
    assert fill(compile_template("{{ issue.age_s + 1 }}", NAMES), DATA) == 41


def test_templates_within_a_text_are_written_out() -> None:
    text = "{{ inputs.kernel }}: {{ issue.age_s }} s, {{ snap.ok }}, {{ issue.empty }}, {{ issue.tags }}."
    assert fill(compile_template(text, NAMES), DATA) == 'librarian: 40 s, true, null, ["a", "b"].'


def test_templates_are_filled_at_any_depth_and_the_rest_is_left_alone() -> None:
    values = {"a": [1, {"b": compile_template("{{ issue.kind }}", NAMES)}], "c": "plain }} text", "d": None}
    assert fill(values, DATA) == {"a": [1, {"b": "gap"}], "c": "plain }} text", "d": None}


def test_the_offset_of_a_mistake_counts_from_the_start_of_the_text() -> None:
    with pytest.raises(ConditionError) as caught:
        compile_template("é {{ issue.a }} and {{ isue.b }}", NAMES)
    assert caught.value.offset == 23
    with pytest.raises(ConditionError, match="without its end"):
        compile_template("{{ issue.a }} {{ issue", NAMES)


def test_a_text_from_templates_is_bounded() -> None:
    with pytest.raises(EvaluationError, match="more than 10000 characters"):
        fill(compile_template("{{ issue.t }}!", NAMES), {"issue": {"t": "x" * 10_000}})
