"""Logs are verified and compressed; not a line of them is lost."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from grace_actors.kernels.immutable_log import ImmutableLog
from tests.unit.actions.stage import Answering, Stage

DAY_S = 86400.0


def old(stage: Stage, name: str, text: str, days: float) -> Path:
    file = stage.home / "logs" / name
    file.write_text(text)
    at = 1_700_000_000.0 + stage.bench.clock - days * DAY_S
    os.utime(file, (at, at))
    return file


def archived(stage: Stage) -> dict[str, str]:
    found = (stage.home / "logs/archive").glob("*.gz")
    return {file.name.rpartition("-")[0]: gzip.open(file, "rt").read() for file in found}


def test_old_rotated_logs_move_into_the_archive(stage: Stage) -> None:
    old(stage, "librarian.log.1", "first\n", 8)
    young = old(stage, "sandbox.log.1", "second\n", 1)
    result = stage.ok("archive_logs")
    assert [one["log"] for one in result.data["archived"]] == ["librarian.log.1"]
    assert archived(stage) == {"librarian.log.1": "first\n"}
    assert [file.name for file in (stage.home / "logs").glob("*.log*")] == [young.name]
    assert not stage.ok("archive_logs").changed


def test_a_large_log_is_archived_whatever_its_age(stage: Stage) -> None:
    old(stage, "sandbox.log.1", "x" * 2000, 0)
    assert not stage.ok("archive_logs", larger_than_mb=0.01).changed
    assert stage.ok("archive_logs", larger_than_mb=0.001).changed
    assert archived(stage) == {"sandbox.log.1": "x" * 2000}


def test_a_log_that_a_process_holds_open_stays(stage: Stage) -> None:
    file = old(stage, "librarian.log", "line\n", 30)
    with file.open("a"):
        assert not stage.ok("archive_logs").changed
        assert file.exists()
    assert stage.ok("archive_logs").changed
    assert archived(stage) == {"librarian.log": "line\n"}


def test_what_is_no_log_and_what_is_a_link_stay(stage: Stage) -> None:
    old(stage, "notes.txt", "mine", 30)
    (stage.home / "logs/else.log.1").symlink_to(old(stage, "target", "x", 30))
    assert not stage.ok("archive_logs").changed


def test_a_log_that_cannot_be_archived_stays_and_is_named(stage: Stage) -> None:
    file = old(stage, "librarian.log.1", "first\n", 8)
    (stage.home / "logs/archive").write_text("in the way")
    assert "librarian.log.1: " in stage.fails("archive_logs").message
    assert file.read_text() == "first\n"


def test_a_limit_below_zero_is_refused(stage: Stage) -> None:
    assert "below 0" in stage.fails("archive_logs", older_than_days=-1.0).message


def test_entries_are_written_verified_and_still_valid_once_compressed(stage: Stage) -> None:
    log = stage.bench.add("immutable_log", ImmutableLog)
    stage.ok("log", message="began", subject="librarian")
    assert stage.ok("verify_log_integrity").data == {"value": True, "checked": 1, "gaps": []}
    assert len(stage.ok("archive_audit_log").data["packed"]) == 1
    assert not stage.ok("archive_audit_log").data["packed"]
    assert stage.ok("verify_log_integrity").data["checked"] == 1
    log.stop("done")


@pytest.mark.parametrize("name", ["log", "verify_log_integrity", "archive_audit_log"])
def test_without_the_audit_log_each_of_them_fails(stage: Stage, name: str) -> None:
    params = {"message": "x"} if name == "log" else {}
    assert "immutable_log did not answer" in stage.fails(name, **params).message


def test_a_broken_chain_fails_with_what_is_wrong(stage: Stage) -> None:
    told = {"ok": False, "records_checked": 3, "problem": "entry 4 does not follow entry 3", "gaps": []}
    stage.bench.add("immutable_log", Answering, verify=told)
    assert "entry 4 does not follow" in stage.fails("verify_log_integrity").message


def test_an_answer_in_another_form_is_a_failure(stage: Stage) -> None:
    stage.bench.add("immutable_log", Answering, append="done")
    assert "answered without entry_id" in stage.fails("log", message="x").message


def test_what_a_crash_left_uncompressed_is_compressed_by_the_next_run(stage: Stage) -> None:
    archive = stage.home / "logs/archive"
    archive.mkdir()
    (archive / "librarian.log-20260101T000000.000000Z").write_text("half done\n")
    with (archive / "sandbox.log-20260101T000000.000000Z").open("w") as still_written:
        still_written.write("more\n")
        assert stage.ok("archive_logs").changed
    assert archived(stage) == {"librarian.log": "half done\n"}
    assert (archive / "sandbox.log-20260101T000000.000000Z").read_text() == "more\n"
