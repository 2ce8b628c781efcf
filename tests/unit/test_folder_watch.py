"""A change in a folder is told at once, whatever was there when it began."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grace_actors.folder_watch import FolderWatch
from tests.harness.kernels import Bench, BenchContext


class Looking:
    """A watch with the number of times it called."""

    def __init__(self, home: Path) -> None:
        self.bench, self.folder, self.calls = Bench(home), home / "folder", 0
        ctx = BenchContext(self.bench, "looker", home, home, {})
        self.watch = FolderWatch(ctx, self.folder, self.changed)
        self.watch.start()

    def changed(self) -> None:
        self.calls += 1

    def sees(self) -> bool:
        """Whether it called since the last time."""
        before, deadline = self.calls, time.monotonic() + 5.0
        while self.bench.poll(0.05) or (self.calls == before and time.monotonic() < deadline):
            pass
        return self.calls > before


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    looking = Looking(tmp_path)
    yield looking
    looking.watch.close()


def test_a_folder_that_is_made_later_is_watched_with_what_is_in_it(looking: Looking) -> None:
    looking.folder.mkdir()
    assert looking.sees()
    (looking.folder / "a.txt").write_text("1")
    assert looking.sees()


def test_writing_moving_and_deleting_in_it_and_below_are_told(looking: Looking) -> None:
    below = looking.folder / "deep" / "deeper"
    below.mkdir(parents=True)
    assert looking.sees()
    for act in (
        lambda: (below / "a").write_text("1"),
        lambda: (below / "a").rename(below / "b"),
        lambda: (below / "b").unlink(),
        lambda: shutil.rmtree(looking.folder),
    ):
        act()
        assert looking.sees()


def test_a_folder_that_takes_the_place_of_another_is_watched(looking: Looking) -> None:
    """It used not to be: the watch went along with the folder that was moved away."""
    looking.folder.mkdir()
    assert looking.sees()
    looking.folder.rename(looking.folder.parent / "old")
    assert looking.sees()
    looking.folder.mkdir()
    assert looking.sees()
    (looking.folder / "a").write_text("1")
    assert looking.sees()


def test_what_happens_beside_it_is_not_told(looking: Looking) -> None:
    looking.folder.mkdir()
    assert looking.sees()
    (looking.folder.parent / "beside").write_text("1")
    assert not looking.bench.poll(0.1)


def test_it_ends_once_and_a_second_time_does_no_harm(looking: Looking) -> None:
    looking.watch.close()
    looking.watch.close()
    assert not looking.bench.poll(0.0)
    assert looking.watch.problem == ""
