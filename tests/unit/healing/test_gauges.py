"""What self_healing tells the policies of its supervisor: how many of its last runs have failed."""

from __future__ import annotations

import pytest

from grace_actors.errors import StoreFailed
from tests.unit.healing.stage import Stage

ONE = "steps: [{id: one, action: look}]\n"


def run(stage: Stage, *, ok: bool) -> None:
    stage.begin()
    stage.world.answer("look", ok=ok)
    stage.bench.advance(1.0)


def failed(stage: Stage) -> float:
    return stage.kernel.gauges()["failed_runs"]


def test_only_the_last_ten_runs_count(stage: Stage) -> None:
    stage.write("p", ONE)
    stage.up()
    assert failed(stage) == 0.0
    for _ in range(8):
        run(stage, ok=False)
    assert failed(stage) == 8.0
    for _ in range(5):
        run(stage, ok=True)
    assert failed(stage) == 5.0


def test_what_was_cancelled_or_only_checked_says_nothing(stage: Stage) -> None:
    stage.write("p", ONE)
    stage.up()
    stage.ask("cancel_run", id=stage.begin())
    stage.begin(check=True)
    stage.world.answer("look", ok=False)
    stage.bench.advance(1.0)
    assert failed(stage) == 0.0


def test_a_restart_is_a_new_chance(stage: Stage) -> None:
    stage.write("p", ONE)
    stage.up()
    for _ in range(8):
        run(stage, ok=False)
    stage.bench.advance(5.0)
    stage.crash()
    assert failed(stage) == 0.0


def test_a_store_that_cannot_be_read_gives_no_figure_and_no_crash(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.up()

    def refuse(since: float) -> int:
        raise StoreFailed("incidents.db cannot be read")

    monkeypatch.setattr(stage.kernel.runs, "failed_of_last", refuse)
    assert stage.kernel.gauges() == {}
