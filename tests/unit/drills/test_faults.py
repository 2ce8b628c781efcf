"""Every fault has a record before it is injected, an end, and an outcome instead of an exception."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grace_actors.drills.records import Records
from grace_actors.drills.undoing import told_of, undo_left
from grace_actors.errors import NotFound, Refused, StoreFailed
from grace_actors.kernels.watch.lines import leaked
from grace_actors.stores import files
from tests.unit.drills.mortal import Stage

WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("explode", "home", {}, "there is no fault"),
    ("pardon", "home", {}, "is no fault"),
    ("damage", "home", {}, "path must be given"),
    ("damage", "home", {"path": "config/a.yaml", "bytes": 0}, "bytes is 0"),
    ("damage", "home", {"path": "config/a.yaml", "seconds": -1}, "seconds is -1"),
    ("truncate", "home", {"path": "config/a.yaml", "bytes": 10_000}, "nothing to cut off"),
    ("change", "home", {"path": "config/a.yaml", "text": "approval_required: true\n" * 20}, "just this text"),
    ("patch", "home", {"path": "../config/a.yaml", "text": "x"}, "outside"),
    ("secret", "home", {"path": "config/a.yaml"}, "is no log"),
    ("burn", "host", {"cores": 1000}, "cores is 1000"),
    ("ballast", "host", {"mb": 900_000}, "mb is 900000"),
    ("flood", "bus", {"verb": "inject"}, "belongs to the runtime"),
    ("flood", "bus", {"verb": "ping", "args": "[1]"}, "args are"),
    ("flood", "bus", {"verb": "ping", "args": "{"}, "not JSON"),
    ("toxic", "api_server", {}, "has not written down its address"),
    ("toxic", "librarian", {}, "has no port"),
]


@pytest.mark.parametrize(("fault", "target", "params", "words"), WRONG, ids=[f"{w[0]} {w[3]}" for w in WRONG])
def test_what_is_wrong_is_refused_with_what_is_allowed(
    stage: Stage, fault: str, target: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        stage.inject(fault, target, **params)
    assert refused.value.hint
    assert stage.faults.records() == []


def test_an_upstream_that_is_not_of_this_machine_is_refused(stage: Stage) -> None:
    (stage.home / "api.json").write_text('{"url": "http://192.0.2.1:80"}')
    with pytest.raises(Refused, match="no port of this machine"):
        stage.inject("toxic", "api_server")


def test_the_record_is_on_the_disk_before_the_file_is_touched(stage: Stage, file: Path) -> None:
    before, seen = file.read_bytes(), []
    write = Records.write

    def spy(self: Records, record: Any) -> Any:
        written = write(self, record)
        stored = json.loads((self.folder / f"{record.id}.json").read_text())
        seen.append((stored["state"], stored["all_injected"], file.read_bytes() == before))
        return written

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "write", spy)
        done = stage.inject("damage", path="config/a.yaml", bytes=32)
    assert seen == [("prepared", False, True), ("injected", True, False)]
    assert done.data["bytes"] == 32
    assert stage.bench.types() == ["fault.injected"]
    record = stage.faults.records(["injected"])[0]
    assert {key: record[key] for key in ("fault", "target", "by", "all_recovered")} == {
        "fault": "damage",
        "target": "home",
        "by": "test",
        "all_recovered": False,
    }


def test_every_fault_is_over_when_its_time_is(stage: Stage, file: Path) -> None:
    before = file.read_bytes()
    done = stage.inject("delete", path="config/a.yaml", seconds=5)
    assert not file.exists()
    stage.bench.advance(4.9)
    assert not file.exists()
    stage.bench.advance(0.2)
    assert file.read_bytes() == before
    assert stage.bench.events[-1][0] == "fault.undone"
    assert stage.bench.events[-1][2]["by"] == "its time is over"
    assert stage.state(done.record) == "undone"
    assert not (stage.home / "chaos" / "kept" / done.record).exists()


def test_a_full_disk_means_that_nothing_is_injected(stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(path: Path, data: bytes, *, mode: int = 0o600) -> None:
        raise StoreFailed(f"{path} cannot be written: No space left on device", hint="free space")

    monkeypatch.setattr(files, "replace", full)
    for fault, target, params in (
        ("damage", "home", {"path": "config/a.yaml"}),
        ("change", "home", {"path": "config/a.yaml", "text": "x"}),
        ("burn", "host", {"cores": 1}),
        ("flood", "bus", {"verb": "ping"}),
    ):
        done = stage.inject(fault, target, **params)
        assert not done.ok
        assert "nothing was injected" in done.message
        assert "No space left" in done.message
    assert file.read_bytes() == before
    assert stage.bench.events == []
    assert list((stage.home / "chaos" / "kept").iterdir()) == []


def test_a_disk_that_is_full_when_it_is_undone_does_not_keep_it_broken(
    stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()
    done = stage.inject("change", path="config/a.yaml", text="x")

    def full(path: Path, data: bytes, *, mode: int = 0o600) -> None:
        raise StoreFailed(f"{path} cannot be written", hint="free space")

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace", full)
        undone = stage.undo(done.record)
    assert (undone.ok, file.read_bytes()) == (True, before)
    assert "not noted" in undone.message
    assert stage.state(done.record) == "injected"
    assert [told["fault"] for told in undo_left(stage.home)] == ["change"]
    assert file.read_bytes() == before


def test_an_undoing_that_fails_is_told_kept_and_done_again(stage: Stage, file: Path) -> None:
    before = file.read_bytes()
    done = stage.inject("damage", path="config/a.yaml", bytes=8)
    kept = stage.home / "chaos" / "kept" / done.record
    kept.rename(stage.home / "elsewhere")
    undone = stage.undo(done.record)
    assert not undone.ok
    assert stage.bench.events[-1][0] == "fault.undo_failed"
    assert stage.bench.events[-1][2]["problem"] == undone.message
    assert stage.state(done.record) == "undo_failed"
    told = undo_left(stage.home)
    assert "could not be undone" in told_of(told[0])
    (stage.home / "elsewhere").rename(kept)
    told = undo_left(stage.home)
    assert (told[0]["by"], file.read_bytes()) == ("boot", before)
    assert "damage of home was undone" in told_of(told[0])


def test_what_a_writer_added_while_the_record_was_written_was_lost_by_a_truncation(
    stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()
    with monkeypatch.context() as patch:
        written_meanwhile(patch, lambda: file.write_bytes(before + b"one more line\n"))
        done = stage.inject("truncate", path="config/a.yaml", bytes=10)
    assert (done.ok, file.read_bytes()) == (True, before[:10])
    assert stage.undo(done.record).ok
    assert file.read_bytes() == before + b"one more line\n"


def test_a_file_that_was_replaced_while_the_record_was_written_was_put_back_as_it_had_been(
    stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced() -> None:
        newer = file.with_name("newer")
        newer.write_text("newer: true\n")
        newer.replace(file)

    with monkeypatch.context() as patch:
        written_meanwhile(patch, replaced)
        done = stage.inject("change", path="config/a.yaml", text="x")
    assert not done.ok
    assert "was replaced by somebody" in done.message
    assert file.read_text() == "newer: true\n"
    assert [record["state"] for record in stage.faults.records()] == ["undone"]


def written_meanwhile(patch: pytest.MonkeyPatch, write: Callable[[], object]) -> None:
    """Somebody writes between the good copy and the fault."""
    put = files.replace

    def replace(path: Path, data: bytes) -> None:
        put(path, data)
        if json.loads(data)["state"] == "prepared":
            write()

    patch.setattr(files, "replace", replace)


def test_a_fault_that_nobody_took_back_stayed_active_after_it_had_ended_by_itself(stage: Stage, file: Path) -> None:
    done = stage.inject("damage", path="config/a.yaml", bytes=8, seconds=30.0)
    kept = stage.home / "chaos" / "kept" / done.record
    kept.rename(stage.home / "elsewhere")
    assert not stage.undo(done.record).ok
    (stage.home / "elsewhere").rename(kept)
    stage.bench.advance(28.0)
    assert stage.state(done.record) == "undo_failed"
    stage.bench.advance(2.0)
    assert stage.state(done.record) == "undone"


def test_a_file_has_one_fault_at_a_time(stage: Stage, file: Path) -> None:
    first = stage.inject("damage", path="config/a.yaml")
    with pytest.raises(Refused, match=first.record):
        stage.inject("delete", path="config/a.yaml")
    assert stage.undo(first.record).ok
    assert stage.inject("delete", path="config/a.yaml").ok


def test_what_is_undone_twice_is_undone_once(stage: Stage) -> None:
    done = stage.inject("delete", path="config/a.yaml")
    assert stage.undo(done.record).ok
    assert stage.undo(done.record).ok
    assert stage.bench.types() == ["fault.injected", "fault.undone"]
    with pytest.raises(NotFound):
        stage.faults.undo("delete-0000000000", lambda undone: None)
    with pytest.raises(NotFound):
        stage.faults.undo("../../etc/passwd", lambda undone: None)


def test_one_who_injected_undoes_his_own(stage: Stage, file: Path) -> None:
    (stage.home / "config" / "b.yaml").write_text("b")
    mine = stage.inject("delete", path="config/a.yaml")
    stage.faults.inject("delete", "home", {"path": "config/b.yaml"}, by="another", done=lambda injection: None)
    assert [undone.record for undone in stage.undo_all("test")] == [mine.record]
    assert file.exists()
    assert not (stage.home / "config" / "b.yaml").exists()
    assert len(stage.undo_all()) == 1
    assert stage.undo_all() == []


def test_the_next_life_of_the_runner_undoes_what_the_former_left(stage: Stage, file: Path) -> None:
    before = file.read_bytes()
    done = stage.inject("truncate", path="config/a.yaml", bytes=3)
    next_life = Stage(stage.home)
    next_life.faults.recover()
    assert file.read_bytes() == before
    assert next_life.bench.events == [
        ("fault.undone", "home", {"record": done.record, "fault": "truncate", "by": "recovery", "said": [
            f"{file.resolve()}: {len(before) - 3} bytes are back"
        ]})
    ]  # fmt: skip


def test_a_record_that_cannot_be_read_is_told_and_left(stage: Stage) -> None:
    stage.inject("delete", path="config/a.yaml")
    bad = stage.home / "chaos" / "records" / "torn.json"
    bad.write_text('{"id": "torn"')
    told = undo_left(stage.home)
    assert [("problem" in each, each["record"]) for each in told] == [(False, told[0]["record"]), (True, "torn.json")]
    assert bad.exists()


def test_only_the_newest_records_are_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_actors.drills.records.KEPT_RECORDS", 3)
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    for _ in range(6):
        stage.bench.advance(1.0)
        stage.undo(stage.inject("delete", path="config/a.yaml").record)
    stage.faults.recover()
    assert len(stage.faults.records()) == 3


def test_records_were_only_pruned_at_a_start_and_every_look_read_them_all(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace_actors.drills.records.KEPT_RECORDS", 3)
    monkeypatch.setattr("grace_actors.drills.records.SLACK", 2)
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    for _ in range(9):
        stage.bench.advance(1.0)
        stage.undo(stage.inject("delete", path="config/a.yaml").record)
        assert len(stage.faults.records()) <= 5


# ---- an orderly end -------------------------------------------------------------------------------------


def test_faults_of_files_stayed_until_the_next_boot_when_their_life_ended_in_order(stage: Stage, file: Path) -> None:
    before = file.read_text()
    changed = stage.inject("change", path="config/a.yaml", text="approval_required: false\n")
    burnt = stage.inject("burn", "host", cores=1, seconds=60)
    stage.faults.end()
    assert file.read_text() == before
    assert [stage.state(each.record) for each in (changed, burnt)] == ["undone", "undone"]
    assert [data["by"] for type, _, data in stage.bench.events if type == "fault.undone"] == ["the runner ends"] * 2
    stage.bench.advance(400.0)
    assert [type for type, _, _ in stage.bench.events].count("fault.undone") == 2


def test_what_there_is_no_time_for_at_an_orderly_end_stays_recorded_for_the_boot(
    stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace_actors.drills.taking_back.STOP_S", 0.0)
    before = file.read_text()
    done = stage.inject("change", path="config/a.yaml", text="approval_required: false\n")
    stage.faults.end()
    assert stage.state(done.record) == "injected"
    undo_left(stage.home)
    assert file.read_text() == before


# ---- code and secrets -----------------------------------------------------------------------------------


def test_a_patch_of_the_same_length_in_the_same_second_is_what_python_runs(stage: Stage) -> None:
    """The cached code of the file must not hide either change."""
    import py_compile

    package = stage.home / "scratch" / "shop"
    package.mkdir(parents=True)
    file = package / "till.py"
    file.write_text("value = 1\n")
    py_compile.compile(str(file))
    cached = next((package / "__pycache__").iterdir())
    done = stage.inject("patch", path="shop/till.py", text="value = 2\n")
    assert (file.read_text(), cached.exists()) == ("value = 2\n", False)
    py_compile.compile(str(file))
    assert stage.undo(done.record).ok
    assert (file.read_text(), cached.exists()) == ("value = 1\n", False)


def test_a_patch_in_a_new_folder_leaves_no_folder(stage: Stage) -> None:
    done = stage.inject("patch", path="a/b/new.py", text="x = (\n")
    assert (stage.home / "scratch" / "a" / "b" / "new.py").exists()
    assert stage.undo(done.record).ok
    assert not (stage.home / "scratch").exists()


def test_a_made_up_secret_is_one_that_is_recognised_and_is_gone_afterwards(stage: Stage) -> None:
    log = stage.home / "logs" / "chaos_runner.log"
    log.write_text("it began\nwithout an end")
    done = stage.inject("secret")
    line = log.read_text().splitlines()[-1]
    assert leaked(line) == ("github_token",)
    assert log.read_text().splitlines()[:2] == ["it began", "without an end"]
    with log.open("a") as file:
        file.write("more\n")
    written = log.read_text()
    record = (stage.home / "chaos" / "records" / f"{done.record}.json").read_text()
    assert leaked(record) == ()
    assert stage.undo(done.record).ok
    assert leaked(log.read_text()) == ()
    assert len(log.read_text()) == len(written)
    assert log.read_text().endswith("made up by a drill, it opens nothing\nmore\n")


def test_a_link_or_a_folder_beside_a_log_kept_its_fault_active_for_ever(stage: Stage) -> None:
    done = stage.inject("secret", path="logs/a.log")
    log = stage.home / "logs" / "a.log"
    log.unlink()
    (stage.home / "logs" / "a.log.newest").symlink_to(log)
    (stage.home / "logs" / "a.log.d").mkdir()
    assert stage.undo(done.record).ok
    assert stage.state(done.record) == "undone"


def test_a_secret_that_was_redacted_or_rotated_away_is_undone_all_the_same(stage: Stage) -> None:
    log = stage.home / "logs" / "chaos_runner.log"
    first, second = stage.inject("secret"), stage.inject("secret")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0].replace(b"ghp_", b"****"), lines[1]]))
    assert "somebody has taken" in stage.undo(first.record).message
    log.rename(log.with_suffix(".log.1"))
    log.write_text("new\n")
    assert stage.undo(second.record).ok
    assert leaked(log.with_suffix(".log.1").read_text()) == ()
