"""A stage for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.healing.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path / "home", monkeypatch)
