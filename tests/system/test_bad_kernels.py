"""Kernels that misbehave in every hook: bounded by the limits of the tree file, told truly, siblings unharmed."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grace_actors.console.errors import RemoteFailed
from tests.harness.bad_kernels import mood_file
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(300)]

FAILS = {
    # name: (hook, deed, reason in which the last exit must be told)
    "init_raises": ("init", "raise", r"ValueError: boom"),
    "init_sys_exits": ("init", "sys_exit", r"SystemExit: no more"),
    "init_exits_0": ("init", "exit0", r"normal"),
    "restore_raises_a_refusal": ("restore", "refuse", r"Refused: not today"),
    "setup_raises": ("setup", "raise", r"ValueError: boom"),
    "setup_refuses": ("setup", "refuse", r"Refused: not today"),
    "setup_recurses": ("setup", "recurse", r"RecursionError: .*"),
    "setup_segfaults": ("setup", "segfault", r"SIGSEGV"),
    "setup_aborts": ("setup", "abort", r"SIGABRT"),
    "setup_exits_3": ("setup", "exit3", r"exit 3"),
    "setup_blocks": ("setup", "block", r"not ready within 3 s"),
    "setup_blocks_sigterm": ("setup", "ignore_sigterm_and_block", r"not ready within 3 s"),
    "ready_raises": ("ready", "raise", r"ValueError: boom"),
    "ready_is_nonsense": ("ready", "nonsense", r"TypeError: .*"),
    "check_fails": ("check", "none", r"NotReady: mood: in a bad mood"),
    "timer_raises": ("timer", "raise", r"ValueError: boom"),
    "timer_exits_0": ("timer", "exit0", r"normal"),
    "timer_sys_exits_0": ("timer", "sys_exit_0", r"normal"),
    "timer_is_out_of_memory": ("timer", "memory_error", r"MemoryError"),
    "timer_kills_itself": ("timer", "interrupt", r"SIGKILL"),
    "does_raises": ("does", "raise", r"ValueError: boom"),
    "does_is_unpicklable": ("does", "unpicklable", r"TypeError: .*pickle.*|hung"),
}
LIMITS = """
    budget: {intensity: 1, period: 300s}
    backoff: {min: 10ms, max: 20ms}
    heartbeat: {interval: 500ms, misses: 4}
    start_timeout: 3s
    shutdown: 1s
    on_exhausted: quarantine
"""
TREE = f"""
schema: grace.tree/1
name: bad
strategy: one_for_one
intensity: 500
period: 60s
startup: parallel
defaults:{LIMITS}
children:
  - {{id: prompter, kernel: "tests.harness.bad_kernels:Prompter", start_timeout: 30s,
      budget: {{intensity: 99, period: 60s}}}}
  - {{id: sibling, kernel: "tests.harness.bad_kernels:Counter", start_timeout: 30s}}
  - {{id: worker, kernel: "tests.harness.bad_kernels:Moody", start_timeout: 30s, heartbeat: {{interval: 5s, misses: 4}},
      budget: {{intensity: 99, period: 60s}}}}
"""


def child(name: str, hook: str, deed: str, more: str = "") -> str:
    return (
        f'  - {{id: {name}, kernel: "tests.harness.bad_kernels:Moody", with: {{hook: {hook}, deed: {deed}}}{more}}}\n'
    )


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One instance with every kernel of FAILS, all behaving at first but the one that fails from the beginning."""
    folder = tmp_path_factory.mktemp("bad")
    text = TREE + "".join(child(name, hook, deed) for name, (hook, deed, _) in FAILS.items())
    text += child("stop_blocks", "stop", "block") + child("stop_ignores", "stop", "ignore_sigterm_and_block")
    text += child("stop_raises", "stop", "raise") + child("snapshot_is_odd", "snapshot", "unpicklable")
    text += child("forks", "setup", "fork", ", budget: {intensity: 99, period: 60s}")
    text += child("has_threads", "setup", "threads", ", budget: {intensity: 99, period: 60s}")
    text += child("hangs", "timer", "block", ", budget: {intensity: 1, period: 300s}")
    tree = folder / "tree.yaml"
    tree.write_text(text)
    (folder / "home" / "config").mkdir(parents=True)
    for name in ("forks", "has_threads"):
        mood_file(folder / "home", name).touch()
    running = Running(folder / "home", tree)
    try:
        running.wait_running()
        yield running
    finally:
        running.close()


def ask(running: Running, to: str, verb: str, timeout_s: float = 10.0, **args: Any) -> dict[str, Any]:
    """Have the prompter ask a kernel; its whole answer."""
    config = running.home.root / "config"
    draft, order = config / "draft", config / f"ask-{to}-{verb}.json"
    draft.write_text(json.dumps({"to": to, "verb": verb, "args": args, "timeout_s": timeout_s}))
    answer = order.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    draft.replace(order)
    wait_for(answer.exists, f"an answer of {to} to {verb}")
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def state_of(running: Running, name: str) -> str:
    return str(running.nodes().get(name, {}).get("state"))


def arm(running: Running, name: str) -> Path:
    path = mood_file(running.home.root, name)
    path.touch()
    return path


def in_state(running: Running, name: str, state: str) -> dict[str, Any]:
    wait_for(lambda: state_of(running, name) == state, f"{name} {state}, is {running.nodes().get(name)}", step_s=0.1)
    return running.node(name)


def test_a_kernel_that_escalates_at_the_first_start_is_named_and_ends_the_boot(start: Any, tmp_path: Path) -> None:
    tree = tmp_path / "tree.yaml"
    tree.write_text(TREE + child("hopeless", "init", "raise", ", on_exhausted: escalate"))
    (tmp_path / "home" / "config").mkdir(parents=True)
    mood_file(tmp_path / "home", "hopeless").touch()
    running = start(tree)
    assert running.process.wait(60) == 1
    output = running.output.read_text()
    assert "hopeless" in output and "ValueError: boom" in output


