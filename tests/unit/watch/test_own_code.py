"""The program's own code against the code that ran well."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels.trigger_mesh import TriggerMesh
from grace_actors.kernels.watch import own_code
from grace_actors.kernels.watch.own_code import critical_changes, is_critical
from tests.harness.kernels import Bench
from tests.unit.status.test_model import child, supervisor
from tests.unit.watch.stage import again, small_tree


@pytest.fixture
def program(tmp_path: Path) -> Path:
    made = tmp_path / "program"
    (made / "supervisors").mkdir(parents=True)
    (made / "grace_actors" / "kernels").mkdir(parents=True)
    for name in ("run.py", "supervisors/core.py", "grace_actors/guard.py", "grace_actors/kernels/librarian.py"):
        (made / name).write_text("good = True\n")
    return made


@pytest.fixture
def bench(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = small_tree(tmp_path / "home", monkeypatch)
    monkeypatch.setattr(own_code, "started_at", lambda: float("inf"))
    made.add("trigger_mesh", TriggerMesh)
    return made


def found(bench: Bench) -> list[tuple[str, str]]:
    return [
        (subject, data["detail"])
        for type, subject, data in bench.events
        if type == "trigger.fired" and data["trigger"] == "pre_boot_code_diff"
    ]


def reason(bench: Bench) -> Any:
    rows = bench.ask("trigger_mesh", "triggers")["triggers"]
    return next(row["reason"] for row in rows if row["name"] == "pre_boot_code_diff")


def git(program: Path, *words: str) -> str:
    names = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    argv = ["git", "-C", str(program), *words]
    return subprocess.run(argv, env={**os.environ, **names}, check=True, capture_output=True, text=True).stdout.strip()


def committed(program: Path) -> str:
    git(program, "add", "-A")
    git(program, "commit", "-q", "-m", "x")
    return git(program, "rev-parse", "HEAD")


def test_code_is_good_once_the_whole_program_has_run_well_with_it(bench: Bench) -> None:
    bench.advance(59)
    assert "no code is recorded as good yet" in reason(bench)
    bench.advance(62)
    assert (reason(bench), found(bench)) == (None, [])


def test_a_program_that_does_not_run_as_a_whole_makes_no_code_good(bench: Bench) -> None:
    bench.ask("status", "describe", **supervisor("grace", None, child("bus", state="failed")))
    bench.advance(300)
    assert "no code is recorded as good yet" in reason(bench)


def test_a_critical_file_that_changed_is_found_at_the_next_start(bench: Bench, program: Path) -> None:
    bench.advance(121)
    (program / "run.py").write_text("good = False\n")
    (program / "grace_actors" / "kernels" / "librarian.py").write_text(
        "good = False\n"
    )  # can be restarted: not critical
    (program / "supervisors" / "new.py").write_text("")
    (program / "grace_actors" / "guard.py").unlink()
    bench.advance(300)
    assert found(bench) == []  # what runs is still the old code
    again(bench)
    bench.advance(3)
    assert [subject for subject, _ in found(bench)] == ["grace_actors/guard.py", "run.py", "supervisors/new.py"]
    assert [detail.partition(":")[0] for _, detail in found(bench)] == ["removed", "changed", "added"]
    assert {data["severity"] for type, _, data in bench.events if type == "trigger.fired"} == {"high"}
    bench.advance(121)
    assert reason(bench) is None  # and now it has run well
    again(bench)
    bench.advance(3)
    assert len(found(bench)) == 3


def test_code_that_was_changed_after_the_start_has_not_run_and_is_not_good(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_code, "started_at", lambda: 0.0)
    bench.advance(200)
    assert "changed after the program had started" in reason(bench)
    bench.ask("trigger_mesh", "accept", what="code")  # unless somebody says so
    bench.advance(31)
    assert reason(bench) is None


def test_code_that_was_not_read_yet_cannot_be_accepted(bench: Bench) -> None:
    with pytest.raises(GraceError, match="not been read yet"):
        bench.ask("trigger_mesh", "accept", what="code")


def test_in_a_checkout_a_change_is_told_with_the_commit_it_came_after(bench: Bench, program: Path) -> None:
    git(program, "init", "-q")
    good = committed(program)
    again(bench)
    bench.advance(121)
    (program / "run.py").write_text("good = 1\n")
    committed(program)
    (program / "supervisors" / "core.py").write_text("good = 2\n")
    again(bench)
    bench.advance(3)
    details = dict(found(bench))
    assert details["run.py"].endswith(f"; committed since {good[:12]}")
    assert details["supervisors/core.py"].endswith(f"; not committed; the good commit is {good[:12]}")


def test_what_was_not_committed_when_it_ran_well_is_good_all_the_same(bench: Bench, program: Path) -> None:
    git(program, "init", "-q")
    committed(program)
    (program / "run.py").write_text("good = 1\n")
    again(bench)
    bench.advance(121)
    again(bench)
    bench.advance(3)
    assert found(bench) == []
    git(program, "checkout", "-q", "run.py")  # back to the commit, which is not what ran
    again(bench)
    bench.advance(3)
    assert [subject for subject, _ in found(bench)] == ["run.py"]


def test_a_history_that_lost_the_good_commit_does_not_hide_a_change(bench: Bench, program: Path) -> None:
    git(program, "init", "-q")
    good = committed(program)
    again(bench)
    bench.advance(121)
    (program / ".git").rename(program / "gone")
    git(program, "init", "-q")
    (program / "run.py").write_text("good = 1\n")
    committed(program)
    again(bench)
    bench.advance(3)
    assert [(subject, detail.rpartition("; ")[2]) for subject, detail in found(bench)] == [
        ("run.py", f"git does not know the good commit {good[:12]}")
    ]


def test_a_damaged_record_of_good_code_counts_as_none(bench: Bench) -> None:
    (bench.home / "data" / "trigger_mesh" / "good_code.json").write_text("{}")
    again(bench)
    bench.advance(31)
    assert "no code is recorded as good yet" in reason(bench)


def test_the_critical_files_of_this_program_exist() -> None:
    assert [name for name in own_code.CRITICAL if not (own_code.PROGRAM / name).is_file()] == []
    assert is_critical("supervisors/tree_file/keys.py") and not is_critical("grace_actors/kernels/librarian.py")
    assert critical_changes({"run.py": "a" * 64, "x.py": "a"}, {"run.py": "b" * 64}) == {
        "run.py": f"changed: {'a' * 12} -> {'b' * 12}"
    }
