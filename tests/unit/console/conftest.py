"""A short home for each test: AF_UNIX paths are limited, and pytest's own directories are long."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def root() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="grace-test-", dir="/tmp"))
    yield directory / "home"
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRACE_HOME", "GRACE_TREE", "GRACE_HEADLESS", "GRACE_INSTANCE", "NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