def test_every_failing_kernel_is_restarted_quarantined_with_its_true_reason_and_revived(bad: Running) -> None:
    sibling = in_state(bad, "sibling", "running")["pid"]
    for name, (hook, _, _) in FAILS.items():
        in_state(bad, name, "running")
        arm(bad, name)
        if hook not in ("timer", "does"):
            with contextlib.suppress(RemoteFailed):  # told at once when the first attempt fails
                bad.call("restart", name=name)
    for name, (_, _, reason) in FAILS.items():
        node = in_state(bad, name, "quarantined")
        assert re.fullmatch(reason, node["last_exit"]["reason"], re.DOTALL), (name, node["last_exit"])
        assert node["pid"] is None
    for name in FAILS:
        mood_file(bad.home.root, name).unlink()
        bad.call("start", name=name)
    for name in FAILS:
        in_state(bad, name, "running")
    assert bad.node("sibling")["pid"] == sibling


def test_a_kernel_that_blocks_is_found_hung_by_its_heartbeat_and_quarantined(bad: Running) -> None:
    path = arm(bad, "hangs")
    assert in_state(bad, "hangs", "quarantined")["last_exit"]["reason"] == "hung"
    path.unlink()
    bad.call("start", name="hangs")
    in_state(bad, "hangs", "running")


@pytest.mark.parametrize("name", ["stop_blocks", "stop_ignores", "stop_raises", "snapshot_is_odd"])
def test_a_kernel_that_will_not_stop_in_order_is_ended_at_its_limit(bad: Running, name: str) -> None:
    pid = in_state(bad, name, "running")["pid"]
    path = arm(bad, name)
    bad.call("stop", name=name)
    in_state(bad, name, "stopped")
    assert not psutil.pid_exists(pid)
    path.unlink()
    bad.call("start", name=name)
    in_state(bad, name, "running")


def test_forks_and_threads_of_a_kernel_end_with_it(bad: Running) -> None:
    for name in ("forks", "has_threads"):
        pid = in_state(bad, name, "running")["pid"]
        below = psutil.Process(pid).children(recursive=True)
        assert len(below) == (0 if name == "has_threads" else 4), below
        bad.kill(pid)
        bad.wait_new_pid(name, pid)
        wait_for(lambda below=below: not any(p.is_running() and p.status() != "zombie" for p in below), f"{below} gone")
        pid = bad.node(name)["pid"]
        below = psutil.Process(pid).children(recursive=True)
        bad.call("restart", name=name)
        bad.wait_new_pid(name, pid)
        wait_for(lambda below=below: not any(p.is_running() and p.status() != "zombie" for p in below), f"{below} gone")


CRASHES = {
    "raise": r"ValueError: boom",
    "exit0": r"normal",
    "exit3": r"exit 3",
    "sys_exit": r"SystemExit: no more",
    "sys_exit_0": r"normal",
    "segfault": r"SIGSEGV",
    "recurse": r"RecursionError: .*",
    "memory_error": r"MemoryError",
    "abort": r"SIGABRT",
    "close_everything": r".+",
}


@pytest.mark.parametrize("deed", CRASHES)
def test_a_handler_that_breaks_ends_its_kernel_alone_with_the_true_reason(bad: Running, deed: str) -> None:
    pid, sibling = in_state(bad, "worker", "running")["pid"], bad.node("sibling")["pid"]
    assert ask(bad, "worker", "do", deed=deed)["error"]["code"] == "died"
    node = bad.wait_new_pid("worker", pid)
    assert re.fullmatch(CRASHES[deed], node["last_exit"]["reason"], re.DOTALL), node["last_exit"]
    assert bad.node("sibling")["pid"] == sibling


@pytest.mark.parametrize("deed", ["unpicklable", pytest.param("huge", marks=pytest.mark.slow)])
def test_an_answer_that_cannot_be_sent_leaves_a_kernel_that_answers_the_next_question(bad: Running, deed: str) -> None:
    in_state(bad, "worker", "running")
    answer = ask(bad, "worker", "do", deed=deed)
    assert answer["error"]["code"] == "world_failed"
    assert "cannot send its answer" in answer["error"]["message"]
    assert ask(bad, "worker", "do", deed="none")["ok"]


@pytest.mark.parametrize("deed", ["refuse", "garbage", "none", "set", "leak", "threads"])
def test_a_handler_that_refuses_prints_garbage_or_answers_oddly_keeps_its_kernel(bad: Running, deed: str) -> None:
    pid = in_state(bad, "worker", "running")["pid"]
    answer = ask(bad, "worker", "do", deed=deed)
    assert answer["ok"] == (deed != "refuse")
    assert bad.node("worker")["pid"] == pid


def test_a_leaking_kernel_is_recycled_by_the_policy_of_its_supervisor(start: Any, tmp_path: Path) -> None:
    tree = tmp_path / "tree.yaml"
    tree.write_text(
        "schema: grace.tree/1\nname: bad\nstrategy: one_for_one\nintensity: 9\nperiod: 60s\n"
        "policies:\n  - recycle: {max_memory_mb: 120}\n"
        "defaults: {heartbeat: {interval: 300ms, misses: 30}}\nchildren:\n" + child("leaks", "timer", "leak")
    )
    running = start(tree)
    running.wait_running()
    pid = running.node("leaks")["pid"]
    path = arm(running, "leaks")
    running.wait_new_pid("leaks", pid)
    path.unlink()
    wait_for(lambda: running.events(type="child.recycled") or running.events(type="*recycl*"), "an event says so")
    assert not running.events(type="child.hung")
