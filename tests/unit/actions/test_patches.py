"""Patches are applied whole or not at all, commits are taken back by commits, and the last change is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.actions.repository import ENVIRONMENT, commit, git, repository
from tests.unit.actions.stage import Stage

PATCH = """--- a/a.py
+++ b/a.py
@@ -1 +1 @@
-n = 1
+n = 2
"""
OUTSIDE = PATCH.replace("a/a.py", "a/../a.py").replace("b/a.py", "b/../a.py")


@pytest.fixture
def tree(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return repository(stage.home / "project", a_py="n = 1\n", b_py="m = 1\n")


def test_a_patch_is_applied_once(stage: Stage, tree: Path) -> None:
    first = stage.ok("apply_patch", patch=PATCH, directory=str(tree))
    assert (first.changed, first.data["files"], (tree / "a.py").read_text()) == (True, ["a.py"], "n = 2\n")
    again = stage.ok("apply_patch", patch=PATCH, directory=str(tree))
    assert (again.changed, (tree / "a.py").read_text()) == (False, "n = 2\n")


def test_a_patch_is_read_from_a_file_of_the_home(stage: Stage, tree: Path) -> None:
    (stage.home / "fix.patch").write_text(PATCH)
    stage.ok("apply_patch", patch_file="fix.patch", directory=str(tree))
    assert (tree / "a.py").read_text() == "n = 2\n"


@pytest.mark.parametrize("patch", [PATCH.replace("n = 1", "n = 7"), OUTSIDE, "no patch at all"])
def test_a_patch_that_does_not_fit_changes_nothing(stage: Stage, tree: Path, patch: str) -> None:
    (stage.home / "a.py").write_text("n = 1\n")
    result = stage.fails("apply_patch", patch=patch, directory=str(tree))
    assert not result.changed
    assert ((tree / "a.py").read_text(), (stage.home / "a.py").read_text()) == ("n = 1\n", "n = 1\n")


def test_only_a_work_tree_of_git_is_changed(stage: Stage) -> None:
    (stage.home / "plain").mkdir()
    (stage.home / "plain/a.py").write_text("n = 1\n")
    assert "no git work tree" in stage.fails("apply_patch", patch=PATCH, directory=str(stage.home / "plain")).message


@pytest.mark.parametrize("params", [{}, {"patch": PATCH, "patch_file": "x"}])
def test_a_patch_is_a_file_or_a_text(stage: Stage, tree: Path, params: dict[str, str]) -> None:
    assert "give one of them" in stage.fails("apply_patch", directory=str(tree), **params).message


def test_commits_are_taken_back_by_new_ones_the_newest_first(stage: Stage, tree: Path) -> None:
    names = [commit(tree, "two", a_py="n = 2\n"), commit(tree, "three", a_py="n = 3\n")]
    result = stage.ok("revert_commits", commits=names, directory=str(tree))
    assert (tree / "a.py").read_text() == "n = 1\n"
    assert git(tree, "rev-parse", "HEAD") == result.data["value"]
    assert git(tree, "rev-list", "--count", "HEAD") == "5"


def test_a_commit_that_does_not_come_off_leaves_everything_as_it_was(stage: Stage, tree: Path) -> None:
    old = commit(tree, "two", a_py="n = 2\n")
    head = commit(tree, "three", a_py="n = 3\n")
    result = stage.fails("revert_commits", commits=[old], directory=str(tree))
    assert not result.changed
    assert (git(tree, "rev-parse", "HEAD"), (tree / "a.py").read_text()) == (head, "n = 3\n")
    assert git(tree, "status", "--porcelain") == ""


def test_nothing_is_taken_back_in_the_midst_of_a_merge(stage: Stage, tree: Path) -> None:
    head = commit(tree, "two", a_py="n = 2\n")
    (tree / ".git/MERGE_HEAD").write_text(head + "\n")
    assert "MERGE_HEAD" in stage.fails("revert_commits", commits=["HEAD"], directory=str(tree)).message
    assert git(tree, "rev-parse", "HEAD") == head


@pytest.mark.parametrize("name", ["f" * 40, "--all", "nowhere"])
def test_a_commit_that_does_not_exist_is_refused(stage: Stage, tree: Path, name: str) -> None:
    stage.fails("revert_commits", commits=[name], directory=str(tree))
    assert git(tree, "rev-list", "--count", "HEAD") == "1"


def test_the_commit_that_changed_a_file_of_a_traceback_last_is_suspected(stage: Stage, tree: Path) -> None:
    commit(tree, "two", a_py="n = 2\n")
    suspect = commit(tree, "three", a_py="n = 3\n")
    commit(tree, "other", b_py="m = 2\n")
    text = f'Traceback:\n  File "/usr/lib/x.py", line 3, in f\n  File "{tree}/a.py", line 1, in g\nValueError: n'
    found = stage.ok("identify_faulty_patch", text=text, directory=str(tree)).data
    assert (found["value"], found["title"], found["files"]) == (suspect, "three", ["a.py"])


def test_an_old_change_is_no_suspect(stage: Stage, tree: Path) -> None:
    result = stage.fails("identify_faulty_patch", text="a.py:1: boom", directory=str(tree), within_s=60.0)
    assert "no commit of the last 60 s changed a.py" in result.message


def test_a_text_without_files_of_the_work_tree_suspects_nobody(stage: Stage, tree: Path) -> None:
    assert (
        "names no file"
        in stage.fails("identify_faulty_patch", text="x.py:1 /etc/passwd:2", directory=str(tree)).message
    )


def test_a_patch_that_is_put_aside_is_kept_under_its_name(stage: Stage) -> None:
    aside = stage.home / "quarantine/patches"
    for text in ("one", "two"):
        (stage.home / "fix.patch").write_text(text)
        assert stage.ok("quarantine_patch", patch_file="fix.patch").changed
    assert sorted(path.read_text() for path in aside.iterdir()) == ["one", "two"]
    assert not stage.ok("quarantine_patch", patch_file="fix.patch").changed


@pytest.mark.parametrize("name", ["instance.json", "missing.patch", "link.patch"])
def test_only_the_file_of_a_patch_is_put_aside(stage: Stage, name: str) -> None:
    (stage.home / "instance.json").write_text("{}")
    (stage.home / "link.patch").symlink_to(stage.home / "instance.json")
    stage.fails("quarantine_patch", patch_file=name)
    assert (stage.home / "instance.json").read_text() == "{}"
