"""A home on a disk that fills up: stores refuse and say why, nothing stored is lost, and all goes on with space."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grace_actors.console.errors import RemoteFailed
from tests.harness.instance import Running, wait_for, walk

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own. Skips where this user may not mount."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1300m", "tmpfs", str(path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path: Path) -> Path:
    """Use up every block; the file that holds them."""
    hog = path / "hog"
    with hog.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(path).free - (1 << 20))
        file.seek(0, os.SEEK_END)
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    return hog


def ask(running: Running, verb: str, args: dict[str, object]) -> dict[str, object]:
    """Ask the immutable log."""
    value: dict[str, object] = running.client.call("ask", {"name": "immutable_log", "verb": verb, "args": args})
    return value


def append(running: Running, n: int) -> dict[str, object]:
    args = {"actor": "test", "action": "note", "resource": "disk", "payload": {"n": n, "text": os.urandom(4000).hex()}}
    return ask(running, "append", args)


def test_a_full_disk_refuses_and_loses_nothing(disk: Path) -> None:
    running = Running(disk / "home")
    try:
        running.wait_running()
        append(running, 0)
        pids = {node["name"]: node["pid"] for node in running.nodes().values()}
        hog = fill(disk)
        refusals = []
        for n in range(1, 30):
            try:
                append(running, n)
            except RemoteFailed as error:
                refusals.append(str(error))
        assert refusals and any("full" in text or "space" in text for text in refusals), refusals
        kept = ask(running, "verify", {})
        assert kept["ok"], kept
        same = {node["name"]: node["pid"] for node in running.nodes().values()}
        assert same == pids, {name: (pids[name], same[name]) for name in pids if pids[name] != same.get(name)}
        running.call("restart", name="librarian")
        hog.unlink()
        wait_for(lambda: append_works(running), "appending goes on")
        status = running.wait_running()
        assert status["kernels"]["running"] == 21
        wait_for(lambda: all(check["ok"] for check in running.call("doctor")["checks"]), "doctor is content")
        wait_for(lambda: not [n for n in walk(running.status()["tree"]) if n["degraded"]], "nobody is degraded")
        assert running.stop() == 0
    finally:
        running.close()


def append_works(running: Running) -> bool:
    with contextlib.suppress(RemoteFailed):
        append(running, 99)
        return True
    return False


@pytest.mark.slow
def test_a_tree_survives_kills_on_a_full_disk(disk: Path) -> None:
    running = Running(disk / "home")
    try:
        running.wait_running()
        hog = fill(disk)
        for name in ("status", "immutable_log", "message_bus", "librarian", "memory_fusion", "governance"):
            pid = wait_for(lambda name=name: running.nodes().get(name, {}).get("pid"), f"{name} lives")
            running.kill(pid)
            with contextlib.suppress(RemoteFailed):  # it may be on its way back from the last one
                running.call("inject", fault="crash", target="sandbox", params={})
        assert running.process.poll() is None
        hog.unlink()
        for node in running.nodes().values():
            if node["state"] in ("awaiting_repair", "quarantined", "failed"):
                running.call("start", name=node["name"])
        running.wait_running()
        assert running.stop() == 0
    finally:
        running.close()


def test_a_start_on_a_full_disk_is_refused_with_the_reason(start: Callable[..., Running], disk: Path) -> None:
    output = disk.parent / "out"
    fill(disk)
    running = Running(disk / "home")
    try:
        assert running.process.wait(60) == 1
        assert "Traceback" not in running.output.read_text(), output
    finally:
        running.close()
