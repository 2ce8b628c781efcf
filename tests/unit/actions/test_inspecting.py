"""Running actors are looked into: stacks of a real process that is stuck, its memory, circles of waiting."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grace_actors.actions import inspecting
from grace_actors.errors import Refused
from grace_actors.kernel import LATER, Kernel, Request
from tests.unit.actions.stage import Answering, Stage

STUCK = """
    import faulthandler, signal, sys, time
    import setproctitle
    setproctitle.setproctitle(f"grace: librarian [{sys.argv[1]}]")
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    def going_round():
        print("ready", flush=True)
        while True:
            pass
    going_round()
"""


@pytest.fixture
def stuck(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the title of librarian that goes round in a loop; its log is that of librarian. The clock of the
    stage is virtual and the process is not: each look at the log takes its time."""
    look = inspecting._stacks

    def patient(log: Path, since: int) -> str:
        time.sleep(0.1)
        return look(log, since)

    monkeypatch.setattr(inspecting, "_stacks", patient)
    with (stage.home / "logs/librarian.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(STUCK), str(stage.home)], stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        stage.world.add("librarian", pid=process.pid)
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_stacks_of_a_stuck_actor_say_where_it_is(stage: Stage, stuck: subprocess.Popen[bytes]) -> None:
    result = stage.ok("capture_stack_trace", kernel="librarian")
    assert (result.data["value"], result.data["pid"]) == (1, stuck.pid)
    assert "in going_round" in result.data["stack"]
    assert result.data["stack"].startswith("Current thread")


def test_no_signal_is_sent_to_a_process_that_is_another_by_now(stage: Stage, stuck: subprocess.Popen[bytes]) -> None:
    stage.world.add("sandbox", pid=stuck.pid)
    assert "has no process" in stage.fails("capture_stack_trace", kernel="sandbox").message
    stage.world.add("window", kind="process", pid=stuck.pid)
    assert "is a process" in stage.fails("capture_stack_trace", kernel="window").message
    stage.world.add("scheduler", state="stopped", pid=None)
    assert "it is stopped" in stage.fails("capture_memory_profile", kernel="scheduler").message
    assert stuck.poll() is None


def test_the_memory_of_an_actor_is_measured_and_its_objects_counted_if_it_answers(
    stage: Stage, stuck: subprocess.Popen[bytes]
) -> None:
    silent = stage.ok("capture_memory_profile", kernel="librarian")
    assert (silent.data["objects"], silent.data["pid"]) == (None, stuck.pid)
    assert 0 < silent.data["value"] <= silent.data["rss_mb"]
    stage.bench.add("librarian", Answering, objects={"objects": 7, "types": {"builtins.dict": 7}})
    assert stage.ok("capture_memory_profile", kernel="librarian").data["types"] == {"builtins.dict": 7}


class Silent(Kernel):
    def handle(self, request: Request) -> object:
        return LATER


class Without(Kernel):
    def handle(self, request: Request) -> object:
        raise Refused("it has no such verb")


def wait_on(stage: Stage, name: str, *others: str, for_s: float = 60.0) -> None:
    stage.world.add(name)
    waits = [{"to": other, "verb": "x", "for_s": for_s} for other in others]
    stage.bench.add(name, Answering, waits={"waits": waits})


def test_kernels_that_wait_for_each_other_are_a_deadlock(stage: Stage) -> None:
    wait_on(stage, "coding_agent", "governance")
    wait_on(stage, "governance", "librarian", "coding_agent")
    wait_on(stage, "librarian")
    result = stage.fails("detect_deadlock", kernels=["coding_agent", "governance", "librarian"])
    assert "coding_agent waits for governance waits for coding_agent" in result.message
    assert (result.data["cycles"], result.data["silent"]) == ([["coding_agent", "governance"]], [])
    assert result.data["involved"] == ["coding_agent", "governance"]


def test_a_kernel_that_does_not_react_is_named(stage: Stage) -> None:
    wait_on(stage, "librarian", "sandbox")
    stage.world.add("sandbox")
    stage.bench.add("sandbox", Silent)
    result = stage.fails("detect_deadlock", kernels=["librarian", "sandbox"])
    assert (result.data["silent"], result.data["waits"]["librarian"][0]["to"]) == (["sandbox"], "sandbox")


def test_short_waits_and_actors_that_cannot_tell_are_no_deadlock(stage: Stage) -> None:
    wait_on(stage, "librarian", "sandbox", for_s=1.0)
    wait_on(stage, "sandbox", "librarian", for_s=1.0)
    stage.world.add("registry", kind="actor")
    stage.bench.add("registry", Without)
    assert stage.ok("detect_deadlock", kernels=["librarian", "sandbox", "registry"]).data["value"] == 0
    assert "there is no x" in stage.fails("detect_deadlock", kernels=["x"]).message
