"""A runner that is up, whose only cards are those of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.drills_host.rig import Rig


@pytest.fixture(autouse=True)
def no_built_in_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_actors.drills.host.cards.BUILT_IN", tmp_path / "no_cards")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Rig]:
    return lambda **cards: Rig(tmp_path, **cards)


@pytest.fixture
def rig(make: Callable[..., Rig]) -> Rig:
    return make().up()
