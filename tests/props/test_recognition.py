"""Recognition whatever the text: the same fault gives the same hash, another fault another, and nothing raises."""

from __future__ import annotations

import re
import traceback
from dataclasses import replace

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from playbooks.recognition import Failure, FailureKind, masked, outline, parse, parse_rules, signature_of
from tests.harness.examples import examples

WORDS = st.sampled_from(["cart", "stock", "order", "page", "price", "total", "find", "store"])
LIBRARIES = ("/usr/lib/python3.11", "/opt/venv/lib/python3.12/site-packages", "/home/ada/.venv/lib64/python3.11")
ROOTS = (
    "/srv/app",
    "/home/ada/work/app-main",
    "/var/lib/jenkins/workspace/nightly-4711@2/src",
    "/opt/r/20260214T101533Z",
)
VALUE = {
    "int": st.integers().map(str),
    "float": st.floats(allow_nan=False, allow_infinity=False).map(str),
    "hex": st.integers(0, 2**64).map(hex),
    "uuid": st.uuids().map(str),
    "host": st.builds("{}.{}.internal".format, WORDS, WORDS),
    "ip": st.ip_addresses().map(str),
    "url": st.builds("https://{}.example.org/{}/{}?q={}".format, WORDS, WORDS, st.integers(0), WORDS),
    "email": st.builds("{}.{}@mail.example.com".format, WORDS, WORDS),
    "date": st.datetimes().map(lambda at: at.isoformat(sep=" ")),
    "day": st.dates(min_value=__import__("datetime").date(1000, 1, 1)).map(str),
    "path": st.lists(WORDS, min_size=2, max_size=4).map(lambda parts: "/" + "/".join(parts) + ".db"),
    "quoted": st.text(st.characters(categories=("L", "N", "Zs")), max_size=12).map(lambda text: f"'{text}'"),
    "sha": st.binary(min_size=20, max_size=20).map(bytes.hex),
}
"""Kinds of values, each drawn anew for every variant of a fault."""


@st.composite
def faults(draw: st.DrawFn) -> dict[str, object]:
    """A fault without what differs from time to time: type, calls, and a message with places for values."""
    calls = draw(st.lists(st.tuples(WORDS, WORDS, st.booleans()), min_size=1, max_size=6))
    own = any(not is_library for _, _, is_library in calls)
    return {
        "type": draw(st.sampled_from(["ValueError", "KeyError", "shop.errors.NoPrice", "OSError"])),
        "calls": calls if own else [*calls, ("cart", "total", False)],
        "message": [draw(WORDS) for _ in range(draw(st.integers(0, 3)))],
        "values": draw(st.lists(st.sampled_from(sorted(VALUE)), max_size=3)),
    }


@st.composite
def printed(draw: st.DrawFn, fault: dict[str, object]) -> str:
    """The fault as some host prints it some day."""
    root, library = draw(st.sampled_from(ROOTS)), draw(st.sampled_from(LIBRARIES))
    has_carets = draw(st.booleans())
    lines = ["Traceback (most recent call last):"]
    for file, function, is_library in fault["calls"]:  # type: ignore[attr-defined]
        path = f"{library}/lib_{file}.py" if is_library else f"{root}/pack/{file}.py"
        lines.append(f'  File "{path}", line {draw(st.integers(1, 99_999))}, in {function}')
        lines.append(f"    {function}(at)")
        lines += ["    ^^^^^^^^"] * has_carets
    values = [draw(VALUE[kind]) for kind in fault["values"]]  # type: ignore[attr-defined]
    message = " ".join([*fault["message"], " with ".join(values)])  # type: ignore[misc]
    return "\n".join([*lines, f"{fault['type']}: {message}", ""])


def crash(text: str, kernel: str = "shop") -> Failure:
    return Failure(kernel=kernel, detail=text)


@given(st.data(), faults())
@settings(max_examples=examples(400))
def test_line_numbers_values_hosts_paths_and_dates_change_no_hash(
    data: st.DataObject, fault: dict[str, object]
) -> None:
    one, other = (signature_of(crash(data.draw(printed(fault)))) for _ in range(2))
    assert one.specific == other.specific
    assert one.broad == other.broad


@given(st.data(), faults())
def test_another_type_function_or_kernel_changes_the_specific_and_the_full_hash(
    data: st.DataObject, fault: dict[str, object]
) -> None:
    text = data.draw(printed(fault))
    base = signature_of(crash(text))
    assume("other" not in text)
    calls = list(fault["calls"])  # type: ignore[call-overload]
    at = next(n for n, call in enumerate(calls) if not call[2])
    calls[at] = (calls[at][0], "other", False)
    others = [
        signature_of(crash(text, kernel="blog")),
        signature_of(crash(data.draw(printed({**fault, "type": "OtherError"})))),
        signature_of(crash(data.draw(printed({**fault, "calls": calls})))),
    ]
    assert base.specific not in {other.specific for other in others}
    assert base.full not in {other.full for other in others}


