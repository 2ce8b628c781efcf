"""What is damaged at its source is found, named once, and never replaces a good copy; so is a damaged copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grace_actors.stores.chain import frames
from tests.unit.hygiene.house import House, rot, rows


def _newest_event_file(house: House) -> str:
    return max(path.name for path in (house.home / "data/status/events").iterdir())


def _cut_at_record(house: House) -> None:
    file = house.home / "data/immutable_log/000000000001.log"
    data = file.read_bytes()
    spans = frames.walk(data, frames.HEADER_BYTES, frames.GENESIS).spans
    file.write_bytes(data[: spans[-2][1] + frames.HASH_BYTES])


DAMAGE: dict[str, tuple[str, Callable[[House], object]]] = {
    "store": ("stores/librarian/library.db", lambda h: rot(h.home / "data/librarian/library.db", 4096)),
    "store cut": ("stores/librarian/library.db", lambda h: (h.home / "data/librarian/library.db").write_bytes(b"x")),
    "store gone": ("stores/librarian/library.db", lambda h: (h.home / "data/librarian/library.db").unlink()),
    "kernel": ("kernels/sandbox.snap", lambda h: rot(h.home / "snapshots/sandbox.snap", -3)),
    "event": (
        "events/events-000000000001.jsonl",
        lambda h: rot(h.home / "data/status/events/events-000000000001.jsonl", 500),
    ),
    "record": ("audit/000000000001.log", lambda h: rot(h.home / "data/immutable_log/000000000001.log", 100)),
    "sealed segment cut": (
        "audit/000000000001.log",
        lambda h: (h.home / "data/immutable_log/000000000001.log").write_bytes(b"GRACELOG"),
    ),
    "sealed segment cut at a record": ("audit/000000000001.log", lambda h: _cut_at_record(h)),
    "segment gone": ("audit/000000000001.log", lambda h: (h.home / "data/immutable_log/000000000001.log").unlink()),
    "yaml": ("config/governance.yaml", lambda h: h.file("config/governance.yaml", "rules: [a, b\n\0")),
    "json": ("config/limits.json", lambda h: h.file("config/limits.json", '{"most": ')),
    "playbook": ("playbooks/own/heal.yaml", lambda h: h.file("playbooks/own/heal.yaml", "a: b: c: '\n")),
    "tree": ("tree/tree.yaml", lambda h: h.file("elsewhere/tree.yaml", "{")),
    "artefact": ("artefacts/models/small.bin", lambda h: rot(h.home / "artefacts/models/small.bin")),
    "artefact gone": ("artefacts/notes.txt", lambda h: (h.home / "artefacts/notes.txt").unlink()),
    "manifest": ("artefacts/manifest.sha256", lambda h: h.file("artefacts/manifest.sha256", "what?\n")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_the_last_good_copy_is_kept(house: House, kind: str) -> None:
    path, damage = DAMAGE[kind]
    good = house.copy(house.take(), path).read_bytes()
    damage(house)
    id = house.take()
    assert [(one["path"], one["copy"]) for one in house.told["damaged"]] == [(path, "kept")]
    assert house.problems(id).keys() == {path}
    assert house.copy(id, path).read_bytes() == good
    assert house.do("verify", id=id)["valid"]


def test_damage_is_told_once_and_its_good_copy_outlives_every_set(house: House) -> None:
    good = house.copy(house.take(), "config/governance.yaml").read_bytes()
    house.file("config/governance.yaml", "rules: [")
    house.take()
    for _ in range(7):
        id = house.take()
        assert house.told["damaged"] == []
        assert house.copy(id, "config/governance.yaml").read_bytes() == good
    house.file("config/governance.yaml", "rules: [c]\n")
    assert house.problems(house.take()) == {}
    house.file("config/governance.yaml", "rules: [")
    house.take()
    assert [one["path"] for one in house.told["damaged"]] == ["config/governance.yaml"]


def test_a_segment_that_does_not_continue_the_one_before_is_damage(house: House) -> None:
    folder = house.home / "data/immutable_log"
    names = sorted(path.stem for path in folder.glob("*.seal"))
    for ending in (".log", ".seal"):
        (folder / (names[1] + ending)).unlink()
    for _ in range(2):
        id, path = house.take(), f"audit/{names[2]}.log"
        assert house.problems(id) == {path: f"it does not continue {names[0]}"}
        assert house.how(id)[path] == "linked"


def test_damage_before_the_first_set_is_named_as_lost(house: House) -> None:
    house.file("config/governance.yaml", "rules: [")
    id = house.take()
    assert house.how(id)["config/governance.yaml"] == "lost"
    assert house.do("verify", id=id)["valid"]


def test_a_damaged_store_without_a_set_is_kept_from_its_own_snapshot(house: House) -> None:
    house.own_snapshot("librarian", "library.db")
    rot(house.home / "data/librarian/library.db", 4096)
    id = house.take()
    assert house.how(id)["stores/librarian/library.db"] == "kept"
    assert rows(house.copy(id, "stores/librarian/library.db")) == 3


def test_a_retired_segment_of_events_and_a_kernel_that_was_removed_are_not_missing(house: House) -> None:
    house.take()
    (house.home / "data/status/events/events-000000000001.jsonl").unlink()
    shutil.rmtree(house.home / "data/librarian")
    (house.home / "snapshots/sandbox.snap").unlink()
    (house.home / "config/limits.json").unlink()
    assert house.problems(house.take()) == {}
    (house.home / "data/status/events" / _newest_event_file(house)).unlink()
    assert list(house.problems(house.take()).values()) == ["it is missing"]


@pytest.mark.parametrize(
    "path", ["config/governance.yaml", "set.json", "manifest.sha256", "stores/librarian/library.db"]
)
def test_a_damaged_set_is_found_and_is_no_source_of_good_copies(house: House, path: str) -> None:
    first, second = house.take(), house.take()
    copy = house.copy(second, path)
    content = copy.read_bytes()
    copy.unlink()
    copy.write_bytes(content[:-4] + b"????")  # this set's own: the first one had the same file
    assert not house.do("verify", id=second)["valid"]
    third = house.take()
    assert {row["id"]: row["valid"] for row in house.told["sets"]} == {first: True, second: False, third: True}
    if "/" in path:
        assert house.copy(third, path).read_bytes() == content


def test_rot_in_a_shared_copy_is_healed_from_the_source(house: House) -> None:
    first, second = house.take(), house.take()
    rot(house.copy(second, "playbooks/own/heal.yaml"), -4)
    third = house.take()
    assert {row["id"]: row["valid"] for row in house.told["sets"]} == {first: False, second: False, third: True}
    assert house.how(third)["playbooks/own/heal.yaml"] == "copied"
    assert house.copy(third, "playbooks/own/heal.yaml").read_text() == "name: heal\n"


def test_a_set_whose_record_means_nothing_is_listed_as_damaged(house: House) -> None:
    id = house.take()
    for text in ("", "[]", "{}", '{"schema": "grace.snapshot_set/1"}', "\0" * 100):
        (house.sets / id / "set.json").write_text(text)
        (row,) = house.do("list")["sets"]
        assert not row["valid"] and row["problems"]


def test_what_only_looks_like_a_set_is_no_set(house: House, tmp_path: Path) -> None:
    id = house.take()
    (house.sets / "20269999T999999.000000Z").mkdir()
    (house.sets / "20250101T000000.000000Z").symlink_to(tmp_path, target_is_directory=True)
    (house.sets / "20250102T000000.000000Z").write_text("a file")
    assert [row["id"] for row in house.do("list")["sets"]] == [id]
    house.take()
    assert tmp_path.exists() and not house.told["pruned"]
