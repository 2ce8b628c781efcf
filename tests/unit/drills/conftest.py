"""A home with a file, and the faults of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.drills.mortal import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    (tmp_path / "config" / "a.yaml").write_text("approval_required: true\n" * 20)
    return stage


@pytest.fixture
def file(stage: Stage) -> Path:
    return stage.home / "config" / "a.yaml"
