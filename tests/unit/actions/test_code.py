"""Tools really run; what is missing or checked nothing has not passed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.unit.actions.stage import Stage

TOOLS = ["run_tests", "run_lint", "run_type_check"]
GOOD = "def double(n: int) -> int:\n    return 2 * n\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "empty").mkdir(parents=True)
    (folder / "empty/notes.txt").write_text("nothing")
    (folder / "good.py").write_text(GOOD)
    (folder / "test_good.py").write_text(
        "from good import double\n\n\ndef test_it() -> None:\n    assert double(2) == 4\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -q\n")
    return folder


def at(project: Path, *paths: str) -> dict[str, Any]:
    return {"directory": str(project), "paths": list(paths)}


def test_tests_that_pass_are_counted_and_leave_nothing_behind(stage: Stage, project: Path) -> None:
    before = sorted(project.rglob("*"))
    assert stage.ok("run_tests", **at(project, "test_good.py")).data["value"] == 1
    assert sorted(project.rglob("*")) == before


def test_a_test_that_fails_is_a_failure_with_the_output(stage: Stage, project: Path) -> None:
    (project / "test_bad.py").write_text("def test_it() -> None:\n    assert 1 == 2\n")
    result = stage.fails("run_tests", **at(project, "test_bad.py", "test_good.py"))
    assert (result.data["failed"], result.data["passed"]) == (1, 1)
    assert "assert 1 == 2" in result.data["output"]


@pytest.mark.parametrize(
    "content", ["", "import pytest\n\n\n@pytest.mark.skip\ndef test_it() -> None:\n    assert False\n"]
)
def test_no_test_is_no_pass(stage: Stage, project: Path, content: str) -> None:
    (project / "test_none.py").write_text(content)
    assert "no test ran" in stage.fails("run_tests", **at(project, "test_none.py")).message


def test_tests_that_take_too_long_are_ended(stage: Stage, project: Path) -> None:
    (project / "test_long.py").write_text("import time\n\n\ndef test_it() -> None:\n    time.sleep(60)\n")
    assert "did not end within" in stage.fails("run_tests", **at(project, "test_long.py"), within_s=0.5).message


def test_clean_code_is_clean_and_findings_are_named(stage: Stage, project: Path) -> None:
    assert stage.ok("run_lint", **at(project, "good.py")).data["value"] == 0
    (project / "bad.py").write_text("import os\n")
    assert "F401" in stage.fails("run_lint", **at(project, "bad.py")).message


def test_types_that_agree_pass_and_others_are_named(stage: Stage, project: Path) -> None:
    assert stage.ok("run_type_check", **at(project, "good.py")).data["files"] == 1
    (project / "bad.py").write_text('from good import double\n\ndouble("x")\n')
    assert "bad.py:3: error" in stage.fails("run_type_check", **at(project, "bad.py")).message


@pytest.mark.parametrize("name", TOOLS)
def test_a_folder_with_nothing_to_check_is_a_failure(stage: Stage, project: Path, name: str) -> None:
    stage.fails(name, **at(project, "empty"))


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize(("paths", "said"), [([], "paths is empty"), (["nowhere"], "nowhere"), (["--fix"], "--fix")])
def test_paths_that_mean_nothing_are_refused(
    stage: Stage, project: Path, name: str, paths: list[str], said: str
) -> None:
    assert said in stage.fails(name, **at(project, *paths)).message


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_that_is_missing_is_a_failure_that_says_so(
    stage: Stage, project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    message = stage.fails(name, **at(project, "good.py")).message
    assert "is not installed" in message
    assert "pip install" in message


PLAYBOOK = """schema: grace.playbook/1
name: restart_it
title: Restart it
steps:
  - id: restart
    action: restart_kernel
    with: {kernel: librarian}
verify:
  - action: kernel_state
    with: {kernel: librarian}
    tolerance: running
"""


def test_playbooks_are_loaded_against_the_catalogue(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    assert "no playbook" in stage.fails("validate_playbook_files", directory=str(folder)).message
    (folder / "restart_it.yaml").write_text(PLAYBOOK)
    assert stage.ok("validate_playbook_files", directory=str(folder)).data["playbooks"] == ["restart_it"]
    (folder / "other.yaml").write_text(
        PLAYBOOK.replace("restart_it", "other").replace("restart_kernel", "restrat_kernel")
    )
    result = stage.fails("validate_playbook_files", directory=str(folder))
    assert ("restrat_kernel" in result.message, result.data["playbooks"]) == (True, ["restart_it"])
    assert "not a folder" in stage.fails("validate_playbook_files", directory=str(tmp_path / "none")).message
