"""The verb tail: the end of a log, with and without an instance, over rotation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.console.logs import following, last_lines
from grace_actors.home import Home

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def home(root: Path) -> Home:
    found = Home(root).create()
    found.log_file("message_bus").write_bytes(b"".join(b"line %d\n" % number for number in range(100)))
    return found


def test_last_lines_are_printed_without_an_instance(home: Home, capsys: Captured) -> None:
    assert dispatch(["tail", "message_bus", "-n", "2"], home) == 0
    assert capsys.readouterr().out == "line 98\nline 99\n"
    assert dispatch(["tail", "mess"], home) == 0
    assert len(capsys.readouterr().out.splitlines()) == 20


def test_json_names_the_file_and_its_lines(home: Home, capsys: Captured) -> None:
    assert dispatch(["tail", "message_bus", "-n", "1", "--json"], home) == 0
    path = str(home.log_file("message_bus"))
    assert json.loads(capsys.readouterr().out) == {"name": "message_bus", "file": path, "lines": ["line 99"]}


def test_zero_lines_are_none(home: Home, capsys: Captured) -> None:
    assert dispatch(["tail", "message_bus", "-n", "0"], home) == 0
    assert capsys.readouterr().out == ""


def test_unknown_log_names_the_nearest(home: Home, capsys: Captured) -> None:
    assert dispatch(["tail", "mesage_bus"], home) == 4
    assert "did you mean: message_bus?" in capsys.readouterr().err


def test_home_without_logs_says_where_it_looked(root: Path, capsys: Captured) -> None:
    assert dispatch(["tail", "message_bus"], Home(root)) == 4
    assert str(root / "logs" / "message_bus.log") in capsys.readouterr().err


def test_name_that_would_leave_the_log_directory_is_refused(root: Path, capsys: Captured) -> None:
    assert dispatch(["tail", "../instance"], Home(root)) == 5
    assert "cannot name a file" in capsys.readouterr().err


def test_bytes_that_are_no_text_are_shown_as_far_as_possible(home: Home, capsys: Captured) -> None:
    home.log_file("message_bus").write_bytes(b"a\xffb\r\n")
    assert dispatch(["tail", "message_bus"], home) == 0
    assert capsys.readouterr().out == "a\ufffdb\n"


def test_following_goes_over_rotation_without_losing_a_line(home: Home) -> None:
    path = home.log_file("message_bus")
    with path.open("rb") as file, path.open("ab") as writer:
        assert last_lines(file, 1) == ["line 99"]
        lines = following(path, file, poll_s=0.001)
        writer.write(b"new\n")
        writer.flush()
        assert next(lines) == "new"
        path.rename(path.with_suffix(".1"))
        writer.write(b"last of the old\n")
        writer.flush()
        path.write_bytes(b"first of the new\n")
        assert [next(lines), next(lines)] == ["last of the old", "first of the new"]
        path.write_bytes(b"cut\n")
        assert next(lines) == "cut"


def test_half_a_line_waits_for_its_end(home: Home) -> None:
    path = home.log_file("message_bus")
    with path.open("rb") as file, path.open("ab") as writer:
        last_lines(file, 0)
        lines = following(path, file, poll_s=0.001)
        writer.write(b"one\nha")
        writer.flush()
        assert next(lines) == "one"
        writer.write(b"lf\n")
        writer.flush()
        assert next(lines) == "half"


def test_an_empty_log_was_shown_without_a_word(home: Home, capsys: Captured) -> None:
    home.log_file("librarian").touch()
    assert dispatch(["tail", "librarian"], home) == 0
    found = capsys.readouterr()
    assert (found.out, found.err) == ("", "the log of librarian is empty\n")
