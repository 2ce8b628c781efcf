"""A furnished home for every test. Nothing here survives a power cut on purpose, so no test waits for the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.actions.stage import Stage
from tests.unit.hygiene.house import House


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)
    return House(tmp_path / "home").furnish()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A played tree in which actions are performed."""
    (tmp_path / "stage").mkdir()
    return Stage(tmp_path / "stage")
