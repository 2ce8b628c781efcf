"""No fault reaches outside the home, nor what holds the instance together."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from grace_actors.drills import paths
from grace_actors.errors import NotFound, Refused
from tests.harness.instance import wait_for
from tests.unit.drills.mortal import Stage


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "a.yaml").write_text("a: 1\n")
    (tmp_path / "outside.txt").write_text("not ours")
    return home


def test_a_path_is_taken_relative_to_the_home_or_whole(home: Path) -> None:
    wanted = home.resolve() / "config" / "a.yaml"
    assert paths.file_of(home, "config/a.yaml") == wanted
    assert paths.file_of(home, str(wanted)) == wanted
    assert paths.file_of(home, "config/../config/a.yaml") == wanted


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/passwd", "config/../../outside.txt", ".", "", "a\0b"])
def test_a_path_that_leads_outside_is_refused(home: Path, path: str) -> None:
    with pytest.raises(Refused) as refused:
        paths.file_of(home, path)
    assert refused.value.hint


def test_a_link_that_leads_outside_is_refused_and_one_inside_is_followed(home: Path, tmp_path: Path) -> None:
    (home / "away").symlink_to(tmp_path / "outside.txt")
    (home / "folder").symlink_to(tmp_path)
    (home / "near").symlink_to("config/a.yaml")
    for path in ("away", "folder/outside.txt"):
        with pytest.raises(Refused, match="it leads to"):
            paths.file_of(home, path)
    assert paths.file_of(home, "near") == home.resolve() / "config" / "a.yaml"


@pytest.mark.parametrize("path", ["lock", "instance.json", "run/control.sock", "chaos/records/x.json"])
def test_what_holds_the_instance_together_is_refused(home: Path, path: str) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text("x")
    with pytest.raises(Refused, match="belongs to the runtime"):
        paths.file_of(home, path)


def test_a_directory_a_missing_file_and_a_huge_one_are_refused(home: Path) -> None:
    with pytest.raises(Refused, match="no regular file"):
        paths.file_of(home, "config")
    with pytest.raises(NotFound):
        paths.file_of(home, "config/none.yaml")
    with (home / "huge").open("wb") as file:
        file.truncate(paths.MOST_BYTES + 1)
    with pytest.raises(Refused, match="has 67108865 bytes"):
        paths.file_of(home, "huge")


def test_the_program_below_its_home_could_be_damaged(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "grace_actors").mkdir()
    (home / "grace_actors" / "actor.py").write_text("run = True\n")
    monkeypatch.setattr(paths, "PROGRAM", (home.resolve() / "grace_actors",))
    with pytest.raises(Refused, match="belongs to the program"):
        paths.file_of(home, "grace_actors/actor.py")
    with pytest.raises(Refused, match="belongs to the program"):
        paths.place_of(home, "grace_actors/new.py")
    assert paths.file_of(home, "config/a.yaml").is_file()


@pytest.mark.parametrize(
    ("fault", "path"), [("damage", "config/a.yaml"), ("truncate", "config/a.yaml"), ("secret", "logs/a.log")]
)
def test_a_fault_in_place_was_written_to_a_file_outside_that_is_the_same(tmp_path: Path, fault: str, path: str) -> None:
    stage = Stage(tmp_path / "home")
    outside = tmp_path / "outside"
    outside.write_text("approval_required: true\n")
    (stage.home / path).hardlink_to(outside)
    with pytest.raises(Refused, match="has another name"):
        stage.inject(fault, path=path)
    assert outside.read_text() == "approval_required: true\n"
    if fault != "secret":
        deleted = stage.inject("delete", path=path)
        assert stage.undo(deleted.record).ok
        assert (stage.home / path).samefile(outside)


def test_a_link_that_was_turned_outside_after_the_fault_is_not_followed_by_its_undoing(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "home")
    folder = stage.home / "config" / "sub"
    folder.mkdir()
    (folder / "a.yaml").write_text("a: 1\n")
    done = stage.inject("delete", path="config/sub/a.yaml")
    folder.rmdir()
    folder.symlink_to(tmp_path)
    undone = stage.undo(done.record)
    assert (undone.ok, stage.state(done.record)) == (False, "undo_failed")
    assert "outside" in undone.message
    assert not (tmp_path / "a.yaml").exists()
    folder.unlink()
    assert stage.undo(done.record).ok
    assert (folder / "a.yaml").read_text() == "a: 1\n"


OWNER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("select * from notes").fetchall()
print("open", flush=True)
sys.stdin.read()
"""


def test_a_database_is_damaged_only_while_its_owner_stands_still(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "home")
    file = stage.home / "data" / "shop.db"
    with sqlite3.connect(file) as db:
        db.execute("create table notes (text)")
    db.close()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        for fault, more in (("damage", {}), ("delete", {}), ("truncate", {}), ("change", {"text": "x"})):
            with pytest.raises(Refused, match="in use by python"):
                stage.inject(fault, path="data/shop.db", **more)
        os.kill(owner.pid, signal.SIGSTOP)
        wait_for(lambda: not paths.moving_users(file), "the owner stands still", 5.0)
        done = stage.inject("damage", path="data/shop.db", bytes=16)
        assert done.ok
        os.kill(owner.pid, signal.SIGCONT)
        wait_for(lambda: paths.moving_users(file), "the owner goes on", 5.0)
        refused = stage.undo(done.record)
        assert (refused.ok, "stop its owner" in refused.message) == (False, True)
    finally:
        owner.kill()
        owner.communicate()
    assert stage.undo(done.record).ok
    with sqlite3.connect(file) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()
