"""The event log: numbers without a gap, nothing acknowledged is lost, damage is repaired and said."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from grace_actors.status import segments
from grace_actors.status.eventlog import EventLog, Limits
from grace_actors.status.records import data_text

AT = "2023-11-14T22:13:20.000Z"
SMALL = Limits(segment_bytes=600, segments=100, memory_events=5, memory_bytes=100_000)


def opened(home: Path, limits: Limits = SMALL) -> EventLog:
    return EventLog(home / "events", lambda: 1_700_000_000.0, limits)


def fill(log: EventLog, count: int, emitter: str = "") -> None:
    for _ in range(count):
        n = log.last + 1
        log.append(AT, "test.happened", "me", {"n": n}, emitter, n)
    assert log.flush()


def numbers(log: EventLog, since: int = 0) -> list[int]:
    return [record.seq for record in log.after(since)]


def newest(home: Path) -> Path:
    return max((home / "events").glob("*.jsonl"))


class FullDisk:
    """Takes `room` more bytes, then says ENOSPC, as a full disk does: the last write is cut short."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room, self._write = room, os.write
        monkeypatch.setattr(segments.os, "write", self.write)

    def write(self, fd: int, content: Any) -> int:
        taken = min(len(content), self.room)
        if taken == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= taken
        return self._write(fd, content[:taken])


def test_numbers_go_on_after_reopening(tmp_path: Path) -> None:
    log = opened(tmp_path)
    fill(log, 7)
    log.close()
    again = opened(tmp_path)
    fill(again, 3)
    assert numbers(again) == list(range(1, 11))
    assert again.repair is None


def test_what_was_flushed_survives_a_process_that_never_closed_the_log(tmp_path: Path) -> None:
    fill(opened(tmp_path), 4)
    assert numbers(opened(tmp_path)) == [1, 2, 3, 4]


def test_events_beyond_memory_are_read_from_the_segments_in_order(tmp_path: Path) -> None:
    log = opened(tmp_path)
    fill(log, 40)
    assert len(list((tmp_path / "events").iterdir())) > 3
    assert numbers(log) == list(range(1, 41))
    assert numbers(log, 17) == list(range(18, 41))
    assert [record.event()["data"]["n"] for record in log.after(0)] == list(range(1, 41))


def test_the_oldest_segments_are_retired_and_the_numbers_go_on(tmp_path: Path) -> None:
    log = opened(tmp_path, Limits(segment_bytes=600, segments=3, memory_events=5))
    fill(log, 60)
    assert len(list((tmp_path / "events").iterdir())) == 3
    assert log.oldest > 1
    assert numbers(log) == list(range(log.oldest, 61))
    assert opened(tmp_path).last == 60


def test_numbers_go_on_even_when_only_an_empty_newest_segment_is_left(tmp_path: Path) -> None:
    log = opened(tmp_path)
    fill(log, 60)
    log.close()
    *old, last = sorted((tmp_path / "events").iterdir())
    for path in old:
        path.unlink()
    last.write_bytes(b"")
    first = int(last.stem[7:])
    again = opened(tmp_path)
    fill(again, 1)
    assert numbers(again) == [first]


def test_a_torn_tail_is_cut_off_and_reported(tmp_path: Path) -> None:
    log = opened(tmp_path)
    fill(log, 3)
    log.close()
    with newest(tmp_path).open("ab") as file:
        file.write(b'{"seq":4,"at":"20')
    again = opened(tmp_path)
    assert again.repair is not None
    assert (again.repair.torn_bytes, again.last) == (17, 3)
    fill(again, 1)
    assert numbers(opened(tmp_path)) == [1, 2, 3, 4]
    assert opened(tmp_path).repair is None


