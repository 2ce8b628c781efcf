"""`signature explain`: a text in, its signature and the reasons out, without an instance."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.home import Home
from playbooks.recognition import Failure, FailureKind, signature_of
from tests.unit.recognition.texts import signed, written

Captured = pytest.CaptureFixture[str]
TEXT = written("ValueError: bad count 3", ("worker.py", "serve"), ("shop/cart.py", "total"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "crash.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def test_json_is_the_signature_with_every_component(file: str, home: Home, capsys: Captured) -> None:
    assert dispatch(["signature", "explain", file, "--kernel", "shop", "--json"], home) == 0
    assert json.loads(capsys.readouterr().out) == signed(TEXT).as_dict()


def test_people_see_the_hashes_what_went_in_and_what_did_not(file: str, home: Home, capsys: Captured) -> None:
    assert dispatch(["signature", "explain", file], home) == 0
    told = capsys.readouterr().out
    found = signed(TEXT, kernel="kernel")
    assert told.splitlines()[0] == found.id
    assert all(value in told for value in found.hashes)
    went_in, did_not = told.split("what did not:")
    assert "call shop.cart:total [specific, full]: project code" in went_in
    assert "kind crash: the traceback says more" in did_not


def test_a_dash_reads_standard_input(home: Home, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode() + b"\xff")))
    assert dispatch(["signature", "explain", "-", "--kernel", "shop", "--json"], home) == 0
    assert json.loads(capsys.readouterr().out)["specific"] == signed(TEXT).specific


def test_kind_and_reason_tell_of_a_failure_without_a_traceback(home: Home, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "out.txt"
    path.write_text("starting\nerror: no config\n", encoding="utf-8")
    words = ["signature", "explain", str(path), "--kernel", "web", "--kind", "killed", "--reason", "SIGSEGV"]
    assert dispatch([*words, "--json"], home) == 0
    failure = Failure(kernel="web", kind=FailureKind.KILLED, reason="SIGSEGV", detail="error: no config")
    assert json.loads(capsys.readouterr().out)["specific"] == signature_of(failure).specific


def test_rules_of_a_file_are_followed(file: str, home: Home, tmp_path: Path, capsys: Captured) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("schema: grace.signatures/1\nrules:\n  - {name: mine, when: {type: ValueError}, signature: [x]}\n")
    assert dispatch(["signature", "explain", file, "--rules", str(rules)], home) == 0
    assert "rule mine [specific]" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["schema: other\n", "a: [", "\x00"])
def test_rules_with_mistakes_are_told(content: str, file: str, home: Home, tmp_path: Path, capsys: Captured) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(content)
    assert dispatch(["signature", "explain", file, "--rules", str(rules), "--json"], home) == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert "rules.yaml" in found.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["expain", "FILE"], "did you mean: explain?"),
        (["explain", "FILE", "--kind", "hangs"], "unknown kind 'hangs'"),
        (["explain", "no-such-file"], "there is no file no-such-file"),
        (["explain"], "missing: FILE"),
    ],
)
def test_wrong_words_are_told_with_what_is_allowed(
    words: list[str], told: str, file: str, home: Home, capsys: Captured
) -> None:
    assert dispatch(["signature", *(file if word == "FILE" else word for word in words)], home) == 2
    assert told in capsys.readouterr().err