@given(st.data(), faults(), faults())
def test_what_the_full_hash_joins_the_specific_one_never_parts(
    data: st.DataObject, one: dict[str, object], other: dict[str, object]
) -> None:
    first, second = (signature_of(crash(data.draw(printed(fault)))) for fault in (one, other))
    assert first.full != second.full or first.specific == second.specific


PIECES = st.sampled_from(
    [
        "Traceback (most recent call last):\n",
        "  + Exception Group Traceback (most recent call last):\n",
        "  +-+---------------- 1 ----------------\n",
        "    +---------------- 2 ----------------\n",
        "    +------------------------------------\n",
        "    | Traceback (most recent call last):\n",
        '  |   File "a.py", line 3, in f\n',
        '    |   File "a.py", line 3, in f\n',
        '  File "/srv/a.py", line 12, in f\n',
        '  File "/usr/lib/python3.11/json/decoder.py", line 7, in g\n',
        "    f(x)\n",
        "    ^^^^\n",
        "  [Previous line repeated 99 more times]\n",
        "ValueError: x 3\n",
        "    | KeyError: 'x'\n",
        "  | ExceptionGroup: g (2 sub-exceptions)\n",
        "\nThe above exception was the direct cause of the following exception:\n\n",
        "\nDuring handling of the above exception, another exception occurred:\n\n",
        "2026-01-01 INFO hello Traceback (most recent call last):\n",
        "while handling: x\n",
        "\n",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=30), max_size=40).map("".join)


@given(TEXTS, st.sampled_from(list(FailureKind)), st.text(max_size=40), st.text(max_size=10), st.text(max_size=10))
@settings(max_examples=examples(500))
@example("\ud800 Traceback (most recent call last):\n\ud800: \ud800", FailureKind.CRASH, "\ud800", "\ud800", "\ud800")
def test_no_text_raises_and_the_same_text_gives_the_same(
    text: str, kind: FailureKind, reason: str, kernel: str, check: str
) -> None:
    failure = Failure(kernel=kernel, kind=kind, reason=reason, detail=text, check=check)
    found = signature_of(failure)
    assert found == signature_of(replace(failure))
    assert len(found.specific) == len(found.broad) == len(found.full) == 32


@given(TEXTS)
def test_every_frame_that_is_read_stands_in_the_text(text: str) -> None:
    for root in parse(text):
        for one in root.everything():
            assert all(frame.file in text and str(frame.line) in text for frame in one.frames)


@given(st.text(max_size=200))
def test_a_masked_line_holds_no_digit_but_in_codes_and_masking_never_raises(line: str) -> None:
    for text in (masked(line), outline(line)):
        rest = re.sub(r"(?i)\b(error|errno) -?[0-9]{1,5}\b", "", text)
        assert not any(char.isdecimal() for char in rest)


@given(st.recursive(st.none() | st.text(max_size=5), lambda d: st.lists(d) | st.dictionaries(st.text(max_size=8), d)))
def test_rules_are_read_or_refused_with_reasons(data: object) -> None:
    from playbooks.recognition import RulesRefused

    try:
        parse_rules(data)
    except RulesRefused as refused:
        assert refused.faults


def _raised(shape: object) -> BaseException:
    """An exception of this shape: a text, a pair that follows one on another, or a group of a list."""
    try:
        if isinstance(shape, str):
            raise ValueError(shape)
        if isinstance(shape, tuple):
            raise RuntimeError("later") from _raised(shape[0])
        raise ExceptionGroup("several", [_raised(part) for part in shape])  # type: ignore[attr-defined,misc]
    except BaseException as error:
        return error


def _count(error: BaseException) -> int:
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    cause = [error.__cause__] if error.__cause__ else []
    return 1 + sum(map(_count, [*members, *cause]))


SHAPES = st.recursive(
    st.text(max_size=20),
    lambda shape: st.lists(shape, min_size=1, max_size=4) | st.tuples(shape),
    max_leaves=8,
)


@given(SHAPES)
def test_what_python_prints_is_read_back_whole(shape: object) -> None:
    error = _raised(shape)
    (found,) = parse("".join(traceback.format_exception(error)))
    assert len(list(found.everything())) == _count(error)
    assert found.qualname == type(error).__name__
