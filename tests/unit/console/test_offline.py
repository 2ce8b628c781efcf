"""simulate and validate: files in, traces or faults out, without an instance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.home import Home
from grace_actors.resolve import resolve

Captured = pytest.CaptureFixture[str]

SCENARIO: dict[str, Any] = {
    "id": "s1",
    "strategy": "one_for_one",
    "intensity": 1,
    "period": 5,
    "auto_shutdown": "never",
    "children": [{"id": "a", "restart": "permanent", "shutdown": 5000, "significant": False, "type": "worker"}],
    "steps": [{"op": "exit", "id": "a", "reason": "crash"}, {"op": "exit", "id": "a", "reason": "crash"}],
}
TREE = """\
schema: grace.tree/1
name: demo
strategy: one_for_one
children:
  - id: worker
    kernel: {kernel}
"""


@pytest.fixture
def home(root: Path) -> Home:
    return Home(root)


def written(tmp_path: Path, name: str, content: str | bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_simulate_prints_id_and_trace_of_each_scenario(tmp_path: Path, home: Home, capsys: Captured) -> None:
    file = written(tmp_path, "s.json", json.dumps([SCENARIO, {**SCENARIO, "id": "s2", "steps": []}]))
    assert dispatch(["simulate", file, "--json"], home) == 0
    found = json.loads(capsys.readouterr().out)
    assert [result["id"] for result in found] == ["s1", "s2"]
    assert [len(result["trace"]) for result in found] == [3, 1]
    assert found[0]["trace"][1] == {
        "result": "ok",
        "events": [["exit", "a", "crash"], ["start", "a"]],
        "children": [["a", "running"]],
        "alive": True,
        "exit": None,
    }


def test_simulate_takes_one_scenario_without_a_list(tmp_path: Path, home: Home, capsys: Captured) -> None:
    assert dispatch(["simulate", written(tmp_path, "s.json", json.dumps(SCENARIO)), "--json"], home) == 0
    assert [result["id"] for result in json.loads(capsys.readouterr().out)] == ["s1"]


def test_simulate_tells_the_story_step_by_step(tmp_path: Path, home: Home, capsys: Captured) -> None:
    assert dispatch(["simulate", written(tmp_path, "s.json", json.dumps(SCENARIO))], home) == 0
    assert capsys.readouterr().out.splitlines() == [
        "s1: one_for_one, at most 1 restarts in 5 s",
        "  0. start the supervisor: ok",
        "     a starts",
        "     now a running",
        "  1. exit a crash: ok",
        "     a exits (crash), then a starts",
        "     now a running",
        "  2. exit a crash: ok",
        "     a exits (crash)",
        "     the supervisor is gone (shutdown)",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not JSON"),
        ('{"a": \n nonsense}', ":2:2: not JSON"),
        (b"\xff", "not UTF-8"),
        ("[1]", "entry 0 is int, not a scenario object"),
        ('{"strategy": "one_for_two"}', "one_for_two"),
        ('{"steps": [{"op": "dance"}]}', "dance"),
    ],
)
def test_scenario_that_cannot_be_played_is_told_and_prints_no_json(
    tmp_path: Path, home: Home, content: str | bytes, told: str, capsys: Captured
) -> None:
    assert dispatch(["simulate", written(tmp_path, "s.json", content), "--json"], home) == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("grace: ")
    assert told in found.err


@pytest.mark.parametrize("verb", ["simulate", "validate"])
def test_missing_file_names_a_file_that_is_nearly_it(tmp_path: Path, home: Home, verb: str, capsys: Captured) -> None:
    written(tmp_path, "tree.yaml", "")
    assert dispatch([verb, str(tmp_path / "tre.yaml")], home) == 2
    assert "did you mean: tree.yaml?" in capsys.readouterr().err


def test_valid_tree_is_counted(tmp_path: Path, home: Home, capsys: Captured) -> None:
    file = written(tmp_path, "t.yaml", TREE.format(kernel="grace_actors.kernel:Kernel"))
    assert dispatch(["validate", file], home) == 0
    assert "is valid (supervisors: 1, other children: 1)" in capsys.readouterr().out
    assert dispatch(["validate", file, "--json"], home) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": file,
        "ok": True,
        "children": ["worker"],
        "faults": [],
        "notes": [],
    }


def test_what_is_legal_but_surprises_is_a_note(tmp_path: Path, home: Home, capsys: Captured) -> None:
    child = "  - {id: NAME, kernel: 'grace_actors.kernel:Kernel'}\n"
    head = "schema: grace.tree/1\nname: t\nstrategy: one_for_all\nintensity: 9\nperiod: 10s\nchildren:\n"
    file = written(tmp_path, "t.yaml", head + child.replace("NAME", "a") + child.replace("NAME", "b"))
    assert dispatch(["validate", file], home) == 0
    note = capsys.readouterr().out.splitlines()[1]
    assert note.startswith("  note: ") and "9 restarts" in note
    assert dispatch(["validate", file, "--json"], home) == 0
    assert [f"  note: {text}" for text in json.loads(capsys.readouterr().out)["notes"]] == [note]


def test_every_fault_is_told_with_its_place(tmp_path: Path, home: Home, capsys: Captured) -> None:
    file = written(tmp_path, "t.yaml", TREE.format(kernel="nowhere.module:Class") + "    restrat: permanent\n")
    assert dispatch(["validate", file], home) == 1
    told = capsys.readouterr().err
    assert f"{file}:6:13" in told
    assert f"{file}:7:5" in told
    assert dispatch(["validate", file, "--json"], home) == 1
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert [(fault["line"], fault["column"]) for fault in faults] == [(6, 13), (7, 5)]
    assert faults[1]["nearest"] == "restart"


def test_classes_are_left_alone_when_asked(tmp_path: Path, home: Home) -> None:
    file = written(tmp_path, "t.yaml", TREE.format(kernel="nowhere.module:Class"))
    assert dispatch(["validate", file, "--no-imports"], home) == 0


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("grace_actors.kernel:Kernel", None),
        ("grace_actors.nowhere:X", "no module named"),
        ("grace_actors.kernel:Nothing", "has no class 'Nothing'"),
        ("grace_actors.kernel:Check", "is not a subclass of"),
        ("grace_actors.kernel:need", "is not a subclass of"),
    ],
)
def test_class_that_is_no_kernel_is_told_why(path: str, problem: str | None) -> None:
    found = resolve(path)
    assert (found is None) is (problem is None)
    assert (problem or "") in (found or "")
