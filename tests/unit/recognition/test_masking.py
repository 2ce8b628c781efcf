"""Messages that say the same of different things become one text; what tells failures apart stays."""

from __future__ import annotations

import pytest

from playbooks.recognition import masked, outline


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mail to ada@mail.example.org bounced", "mail to <email> bounced"),
        ("GET https://shop.example.org/a/7?x=1#y, again", "GET <url>, again"),
        ("connect to db-1.prod.internal:5432 failed", "connect to <host>:<n> failed"),
        ("no answer from db-1.prod.internal.", "no answer from <host>."),
        ("connect to 10.1.2.3:80 and 2001:db8::1 failed", "connect to <host>:<n> and <host> failed"),
        ("trace 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "trace <id>"),
        ("order 6f1c2a34-9b1d-4c3e-8f00-aa11bb22cc33 lost", "order <id> lost"),
        ("digest d41d8cd98f00b204e9800998ecf8427e differs", "digest <n> differs"),
        ("since 2026-02-14T10:15:33.123Z", "since <date>"),
        ("since 2026-02-14 10:15:33,123+0100", "since <date>"),
        ("since Sat, 14 Feb 2026 10:15:33 GMT", "since <date>"),
        ("since Feb 14 10:15:33", "since <date>"),
        ("since 14/02/2026", "since <date>"),
        ("no answer within 2.5 s, gave up after 1h30m", "no answer within <duration>, gave up after <duration>"),
        ("at 0x7f3a9c, commit 3f2a9bc", "at <n>, commit <n>"),
        ("ratio -0.25 of 1e-9 and 17", "ratio <n> of <n> and <n>"),
        ("worker-17 lost user42", "worker-<n> lost user<n>"),
        ("KeyError 'price of x'", "KeyError <quoted>"),
        ('got b"\\x00\\"" here', "got <quoted> here"),
        ("can't read /var/lib/x.db or ./conf/a.yaml", "can't read <path> or <path>"),
        (r"can't read C:\Users\ada\x.txt", "can't read <path>"),
        ("page-7.txt and a.tar.gz are empty", "<path> and <path> are empty"),
        ("Command '['/bin/sh', '-c', 'x']' returned 3", "Command <quoted> returned <n>"),
        ("HTTP Error 404 after 3 tries", "HTTP Error 404 after <n> tries"),
        ("no such column `price`", "no such column <quoted>"),
        ("retry=True", "retry=<bool>"),
        ("[1, 2, 3, 4] is too long", "[<n>] is too long"),
        ("name 'oder' is not defined. Did you mean: 'order'?", "name 'oder' is not defined"),
    ],
)
def test_values_are_replaced_by_their_kind(line: str, expected: str) -> None:
    assert masked(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "No module named 'yaml'",
        "name 'order' is not defined",
        "'NoneType' object has no attribute 'price'",
        "cannot import name 'a' from 'shop.cart'",
        "division by zero",
        "list index out of range",
        "read/write on closed file",
    ],
)
def test_the_interpreters_own_phrases_stay_as_they_are(line: str) -> None:
    assert masked(line) == line


def test_a_short_value_and_a_long_one_of_the_same_kind_are_alike() -> None:
    assert masked("item 7") == masked("item 123456789") == masked("item 0a1b2c3d4e") == masked("item 0xff")
    assert masked("host a.example.org") == masked("host 192.168.0.1")


def test_blanks_do_not_count() -> None:
    assert masked("  a \t b\n") == "a b"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("no such table: anchor", "no such table"),
        ("table people has no column named apple", "table people has no column named <word>"),
        ("'int' object has no attribute 'price'", "<quoted> object has no attribute <quoted>"),
        ("river: not found", "<word>"),
        ("Can't get attribute 'Old' on <module 'a.b' from '/x/y.py'>", "Can't get attribute <quoted> on "
         "<module <quoted> from <quoted>>"),
    ],
)  # fmt: skip
def test_an_outline_has_no_names_and_ends_at_the_first_colon(line: str, expected: str) -> None:
    assert outline(line) == expected
