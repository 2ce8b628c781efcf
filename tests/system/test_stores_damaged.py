"""Garbage in every file of a home: the next start repairs or restores it, says so, and the tree comes up whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grace_actors.home import Home
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SMALL = ("instance.json", "lock", "api.json", "history")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was used and stopped in order; every test damages a copy."""
    running = Running(tmp_path_factory.mktemp("used") / "home")
    try:
        running.wait_running()
        for number in range(3):
            ask(running, "append", entry(n=number))
        pid = running.node("sandbox")["pid"]
        running.call("restart", name="sandbox")
        running.wait_new_pid("sandbox", pid)
        assert running.stop() == 0
    finally:
        running.close()
    return running.home.root


def entry(n: int) -> dict[str, object]:
    return {"actor": "test", "action": "note", "resource": "disk", "payload": {"n": n}}


def ask(running: Running, verb: str, args: dict[str, object]) -> dict[str, object]:
    """Ask the immutable log."""
    value: dict[str, object] = running.client.call("ask", {"name": "immutable_log", "verb": verb, "args": args})
    return value


def spoil(path: Path, how: str) -> None:
    size = path.stat().st_size
    match how:
        case "empty":
            os.truncate(path, 0)
        case "truncated":
            os.truncate(path, size // 2)
        case "random":
            path.write_bytes(os.urandom(max(100, min(size, 65536))))
        case "flipped":
            data = bytearray(path.read_bytes())
            if data:
                data[len(data) // 2] ^= 0xFF
            path.write_bytes(bytes(data))


def stored(home: Path) -> list[Path]:
    """Everything an instance wrote that the next one reads."""
    found = [home / name for name in SMALL if (home / name).exists()]
    for folder in ("snapshots", "data", "config"):
        found += [path for path in sorted((home / folder).rglob("*")) if path.is_file()]
    return found


@pytest.mark.parametrize("how", ["empty", "truncated", "random", "flipped"])
def test_every_file_may_be_damaged_and_the_tree_still_comes_up(
    start: Callable[..., Running], used: Path, tmp_path: Path, how: str
) -> None:
    shutil.copytree(used, tmp_path / "home", symlinks=True)
    files = stored(tmp_path / "home")
    assert len(files) > 15
    for path in files:
        spoil(path, how)
    running = start()
    status = running.wait_running()
    assert status["kernels"]["running"] == 21
    said = {event["type"] for event in running.events(limit=1000)}
    assert said & {"snapshot.damaged", "store.restored", "store.recreated"} or how == "flipped", said
    assert running.stop() == 0


def test_stale_sockets_and_leftovers_of_a_killed_instance_are_no_obstacle(
    start: Callable[..., Running], used: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(used, home, symlinks=True)
    (home / "run" / "s").mkdir(exist_ok=True)
    for name in ("control.sock", "s/admin", "s/123.1"):
        (home / "run" / name).write_bytes(b"garbage")
    for name in ("snapshots/.status.snap.1.tmp", "instance.1.tmp", "data/status/events/garbage.jsonl"):
        (home / name).write_bytes(os.urandom(100))
    running = start()
    assert running.wait_running()["kernels"]["running"] == 21


@pytest.mark.parametrize("what", ["control.sock", "instance.json", "lock"])
def test_a_directory_where_a_file_belongs_is_told_and_nothing_is_started(
    start: Callable[..., Running], tmp_path: Path, what: str
) -> None:
    home = Home(tmp_path / "home")
    path = home.create().control_socket if what == "control.sock" else home.root / what
    (path / "below").mkdir(parents=True)
    running = start()
    assert running.process.wait(60) == 1
    assert "Traceback" not in running.output.read_text()
    assert what in running.output.read_text() or str(running.home.root) in running.output.read_text()


def test_the_records_of_the_immutable_log_survive_a_kill_of_everything(
    start: Callable[..., Running], used: Path, tmp_path: Path
) -> None:
    shutil.copytree(used, tmp_path / "home", symlinks=True)
    running = start()
    running.wait_running()
    before = ask(running, "verify", {})["records_checked"]
    assert before >= 3
    ask(running, "append", entry(n=4))
    running.kill(running.process.pid)
    wait_for(lambda: not running.leftovers(), "everything gone")
    again = start(name="home")
    again.wait_running()
    found = ask(again, "verify", {})
    assert found["ok"] and found["records_checked"] >= before + 1
