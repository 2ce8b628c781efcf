"""What was destroyed comes back as it was, what was there goes to quarantine, and a damaged set changes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from grace_actors import snapshots
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.stores.chain.log import ChainLog, Places
from tests.unit.hygiene.house import House, rot, rows

PEOPLE = ("config", "playbooks", "artefacts")


@pytest.mark.parametrize("part", PEOPLE)
@pytest.mark.parametrize("how", ["damaged", "gone", "all gone"])
def test_files_of_people_come_back(house: House, part: str, how: str) -> None:
    before, id = house.contents(*PEOPLE), house.take()
    for path in before:
        if path.startswith(part) and how == "damaged":
            rot(house.home / path, 0)
        elif path.startswith(part):
            (house.home / path).unlink()
    if how == "all gone":
        shutil.rmtree(house.home / part)
    if part == "config":
        before.pop("config/manifest.sha256", None)
    answer = house.restore(id, part)
    after = {path: content for path, content in house.contents(*PEOPLE).items() if path in before}
    assert after == before
    kept = house.contents("quarantine")
    assert (answer["quarantine"] is not None) == (how == "damaged") == bool(kept)
    assert not [path for path in kept if part not in path]
    assert not house.restore(id, part)["restored"]


def test_a_file_in_the_place_of_a_pipe_or_a_link_comes_back_inside_the_home(house: House, tmp_path: Path) -> None:
    id = house.take()
    (tmp_path / "precious.json").write_text("{}")
    (house.home / "config/governance.yaml").unlink()
    os.mkfifo(house.home / "config/governance.yaml")
    (house.home / "config/limits.json").unlink()
    (house.home / "config/limits.json").symlink_to(tmp_path / "precious.json")
    house.restore(id, "config")
    assert (house.home / "config/governance.yaml").read_text() == "rules: [a, b]\n"
    assert not (house.home / "config/limits.json").is_symlink()
    assert (tmp_path / "precious.json").read_text() == "{}"
    shutil.rmtree(house.home / "playbooks")
    (house.home / "playbooks").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(Refused, match="leads out of the home"):
        house.restore(id, "playbooks")


def test_a_store_and_the_snapshot_of_a_kernel_come_back(house: House) -> None:
    id = house.take()
    rot(house.home / "data/librarian/library.db", 4096)
    (house.home / "data/librarian/library.db-wal").write_bytes(b"of the damaged one")
    (house.home / "snapshots/sandbox.snap").unlink()
    answer = house.restore(id, "stores/librarian")
    assert rows(house.home / "data/librarian/library.db") == 3
    assert {path.name for path in Path(answer["quarantine"]).rglob("*.db*")} == {"library.db", "library.db-wal"}
    house.restore(id, "kernels/sandbox")
    assert snapshots.load(house.home / "snapshots", "sandbox").state == {"runs": 7}


def test_a_store_that_somebody_has_open_is_not_replaced(house: House) -> None:
    id = house.take()
    house.store("librarian", "library.db", 1)
    db = sqlite3.connect(house.home / "data/librarian/library.db")
    db.execute("select count(*) from notes").fetchone()
    with pytest.raises(Refused, match="in use"):
        house.restore(id, "stores/librarian")
    db.close()
    house.restore(id, "stores/librarian")
    assert rows(house.home / "data/librarian/library.db") == 3


def test_of_the_event_log_only_what_is_damaged_or_missing_is_put_back(house: House) -> None:
    id = house.take()
    before = house.contents("data/status/events")
    house.events(5)
    rot(house.home / "data/status/events/events-000000000001.jsonl", 500)
    answer = house.restore(id, "events")
    assert answer["restored"] == ["events/events-000000000001.jsonl"]
    after = house.contents("data/status/events")
    assert all(after[path].startswith(content) for path, content in before.items())
    assert len(b"".join(after.values())) > len(b"".join(before.values()))


def test_of_the_audit_log_a_damaged_segment_is_put_back_with_its_seal_and_the_chain_holds(house: House) -> None:
    folder = house.home / "data/immutable_log"
    house.audit(1)
    id = house.take()
    house.audit(3, pack=True)
    rot(folder / "000000000001.log.gz", 40)
    shutil.rmtree(house.home / "snapshots/immutable_log")
    answer = house.restore(id, "audit")
    assert answer["restored"] == ["audit/000000000001.log"]
    assert not (folder / "000000000001.log.gz").exists()
    log = ChainLog(Places(folder, house.home / "m", house.home, "x"), segment_bytes=500, wall=lambda: 1.0)
    assert [note.event for note in log.notes] == []
    assert all(log.inspect_sealed(index) for index in range(len(log.sealed)))
    assert log.next == 45
    log.close()


@pytest.mark.parametrize("part", ["config", "stores/librarian", "kernels/sandbox", "events", "audit"])
def test_a_damaged_copy_is_never_put_back_and_changes_nothing(house: House, part: str) -> None:
    id = house.take()
    for file in (path for path in (house.sets / id / part.split("/")[0]).rglob("*") if path.is_file()):
        file.unlink()
        file.write_text("rotten")
    house.file("config/governance.yaml", "rules: [")
    house.store("librarian", "library.db", 1)
    (house.home / "snapshots/sandbox.snap").unlink()
    for folder in ("data/status/events", "data/immutable_log"):
        rot(min((house.home / folder).glob("*1.*l*")), 200)
    before = house.contents("config", "data")
    with pytest.raises(WorldFailed, match="nothing was changed"):
        house.restore(id, part)
    assert house.contents("config", "data") == before
    assert not (house.home / "quarantine").exists()


def test_a_set_with_a_damaged_record_is_never_put_back(house: House) -> None:
    id = house.take()
    record = house.sets / id / "set.json"
    record.write_text(record.read_text().replace("config/limits.json", "config/../lock"))
    (house.home / "config/limits.json").unlink()
    with pytest.raises(WorldFailed, match="nothing was changed"):
        house.restore(id, "config")


def test_what_cannot_be_restored_is_refused_with_what_can(house: House) -> None:
    id = house.take()
    with pytest.raises(NotFound, match="no part 'models'"):
        house.restore(id, "models")
    with pytest.raises(Refused, match="not part of the home"):
        house.restore(id, "tree")
    for name in ("../../config", "20990101T000000.000000Z", ""):
        with pytest.raises(Refused):
            house.restore(name, "config")


def test_what_nobody_has_a_good_copy_of_is_named(house: House) -> None:
    house.file("config/governance.yaml", "rules: [")
    id = house.take()
    (house.home / "config/limits.json").unlink()
    answer = house.restore(id, "config")
    assert answer["restored"] == ["config/limits.json"] and answer["without_copy"] == ["config/governance.yaml"]


def test_the_mode_of_a_file_comes_back(house: House) -> None:
    file = house.home / "playbooks/own/heal.yaml"
    file.chmod(0o640)
    id = house.take()
    file.unlink()
    house.restore(id, "playbooks")
    assert file.stat().st_mode & 0o777 == 0o640
