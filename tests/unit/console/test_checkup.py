"""The parts of doctor that look at processes and the home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grace_actors.console.checkup import leftovers, local_checks
from grace_actors.console.out import Out
from grace_actors.home import MARK, Home


def proc(tmp_path: Path, **marks: str) -> Path:
    """A /proc with one process for each mark, numbered from 2000000001."""
    for number, (name, mark) in enumerate(marks.items(), 2_000_000_001):
        entry = tmp_path / "proc" / str(number)
        entry.mkdir(parents=True)
        (entry / "environ").write_bytes(b"A=1\0" + (f"{MARK}={mark}\0".encode() if mark else b""))
        (entry / "comm").write_text(f"{name}\n")
    (tmp_path / "proc" / "meminfo").write_text("")
    return tmp_path / "proc"


def test_processes_whose_guard_is_dead_are_left_over(tmp_path: Path, root: Path) -> None:
    home = Home(root).create()
    found = proc(
        tmp_path, dead=f"{home.root}:17", plain=str(home.root), other="/other:17", longer=f"{home.root}2:17", none=""
    )
    assert leftovers(home, found) == {2_000_000_001: "dead", 2_000_000_002: "plain"}


def test_processes_of_the_running_instance_are_not_left_over(tmp_path: Path, root: Path) -> None:
    home = Home(root).create()
    found = proc(tmp_path, mine=f"{home.root}:{os.getpid()}", before=f"{home.root}:17", plain=str(home.root))
    with home.acquire():
        assert leftovers(home, found) == {2_000_000_002: "before"}


def test_real_process_that_outlived_its_guard_is_found(root: Path) -> None:
    home = Home(root).create()
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={**os.environ, MARK: f"{home.root}:1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert list(leftovers(home)) == [child.pid]
        child.communicate(b"\n")


def test_home_others_may_write_to_fails_with_the_command_that_helps(root: Path) -> None:
    home = Home(root).create()
    home.root.chmod(0o777)
    check = next(check for check in local_checks(home, Out()) if check["name"] == "home")
    assert not check["ok"]
    assert f"chmod go-w {home.root}" in check["detail"]


def test_full_disk_fails_with_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_actors.console.checkup.MIN_FREE_BYTES", 10**18)
    check = next(check for check in local_checks(Home(tmp_path), Out()) if check["name"] == "disk")
    assert not check["ok"]
    assert "needs 1e+09 GB" in check["detail"]
