"""What is news in a log, and what of a line is told."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.kernels.watch.lines import LINE_CHARS, Reader, clean, fingerprint, leaked

KEY = "ghp_" + "a1B2" * 9


def news(text: str, name: str = "shop") -> list[str]:
    reader = Reader(name)
    return [line for line in text.split("\n") if reader.is_news(line)]


def raised() -> str:
    """The traceback of an error during the handling of another, as a process that dies writes it."""
    try:
        try:
            raise KeyError("ERROR: first")
        except KeyError:
            raise ValueError("a message\nof two lines") from None
    except ValueError as error:
        first = "".join(traceback.format_exception(error))
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise OSError("outer") from error
    except OSError as error:
        return first + "\n" + "".join(traceback.format_exception(error))


def test_of_a_traceback_only_the_last_line_is_news() -> None:
    text = (
        "before\nTraceback (most recent call last):\n  File 'x', line 1\n    raise E('ERROR')\nValueError: bad\nafter"
    )
    assert news(text) == ["before", "ValueError: bad", "after"]


def test_the_report_of_a_crash_is_none_because_the_tree_tells_it() -> None:
    text = f"before\nCRASH shop: {raised()}\nERROR after"
    assert news(text) == ["before", "ERROR after"]
    assert "CRASH till: Traceback (most recent call last):" in text.replace("shop", "till")
    assert "OSError: outer" in news(text, name="till")  # somebody else's report is only a text


def test_records_of_the_runtime_are_no_news() -> None:
    text = "2026-01-01 10:00:00,123 ERROR grace.actor a X was not sent\n2026-01-01 10:00:00,123 ERROR shop no money"
    assert news(text) == ["2026-01-01 10:00:00,123 ERROR shop no money"]


def test_a_told_line_holds_no_secret_no_control_character_and_is_bounded() -> None:
    text = clean(
        f"ERROR token={KEY} https://u:pa55word@host \x1b[31mred\x00 AIza{'x' * 35} password: hunter2 {'y' * 900}"
    )
    assert KEY not in text and "pa55word" not in text and "hunter2" not in text and "AIza" not in text
    assert text.isprintable() and len(text) <= LINE_CHARS


@given(st.text(max_size=600))
def test_whatever_a_line_is_telling_it_gives_printable_text(line: str) -> None:
    assert clean(line) == "" or len(clean(line)) <= LINE_CHARS
    assert "\x00" not in clean(line) and "\n" not in clean(line)


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        (f"using {KEY}", ("github_token",)),
        ("AKIA" + "Q" * 16, ("aws_access_key",)),
        ("Authorization: Bearer abcdef123456", ("bearer",)),
        ("postgres://u:pa55@db/x", ("url_password",)),
        ("password=hunter2", ("assignment",)),
        ("SyntaxError: unexpected token: }", ()),
        ("Enter password: please", ()),
        ("tokens: 12345678", ()),
        ("password=***", ()),
        ("nothing", ()),
    ],
)
def test_a_secret_is_known_by_its_shape(line: str, kinds: tuple[str, ...]) -> None:
    assert leaked(line) == kinds


def test_lines_that_differ_in_numbers_only_are_the_same() -> None:
    assert fingerprint("ERROR 17 at 0xfe12 of deadbeef01") == fingerprint("ERROR 4 at 0x1 of 12345678abcdef")
    assert fingerprint("ERROR of a") != fingerprint("ERROR of b")
