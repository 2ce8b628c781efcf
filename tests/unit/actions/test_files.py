"""Files that a manifest names are verified and put back, byte for byte."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.unit.actions.stage import Stage

CONTENT = b"weights" * 1000


@pytest.fixture
def model(stage: Stage) -> Path:
    """A file, its manifest as sha256sum writes it, and a good copy."""
    for folder in ("models", "copies"):
        (stage.home / folder / "small").mkdir(parents=True)
        (stage.home / folder / "small/a model.bin").write_bytes(CONTENT)
    folder = stage.home / "models"
    done = subprocess.run(["sha256sum", "small/a model.bin"], cwd=folder, capture_output=True, check=True)
    (folder / "manifest.sha256").write_bytes(done.stdout)
    return folder / "small/a model.bin"


WHERE = {"manifest": "models/manifest.sha256"}
RESTORE = {**WHERE, "file": "small/a model.bin", "copies": "copies"}


def test_files_as_the_manifest_says_are_verified(stage: Stage, model: Path) -> None:
    assert stage.ok("verify_files", **WHERE).data["value"] == 1


def test_damaged_and_missing_files_are_named(stage: Stage, model: Path) -> None:
    model.write_bytes(CONTENT[:-1] + b"!")
    assert stage.fails("verify_files", **WHERE).data["damaged"] == ["small/a model.bin"]
    model.unlink()
    assert stage.fails("verify_files", **WHERE).data["missing"] == ["small/a model.bin"]


def test_a_damaged_file_is_replaced_and_kept_in_quarantine(stage: Stage, model: Path) -> None:
    model.write_bytes(b"rotten")
    result = stage.ok("restore_file", **RESTORE)
    assert model.read_bytes() == CONTENT
    assert [file.read_bytes() for file in Path(result.data["quarantine"]).iterdir()] == [b"rotten"]
    assert not stage.ok("restore_file", **RESTORE).changed
    assert [file.name for file in model.parent.iterdir()] == ["a model.bin"]


def test_a_missing_file_comes_back(stage: Stage, model: Path) -> None:
    model.unlink()
    assert stage.ok("restore_file", **RESTORE).data["quarantine"] is None
    assert model.read_bytes() == CONTENT


def test_a_damaged_copy_replaces_nothing(stage: Stage, model: Path) -> None:
    model.write_bytes(b"rotten")
    (stage.home / "copies/small/a model.bin").write_bytes(b"rotten too")
    assert "is damaged, too" in stage.fails("restore_file", **RESTORE).message
    assert model.read_bytes() == b"rotten"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not a checksum  x", "a line is a SHA-256"),
        (f"{hashlib.sha256(b'').hexdigest()}  ../outside", "leaves the folder"),
        (f"{hashlib.sha256(b'').hexdigest()}  /etc/passwd", "leaves the folder"),
        ("", "lines"),
    ],
)
def test_a_manifest_that_is_none_is_refused(stage: Stage, model: Path, line: str, said: str) -> None:
    (stage.home / "models/manifest.sha256").write_text(f"{line}\n")
    assert said in stage.fails("verify_files", **WHERE).message
    assert said in stage.fails("restore_file", **RESTORE).message


def test_what_is_not_there_is_named(stage: Stage, model: Path) -> None:
    assert "there is no manifest" in stage.fails("verify_files", manifest="none").message
    assert "does not name other" in stage.fails("restore_file", **{**RESTORE, "file": "other"}).message
    model.unlink()
    assert "there is no copy" in stage.fails("restore_file", **{**RESTORE, "copies": "nowhere"}).message
