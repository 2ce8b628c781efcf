"""A change is proposed as a branch beside the user's, and as a pull request where that can be done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grace_actors.actions.requirements import raised
from grace_actors.errors import NotFound, Refused
from tests.unit.actions.repository import ENVIRONMENT, git, repository
from tests.unit.actions.stage import Stage

PROJECT = '[project]\ndependencies = [\n    "rich>=13.7",  # colours\n    "h11>=0.14,<1",\n]\n'
WANTED = {"title": "Count from two", "description": "as asked", "branch": "fix/two", "files": ["a.py"]}
GH = """#!/bin/sh
echo "$@" >> "$GH_LOG"
test "$2" = view && exit 1
echo https://example.org/pull/1
"""


@pytest.fixture
def tree(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "git").symlink_to("/usr/bin/git" if Path("/usr/bin/git").exists() else _git())
    monkeypatch.setenv("PATH", f"{binaries}:/usr/lib/git-core")
    where = repository(stage.home / "project", a_py="n = 1\n", b_py="m = 1\n", pyproject_toml=PROJECT)
    (where / "a.py").write_text("n = 2\n")
    (where / "b.py").write_text("m = 7\n")
    git(where, "add", "b.py")
    return where


def _git() -> str:
    return next(f"{folder}/git" for folder in os.environ["PATH"].split(":") if Path(folder, "git").exists())


def untouched(tree: Path) -> tuple[str, str, str]:
    """Branch, what is staged and what is not, files."""
    state = git(tree, "status", "--porcelain")
    return git(tree, "rev-parse", "--abbrev-ref", "HEAD"), state, (tree / "a.py").read_text()


def test_a_branch_holds_the_named_changes_and_nothing_that_is_checked_out_moves(stage: Stage, tree: Path) -> None:
    before = untouched(tree)
    result = stage.ok("create_pr", directory=str(tree), **WANTED)
    assert untouched(tree) == before
    assert git(tree, "show", "fix/two:a.py") == "n = 2"
    assert git(tree, "show", "fix/two:b.py") == "m = 1"
    assert git(tree, "log", "-1", "--format=%s%n%b", "fix/two") == "Count from two\nas asked"
    assert (result.data["pushed"], result.data["url"]) == (False, None)
    assert "only the branch" in result.message


def test_the_same_proposal_again_changes_nothing_and_another_one_is_refused(stage: Stage, tree: Path) -> None:
    first = stage.ok("create_pr", directory=str(tree), **WANTED)
    again = stage.ok("create_pr", directory=str(tree), **WANTED)
    assert (again.changed, again.data["commit"]) == (False, first.data["commit"])
    (tree / "a.py").write_text("n = 3\n")
    assert "another content" in stage.fails("create_pr", directory=str(tree), **WANTED).message
    assert git(tree, "show", "fix/two:a.py") == "n = 2"


@pytest.mark.parametrize(
    "change", [{"files": []}, {"files": ["pyproject.toml"]}, {"files": ["../x"]}, {"branch": "a..b"}, {"branch": "-f"}]
)
def test_a_proposal_without_a_change_or_a_name_is_refused(stage: Stage, tree: Path, change: dict[str, object]) -> None:
    before = untouched(tree)
    stage.fails("create_pr", directory=str(tree), **{**WANTED, **change})
    assert untouched(tree) == before
    assert git(tree, "branch", "--format=%(refname:short)") == "main"


def test_with_a_remote_and_gh_it_is_pushed_and_a_pull_request_opened(
    stage: Stage, tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remote = tmp_path / "remote.git"
    git(tree, "init", "-q", "--bare", str(remote))
    git(tree, "remote", "add", "origin", str(remote))
    (tmp_path / "bin/gh").write_text(GH.replace("#!/bin/sh", "#!/bin/sh\nPATH=/bin:/usr/bin"))
    (tmp_path / "bin/gh").chmod(0o755)
    monkeypatch.setenv("GH_LOG", str(tmp_path / "gh.log"))
    result = stage.ok("create_pr", directory=str(tree), **WANTED)
    assert git(remote, "show", "fix/two:a.py") == "n = 2"
    assert (result.data["pushed"], result.data["url"]) == (True, "https://example.org/pull/1")
    assert "pr create --head fix/two --title Count from two" in (tmp_path / "gh.log").read_text()


def test_a_push_that_fails_is_a_failure_that_names_the_branch(stage: Stage, tree: Path, tmp_path: Path) -> None:
    git(tree, "remote", "add", "origin", str(tmp_path / "nowhere.git"))
    (tmp_path / "bin/gh").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/gh").chmod(0o755)
    result = stage.fails("create_pr", directory=str(tree), **WANTED)
    assert result.changed
    assert "fix/two could not be pushed" in result.message


def test_an_upgrade_is_proposed_without_touching_the_file(stage: Stage, tree: Path) -> None:
    before = untouched(tree)
    params = {"package": "rich", "version": "14.1", "directory": str(tree)}
    assert stage.ok("create_upgrade_pr", **params).data["value"] == "upgrade/rich-14.1"
    assert git(tree, "diff", "--stat", "main", "upgrade/rich-14.1").count("|") == 1
    assert git(tree, "show", "upgrade/rich-14.1:pyproject.toml") == PROJECT.replace("13.7", "14.1").strip()
    assert untouched(tree) == before
    assert not stage.ok("create_upgrade_pr", **params).changed


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"package": "flask", "version": "3"}, "no requirement of flask"),
        ({"package": "h11", "version": "1.2"}, "h11<1 excludes 1.2"),
        ({"package": "rich", "version": "$(x)"}, "such as 2.1"),
        ({"package": "rich", "version": "14", "file": "setup.cfg"}, "has no setup.cfg"),
    ],
)
def test_an_upgrade_that_needs_thinking_is_refused(stage: Stage, tree: Path, params: dict[str, str], told: str) -> None:
    assert told in stage.fails("create_upgrade_pr", directory=str(tree), **params).message
    assert git(tree, "branch", "--format=%(refname:short)") == "main"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rich\n", "rich>=2.0\n"),
        ("rich==1.0\n", "rich==2.0\n"),
        ("rich ~= 1.0 ; python_version > '3'\n", "rich~=2.0 ; python_version > '3'\n"),
        ("Rich[jupyter]>=1,<3  # pretty\n", "Rich[jupyter]>=2.0,<3  # pretty\n"),
        ("rich>=2.5\n", "rich>=2.5\n"),
        ("richer>=1\nrich>=1\n# rich>=1\n", "richer>=1\nrich>=2.0\n# rich>=1\n"),
    ],
)
def test_a_requirement_is_raised_and_everything_else_stays(before: str, after: str) -> None:
    assert raised(before, "rich", "2.0", is_toml=False)[0] == after


def test_names_are_the_same_however_they_are_joined() -> None:
    assert raised('x = ["sqlite_utils>=4"]', "sqlite-utils", "5", is_toml=True)[0] == 'x = ["sqlite_utils>=5"]'


def test_what_is_not_required_or_excluded_is_refused() -> None:
    with pytest.raises(NotFound):
        raised("rich>=1\n", "ric", "2", is_toml=False)
    with pytest.raises(Refused):
        raised("rich!=2\n", "rich", "2", is_toml=False)
