"""The stage on which actions are performed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.actions.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A played tree with the performer in it."""
    return Stage(tmp_path)