def test_a_damaged_line_becomes_a_counted_record_and_its_neighbours_survive(tmp_path: Path) -> None:
    log = opened(tmp_path, Limits())
    fill(log, 5)
    log.close()
    path = newest(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"data":{"n":3}', b'"data":{"n":7}'))
    records = list(opened(tmp_path, Limits()).after(0))
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    assert records[2].type == "events.unreadable"
    assert records[2].event()["data"] == {"first": 3, "last": 3, "count": 1}


def test_a_missing_segment_becomes_a_counted_record(tmp_path: Path) -> None:
    log = opened(tmp_path)
    fill(log, 40)
    log.close()
    second, third = sorted((tmp_path / "events").iterdir())[1:3]
    second.unlink()
    lost = [r for r in opened(tmp_path).after(0) if r.type == "events.unreadable"]
    assert [(r.first, r.seq) for r in lost] == [(int(second.stem[7:]), int(third.stem[7:]) - 1)]


def test_an_event_sent_twice_is_kept_once_even_across_a_restart(tmp_path: Path) -> None:
    log = opened(tmp_path)
    fill(log, 30, "kernel.1")
    assert log.append(AT, "test.happened", "me", {}, "kernel.1", 30) is None
    again = opened(tmp_path)
    assert again.append(AT, "test.happened", "me", {}, "kernel.1", 30) is None
    assert again.append(AT, "test.happened", "me", {}, "kernel.1", 31) is not None


def test_an_emitter_is_remembered_from_the_header_when_its_events_are_retired(tmp_path: Path) -> None:
    limits = Limits(segment_bytes=600, segments=2, memory_events=5)
    log = opened(tmp_path, limits)
    log.append(AT, "test.happened", "me", {}, "early.1", 9)
    fill(log, 40)
    log.close()
    assert opened(tmp_path, limits).append(AT, "test.happened", "me", {}, "early.1", 9) is None


def test_a_full_disk_loses_nothing_and_is_written_to_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path, Limits())
    fill(log, 2, "k.1")
    disk = FullDisk(monkeypatch, room=70)
    log.append(AT, "test.happened", "me", {}, "k.1", 3)
    assert not log.flush()
    assert "No space left on device" in log.problem
    assert (log.seen("k.1"), log.waiting) == (3, 1)
    assert numbers(log) == [1, 2, 3]
    disk.room = 10_000
    assert log.flush()
    assert (log.waiting, log.problem) == (0, "")
    assert numbers(opened(tmp_path)) == [1, 2, 3]
    assert opened(tmp_path).repair is None


def test_a_segment_begun_after_a_full_disk_does_not_vouch_for_what_still_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(segment_bytes=200)
    log = opened(tmp_path, limits)
    fill(log, 2, "k.1")
    disk = FullDisk(monkeypatch, room=0)
    for n in (3, 4):
        log.append(AT, "test.happened", "me", {}, "k.1", n)
        log.flush()
    disk.room = 150  # room for the header of a new segment and not for both events
    assert not log.flush()
    assert opened(tmp_path, limits).seen("k.1") < 4


def test_what_a_full_disk_took_of_a_write_is_not_left_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path, Limits())
    fill(log, 2)
    before = newest(tmp_path).read_bytes()
    FullDisk(monkeypatch, room=30)
    log.append(AT, "test.happened", "me", {})
    log.flush()
    assert newest(tmp_path).read_bytes() == before


def test_a_disk_that_is_full_from_the_start_leaves_no_half_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch, room=5)
    log = opened(tmp_path)
    log.append(AT, "test.happened", "me", {})
    assert not log.flush()
    assert list((tmp_path / "events").iterdir()) == []
    disk.room = 10_000
    assert log.flush()
    assert numbers(opened(tmp_path)) == [1]


def test_a_backlog_beyond_its_bound_is_replaced_by_one_record_that_counts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(backlog_bytes=2_000, memory_events=10)
    log = opened(tmp_path, limits)
    fill(log, 3)
    disk = FullDisk(monkeypatch, room=0)
    for _ in range(100):
        log.append(AT, "test.happened", "me", {})
        log.flush()
    assert log.waiting < 40
    covered(log, 103)
    disk.room = 100_000
    log.flush()
    again = opened(tmp_path, limits)
    dropped = covered(again, 103)
    assert dropped == log.dropped > 0


def covered(log: EventLog, last: int) -> int:
    """Asserts that the records cover 1..last without gap or overlap; returns how many are drops."""
    expected = dropped = 0
    for record in log.after(0):
        assert record.seq > expected
        assert record.first <= expected + 1
        if record.type == "events.dropped":
            dropped += record.seq - record.first + 1
        expected = record.seq
    assert expected == last
    return dropped


def test_a_log_on_a_directory_that_cannot_be_written_to_keeps_events_in_memory(tmp_path: Path) -> None:
    log = opened(tmp_path)
    fill(log, 2)
    log.close()
    newest(tmp_path).rename(tmp_path / "kept")
    (tmp_path / "events").rmdir()
    (tmp_path / "events").write_text("a file where the directory was")
    log.append(AT, "test.happened", "me", {})
    log._segments._fd = None
    assert not log.flush()
    assert numbers(log) == [1, 2, 3]


@pytest.mark.parametrize(
    "data",
    [{"a": float("nan")}, {"a": b"bytes"}, {(1, 2): 3}, {"a": object()}, {"big": "x" * 1_000_000}, {"\ud800": 1}],
)
def test_data_that_json_cannot_carry_is_replaced_and_the_event_is_kept(tmp_path: Path, data: Any) -> None:
    log = opened(tmp_path)
    log.append(AT, "test.happened", "me", data)
    assert log.flush()
    assert [r.type for r in opened(tmp_path).after(0)] == ["test.happened"]


def test_data_nested_without_end_is_replaced() -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    assert data_text(endless) == '{"unencodable": "nested more than 50 levels deep"}'


def test_the_log_tells_whether_the_disk_agrees_with_memory(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert log.is_consistent()
    fill(log, 3)
    assert log.is_consistent()
    newest(tmp_path).write_bytes(b"")
    assert not log.is_consistent()
