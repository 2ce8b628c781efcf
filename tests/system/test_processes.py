"""OS processes as children: readiness, output, stopping, dying; and nothing of them outlives its actor."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grace_actors.console.errors import RemoteFailed
from tests.harness.instance import ROOT, Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

HEAD = """
schema: grace.tree/1
name: procs
strategy: one_for_one
intensity: 200
period: 60s
startup: parallel
defaults:
  budget: {intensity: 2, period: 300s}
  backoff: {min: 10ms, max: 20ms}
  start_timeout: 20s
  shutdown: 1s
  heartbeat: {interval: 500ms, misses: 8}
  on_exhausted: quarantine
children:
"""
MANY = ", budget: {intensity: 99, period: 60s}"


def service(name: str, *words: str, more: str = "") -> str:
    command = json.dumps([sys.executable, str(ROOT / "tests" / "harness" / "service.py"), *words])
    return f"  - {{id: {name}, command: {command}{more}}}\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def procs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("procs")
    tcp, http, go = free_port(), free_port(), str(folder / "go")
    text = HEAD + "".join((
        service("plain", "forever", more=MANY),
        service("by_tcp", f"wait={go}-tcp", f"tcp={tcp}", "forever", more=f", ready: {{tcp: {tcp}}}"),
        service("by_http", f"wait={go}-http", f"http={http}", "forever", more=f", ready: {{http: 'http://127.0.0.1:{http}/'}}"),
        service("by_line", "print=almost", f"wait={go}-line", "forever", more=", ready: {log_line: '^up$'}"),
        service("by_notify", "notify=STATUS:loading", f"wait={go}-notify", "notify=READY:1", "forever",
                more=", ready: {sd_notify: true}"),
        service("wants_int", "on=SIGINT", "forever", more=", ready: {log_line: up}, stop_signal: SIGINT"),
        service("stubborn", "ignore=SIGTERM", "child", "forever", more=", ready: {log_line: up}"),
        service("family", "child", "setsid", "forever", more=", ready: {log_line: up}" + MANY),
        service("talks", "print=first", "stderr=an error", "bytes=50000", "long=100000", "env=WHO", "cwd", "forever",
                more=", env: {WHO: grace}, cwd: sub, ready: {log_line: up}"),
        service("ends_badly", f"wait={go}-end", "unfinished=last words", "exit=3"),
        service("leaves_a_chatterer", f"wait={go}-chatter", "chatter", "exit=4"),
        service("rotates", "lines=20000", "forever", more=", log: {max_size: 20KB, keep: 2}, ready: {log_line: up}"),
        service("keeps_nothing", "lines=20000", "forever",
                more=", log: {max_size: 20KB, keep: 0}, ready: {log_line: up}"),
    ))  # fmt: skip
    (folder / "sub").mkdir()
    (folder / "tree.yaml").write_text(text)
    running = Running(folder / "home", folder / "tree.yaml")
    try:
        wait_for(lambda: running.nodes().get("plain", {}).get("state") == "running", "plain runs")
        for name in ("tcp", "http", "line", "notify"):
            wait_for(lambda name=name: running.nodes()[f"by_{name}"]["state"] == "starting", f"by_{name} starts")
        running.go = go  # type: ignore[attr-defined]
        yield running
    finally:
        running.close()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    def lives(process: psutil.Process) -> bool:
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:  # it ended between the two questions
            return False

    return [process for process in processes if lives(process)]


def log_of(running: Running, name: str) -> str:
    return running.home.log_file(name).read_text(errors="replace")


def in_state(running: Running, name: str, state: str) -> dict[str, Any]:
    wait_for(lambda: running.nodes().get(name, {}).get("state") == state, f"{name} {state}", step_s=0.1)
    return running.node(name)


@pytest.mark.parametrize("how", ["tcp", "http", "line", "notify"])
def test_a_process_is_ready_once_it_shows_it(procs: Running, how: str) -> None:
    assert procs.node(f"by_{how}")["state"] == "starting"
    Path(f"{procs.go}-{how}").touch()  # type: ignore[attr-defined]
    in_state(procs, f"by_{how}", "running")


def test_a_process_gets_its_own_stop_signal(procs: Running) -> None:
    in_state(procs, "wants_int", "running")
    procs.call("stop", name="wants_int")
    in_state(procs, "wants_int", "stopped")
    assert "got SIGINT" in log_of(procs, "wants_int")


def test_a_process_that_ignores_its_stop_signal_is_killed_at_the_limit_with_its_group(procs: Running) -> None:
    pid = in_state(procs, "stubborn", "running")["pid"]
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert len(family) == 2
    procs.call("stop", name="stubborn")
    in_state(procs, "stubborn", "stopped")
    wait_for(lambda: not alive(family), f"{family} gone")


@pytest.mark.parametrize("way", ["command", "runner", "restart", "stopped_runner"])
def test_children_and_sessions_of_a_process_end_with_it(procs: Running, way: str) -> None:
    pid = in_state(procs, "family", "running")["pid"]
    process = psutil.Process(pid)
    wait_for(lambda: len(process.children(recursive=True)) >= 3, "its whole family")
    runner = process.ppid()
    family = [process, *process.children(recursive=True)]
    match way:
        case "command":
            procs.kill(pid)
        case "runner":
            procs.kill(runner)
        case "restart":
            procs.call("restart", name="family")
        case "stopped_runner":
            psutil.Process(runner).suspend()
            wait_for(lambda: [e for e in procs.events(type="child.hung") if e["subject"] == "family"], "found hung")
    procs.wait_new_pid("family", pid)
    wait_for(lambda: not alive(family), f"{way}: {family} gone")


def test_what_a_process_prints_is_kept_line_by_line_whatever_it_is(procs: Running) -> None:
    in_state(procs, "talks", "running")
    lines = log_of(procs, "talks").split("\n")
    assert lines[0] == "first" and "an error" in lines
    assert "WHO=grace" in lines and str(procs.home.root.parent / "sub") in lines
    assert sum(len(line) for line in lines if set(line) == {"x"}) > 80_000
    assert procs.node("talks")["last_exit"] is None


def test_the_log_of_a_process_is_rotated_and_bounded(procs: Running) -> None:
    for name, files in (("rotates", 3), ("keeps_nothing", 1)):
        in_state(procs, name, "running")
        kept = sorted(procs.home.logs.glob(f"{name}.log*"))
        assert len(kept) == files
        assert all(path.stat().st_size <= 20_500 for path in kept)
        assert re.search(r"^line 19999$", log_of(procs, name), re.MULTILINE)


def test_an_exit_status_and_the_last_line_are_told(procs: Running) -> None:
    in_state(procs, "ends_badly", "running")
    Path(f"{procs.go}-end").touch()  # type: ignore[attr-defined]
    last = in_state(procs, "ends_badly", "quarantined")["last_exit"]
    assert (last["reason"], last["detail"]) == ("exit 3", "last words")
    with pytest.raises(RemoteFailed):
        procs.call("start", name="no_such_name")


def test_a_command_whose_child_goes_on_writing_still_ends(procs: Running) -> None:
    in_state(procs, "leaves_a_chatterer", "running")
    Path(f"{procs.go}-chatter").touch()  # type: ignore[attr-defined]
    assert in_state(procs, "leaves_a_chatterer", "quarantined")["last_exit"]["reason"] == "exit 4"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_killed_command_is_restarted_and_its_signal_told(procs: Running, signum: signal.Signals) -> None:
    pid = in_state(procs, "plain", "running")["pid"]
    psutil.Process(pid).send_signal(signum)
    assert procs.wait_new_pid("plain", pid)["last_exit"]["reason"] == signum.name


def test_a_paused_process_stands_still_and_goes_on(procs: Running) -> None:
    pid = in_state(procs, "plain", "running")["pid"]
    procs.call("pause", name="plain")
    wait_for(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it is stopped")
    in_state(procs, "plain", "paused")
    procs.call("resume", name="plain")
    wait_for(lambda: psutil.Process(pid).status() != psutil.STATUS_STOPPED, "it runs")
    assert in_state(procs, "plain", "running")["pid"] == pid
    procs.call("pause", name="plain")
    procs.call("restart", name="plain")
    wait_for(lambda: procs.node("plain")["pid"] not in (None, pid), "a new one, paused like the one before")
    in_state(procs, "plain", "paused")
    procs.call("resume", name="plain")
    in_state(procs, "plain", "running")


def test_a_hung_process_goes_on_after_its_time(procs: Running) -> None:
    pid = in_state(procs, "plain", "running")["pid"]
    procs.call("inject", fault="hang", target="plain", params={"seconds": 0.2})
    wait_for(lambda: psutil.Process(pid).status() != psutil.STATUS_STOPPED, "it runs again")
    for fault, params in (("crash", {"message": "x"}), ("leak", {"mb": 1})):
        with pytest.raises(RemoteFailed, match="OS process"):
            procs.call("inject", fault=fault, target="plain", params=params)
    assert procs.node("plain")["pid"] == pid


def test_a_command_that_does_not_exist_is_told_and_ends_the_boot(start: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text(HEAD + "  - {id: wrong, command: [no-such-program], on_exhausted: escalate}\n")
    running = start(tmp_path / "tree.yaml")
    assert running.process.wait(60) == 1
    assert "FileNotFoundError" in running.output.read_text() and "no-such-program" in running.output.read_text()


def test_a_home_with_a_long_path_still_serves_notify_sockets(start: Callable[..., Running], tmp_path: Path) -> None:
    words = service("by_notify", "notify=READY:1", "forever", more=", ready: {sd_notify: true}")
    (tmp_path / "tree.yaml").write_text(HEAD + words)
    start(tmp_path / "tree.yaml", name="h" * 120).wait_running()


def test_a_root_at_its_restart_limit_ends_the_program_with_status_1(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    command = "[sh, -c, 'sleep 0.2; exit 3']"
    (tmp_path / "tree.yaml").write_text(
        f"schema: grace.tree/1\nname: mine\nchildren:\n  - {{id: flaky, command: {command}}}\n"
    )
    running = start(tmp_path / "tree.yaml")
    assert running.process.wait(60) == 1
    assert "flaky: exit 3" in running.output.read_text()
