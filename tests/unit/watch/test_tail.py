"""Following logs: whatever happens to the files, each line comes once and in order."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_actors.kernels.watch import tail as module
from grace_actors.kernels.watch.tail import MOST_BEHIND_BYTES, PIECE_BYTES, ROUND_BYTES, LogTail
from grace_actors.line_log import LineLog
from tests.harness.examples import examples


def follow(directory: Path, **places: object) -> LogTail:
    """A follower that was there before."""
    made = LogTail(directory, lambda name: True)
    made.restore(places)
    return made


def lines(tail: LogTail, name: str = "shop") -> list[str]:
    """Everything new of one log, in one look."""
    found: list[str] = []
    if tail.look():
        while (piece := tail.read()) is not None:
            found += piece.lines if piece.name == name else []
    return found


def restarted(tail: LogTail) -> LogTail:
    """Another follower that took the places back, as from a snapshot."""
    made = LogTail(tail.directory, tail.is_wanted)
    made.restore(msgpack.unpackb(msgpack.packb(tail.as_data())))
    return made


def test_the_first_look_of_all_begins_at_the_ends(tmp_path: Path) -> None:
    (tmp_path / "shop.log").write_text("old\nhalf")
    tail = LogTail(tmp_path, lambda name: True)
    assert lines(tail) == []
    with (tmp_path / "shop.log").open("a") as log:
        log.write(" of a line\nnew\n")
    (tmp_path / "till.log").write_text("first\n")
    assert lines(tail) == ["new"]
    assert lines(tail, "till") == [] and tail.places["till"].offset == 6


def test_a_log_that_appears_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    tail = LogTail(tmp_path, lambda name: True)
    assert lines(tail) == []
    (tmp_path / "shop.log").write_text("first\n")
    assert lines(tail) == ["first"]
    assert lines(tail) == []


def test_a_restart_neither_repeats_nor_misses_a_line(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_text("a\nb\nun")
    tail = follow(tmp_path)
    assert lines(tail) == ["a", "b"]
    log.write_text("a\nb\nunfinished\nc\n")
    tail = restarted(tail)
    assert lines(tail) == ["unfinished", "c"]
    assert lines(restarted(tail)) == []


def test_a_line_without_an_end_is_taken_when_it_stays_so(tmp_path: Path) -> None:
    (tmp_path / "shop.log").write_text("no newline")
    tail = follow(tmp_path)
    assert [lines(tail) for _ in range(4)] == [[], [], ["no newline"], []]
    with (tmp_path / "shop.log").open("a") as log:
        log.write(" here\nnext\n")
    assert lines(tail) == [" here", "next"]


def test_rotation_loses_nothing_also_when_it_happens_more_than_once_between_two_looks(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "shop.log", 100, 3)
    tail = follow(tmp_path)
    written = [f"line number {n}" for n in range(25)]
    for text in written[:3]:
        log.write(text)
    found = lines(tail)
    for text in written[3:]:
        log.write(text)
    assert (tmp_path / "shop.log.3").exists()
    assert found + lines(tail) + lines(tail) == written


def test_a_truncated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_text("a long first line\n")
    tail = follow(tmp_path)
    assert lines(tail) == ["a long first line"]
    os.truncate(log, 0)
    assert lines(tail) == []
    with log.open("a") as file:
        file.write("a line that is longer than the first one was\n")
    assert lines(tail) == ["a line that is longer than the first one was"]
    log.write_text("written anew and longer than all that was there before\n")  # truncated and written in one moment
    assert lines(tail) == ["written anew and longer than all that was there before"]


def test_a_deleted_log_is_forgotten_and_a_new_one_of_the_name_read_whole(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_text("one\n")
    tail = follow(tmp_path)
    assert lines(tail) == ["one"]
    log.unlink()
    assert lines(tail) == [] and tail.places == {}
    log.write_text("two\n")
    assert lines(tail) == ["two"]
    log.unlink()
    log.write_text("three\n")  # with the same inode number on many file systems
    assert lines(tail) == ["three"]


def test_a_home_that_was_copied_is_followed_on(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_text("one of long ago\n")
    tail = follow(tmp_path)
    lines(tail)
    content = log.read_bytes()
    (tmp_path / "kept").write_bytes(b"")  # takes the inode number
    log.rename(tmp_path / "other")
    log.write_bytes(content + b"new\n")
    assert lines(tail) == ["new"]


def test_binary_garbage_and_very_long_lines_are_lines_of_some_kind(tmp_path: Path) -> None:
    long = b"x" * (3 * PIECE_BYTES)
    (tmp_path / "shop.log").write_bytes(b"\x00\xff\xfe\x80\r\n" + long + b"\nafter\n")
    found = lines(follow(tmp_path))
    assert found[0].startswith("\x00") and found[-1] == "after"
    assert [set(line) for line in found[1:-1]] == [{"x"}]  # its beginning; the rest is dropped
    assert len(found[1]) <= PIECE_BYTES


def test_a_round_reads_a_bounded_amount_and_each_log_has_its_turn(tmp_path: Path) -> None:
    line = "x" * 99 + "\n"
    (tmp_path / "loud.log").write_text(line * (4 * ROUND_BYTES // 100))
    (tmp_path / "quiet.log").write_text("here\n")
    tail = follow(tmp_path)
    assert tail.look()
    pieces = []
    while (piece := tail.read()) is not None:
        pieces.append(piece)
    assert (
        ROUND_BYTES - PIECE_BYTES
        <= sum(len(text) + 1 for piece in pieces for text in piece.lines)
        <= ROUND_BYTES + PIECE_BYTES
    )
    assert "quiet" in [piece.name for piece in pieces[:2]]
    assert lines(tail, "loud")  # on from there in the next round


def test_what_grows_faster_than_it_may_be_read_is_skipped_and_counted(tmp_path: Path) -> None:
    count = 2 * MOST_BEHIND_BYTES // 100
    (tmp_path / "shop.log").write_text("".join(f"{n:099}\n" for n in range(count)))
    tail = follow(tmp_path)
    tail.look()
    piece = tail.read()
    assert piece is not None
    assert piece.skipped == 100 * count - PIECE_BYTES
    assert int(piece.lines[-1]) == count - 1
    assert all(len(text) == 99 for text in piece.lines)  # no half line


def test_only_regular_files_that_are_wanted_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "secret").write_text("no log\n")
    (tmp_path / "link.log").symlink_to(tmp_path / "secret")
    (tmp_path / "dir.log").mkdir()
    (tmp_path / "own.log").write_text("x\n")
    (tmp_path / ".log").write_text("x\n")
    (tmp_path / "shop.logic").write_text("x\n")
    tail = LogTail(tmp_path, lambda name: name != "own")
    tail.restore({})
    assert not tail.look()
    assert tail.places == {}


def test_a_directory_that_cannot_be_read_is_a_problem_and_loses_no_place(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "shop.log").write_text("a\n")
    tail = follow(logs)
    lines(tail)
    logs.rename(tmp_path / "away")
    assert not tail.look()
    assert "cannot be read" in tail.problem
    (tmp_path / "away").rename(logs)
    assert (lines(tail), tail.problem) == ([], "")


@pytest.mark.parametrize("data", [{"a": 1}, {"a": [1, 2]}, {"a": ["x", 0, b"", False]}, 3])
def test_places_that_mean_nothing_are_refused(tmp_path: Path, data: object) -> None:
    with pytest.raises(ValueError, match="places in logs"):
        LogTail(tmp_path, lambda name: True).restore(data)


def test_nothing_new_costs_one_look_at_the_directory_and_opens_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(20):
        (tmp_path / f"{n}.log").write_text("a\n")
    tail = follow(tmp_path)
    lines(tail)
    opened: list[object] = []
    monkeypatch.setattr(module.os, "open", lambda *args: opened.append(args))
    assert not tail.look()
    assert opened == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 60)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=examples(60), deadline=None)
@given(steps=STEPS, size=st.integers(200, 600))
def test_each_line_of_a_rotated_log_comes_once_and_in_order(steps: list[tuple[str, int]], size: int) -> None:
    """As long as what is written between two looks fits into the files that are kept."""
    with tempfile.TemporaryDirectory() as folder:
        log, tail = LineLog(Path(folder) / "shop.log", size, 3), follow(Path(folder))
        written: list[str] = []
        found: list[str] = []
        since = 0
        for verb, length in [*steps, ("look", 0), ("look", 0)]:
            if verb == "write":
                written.append(f"{len(written)} {'x' * length}")
                log.write(written[-1])
                since += len(written[-1]) + 1
            if verb == "restart":
                tail = restarted(tail)
            if verb == "look" or since > size:
                found += lines(tail)
                since = 0
        log.close()
        assert found == written
