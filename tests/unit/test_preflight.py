"""The checks before a boot, and the attestation of its files."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from grace_actors import preflight
from grace_actors.preflight import Level, attest, run_checks

TREE = "schema: grace.tree/1\nname: t\nchildren:\n  - id: p\n    command: [sleep, '9']\n"


@pytest.fixture
def tree_file(tmp_path: Path) -> Path:
    path = tmp_path / "tree.yaml"
    path.write_text(TREE)
    return path


def test_a_sound_machine_passes_every_check(tmp_path: Path, tree_file: Path) -> None:
    home = tmp_path / "home"
    results = {result.name: result for result in run_checks(home, tree_file)}
    bad = {name: result.detail for name, result in results.items() if result.level is Level.FAIL}
    assert bad == {}
    assert {name for name, result in results.items() if result.critical} == {
        "python_version", "packages", "home_writable", "disk_space", "tree_file",
    }  # fmt: skip
    assert list(home.iterdir()) == []


def test_the_database_check_of_a_new_home_does_not_depend_on_which_check_comes_first(tmp_path: Path) -> None:
    assert preflight.database(tmp_path / "a" / "new" / "home")[0] is Level.PASS


def test_a_check_that_hangs_or_breaks_fails_alone_and_in_time() -> None:
    release = threading.Event()
    checks = [
        preflight._Check("hangs", True, lambda: (release.wait(30), (Level.PASS, ""))[1]),
        preflight._Check("breaks", False, lambda: (Level.PASS, str(1 // 0))),
        preflight._Check("works", True, lambda: (Level.PASS, "fine")),
    ]
    hangs, breaks, works = preflight.run(checks, deadline_s=0.2)
    release.set()
    assert (hangs.level, hangs.detail) == (Level.FAIL, "not done after 0.2 s")
    assert breaks.detail == "the check broke: ZeroDivisionError: integer division or modulo by zero"
    assert (works.level, works.detail) == (Level.PASS, "fine")


@pytest.mark.parametrize(("free_gb", "level"), [(5, "pass"), (4.9, "warn"), (1, "warn"), (0.9, "fail")])
def test_disk_space_is_judged_at_5_and_1_gb(tmp_path: Path, free_gb: float, level: str) -> None:
    assert preflight.disk_space(tmp_path, int(free_gb * 1e9))[0] == level


@pytest.mark.parametrize(("version", "level"), [((3, 11, 0), "pass"), ((3, 14), "pass"), ((3, 10, 9), "fail")])
def test_python_3_11_is_needed(version: tuple[int, ...], level: str) -> None:
    assert preflight.python_version(version)[0] == level


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("pytest>=1", ""),
        ("pytest>=1,<1.5", "pytest is "),
        ("no-such-package>=1", "no-such-package is missing"),
        ("no-such-package>=1; extra == 'dev'", ""),
        ("pytest!=0.1", ""),
        ("pytest~=1.0", "pytest is "),
        ("pytest==1.2.3", "pytest is "),
    ],
)
def test_a_package_is_judged_by_its_installed_version(requirement: str, problem: str) -> None:
    found = preflight.package_problem(requirement)
    assert found.startswith(problem) if problem else found == ""


def test_a_home_that_cannot_be_made_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    level, detail = preflight.home_writable(tmp_path / "file" / "home")
    assert level is Level.FAIL
    assert "--home DIR" in detail


def test_sqlite_leaves_nothing_behind(tmp_path: Path) -> None:
    assert preflight.database(tmp_path)[0] is Level.PASS
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert preflight.database(tmp_path / "file" / "home")[0] is Level.FAIL


def test_a_broken_tree_file_fails_with_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "tree.yaml"
    broken.write_text("name: [")
    level, detail = preflight.tree_file_loads(broken)
    assert level is Level.FAIL
    assert "tree.yaml" in detail


def test_a_port_that_is_taken_is_a_warning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        tree = tmp_path / "tree.yaml"
        tree.write_text(
            "schema: grace.tree/1\nname: t\nchildren:\n  - id: api\n"
            f"    kernel: grace_actors.kernels.api_server:ApiServer\n    with: {{port: {port}}}\n"
        )
        assert preflight.api_port(tree)[0] is Level.WARN
    assert preflight.api_port(tree) == (Level.PASS, f"port {port} is free")


def test_a_tree_without_an_api_needs_no_port(tree_file: Path) -> None:
    assert preflight.api_port(tree_file) == (Level.PASS, "no fixed port")


def test_attestation_covers_the_tree_file_and_the_configuration(tmp_path: Path, tree_file: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "policy.yaml").write_text("a: 1")
    before = attest(tmp_path, tree_file)
    assert [Path(path).name for path in before] == ["tree.yaml", "policy.yaml"]
    (tmp_path / "config" / "policy.yaml").write_text("a: 2")
    after = attest(tmp_path, tree_file)
    assert [Path(path).name for path in before if before[path] != after[path]] == ["policy.yaml"]
    tree_file.unlink()
    assert attest(tmp_path, tree_file)[str(tree_file)] == "unreadable: No such file or directory"
    assert preflight.config_files(tmp_path, tree_file)[0] is Level.FAIL


def test_an_instance_that_did_not_stop_in_order_is_a_warning(tmp_path: Path) -> None:
    assert preflight.stale_instance(tmp_path) == (Level.PASS, "none")
    (tmp_path / "instance.json").write_text(json.dumps({"pid": os.getpid()}))
    assert preflight.stale_instance(tmp_path)[0] is Level.PASS
    assert preflight.stale_instance(tmp_path, is_alive=lambda pid: False)[0] is Level.WARN
    (tmp_path / "instance.json").write_text("[]")
    assert preflight.stale_instance(tmp_path)[0] is Level.WARN
