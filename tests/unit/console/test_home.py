"""The home of an instance: where it is, who holds it, what a killed one leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grace_actors.errors import Refused, WorldFailed
from grace_actors.home import DIRECTORIES, AlreadyRunning, Home, Instance

HOLDER = """
import sys
from pathlib import Path
from grace_actors.home import Home
lock = Home(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""
FORKING_HOLDER = """
import os, sys
from pathlib import Path
from grace_actors.home import Home
lock = Home(Path(sys.argv[1])).acquire()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, b"x")
    sys.stdin.read()
    os._exit(0)
os.read(read, 1)
print("held", flush=True)
os._exit(0)
"""


def hold(root: Path, program: str = HOLDER) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_flag_beats_environment_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home.resolve("flag", {"GRACE_HOME": "env"}).root == tmp_path / "flag"
    assert Home.resolve(None, {"GRACE_HOME": "env"}).root == tmp_path / "env"
    assert Home.resolve(None, {"GRACE_HOME": ""}).root == tmp_path / ".grace"


def test_resolved_home_is_absolute_and_does_not_move_with_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home.resolve("a/../b", {})
    monkeypatch.chdir("/")
    assert home.root == tmp_path / "b"


def test_looking_at_a_home_creates_nothing(root: Path) -> None:
    home = Home(root)
    assert (home.running_pid(), home.read_instance(), home.api_url()) == (None, None, None)
    assert not root.exists()


def test_created_directories_are_private(root: Path) -> None:
    home = Home(root).create()
    modes = {name: (home.root / name).stat().st_mode & 0o777 for name in DIRECTORIES}
    assert modes == dict.fromkeys(DIRECTORIES, 0o700)
    assert home.data_dir("librarian").stat().st_mode & 0o777 == 0o700


def test_home_that_cannot_be_made_is_a_failure_of_the_world_with_a_hint(root: Path) -> None:
    root.parent.joinpath("file").write_text("")
    with pytest.raises(WorldFailed) as caught:
        Home(root.parent / "file" / "home").create()
    assert "--home" in caught.value.hint


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\0b"])
def test_name_that_would_leave_the_directory_is_refused(root: Path, name: str) -> None:
    with pytest.raises(Refused):
        Home(root).log_file(name)
    with pytest.raises(Refused):
        Home(root).data_dir(name)


def test_control_socket_of_a_deep_home_is_short_private_and_the_same_for_everybody(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = Home(root / ("d" * 60) / ("e" * 60))
    before = deep.control_socket
    assert len(os.fsencode(before)) <= 107
    deep.create()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/somewhere/else")
    monkeypatch.setenv("TMPDIR", "/somewhere/else")
    assert deep.control_socket == before
    assert before.parent.stat().st_mode & 0o777 == 0o700
    assert Home(root / ("d" * 60) / ("f" * 60)).control_socket != before
    before.parent.rmdir()


def test_short_home_keeps_its_control_socket_inside(root: Path) -> None:
    assert Home(root).control_socket == root / "run" / "control.sock"


def test_second_holder_is_refused_and_told_the_pid_of_the_first(root: Path) -> None:
    holder = hold(root)
    with pytest.raises(AlreadyRunning) as caught:
        Home(root).acquire()
    assert caught.value.pid == holder.pid == Home(root).running_pid()
    assert str(holder.pid) in caught.value.message
    holder.communicate("")


def test_killed_holder_is_no_obstacle(root: Path) -> None:
    holder = hold(root)
    Home(root).write_instance(Instance(pid=holder.pid, started_at=1.0, version="0", home=str(root)))
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert Home(root).running_pid() is None
    with Home(root).acquire():
        assert Home(root).running_pid() == os.getpid()
    assert Home(root).running_pid() is None


def test_lock_is_not_kept_alive_by_a_fork_of_its_dead_holder(root: Path) -> None:
    holder = hold(root, FORKING_HOLDER)
    assert holder.wait() == 0
    with Home(root).acquire():
        pass
    holder.communicate("")


def test_instance_file_round_trips_and_is_replaced_as_a_whole(root: Path) -> None:
    home = Home(root).create()
    for tree in ("/a.yaml", ""):
        written = Instance(pid=7, started_at=12.5, version="0.1.0", home=str(root), tree=tree)
        home.write_instance(written)
        assert home.read_instance() == written
    assert [path.name for path in root.glob("*.tmp")] == []


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"pid": "x"}', b'{"pid": null, "started_at": 1}', b'{"pid":1}'],
)
def test_garbage_in_the_instance_file_is_no_obstacle(root: Path, garbage: bytes) -> None:
    home = Home(root).create()
    home.instance_file.write_bytes(garbage)
    assert home.read_instance() is None
    with home.acquire():
        assert home.running_pid() == os.getpid()


def test_api_url_is_read_where_the_api_wrote_it(root: Path) -> None:
    home = Home(root).create()
    home.api_file.write_text('{"url": "http://127.0.0.1:8000"}')
    assert home.api_url() == "http://127.0.0.1:8000"
    home.api_file.write_text('{"url": 8000}')
    assert home.api_url() is None
