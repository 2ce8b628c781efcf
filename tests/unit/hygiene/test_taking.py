"""A set holds everything, costs what changed, and is never half there."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from grace_actors.errors import Refused, WorldFailed
from grace_actors.hygiene import reading, taking
from grace_actors.hygiene.sets import DRAFT
from grace_actors.programs import command_of
from grace_actors.stores.chain import segment
from tests.harness.instance import wait_for
from tests.unit.hygiene.house import House, rows, same_file


def test_a_set_holds_one_of_everything(house: House) -> None:
    id = house.take()
    parts = [part["part"] for part in house.told["taken"]["parts"]]
    assert parts == [
        "artefacts",
        "audit",
        "config",
        "events",
        "kernels/sandbox",
        "playbooks",
        "stores/librarian",
        "tree",
    ]
    assert house.problems(id) == {} and house.told["damaged"] == []
    assert rows(house.copy(id, "stores/librarian/library.db")) == 3
    assert house.copy(id, "tree/tree.yaml").read_text() == "schema: grace.tree/1\nname: mine\n"
    kept = house.contents("config", "playbooks", "artefacts", "data/status/events")
    for path, content in kept.items():
        if path != "config/manifest.sha256":
            assert house.copy(id, path.replace("data/status/events", "events")).read_bytes() == content


def test_its_manifest_is_one_for_sha256sum(house: House) -> None:
    folder = house.sets / house.take()
    done = subprocess.run(["sha256sum", "--check", "--strict", "manifest.sha256"], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stdout
    named = {line.split(b": ")[0].decode() for line in done.stdout.splitlines()}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert named == files - {"manifest.sha256"}


def test_what_did_not_change_costs_no_space_again(house: House) -> None:
    first, second = house.take(), house.take()
    assert set(house.how(second).values()) == {"linked"}
    for path in house.how(second):
        assert same_file(house.copy(first, path), house.copy(second, path))
    house.store("librarian", "library.db", 2)
    third = house.take()
    assert house.how(third)["stores/librarian/library.db"] == "copied"
    assert [rows(house.copy(id, "stores/librarian/library.db")) for id in (first, third)] == [3, 5]


def test_a_store_s_own_fresh_snapshot_is_not_kept_twice(house: House) -> None:
    own = house.own_snapshot("librarian", "library.db")
    id = house.take()
    assert same_file(own, house.copy(id, "stores/librarian/library.db"))
    house.store("librarian", "library.db", 1)
    assert house.how(house.take())["stores/librarian/library.db"] == "copied"


def test_sealed_segments_of_the_audit_log_are_not_kept_twice(house: House) -> None:
    id = house.take()
    sealed, *_, active = segment.files(house.home / "data/immutable_log")
    assert same_file(house.home / "snapshots/immutable_log" / sealed.name, house.copy(id, f"audit/{sealed.name}"))
    assert house.how(id)[f"audit/{active.name}"] == "copied"


def test_a_store_in_use_is_copied_with_what_is_in_its_write_ahead_log(house: House) -> None:
    db = sqlite3.connect(house.home / "data/librarian/library.db", isolation_level=None)
    db.execute("insert into notes (text) values ('in the log')")
    db.execute("begin immediate")
    db.execute("insert into notes (text) values ('not committed')")
    id = house.take()
    db.execute("rollback")
    db.close()
    assert rows(house.copy(id, "stores/librarian/library.db")) == 4


def test_the_secrets_stay_with_their_owner_who_may_withdraw_them(house: House) -> None:
    house.store("secret_manager", "secrets.db", 1)
    before = house.take()
    assert house.how(before)["stores/secret_manager/secrets.db"] == "lost"
    assert "has none yet" in house.told["taken"]["skipped"]["stores/secret_manager/secrets.db"]
    own = house.own_snapshot("secret_manager", "secrets.db")
    id = house.take()
    assert house.how(id)["stores/secret_manager/secrets.db"] == "referenced"
    assert not list(house.sets.rglob("secrets.db"))
    own.unlink()
    assert house.do("verify", id=id)["valid"]


def test_a_line_that_is_being_written_is_left_out(house: House) -> None:
    newest = max((house.home / "data/status/events").iterdir())
    whole = newest.read_bytes()
    newest.write_bytes(whole + b'{"seq": 99, "at')
    active = segment.files(house.home / "data/immutable_log")[-1]
    record = active.read_bytes()
    active.write_bytes(record + b"\x00\x00\x00\x20half")
    id = house.take()
    assert house.problems(id) == {}
    assert house.copy(id, f"events/{newest.name}").read_bytes() == whole
    assert house.copy(id, f"audit/{active.name}").read_bytes() == record


def test_a_segment_that_was_packed_meanwhile_is_not_missing(house: House) -> None:
    house.take()
    house.audit(1, pack=True)
    id = house.take()
    assert house.problems(id) == {}
    assert [path for path in house.how(id) if path.endswith(".log.gz")] == ["audit/000000000001.log.gz"]


def test_what_is_no_file_is_left_out_and_named_and_nothing_outside_is_read(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: x\n")
    os.mkfifo(house.home / "config/pipe.yaml")
    (house.home / "config/out.yaml").symlink_to(secret)
    (house.home / "playbooks/out").symlink_to(tmp_path, target_is_directory=True)
    (house.home / "data/out").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "x.db").write_bytes(b"not mine")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(house.home / "playbooks")  # the path of a socket is short
        listening.bind("talk.yaml")
        os.mkfifo(house.home / "artefacts/pipe")
        id = house.take()
    assert {path: why for path, why in house.told["taken"]["skipped"].items() if "artefacts" not in path} == {
        "config/out.yaml": "a link",
        "config/pipe.yaml": "no regular file",
        "data/out/x.db": "a link",
        "playbooks/out": "a link",
        "playbooks/talk.yaml": "not a regular file",
    }
    assert house.problems(id) == {}
    assert not [file for file in (house.sets / id).rglob("*") if file.is_file() and b"password" in file.read_bytes()]


def test_a_manifest_cannot_reach_out_of_the_artefacts(house: House, tmp_path: Path) -> None:
    (tmp_path / "outside.bin").write_text("x")
    (house.home / "artefacts/away").symlink_to(tmp_path, target_is_directory=True)
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    manifest = house.home / "artefacts/manifest.sha256"
    manifest.write_text(manifest.read_text() + f"{digest}  away/outside.bin\n")
    id = house.take()
    assert house.problems(id) == {"artefacts/away/outside.bin": "the folder away is a link"}
    assert not (house.home / "snapshots/artefacts/away").exists()


def test_an_interrupted_set_is_gone_with_the_next_one(house: House) -> None:
    for n in range(600):
        house.file(f"playbooks/many/{n}.yaml", f"name: p{n}\n")
    process = house.process("take")
    wait_for(lambda: list(house.sets.glob(f"{DRAFT}*/playbooks/many/*.yaml")), "a draft is begun", step_s=0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    assert list(house.sets.glob(f"{DRAFT}*")) and not list(house.sets.glob("2*"))
    shutil.rmtree(house.home / "playbooks/many")
    id = house.take()
    assert sorted(path.name for path in house.sets.iterdir()) == [".lock", id]
    assert house.do("verify", id=id)["valid"]


def test_two_commands_never_work_at_once(house: House) -> None:
    id = house.take()
    with (house.sets / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="another command works"):
            house.take()
    assert house.take() > id


def test_below_the_floor_no_set_is_taken_and_the_rest_stays(house: House) -> None:
    id = house.take()
    house.limits["floor_bytes"] = 1 << 60
    with pytest.raises(WorldFailed, match="must stay free"):
        house.take()
    assert house.told["pruned"] == []
    house.limits["floor_bytes"] = 0
    assert house.do("list")["sets"][0]["id"] == id


def test_a_disk_that_refuses_leaves_no_half_set(house: House) -> None:
    house.store("librarian", "library.db", 100)
    before = house.take()
    house.store("librarian", "library.db", 1)
    argv, env = command_of("grace_actors.hygiene")

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = subprocess.run(
        argv, env=env, input=json.dumps(house.order("take")).encode(), capture_output=True, preexec_fn=small
    )
    answer = json.loads(done.stdout)
    assert not answer["ok"] and "cannot be copied" in answer["message"], answer
    assert [path.name for path in house.sets.iterdir() if path.name != ".lock"] == [before]


def test_a_set_that_reads_back_differently_never_gets_its_name(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    write = taking.write
    monkeypatch.setattr(taking, "write", lambda target, pieces: write(target, [*pieces, b"?"]))
    with pytest.raises(WorldFailed, match="not what was written"):
        house.take()
    assert [path.name for path in house.sets.iterdir()] == [".lock"]


def test_nothing_but_a_regular_file_is_ever_opened(house: House, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(house.home / "config/limits.json")
    for name in ("pipe", "link", "home"):
        with pytest.raises(OSError, match=r"regular file|symbolic links|directory"):
            reading.opened(tmp_path / name)


def test_sets_are_kept_by_number_and_age_and_a_clock_that_was_set_back_changes_nothing(house: House) -> None:
    ids = [house.take() for _ in range(6)]
    assert house.told["pruned"] == ids[:1]
    house.wall -= 50_000
    back = house.take()
    assert back < min(ids) and house.told["pruned"] == ids[1:2]
    house.wall += 200_000
    last = house.take()
    assert [row["id"] for row in house.told["sets"]] == [last]
