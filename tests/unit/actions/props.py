"""What actions on code, packages, documents, schemas, settings and secrets need to have something to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from grace_actors.kernels.proposal_store import migrations
from grace_actors.kernels.secret_manager import SecretManager
from grace_actors.stores.sqlite import Store
from tests.unit.actions.repository import ENVIRONMENT, commit, repository
from tests.unit.actions.stage import Answering, Stage
from tests.unit.actions.test_dependencies import accept, answer, audit
from tests.unit.actions.test_patches import PATCH

NOBODY = {"url": "http://127.0.0.1:1", "path": "/health"}
PARAMS: dict[str, dict[str, Any]] = {
    "apply_patch": {"directory": "project", "patch": PATCH},
    "revert_commits": {"directory": "project", "commits": ["HEAD"]},
    "identify_faulty_patch": {"directory": "project", "text": "a.py:1: it"},
    "create_pr": {"directory": "project", "title": "x", "branch": "x", "files": ["b.py"]},
    "create_upgrade_pr": {"directory": "project", "package": "rich", "version": "2", "file": "requirements.txt"},
    "quarantine_patch": {"patch_file": "fix.patch"},
    "rollback_dependencies": {"packages": []},
    "replay_ingestion": {"file": "a.md"},
    "read_rejection": {"file": "a.md"},
    "verify_ingestion": {"file": "b.md"},
    "verify_store_schema": {"kernel": "meta_loop"},
    "repair_store_schema": {"kernel": "meta_loop"},
    "scan_logs_for_secrets": {"actor": "librarian"},
    "redact_log": {"file": "shop.log"},
    "read_setting": {"kernel": "sandbox", "key": "timeout"},
    "set_setting": {"kernel": "sandbox", "key": "timeout", "value": "9"},
    "capture_run_log": {"playbook": "p"},
    "identify_failing_step": {"playbook": "p"},
    "wait": {"wait_s": 2.0},
    "validate_endpoint": NOBODY,
    "wait_until_rested": {"trigger": "model_integrity", "subject": "weights", "playbook": "p"},
}
NEED_NOBODY = ("check_dependencies", "wait")
READING = {"settings", "scan", "list", "run", "runs", "fired", "evaluate"}
STEP = {"id": "look", "kind": "step", "status": "failed", "message": "no"}


def dress(world: Stage, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add what only this action needs, and would cost all the others time."""
    home = world.home
    match name:
        case "apply_patch" | "revert_commits" | "identify_faulty_patch" | "create_pr" | "create_upgrade_pr":
            for key, value in ENVIRONMENT.items():
                monkeypatch.setenv(key, value)
            repository(home / "project", a_py="n = 0\n", requirements_txt="rich>=1\n")
            commit(home / "project", "second", a_py="n = 1\n")
            (home / "project/b.py").write_text("m = 1\n")
        case "quarantine_patch":
            (home / "fix.patch").write_text(PATCH)
        case "rollback_dependencies":
            accept(world, rich="0.0.1")
        case "scan_vulnerabilities":
            audit(world, monkeypatch, answer())
        case "scan_logs_for_secrets" | "redact_log" | "rotate_secret_key":
            world.bench.add("secret_manager", SecretManager)
            world.bench.ask("secret_manager", "put", sender="x", name="x", value="a-secret", allowed=["x"])
            (home / "logs/shop.log").write_text("the a-secret\n")
        case "verify_store_schema":
            _store(world)
        case "repair_store_schema":
            file = _store(world)
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("drop table proposals")
        case "replay_ingestion" | "read_rejection" | "verify_ingestion":
            for place, document in (("rejected", "a.md"), ("done", "b.md")):
                (home / "inbox" / place).mkdir(parents=True)
                (home / "inbox" / place / document).write_text("words")
            (home / "inbox/rejected/a.md.reason.txt").write_text("a.md is empty\n")
        case "read_setting" | "set_setting":
            config: Any = world.bench.kernels["sandbox"].ctx.config
            config["settings"] = {"config": {"timeout": 5}, "overridden": [], "used": {}}
        case "wait_until_rested":
            world.bench.add("trigger_mesh", Answering, fired={"fired": []}, evaluate={"fired": []})
            world.bench.add("self_healing", Answering, runs={"runs": []})
        case "capture_run_log" | "identify_failing_step":
            past = {"id": "r1", "steps": [STEP]}
            world.bench.add("self_healing", Answering, runs={"runs": [{"id": "r1"}]}, run=past)


def _store(world: Stage) -> Path:
    file = world.home / "data/meta_loop/proposals.db"
    Store(file, migrations, emit=lambda *args: None, name="meta_loop").close()
    return file
