"""A child's last words: the report and the proof that everyone below is gone."""

from __future__ import annotations

import os
import time

from grace_actors.birth import LastWords, write_report
from grace_actors.incarnation import reason_of
from supervisors.messages import Exit, ExitKind


def test_a_report_is_read_as_it_was_written() -> None:
    words = LastWords()
    write_report(words.write_fd, Exit(ExitKind.CRASH, "ValueError: bad port", "trace"))
    words.forked()
    assert words.everyone_gone()
    assert words.report() == Exit(ExitKind.CRASH, "ValueError: bad port", "trace")
    words.close()


def test_a_child_that_said_nothing_has_no_report() -> None:
    words = LastWords()
    words.forked()
    assert words.everyone_gone()
    assert words.report() is None
    words.close()


def test_a_long_detail_keeps_its_end_and_never_blocks_the_dying() -> None:
    words = LastWords()
    write_report(words.write_fd, Exit(ExitKind.CRASH, "E", "x" * 1_000_000 + "the end"))
    words.forked()
    words.everyone_gone()
    report = words.report()
    assert report is not None
    assert report.detail.endswith("the end")
    words.close()


def test_a_grandchild_that_lives_keeps_the_child_from_counting_as_gone() -> None:
    words = LastWords()
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:  # the grandchild: lives until the pipe is closed
        os.close(release)
        os.read(hold, 1)
        os._exit(0)
    os.close(hold)
    words.forked()
    assert not words.everyone_gone()
    os.close(release)
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 10
    while not words.everyone_gone():
        assert time.monotonic() < deadline
    words.close()


def test_garbage_in_the_pipe_is_a_crash_with_an_unreadable_report() -> None:
    words = LastWords()
    os.write(words.write_fd, b"\xc1garbage")
    words.forked()
    words.everyone_gone()
    report = words.report()
    assert report is not None
    assert report.kind is ExitKind.CRASH
    words.close()


def test_a_signal_gives_its_name_and_a_status_its_number() -> None:
    assert reason_of(-9) == Exit(ExitKind.KILLED, "SIGKILL")
    assert reason_of(3).reason == "exit 3"
    assert reason_of(3).kind is ExitKind.CRASH
    assert reason_of(0).kind is ExitKind.NORMAL
