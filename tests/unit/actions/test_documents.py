"""Rejected documents go back through the inbox, and it is said why they were rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_actors.actions.documents import cause_of
from grace_actors.kernels.librarian import Librarian
from tests.unit.actions.stage import Stage


@pytest.fixture
def inbox(stage: Stage) -> Path:
    stage.bench.add("librarian", Librarian)
    return stage.home / "inbox"


def reject(stage: Stage, inbox: Path, name: str, content: bytes) -> Path:
    (inbox / name).write_bytes(content)
    stage.bench.advance(10)
    assert (inbox / "rejected" / name).is_file()
    return inbox / "rejected" / name


def test_a_document_that_was_corrected_is_taken_in(stage: Stage, inbox: Path) -> None:
    file = reject(stage, inbox, "a.md", b"")
    file.write_text("words to be found")
    assert stage.ok("replay_ingestion", file="a.md").changed
    assert stage.bench.ask("librarian", "search", words="words")["count"] == 1
    assert (stage.ok("verify_ingestion", file="a.md").data["value"], list(file.parent.iterdir())) == ("done", [])
    assert not stage.ok("replay_ingestion", file="a.md").changed


def test_a_document_that_is_rejected_again_comes_with_its_reason(stage: Stage, inbox: Path) -> None:
    reject(stage, inbox, "a.md", b"\xff\xfe")
    result = stage.fails("replay_ingestion", file="a.md")
    assert "a.md was rejected again: a.md is not UTF-8: byte 0 is 0xff" in result.message
    assert (result.data["cause"], stage.fails("verify_ingestion", file="a.md").data["value"]) == ("data", "rejected")


def test_a_document_of_a_name_that_was_taken_in_before_is_told_from_it(stage: Stage, inbox: Path) -> None:
    (inbox / "a.md").write_text("the first one")
    stage.bench.advance(10)
    reject(stage, inbox, "a.md", b" \n")
    assert "white space" in stage.fails("replay_ingestion", file="a.md").message


def test_while_nobody_takes_it_in_it_stays_in_the_inbox(stage: Stage, inbox: Path) -> None:
    reject(stage, inbox, "a.md", b"")
    stage.bench.crash("librarian")
    assert "still waits in the inbox after 5 s" in stage.fails("replay_ingestion", file="a.md", wait_s=5.0).message
    assert (inbox / "a.md").is_file()


def test_another_document_of_the_same_name_in_the_inbox_is_not_overwritten(stage: Stage, inbox: Path) -> None:
    reject(stage, inbox, "a.md", b"")
    stage.bench.crash("librarian")
    (inbox / "a.md").write_text("another")
    stage.fails("replay_ingestion", file="a.md")
    assert (inbox / "a.md").read_text() == "another"


@pytest.mark.parametrize("name", ["../a.md", "", "a.md.reason.txt", "b.md"])
@pytest.mark.parametrize("action", ["replay_ingestion", "read_rejection", "verify_ingestion"])
def test_only_a_rejected_document_is_meant(stage: Stage, inbox: Path, action: str, name: str) -> None:
    reject(stage, inbox, "a.md", b"")
    stage.fails(action, file=name)
    assert (inbox / "rejected/a.md").is_file()


def test_the_reason_of_a_rejection_is_read(stage: Stage, inbox: Path) -> None:
    reject(stage, inbox, "a.exe", b"MZ")
    data = stage.ok("read_rejection", file="a.exe").data
    assert (data["value"], data["reason"].splitlines()[0]) == ("data", "a.exe: .exe extension")


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("a.md has 6000000 bytes", "data"),
        ("a.md cannot be read: Permission denied", "data"),
        ("a.md: sqlite3.OperationalError: no such column: source", "code"),
        ("the schema of a.json is not known", "code"),
        ("parser gave up at line 3", "code"),
        ("nobody knows", "unknown"),
    ],
)
def test_a_reason_says_whether_the_document_or_the_code_is_to_blame(reason: str, cause: str) -> None:
    assert cause_of(reason) == cause
