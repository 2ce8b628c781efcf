"""run: a run that ended is done again, ids may be shortened, and a run that waits for people says how to answer."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from tests.unit.console.fake import FakeInstance, RemoteError, asked, by_id, kernels

Captured = pytest.CaptureFixture[str]
ID, NEW = "run_20261121_0001", "run_20261121_0002"
RUN: dict[str, Any] = {
    "id": ID,
    "playbook": "p",
    "status": "failed",
    "check": False,
    "inputs": {},
    "changed": False,
    "message": "",
    "requested_at": 1.0,
    "started_at": 1.0,
    "ended_at": 2.0,
    "approval": None,
    "steps": [],
}


def run(root: Path, line: str, **more: Any) -> tuple[int, FakeInstance]:
    again = RUN | {"id": NEW, "status": "running", "ended_at": None}
    found = {"runs": {"runs": [RUN]}, "run": by_id({ID: RUN}), "retry_run": by_id({ID: again})} | more
    with FakeInstance(root, kernels({("self_healing", verb): value for verb, value in found.items()})) as fake:
        return dispatch(shlex.split(line), fake.home), fake


def test_retry_shows_the_new_run(root: Path, capsys: Captured) -> None:
    code, fake = run(root, f"run retry {ID}")
    assert (code, asked(fake, "retry_run")) == (0, [{"id": ID}])
    assert capsys.readouterr().out.startswith(f"{NEW}  p  ● running")


def test_a_run_that_cannot_be_repeated_is_refused_with_5(root: Path, capsys: Captured) -> None:
    refused = RemoteError(code="refused", message=f"{ID} has not ended", hint="run cancel first")
    assert run(root, f"run retry {ID}", retry_run=refused)[0] == 5
    assert "has not ended" in capsys.readouterr().err


def test_a_prefix_will_do_and_an_unknown_run_ends_with_4(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "run show run_2026")
    assert (code, [args["id"] for args in asked(fake, "run")]) == (0, ["run_2026", ID])
    assert run(root / "b", "run retry run_20261121_0009")[0] == 4
    assert f"did you mean: {ID}" in capsys.readouterr().err


def test_a_run_that_waits_for_people_says_how_to_answer(root: Path, capsys: Captured) -> None:
    waits = RUN | {"status": "paused", "approval": "ap_1"}
    run(root, f"run show {ID}", run=by_id({ID: waits}))
    assert "decide: approval approve ap_1" in capsys.readouterr().out


def test_retry_without_an_id_is_a_usage_error(root: Path, capsys: Captured) -> None:
    assert run(root, "run retry")[0] == 2
    assert "run retry without an ID" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["60", "80"])
def test_on_a_narrow_terminal_a_list_was_a_column_of_letters(
    root: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    playbook = {"name": "self_healing_stuck_loop_fix", "severity": "high", "origin": "pack", "replaces": False}
    listed = {"playbooks": [playbook | {"title": "Order the cure of a self_healing that was stuck"}], "faults": []}
    assert run(root, "playbook list", playbooks=listed)[0] == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    long = RUN | {"playbook": "resource_pressure_relieved", "message": "verified in the end"}
    assert run(root / "b", "run list", runs={"runs": [long]})[0] == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["run", "status"]
    assert line.startswith(f"{ID} ✖ failed")
    assert "resource_pressure" in line
