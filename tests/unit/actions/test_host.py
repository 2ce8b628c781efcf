"""Resources are judged; what is removed is left over for certain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grace_actors.kernels.infrastructure_manager import InfrastructureManager
from tests.unit.actions.stage import Answering, Stage

TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n"


def dead_pid() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def left(stage: Stage, name: str, hours: float = 48.0) -> Path:
    file = stage.home / "data" / "librarian" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("half")
    at = 1_700_000_000.0 + stage.bench.clock - hours * 3600
    os.utime(file, (at, at))
    return file


def test_the_real_host_is_measured(stage: Stage) -> None:
    stage.bench.add("infrastructure_manager", InfrastructureManager)
    result = stage.perform("check_resources")
    assert result.data["sample"]["memory_percent"] > 0
    assert result.ok is (result.data["pressed"] == [])


def test_pressure_is_a_failure_that_names_the_resource(stage: Stage) -> None:
    pressed = {"pressed": True, "resources": [{"resource": "memory", "value": 97.0, "limit": 85.0}]}
    sample = {"memory_percent": 97.0, "disk_percent": 1.0}
    stage.bench.add("infrastructure_manager", Answering, sample=sample, pressure=pressed)
    assert "memory is at 97.0, limit 85.0" in stage.fails("check_resources").message
    assert "memory is at 97.0" in stage.fails("check_resources", resource="memory").message
    assert stage.ok("check_resources", resource="disk").data["value"] is True


def test_no_pressure_is_ok_and_no_answer_is_not(stage: Stage) -> None:
    assert "did not answer" in stage.fails("check_resources").message
    sample = {"memory_percent": 7.0, "disk_percent": 1.0}
    stage.bench.add("infrastructure_manager", Answering, sample=sample, pressure={"pressed": False, "resources": []})
    assert stage.ok("check_resources").data["value"] is True


def test_disk_space_is_compared_with_what_is_wanted(stage: Stage) -> None:
    assert stage.ok("check_disk_space", min_free_mb=0.001).data["value"] > 0
    assert "wanted" in stage.fails("check_disk_space", min_free_mb=1e12).message
    assert "does not exist" in stage.fails("check_disk_space", path="/nowhere/at/all").message


def test_unfinished_files_of_dead_processes_are_removed_and_nothing_else(stage: Stage) -> None:
    pid = dead_pid()
    gone = [left(stage, f".library.db.{pid}.tmp"), left(stage, f".probe.{pid}")]
    kept = [
        left(stage, f".library.db.{os.getpid()}.tmp"),  # its writer lives
        left(stage, f".young.{pid}.tmp", hours=1),
        left(stage, "report.tmp"),
        left(stage, "library.db"),
    ]
    result = stage.ok("clear_temp_files")
    assert sorted(result.data["removed"]) == sorted(map(str, gone))
    assert result.data["value"] == 8
    assert ([file.exists() for file in gone], [file.exists() for file in kept]) == ([False] * 2, [True] * 4)
    assert not stage.ok("clear_temp_files").changed


def test_only_files_are_removed_and_links_are_not_followed(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside, pid = tmp_path_factory.mktemp("outside"), dead_pid()
    stray = outside / f".x.{pid}.tmp"
    stray.write_text("not ours")
    data = left(stage, "library.db").parent
    (data / "link").symlink_to(outside)
    (data / f".y.{pid}.tmp").symlink_to(stray)
    (data / f".z.{pid}.tmp").mkdir()
    for path in (stray, *data.iterdir()):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert stage.ok("clear_temp_files").data["removed"] == []
    assert (len(list(data.iterdir())), stray.exists()) == (4, True)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that lets nothing be removed."""

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)


@pytest.mark.usefixtures("refusing")
def test_a_temporary_file_that_may_not_be_removed_is_named(stage: Stage) -> None:
    file = left(stage, f".x.{dead_pid()}.tmp")
    assert f"{file}: Permission denied" in stage.fails("clear_temp_files").message


def test_an_age_below_zero_is_refused(stage: Stage) -> None:
    assert "0 or more" in stage.fails("clear_temp_files", older_than_hours=-1.0).message


def test_a_directory_that_says_it_is_a_cache_is_emptied_and_others_are_not(stage: Stage) -> None:
    cache = stage.home / "data/librarian/cache"
    (cache / "deep").mkdir(parents=True)
    (cache / "CACHEDIR.TAG").write_text(TAG)
    (cache / "deep/page").write_text("12345")
    other = stage.home / "data/sandbox"
    other.mkdir(parents=True)
    (other / "CACHEDIR.TAG").write_text("no signature")
    (other / "page").write_text("mine")
    result = stage.ok("clear_caches")
    assert (result.data["value"], result.data["removed"]) == (5, [str(cache / "deep/page")])
    assert (cache / "CACHEDIR.TAG").exists()
    assert (other / "page").exists()
    assert not stage.ok("clear_caches").changed


@pytest.mark.usefixtures("refusing")
def test_a_cache_that_cannot_be_emptied_is_a_failure(stage: Stage) -> None:
    cache = stage.home / "data/librarian"
    cache.mkdir(parents=True)
    (cache / "CACHEDIR.TAG").write_text(TAG)
    (cache / "page").write_text("x")
    assert "1 files could not be removed" in stage.fails("clear_caches").message
