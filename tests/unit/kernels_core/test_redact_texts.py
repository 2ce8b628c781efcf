"""Many texts are redacted in one request, each by itself; and masking by shape bears hostile texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels.masking import masked
from grace_actors.kernels.secret_manager import SecretManager
from tests.harness.kernels import Bench

VALUE = "correct-horse-battery"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.add("secret_manager", SecretManager)
    made.ask("secret_manager", "put", name="db", value=VALUE, allowed=["test"])
    return made


def redact(bench: Bench, texts: Any) -> Any:
    return bench.ask("secret_manager", "redact", texts=texts)


def test_each_text_is_answered_in_its_place(bench: Bench) -> None:
    found = redact(bench, ["", f"a {VALUE}", "plain", f"{VALUE} {VALUE}"])
    assert found == {
        "texts": ["", "a [redacted:db]", "plain", "[redacted:db] [redacted:db]"],
        "complete": True,
        "count": 3,
        "redacted": {"db": 3},
    }


def test_no_texts_are_no_error(bench: Bench) -> None:
    assert redact(bench, [])["texts"] == []


@pytest.mark.parametrize("bad", [["x" * 300_000] * 2, ["x"] * 10_001, [1], "text", None])
def test_too_much_and_what_is_no_text_are_refused(bench: Bench, bad: Any) -> None:
    with pytest.raises(GraceError):
        redact(bench, bad)


def test_with_unusable_keys_it_says_that_known_values_were_not_looked_for(bench: Bench) -> None:
    key = bench.home / "data" / "secret_manager" / "secrets.key"
    right = key.read_bytes()
    key.write_bytes(b"damaged")
    bench.crash("secret_manager")
    bench.add("secret_manager", SecretManager)
    assert redact(bench, ["plain"])["complete"] is False
    key.write_bytes(right)
    assert redact(bench, [VALUE]) == {"texts": ["[redacted:db]"], "complete": True, "count": 1, "redacted": {"db": 1}}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["a.", "a-", "password", "a://", "a://b:", "eyJ.", "token ", "secret="])
def test_masking_a_long_hostile_text_takes_time_in_proportion(part: str) -> None:
    """Such texts used to take minutes: a log of a user's process may hold anything."""
    masked(part * 100_000)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("db_password=x1 next", "db_password=*** next"),
        ("my.api-key : 'a b' next", "my.api-key : *** next"),
        ("https://me:word@host/x", "https://me:***@host/x"),
        ("see https://host/x and a:b@c", "see https://host/x and a:b@c"),
        ("eyJhbGciOiJI.eyJzdWIiOiI.c2ln end", "*** end"),
    ],
)
def test_what_looks_like_a_secret_is_masked_as_before(text: str, clean: str) -> None:
    assert masked(text) == clean
    assert masked(clean) == clean
