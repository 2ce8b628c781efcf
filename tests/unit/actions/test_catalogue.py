"""What holds for every action: it declares itself whole, predicts without effect, and fails instead of raising."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors import snapshots
from grace_actors.actions.catalogue import CATALOGUE, specs
from grace_actors.actions.table import markdown
from grace_actors.kernels.coding_agent import CodingAgent
from grace_actors.kernels.immutable_log import ImmutableLog
from grace_actors.kernels.librarian import Librarian
from grace_actors.kernels.memory_fusion import MemoryFusion
from grace_actors.kernels.message_bus import MessageBus
from grace_actors.stores import backups
from playbooks.params import problem_of
from playbooks.spec import ActionKind, ActionSpec, ParamType
from tests.contract.pages import page
from tests.unit.actions import props
from tests.unit.actions.stage import Answering, Stage
from tests.unit.actions.test_branches import FakePool
from tests.unit.actions.test_code import PLAYBOOK
from tests.unit.actions.test_files import CONTENT
from tests.unit.actions.test_host import TAG, dead_pid, left
from tests.unit.actions.test_indexes import write as write_index
from tests.unit.actions.test_stores import damage, write

SUM = hashlib.sha256(CONTENT).hexdigest()
MODEL = {"manifest": "models/manifest"}
CODE = {"directory": "project", "paths": ["good.py"]}
PARAMS: dict[str, dict[str, Any]] = {
    **props.PARAMS,
    "restart_kernel": {"kernel": "librarian"},
    "stop_kernel": {"kernel": "librarian"},
    "pause_kernel": {"kernel": "librarian"},
    "kernel_state": {"kernel": "librarian"},
    "restore_from_snapshot": {"kernel": "librarian"},
    "capture_store_snapshot": {"kernel": "scheduler"},
    "rebuild_search_index": {"kernel": "finder"},
    "reset_kernel_snapshot": {"kernel": "sandbox"},
    "force_restart_kernel": {"kernel": "librarian"},
    "restart_supervisor": {"supervisor": "execution"},
    "restart_staggered": {"kernels": ["librarian", "sandbox"], "stagger_s": 1.0},
    "update_acl_config": {"sender": "sandbox"},
    "inject_fault": {"kernel": "librarian"},
    "wait_for_event": {"type": "child.exited"},
    "capture_stack_trace": {"kernel": "librarian"},
    "capture_memory_profile": {"kernel": "librarian"},
    "detect_deadlock": {"kernels": ["sandbox"]},
    "scale_workers": {"supervisor": "pool", "workers": "+1"},
    "verify_kernel_store": {"kernel": "scheduler"},
    "wait_until_ready": {"kernel": "sandbox"},
    "start_kernel": {"kernel": "scheduler"},
    "resume_kernel": {"kernel": "meta_loop"},
    "restart_service": {"service": "window"},
    "verify_kernels_running": {"kernels": ["librarian"]},
    "verify_no_acl_violations": {"window_s": 1.0},
    "log": {"message": "x"},
    "alert": {"message": "x"},
    "create_work_order": {"description": "x"},
    "verify_files": {"manifest": "copies/manifest"},
    "restore_file": {**MODEL, "file": "m", "copies": "copies"},
    "run_tests": {**CODE, "paths": ["test_good.py"]},
    "run_lint": CODE,
    "run_type_check": CODE,
    "validate_playbook_files": {"directory": "pack"},
    "clear_temp_files": {"older_than_hours": 1.0},
    "check_disk_space": {"min_free_mb": 0.001},
    "verify_slo": {"kernel": "sandbox"},
    "run_smoke_tests": {"url": "http://127.0.0.1:1"},
}
FAILS_HERE = {"run_smoke_tests", "validate_endpoint", "capture_stack_trace", "capture_memory_profile"}
"""Nobody listens on that port, and no process is behind the played kernels; what these do is shown elsewhere."""
INSTALLS = "rollback_dependencies"
"""It needs an index of packages; what it does is shown elsewhere."""
READING = {
    *props.READING,
    *("status", "ready", "ping", "processes", "sample", "pressure"),
    *("stats", "drain", "verify", "address", "events", "waits", "objects", "acl"),
}


@pytest.fixture
def world(stage: Stage, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A tree and a home in which every action has something to do."""
    home = stage.home
    for name, state in (("librarian", "running"), ("sandbox", "running"), ("scheduler", "stopped")):
        stage.world.add(name, state=state)
    stage.world.add("meta_loop", state="paused")
    stage.world.add("window", kind="process")
    stage.world.add("finder", state="quarantined")
    stage.world.add("execution", kind="supervisor")
    stage.world.add("worker", kind="process")
    pool = [dict(stage.world.nodes["worker"])]
    stage.world.add("pool", kind="supervisor", strategy="dynamic", children=pool)
    stage.bench.add("pool", type("FakePool", (FakePool,), {"world": stage.world, "workers": ["worker"]}))
    write_index(home / "data/finder/finder.db", "oak")
    log = stage.bench.add("immutable_log", ImmutableLog)
    stage.bench.add("message_bus", MessageBus)
    stage.bench.add("memory_fusion", MemoryFusion)
    stage.bench.add("coding_agent", CodingAgent)
    measured = {"sample": {"memory_percent": 1, "disk_percent": 1}, "pressure": {"pressed": False, "resources": []}}
    stage.bench.add("infrastructure_manager", Answering, processes={"processes": []}, **measured)
    stage.bench.add("sandbox", Answering, ready={"checks": []}, ping={}, waits={"waits": []}).ready = list  # type: ignore[method-assign]
    write(home / "data/scheduler/jobs.db", 1)
    write(home / "data/librarian/library.db", 1)
    connection = sqlite3.connect(home / "data/librarian/library.db")
    backups.take(connection, home / "snapshots/stores/librarian", 1.0)
    connection.close()
    damage(home / "data/librarian/library.db")
    (home / "data/self_healing").mkdir()
    (home / "data/self_healing/paused_kernels.json").write_text('{"meta_loop": {"at": 1, "reason": "x"}}')
    (home / "data/cache").mkdir()
    (home / "data/cache/CACHEDIR.TAG").write_text(TAG)
    (home / "data/cache/page").write_text("x")
    left(stage, f".x.{dead_pid()}.tmp")
    (home / "logs/librarian.log.1").write_text("line\n")
    os.utime(home / "logs/librarian.log.1", (1, 1))
    for folder, content in (("models", b"rotten"), ("copies", CONTENT)):
        (home / folder).mkdir()
        (home / folder / "m").write_bytes(content)
        (home / folder / "manifest").write_text(f"{SUM}  m\n")
    (home / "project").mkdir()
    (home / "project/good.py").write_text("n: int = 1\n")
    (home / "project/test_good.py").write_text("def test_it() -> None:\n    assert True\n")
    (home / "pack").mkdir()
    (home / "pack/restart_it.yaml").write_text(PLAYBOOK)
    snapshots.save(home / "snapshots", "sandbox", {"n": 1})
    stage.bench.post("x", "immutable_log", "append", {"action": "began"}, None)
    stage.bench.advance(1.0)
    stage.bench.post("x", "immutable_log", "archive", {"keep": 1}, None)
    stage.bench.advance(1.0)
    props.dress(stage, request.node.callspec.params["name"], monkeypatch)
    stage.bench._due.clear()  # from here on only the action moves anything
    yield stage
    log.stop("done")


