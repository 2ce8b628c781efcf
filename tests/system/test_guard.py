"""The guard: refuses a second start, ends on every signal, and is survived by nothing; its system is recovered."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.instance import ROOT, Running, title, wait_for
from tests.system.test_processes import HEAD, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

FAMILY = HEAD + '  - {id: worker, kernel: "tests.harness.bad_kernels:Counter"}\n' + service(
    "family", "child", "setsid", "forever", more=", ready: {log_line: up}"
)  # fmt: skip


@pytest.fixture
def family(start: Callable[..., Running], tmp_path: Path) -> Running:
    (tmp_path / "family.yaml").write_text(FAMILY)
    running = start(tmp_path / "family.yaml")
    running.wait_running()
    return running


def below(running: Running) -> list[psutil.Process]:
    return psutil.Process(running.process.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def titled(running: Running, words: str) -> list[psutil.Process]:
    return [p for p in below(running) if words in title(p)]


@pytest.mark.parametrize("stopped", [[], ["worker"], ["runner"], ["system"], ["everything"]])
def test_a_killed_guard_leaves_nothing_whatever_stands_still(family: Running, stopped: list[str]) -> None:
    processes = below(family)
    nodes = family.nodes()
    chosen = {
        "worker": [psutil.Process(nodes["worker"]["pid"])],
        "runner": [psutil.Process(psutil.Process(nodes["family"]["pid"]).ppid())],
        "system": titled(family, "grace: system"),
        "everything": [p for p in processes if "undertaker" not in title(p)],
    }
    for process in [p for what in stopped for p in chosen[what]]:
        process.suspend()
    family.process.kill()
    wait_for(lambda: not alive(processes), f"left: {alive(processes)}", timeout_s=10.0)


def test_a_killed_undertaker_is_replaced(family: Running) -> None:
    old = titled(family, "grace: undertaker")[0]
    old.kill()
    wait_for(lambda: [p for p in titled(family, "grace: undertaker") if p.pid != old.pid], "another undertaker")
    processes = below(family)
    family.process.kill()
    wait_for(lambda: not alive(processes), f"left: {alive(processes)}", timeout_s=10.0)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_one_signal_ends_everything_in_order(family: Running, signum: signal.Signals) -> None:
    processes = below(family)
    family.process.send_signal(signum)
    assert family.process.wait(60) == 0
    assert not alive(processes)


def test_a_second_signal_forces_the_end(start: Callable[..., Running], tmp_path: Path) -> None:
    stubborn = HEAD + service("stubborn", "ignore=SIGTERM", "forever", more=", ready: {log_line: up}, shutdown: 3600s")
    (tmp_path / "stubborn.yaml").write_text(stubborn)
    running = start(tmp_path / "stubborn.yaml")
    running.wait_running()
    processes = below(running)
    running.process.send_signal(signal.SIGINT)
    wait_for(lambda: "stopping" in running.output.read_text(), "the stop has begun")
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 130
    assert not alive(processes)


@pytest.mark.parametrize("victim", ["grace: system", "GraceAdmin", "logger"])
def test_the_death_of_what_is_above_the_tree_is_recovered(family: Running, victim: str) -> None:
    pid, commands = family.node("worker")["pid"], [psutil.Process(family.node("family")["pid"])]
    commands += commands[0].children(recursive=True)
    titled(family, victim)[0].kill()
    family.wait_new_pid("worker", pid)
    wait_for(lambda: not alive(commands), f"left of the life before: {commands}")
    wait_for(lambda: family.events(type="system.recovered"), "the recovery is an event")
    family.wait_running()
    family.call("restart", name="worker")
    family.wait_running()
    assert family.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["GraceAdmin", "grace: system", "tree"])
def test_what_stands_still_above_the_tree_is_found_hung_and_recovered(family: Running, victim: str) -> None:
    root = family.call("status")["tree"]
    pid = family.node("worker")["pid"]
    (psutil.Process(root["pid"]) if victim == "tree" else titled(family, victim)[0]).suspend()
    family.client.timeout_s = 60.0
    family.wait_new_pid("worker", pid)
    family.wait_running()
    assert "does not answer" in family.output.read_text() or "silent" in family.output.read_text()


def test_a_killed_console_is_started_again_and_the_tree_unharmed(tmp_path: Path) -> None:
    (tmp_path / "family.yaml").write_text(FAMILY)
    home = tmp_path / "home"
    master, slave = pty.openpty()
    command = [sys.executable, str(ROOT / "run.py"), "--home", str(home), "--tree", str(tmp_path / "family.yaml")]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=tmp_path)
    os.close(slave)
    os.set_blocking(master, False)

    def consoles() -> list[psutil.Process]:
        with contextlib.suppress(OSError):
            while os.read(master, 65536):
                pass
        with contextlib.suppress(psutil.Error):
            return [p for p in psutil.Process(process.pid).children() if "grace: console" in title(p)]
        return []

    try:
        first = wait_for(consoles, "a console")[0]
        everything = psutil.Process(process.pid).children(recursive=True)
        first.kill()
        wait_for(lambda: [p for p in consoles() if p.pid != first.pid], "another console")
        assert len(alive([p for p in everything if p.pid != first.pid])) == len(everything) - 1
        everything = psutil.Process(process.pid).children(recursive=True)
        os.close(master)
        os.kill(process.pid, signal.SIGHUP)
        wait_for(lambda: process.poll() is not None, "the end after the terminal is gone")
        assert not alive(everything)
    finally:
        process.kill()
        process.wait()


BUS = """
  - {{id: publisher, kernel: "tests.harness.bad_kernels:Publisher", with: {{last: {last}}}, depends_on: [message_bus]}}
  - {{id: subscriber, kernel: "tests.harness.bad_kernels:Subscriber", depends_on: [message_bus]}}
"""


def test_durable_messages_arrive_in_order_and_whole_over_kills_of_all_three(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    last = 300
    bus = '  - {id: message_bus, kernel: "grace_actors.kernels.message_bus:MessageBus", with: {boot_rate_limit: 0}}\n'
    text = HEAD.replace("intensity: 2", "intensity: 99") + bus + BUS.format(last=last)
    (tmp_path / "bus.yaml").write_text(text)
    running = start(tmp_path / "bus.yaml")
    file = running.home.root / "data" / "subscriber" / "received"

    def received() -> list[int]:
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [int(json.loads(line)["payload"]["n"]) for line in lines if line.endswith(b"}")]

    for number, name in enumerate(["subscriber", "message_bus", "publisher"] * 3):
        wait_for(lambda number=number: len(set(received())) > number * 20, f"progress before kill {number}")
        pid: Any = wait_for(lambda name=name: running.nodes().get(name, {}).get("pid"), f"{name} lives")
        running.kill(pid)
    wait_for(lambda: len(set(received())) == last, f"all {last}, seen {len(set(received()))}")
    firsts = list(dict.fromkeys(received()))
    assert firsts == list(range(1, last + 1))
