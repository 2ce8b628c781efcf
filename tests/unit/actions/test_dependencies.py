"""Packages are compared with what was accepted, brought back, and looked up; what could not be asked is a failure."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from grace_actors.actions.dependencies_ import BASELINE
from grace_actors.preflight import needed_packages
from tests.unit.actions.stage import Stage

PACKAGE = "grace-test-package"
FAKE_AUDIT = "import sys\nprint({!r})\nsys.exit({})\n"


def accept(stage: Stage, **packages: str) -> None:
    file = stage.home / BASELINE
    file.parent.mkdir(parents=True, exist_ok=True)
    named = {name.replace("_", "-"): version for name, version in packages.items()}
    file.write_text(json.dumps({"config": {}, "packages": named}))


def wheel(folder: Path, version: str) -> None:
    """An empty package as pip installs it."""
    name = PACKAGE.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {version}\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels in the place of the network, and one of its own to install into."""
    wheels = tmp_path / "wheels"
    wheel(wheels, "1.0")
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(wheels)), ("TARGET", str(tmp_path / "site"))):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return wheels


def test_packages_as_declared_and_accepted_are_well(stage: Stage) -> None:
    assert stage.ok("check_dependencies").data["value"] == 0


def test_a_version_that_was_not_accepted_is_a_problem(stage: Stage) -> None:
    accept(stage, rich="0.0.1")
    result = stage.fails("check_dependencies")
    assert result.data["changed"].keys() == {"rich"}
    assert "rich is not as accepted: 0.0.1 -> " in result.message


def test_a_conflict_counts_if_it_is_about_a_package_of_ours(stage: Stage, index: Path, tmp_path: Path) -> None:
    for name, needs in (("ours", "rich>=999"), ("others", "not-there")):
        info = tmp_path / f"site/{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {needs}\n")
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text("")
    (problem,) = stage.fails("check_dependencies").data["problems"]
    assert "ours 1.0" in problem
    assert "rich" in problem


def test_what_a_kernel_depends_on_must_run(stage: Stage) -> None:
    stage.world.add("coding_agent")
    stage.world.add("immutable_log", state="failed")
    result = stage.perform("check_dependencies", kernel="self_healing")
    assert not result.ok
    assert result.data["down"]["immutable_log"] == "failed"


def test_an_accepted_version_is_installed_and_seen(stage: Stage, index: Path) -> None:
    accept(stage, grace_test_package="1.0")
    result = stage.ok("rollback_dependencies", packages=[])
    assert (result.changed, result.data["installed"], result.data["restart_needed"]) == (
        True,
        [f"{PACKAGE}==1.0"],
        True,
    )
    assert not stage.ok("rollback_dependencies", packages=[PACKAGE]).changed


def test_what_pip_cannot_install_fails_with_its_last_words(stage: Stage, index: Path) -> None:
    accept(stage, grace_test_package="9.9")
    assert (
        f"No matching distribution found for {PACKAGE}==9.9"
        in stage.fails("rollback_dependencies", packages=[]).message
    )


@pytest.mark.parametrize("packages", [["rich", "flask"], ["--index-url=x"]])
def test_only_accepted_packages_are_brought_back(stage: Stage, packages: list[str]) -> None:
    accept(stage, rich="0.0.1")
    assert "has no accepted version" in stage.fails("rollback_dependencies", packages=packages).message


def test_without_a_baseline_nothing_is_brought_back(stage: Stage) -> None:
    assert "there is no" in stage.fails("rollback_dependencies", packages=["rich"]).message


# ---- vulnerabilities ------------------------------------------------------------------------------------------------


def audit(stage: Stage, monkeypatch: pytest.MonkeyPatch, said: str, status: int = 0) -> None:
    """Something that answers like pip-audit."""
    folder = stage.home / "fake"
    folder.mkdir()
    (folder / "pip_audit.py").write_text(FAKE_AUDIT.format(said, status))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def answer(**more: object) -> str:
    rows = [{"name": name, "version": "1.0", "vulns": []} for name in needed_packages() if name not in more]
    return json.dumps({"dependencies": rows + [{"name": name, **row} for name, row in more.items()], "fixes": []})  # type: ignore[dict-item]


def test_no_vulnerability_is_only_said_when_every_needed_package_was_looked_at(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(stage, monkeypatch, answer())
    assert stage.ok("scan_vulnerabilities").data["value"] == 0


def test_an_index_that_knows_nothing_is_no_good_news(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip-audit itself then ends with the status 0 and 'No known vulnerabilities found'."""
    audit(stage, monkeypatch, answer(rich={"skip_reason": "Dependency not found on PyPI"}))
    message = stage.fails("scan_vulnerabilities").message
    assert "did not look at 1 needed packages: rich: Dependency not found on PyPI" in message


def test_a_vulnerability_comes_with_the_version_that_cures_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    vulnerabilities = [{"id": "PYSEC-1", "fix_versions": []}, {"id": "PYSEC-2", "fix_versions": ["2.0"]}]
    audit(stage, monkeypatch, answer(rich={"version": "1.0", "vulns": vulnerabilities}), 1)
    data = stage.fails("scan_vulnerabilities").data
    assert data["value"] == 2
    assert data["first"] == {"package": "rich", "version": "1.0", "id": "PYSEC-2", "fixed_in": ["2.0"]}


def test_what_could_not_be_asked_is_a_failure(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    audit(stage, monkeypatch, "no network", 1)
    assert "pip-audit: no network" in stage.fails("scan_vulnerabilities").message


def test_without_pip_audit_it_says_how_to_get_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip_audit", None)
    assert "pip install 'grace[audit]'" in stage.fails("scan_vulnerabilities").message
