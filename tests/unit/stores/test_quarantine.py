"""What is replaced is kept, whoever it belongs to and wherever it is."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import StoreFailed
from grace_actors.stores.files import quarantine


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that takes no second name: it is on another disk, or belongs to another user."""

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "mine.yaml"
    path.write_text("x")
    return path


def test_a_file_on_another_disk_is_copied(tmp_path: Path, faulty: Path) -> None:
    """It used to be refused, and so was its repair."""
    kept = quarantine(tmp_path, "playbooks", [faulty], 1.0, keep=True)
    assert ((kept / "mine.yaml").read_text(), faulty.read_text()) == ("x", "x")


def test_an_attempt_that_fails_leaves_nothing(tmp_path: Path, faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each used to leave an empty folder, without end."""

    def refuse(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", refuse)
    with pytest.raises(StoreFailed, match="No space left"):
        quarantine(tmp_path, "playbooks", [faulty], 1.0, keep=True)
    assert list((tmp_path / "quarantine").iterdir()) == []
