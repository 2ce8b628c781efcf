"""A fault waits until it can be noticed and repaired anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.actions.stage import Answering, Stage

WALL = 1_700_000_000.0
FINDING = {"trigger": "model_integrity", "subject": "weights"}
BOTH = {**FINDING, "playbook": "mend", "rest_s": 60.0}


def finding(ago_s: float, subject: str = "weights") -> dict[str, Any]:
    return {"subject": subject, "data": {"trigger": "model_integrity"}, "at": WALL + 1000 - ago_s}


def rested(stage: Stage, *, fired: Any = (), runs: Any = (), now: Any = ()) -> Stage:
    stage.bench.add("trigger_mesh", Answering, fired={"fired": list(fired)}, evaluate={"fired": list(now)})
    stage.bench.add("self_healing", Answering, runs={"runs": [{"ended_at": at} for at in runs]})
    return stage


def test_what_was_never_told_nor_repaired_is_rested_at_once(stage: Stage) -> None:
    assert rested(stage).ok("wait_until_rested", **BOTH).data["value"] == 0.0


def test_a_finding_is_waited_for_until_a_minute_after_it_was_told(stage: Stage) -> None:
    found = rested(stage, fired=[finding(40.0), finding(1.0, "another")]).ok("wait_until_rested", **FINDING)
    assert 20.0 <= found.data["value"] <= 21.0


def test_a_playbook_is_waited_for_until_its_rest_is_over(stage: Stage) -> None:
    found = rested(stage, runs=[WALL + 990, WALL + 100]).ok("wait_until_rested", playbook="mend", rest_s=60.0)
    assert 50.0 <= found.data["value"] <= 51.0


@pytest.mark.parametrize(
    ("world", "word"),
    [({"runs": [None]}, "is running"), ({"now": [finding(0.0)]}, "is found now"), ({"runs": [WALL + 9000]}, "s more")],
)
def test_what_is_not_over_is_no_rest(stage: Stage, world: dict[str, Any], word: str) -> None:
    assert word in rested(stage, **world).fails("wait_until_rested", **BOTH).message


@pytest.mark.parametrize("params", [{}, {"trigger": "model_integrity"}, {**BOTH, "within_s": 0}])
def test_a_rest_of_nothing_is_refused(stage: Stage, params: dict[str, Any]) -> None:
    rested(stage).fails("wait_until_rested", **params)


def test_nobody_to_ask_is_a_failure(stage: Stage, tmp_path: Path) -> None:
    stage.fails("wait_until_rested", **BOTH)