def given(stage: Stage, name: str) -> dict[str, Any]:
    params = dict(PARAMS.get(name, {}))
    if "directory" in params:
        params["directory"] = str(stage.home / params["directory"])
    return params


def files(home: Path) -> dict[str, tuple[str, int]]:
    """Every path with what it holds and when it was written."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "", path.stat().st_mtime_ns)
        for path in sorted(home.rglob("*"))
    }


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_prediction_has_no_effect(world: Stage, name: str) -> None:
    params = given(world, name)
    before, nodes, world.bench.sent[:] = files(world.home), {n: dict(v) for n, v in world.world.nodes.items()}, []
    events = len(world.bench.events)
    result = world.perform(name, check=True, **params)
    asked = {(to, verb) for by, to, verb, _ in world.bench.sent if by == "self_healing"}
    assert {verb for _, verb in asked} <= READING
    assert (files(world.home), world.world.nodes, world.world.done) == (before, nodes, [])
    assert len(world.bench.events) == events
    assert result.ok is (name not in FAILS_HERE), result.message
    assert result.changed is (CATALOGUE[name].spec.kind is ActionKind.ACTS), result


@pytest.mark.parametrize(
    "name", [name for name, spec in specs().items() if spec.kind is ActionKind.ACTS and name != INSTALLS]
)
def test_what_was_predicted_happens_when_it_is_performed(world: Stage, name: str) -> None:
    params = given(world, name)
    if name == "replay_ingestion":
        world.bench.add("librarian", Librarian)
    result = world.perform(name, **params)
    assert (result.ok, result.changed) == (True, True), result


@pytest.mark.parametrize("name", CATALOGUE)
def test_with_nobody_to_answer_an_action_fails_or_needs_nobody(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.bench.kernels.clear()
    monkeypatch.setitem(sys.modules, "pip_audit", None)
    result = stage.perform(
        name, **{"file": "x", **PARAMS.get(name, {})} if name == "restore_file" else PARAMS.get(name, {})
    )
    needs_nobody = {"check_disk_space", "clear_temp_files", "clear_caches", "archive_logs", *props.NEED_NOBODY}
    assert result.ok is (name in needs_nobody), result


@pytest.mark.parametrize("spec", specs().values(), ids=specs())
def test_an_action_declares_itself_whole(spec: ActionSpec) -> None:
    assert spec.description.endswith(".")
    assert spec.timeout_s > 0
    assert all(param.description for param in spec.params.values())
    assert all(param.required or problem_of(param, param.default) is None for param in spec.params.values())
    assert all(param.type in ParamType for param in spec.params.values())


def test_the_page_shows_the_catalogue_as_it_is() -> None:
    """After a change: `python -m grace_actors.actions.table` prints the tables."""
    assert markdown() in page("docs/actions.md").text


def test_the_page_maps_old_names_to_actions_that_exist() -> None:
    text = page("docs/actions.md").text.partition("## Other names")[2]
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    for _, ours, reason in rows:
        names = [word.strip(" `") for word in ours.split(",")]
        assert ours.strip() == "not built" or [n for n in names if n not in CATALOGUE] == [], ours
        assert reason.strip() or ours.strip() != "not built"
