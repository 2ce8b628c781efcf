"""why without self_healing: how the name is and what happened to it last."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from tests.unit.console.fake import FakeInstance, Items, RemoteError, kernel

Captured = pytest.CaptureFixture[str]
NODE = kernel("worker", state="restarting", generation=3, restarts=2) | {
    "last_exit": {"kind": "crash", "reason": "ValueError: half"}
}
NOBODY = RemoteError(code="not_found", message="nothing in the tree is called that", hint="")
FAILED = {"reason": "ValueError: half"}
EVENTS = Items(
    [
        {"seq": 8, "at": 1000.0, "type": "child.start_failed", "subject": "worker", "data": FAILED},
        {"seq": 9, "at": 1000.5, "type": "child.restart_delayed", "subject": "worker", "data": {"delay_s": 0.5}},
        {"seq": 10, "at": 1000.6, "type": "worker.own", "subject": "worker", "data": {}},
    ]
)


def status(args: dict[str, Any]) -> Any:
    return {"node": NODE} if args["name"] == "worker" else NOBODY


def run(root: Path, line: str, **more: Any) -> int:
    script = {"names": {"names": ["worker", "grace"]}, "status": status, "events": EVENTS} | more
    with FakeInstance(root, script) as fake:
        return dispatch(shlex.split(line), fake.home)


def test_why_in_a_tree_of_ones_own_said_only_that_there_is_no_self_healing(root: Path, capsys: Captured) -> None:
    assert run(root, "why work") == 0
    told = capsys.readouterr().out
    assert "worker is restarting, generation 3, 2 restarts.\nIt ended last with crash: ValueError: half.\n" in told
    assert "ago its start failed: ValueError: half." in told
    assert "ago its next start waits 0.5 s, number ? in a row." in told
    assert "ago worker.own." in told
    assert told.endswith("not diagnosed.\nNext: tail worker\n")
    assert run(root / "b", "why worker --json") == 0
    assert json.loads(capsys.readouterr().out)["incident"] is None


def test_why_while_self_healing_is_down_tells_what_the_log_says(root: Path, capsys: Captured) -> None:
    down = RemoteError(code="died", message="self_healing is down", hint="")
    assert run(root, "why worker", names={"names": ["worker", "self_healing"]}, ask=down) == 0
    assert "self_healing does not answer (self_healing is down)" in " ".join(capsys.readouterr().out.split())


def test_why_of_nothing_known_ends_with_4(root: Path, capsys: Captured) -> None:
    assert run(root, "why workr") == 4
    assert "there is no name 'workr'" in capsys.readouterr().err
