"""Kernel snapshots: the newest completely stored one can always be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_actors import snapshots
from grace_actors.errors import StoreFailed


def test_a_missing_snapshot_is_no_state_and_no_error(tmp_path: Path) -> None:
    assert snapshots.load(tmp_path / "nowhere", "bus") == snapshots.Loaded(None)


def test_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    state = {"text": "ü", "bytes": b"\x00\xff", "list": [1, 2.5, None, True], "by_number": {7: "seven"}}
    snapshots.save(tmp_path, "bus", state)
    assert snapshots.load(tmp_path, "bus") == snapshots.Loaded(state)


@pytest.mark.parametrize("content", [b"", b"GRACESNP", b"garbage" * 100, b"GRACESNP\x63" + b"0" * 100])
def test_a_damaged_snapshot_is_replaced_by_the_previous_one(tmp_path: Path, content: bytes) -> None:
    snapshots.save(tmp_path, "bus", {"n": 1})
    snapshots.save(tmp_path, "bus", {"n": 2})
    snapshots.path_of(tmp_path, "bus").write_bytes(content)
    loaded = snapshots.load(tmp_path, "bus")
    assert (loaded.state, loaded.restored_from_previous) == ({"n": 1}, True)
    assert "bus.snap is damaged" in loaded.error


def test_every_truncation_is_recognised(tmp_path: Path) -> None:
    content = snapshots.encode({"n": 1, "text": "some content"})
    for length in range(len(content)):
        with pytest.raises(ValueError, match=r"header|checksum|version"):
            snapshots.decode(content[:length])


def test_every_flipped_byte_is_recognised() -> None:
    content = snapshots.encode({"n": 1, "text": "some content"})
    for at in range(len(content)):
        with pytest.raises(ValueError, match=r"header|checksum|version"):
            snapshots.decode(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])


def test_damaged_files_alone_are_an_error_and_no_state(tmp_path: Path) -> None:
    snapshots.path_of(tmp_path, "bus").write_bytes(b"garbage")
    loaded = snapshots.load(tmp_path, "bus")
    assert loaded.state is None
    assert "damaged" in loaded.error


def test_a_damaged_snapshot_never_becomes_the_previous_one(tmp_path: Path) -> None:
    snapshots.save(tmp_path, "bus", {"n": 1})
    snapshots.save(tmp_path, "bus", {"n": 2})
    snapshots.path_of(tmp_path, "bus").write_bytes(b"garbage")
    snapshots.save(tmp_path, "bus", {"n": 3})
    snapshots.path_of(tmp_path, "bus").write_bytes(b"garbage")
    assert snapshots.load(tmp_path, "bus").state == {"n": 1}


def test_saving_the_same_state_again_keeps_both_files_loadable(tmp_path: Path) -> None:
    for _ in range(3):
        snapshots.save(tmp_path, "bus", {"n": 1})
    assert [entry.error for entry in snapshots.verify(tmp_path, "bus")] == ["", ""]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bus.prev.snap", "bus.snap"]


@pytest.mark.parametrize("call", ["os.write", "os.fsync"])
def test_a_full_disk_changes_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    snapshots.save(tmp_path, "bus", {"n": 1})

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, full)
    with pytest.raises(StoreFailed) as refused:
        snapshots.save(tmp_path, "bus", {"n": 2})
    monkeypatch.undo()
    assert "disk is full" in refused.value.hint
    assert snapshots.load(tmp_path, "bus") == snapshots.Loaded({"n": 1})
    assert not list(tmp_path.glob(".*"))
    snapshots.save(tmp_path, "bus", {"n": 3})
    assert snapshots.load(tmp_path, "bus").state == {"n": 3}


def test_state_that_is_not_plain_data_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        snapshots.save(tmp_path, "bus", {"path": tmp_path})
    assert list(tmp_path.iterdir()) == []


def test_the_list_shows_every_file_with_its_verdict(tmp_path: Path) -> None:
    snapshots.save(tmp_path, "bus", {"n": 1})
    snapshots.save(tmp_path, "bus", {"n": 2})
    snapshots.save(tmp_path, "log", {"n": 1})
    snapshots.path_of(tmp_path, "log").write_bytes(b"garbage")
    found = {entry.file.name: (entry.name, entry.previous, not entry.error) for entry in snapshots.list_all(tmp_path)}
    assert found == {
        "bus.snap": ("bus", False, True),
        "bus.prev.snap": ("bus", True, True),
        "log.snap": ("log", False, False),
    }
