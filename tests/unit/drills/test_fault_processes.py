"""Processes of faults: they do what they are for, end when told, and never outlive who started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from grace_actors.drills import burners, marked
from grace_actors.drills.records import Records
from grace_actors.drills.undoing import undo_left
from grace_actors.home import Home
from tests.harness.instance import wait_for
from tests.unit.drills.mortal import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    left = [pid for record in Records(tmp_path).all() for pid in marked.find(record.id)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def busy_s(pids: list[int]) -> float:
    return sum(psutil.Process(pid).cpu_times().user for pid in pids)


def test_burning_keeps_cores_busy_until_it_is_undone(stage: Stage) -> None:
    done = stage.inject("burn", "host", cores=2, seconds=60)
    assert (done.ok, done.data) == (True, {"processes": 2})
    pids = marked.find(done.record)
    assert len(pids) == 2
    before = busy_s(pids)
    wait_for(lambda: busy_s(pids) > before + 0.05, "they burn")
    assert {os.getpgid(pid) for pid in pids} == set(pids)
    assert {psutil.Process(pid).nice() for pid in pids} == {burners.NICE}
    assert stage.undo(done.record).ok
    assert marked.find(done.record) == []


def test_ballast_holds_so_much_memory_when_it_is_told(stage: Stage) -> None:
    done = stage.inject("ballast", "host", mb=64, seconds=60)
    (pid,) = marked.find(done.record)
    assert psutil.Process(pid).memory_info().rss > 64_000_000
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    assert stage.undo(done.record).ok


def test_their_time_ends_them(stage: Stage) -> None:
    done = stage.inject("burn", "host", cores=1, seconds=3)
    stage.bench.advance(3.0)
    assert (marked.find(done.record), stage.state(done.record)) == ([], "undone")


def test_a_process_that_ends_before_its_time_ends_the_fault(stage: Stage) -> None:
    done = stage.inject("ballast", "host", mb=1, seconds=60)
    os.kill(marked.find(done.record)[0], signal.SIGKILL)
    wait_for(lambda: stage.bench.poll(0.1) and stage.bench.types()[-1] == "fault.undone", "it is told", 10.0)
    assert stage.bench.events[-1][2]["by"] == "its processes have ended"


def test_stress_ng_burns_where_there_is_one(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in notes how it was called, then stays."""
    program = tmp_path / "bin" / "stress-ng"
    program.parent.mkdir()
    called = tmp_path / "called"
    program.write_text(f'#!/bin/sh\necho "$@" > {called}.new\nmv {called}.new {called}\nexec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    done = stage.inject("burn", "host", cores=2, seconds=10)
    assert done.ok
    wait_for(called.exists, "it was called", 10.0)
    assert called.read_text() == "--quiet --cpu 2 --timeout 15s\n"
    assert stage.undo(done.record).ok


def test_a_program_that_cannot_be_started_is_an_outcome(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burners, "_ALONE", ("/no/such/python", "-c"))
    done = stage.inject("burn", "host", cores=1)
    assert not done.ok
    assert "no process could be started" in done.message
    assert stage.state(done.record) == "undone"


def test_a_program_that_ends_before_it_has_begun_is_an_outcome(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burners, "_HOLD", "raise SystemExit(3)")
    done = stage.inject("ballast", "host", mb=1)
    assert (done.ok, "status 3" in done.message) == (False, True)


def test_what_is_undone_before_it_has_begun_is_told_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burners, "_HOLD", "import time; time.sleep(60)")
    found = stage.begin("ballast", "host", mb=1)
    assert found == []
    (undone,) = stage.undo_all()
    assert undone.ok
    stage.bench.advance(0.0)
    assert (found[0].ok, "before it had begun" in found[0].message) == (False, True)
    assert marked.find(undone.record) == []


RUNNER = """
import sys
from pathlib import Path
from tests.unit.drills.mortal import Stage
stage = Stage(Path(sys.argv[1]))
(stage.home / "api.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
for fault, target, params in (
    ("burn", "host", {"cores": 2}), ("ballast", "host", {"mb": 8}), ("toxic", "api_server", {})
):
    print(stage.inject(fault, target, **params).record, flush=True)
sys.stdin.read()
"""


def test_they_die_with_the_runner_even_if_it_is_killed(stage: Stage) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(stage.home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        assert runner.stdout is not None
        ids = [runner.stdout.readline().decode().strip() for _ in range(3)]
        pids = [pid for id in ids for pid in marked.find(id)]
        assert len(pids) == 4
    finally:
        runner.kill()
        runner.communicate()
    wait_for(lambda: not any(marked.find(id) for id in ids), "all are gone", 5.0)
    assert {told["fault"] for told in undo_left(stage.home)} == {"burn", "ballast", "toxic"}
    assert json.loads((stage.home / "api.json").read_text())["url"] == "http://127.0.0.1:9"


# ---- in front of the API ----------------------------------------------------------------------------------


def test_who_looks_up_the_address_finds_the_proxy_until_it_is_undone(stage: Stage) -> None:
    api = stage.home / "api.json"
    api.write_text('{"url": "http://127.0.0.1:9", "pid": 1}\n')
    before = api.read_bytes()
    done = stage.inject("toxic", "api_server", toxic="latency", latency=50, seconds=60)
    url = Home(stage.home).api_url()
    assert (done.ok, url != "http://127.0.0.1:9") == (True, True)
    assert len(marked.find(done.record)) == 1
    (undone,) = stage.undo_all()
    assert (undone.ok, api.read_bytes(), marked.find(done.record)) == (True, before, [])


def test_an_api_server_that_came_back_has_healed_it(stage: Stage) -> None:
    api = stage.home / "api.json"
    api.write_text('{"url": "http://127.0.0.1:9", "pid": 1}\n')
    done = stage.inject("toxic", "api_server", toxic="down")
    api.write_text('{"url": "http://127.0.0.1:10", "pid": 2}\n')
    assert stage.undo(done.record).ok
    assert json.loads(api.read_text())["pid"] == 2
