"""Groups of outcomes, long histories, standing over all signatures, lists and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.stores.signature import SignatureStore
from grace_actors.stores.signature_repairs import HISTORY_KEPT
from tests.harness.kernels import Bench

NAME = "signature"
KEYS = [
    "signature_id", "kernel", "playbook_name", "success_count", "failure_count", "confidence", "last_used",
    "auto_apply",
]  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.add(NAME, SignatureStore)
    return bench


def outcome(signature: str = "a", ok: bool = True, **more: Any) -> dict[str, Any]:
    return {"signature": signature, "repair": "refill", "ok": ok, **more}


def group(bench: Bench, *outcomes: Any) -> Any:
    return bench.ask(NAME, "record_outcomes", outcomes=list(outcomes))


def repairs(bench: Bench, signature: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.ask(NAME, "lookup", signature=signature)["repairs"]
    return found


def test_a_group_counts_as_its_outcomes_one_by_one_would(bench: Bench) -> None:
    row = [True, True, False, True, False, False]
    assert group(bench, *(outcome("a", ok) for ok in row)) == {"recorded": 6, "duplicates": 0}
    for ok in row:
        bench.ask(NAME, "record_outcome", **outcome("b", ok))
    one, other = repairs(bench, "a")[0], repairs(bench, "b")[0]
    assert one | {"last_used": 0} == other | {"last_used": 0}
    history = [
        [h["confidence"] for h in bench.ask(NAME, "get", signature=name)["repairs"][0]["history"]] for name in "ab"
    ]
    assert history[0] == history[1] == [70, 80, 90, 80, 90, 80]
    assert bench.types()[:3] == ["signature.recorded", "signature.recorded", "signature.promoted"]


def test_a_run_counts_once_within_a_group_and_over_groups(bench: Bench) -> None:
    first = [outcome(run="r1"), outcome(run="r2"), outcome(run="r1")]
    assert group(bench, *first) == {"recorded": 2, "duplicates": 1}
    assert group(bench, outcome(run="r2"), outcome("b", run="r1"), outcome(run="r3")) == {
        "recorded": 1,
        "duplicates": 2,
    }
    assert repairs(bench, "a")[0]["successes"] == 3
    assert bench.ask(NAME, "lookup", signature="b")["known"] is False
    assert bench.types().count("signature.recorded") == 3


def test_an_alias_given_within_a_group_counts_for_what_comes_after_it(bench: Bench) -> None:
    group(bench, outcome("a", aliases=["h1"]), outcome("b", aliases=["h2", "h1"]), outcome("h2"))
    assert repairs(bench, "a")[0]["successes"] == 3


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (outcome() | {"signature": ""}, r"outcomes\[1\].*signature is empty"),
        (outcome() | {"ok": 1}, r"outcomes\[1\].*ok must be bool"),
        (outcome() | {"repair": {"params": {}}}, r"outcomes\[1\].*repair is"),
        (outcome() | {"repair": {"playbook": "x", "params": {"a": float("nan")}}}, r"outcomes\[1\].*params"),
        (7, r"outcomes\[1\] is 7"),
    ],
)
def test_one_bad_outcome_refuses_the_group_by_its_number(bench: Bench, bad: Any, told: str) -> None:
    with pytest.raises(GraceError, match=told):
        group(bench, outcome("good"), bad, outcome("good"))
    assert bench.ask(NAME, "stats")["known_signatures"] == 0
    assert bench.types() == []


def test_an_empty_group_is_nothing(bench: Bench) -> None:
    assert group(bench) == {"recorded": 0, "duplicates": 0}


def test_a_long_history_is_shortened_and_its_standing_stays(bench: Bench) -> None:
    count = 0
    for _ in range(10):
        group(bench, *(outcome(ok=(count + n) % 5 != 0, run=f"r{count + n}") for n in range(70)))
        count += 70
    (repair,) = bench.ask(NAME, "get", signature="a")["repairs"]
    assert (repair["successes"], repair["failures"]) == (560, 140)
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, SignatureStore)
    kept = kernel.store.db.execute("select count(*) from history").fetchone()[0]
    assert HISTORY_KEPT <= kept < HISTORY_KEPT + 140
    assert repair["before"]["successes"] + repair["before"]["failures"] == 700 - kept
    bench.ask(NAME, "record_outcome", **outcome("b"))
    bench.ask(NAME, "merge", **{"from": "b", "into": "a"})
    assert repairs(bench, "a")[0]["successes"] == 561


def test_standing_is_over_all_signatures_and_zero_for_what_was_never_used(bench: Bench) -> None:
    group(bench, outcome("a"), outcome("b"), outcome("b", False), outcome("c", verified=False))
    found = bench.ask(NAME, "standing", playbooks=["refill", "rollback"])
    assert found == {"refill": {"successes": 2, "failures": 1}, "rollback": {"successes": 0, "failures": 0}}
    assert bench.ask(NAME, "standing") == {}


def test_list_has_an_object_for_each_repair_and_for_each_signature_without_one(bench: Bench) -> None:
    group(bench, outcome("a", kernel="shop", at=1763193600.0), outcome("a", kernel="shop", at=1763193600.0))
    bench.ask(NAME, "seen", signature="b", kernel="till", at=1.0)
    found = bench.ask(NAME, "list")
    assert [list(each) for each in found["signatures"]] == [KEYS, KEYS]
    assert found["signatures"] == [
        dict(zip(KEYS, ["a", "shop", "refill", 2, 0, 0.9, "2025-11-15T08:00:00Z", True], strict=True)),
        dict(zip(KEYS, ["b", "till", None, 0, 0, 0.0, None, False], strict=True)),
    ]
    assert [each["signature_id"] for each in bench.ask(NAME, "list", auto_apply=True)["signatures"]] == ["a"]
    assert [each["signature_id"] for each in bench.ask(NAME, "list", kernel="till")["signatures"]] == ["b"]
    assert bench.ask(NAME, "list", limit=1)["count"] == 1


def test_figures_are_for_everything_each_playbook_and_each_repair(bench: Bench) -> None:
    assert bench.ask(NAME, "figures")["auto_apply_share"] is None
    group(bench, *[outcome("a")] * 3, outcome("b"), outcome("b", False, repair="rollback"))
    bench.ask(NAME, "seen", signature="c")
    found = bench.ask(NAME, "figures")
    assert (found["known_signatures"], found["auto_apply"], found["high_confidence"]) == (3, 1, 1)
    assert (found["auto_apply_share"], found["outcomes"], found["success_rate"]) == (0.3333, 5, 0.8)
    assert found["playbooks"] == [
        {"playbook": "refill", "signatures": 2, "successes": 4, "failures": 0, "auto_apply": 1, "high_confidence": 1,
         "success_rate": 1.0},
        {"playbook": "rollback", "signatures": 1, "successes": 0, "failures": 1, "auto_apply": 0,
         "high_confidence": 0, "success_rate": 0.0},
    ]  # fmt: skip
    assert len(found["signatures"]) == 4
    assert bench.ask(NAME, "stats") == {k: v for k, v in found.items() if k not in ("playbooks", "signatures")}


def test_metrics_have_the_share_of_signatures_that_are_repaired_without_a_question(bench: Bench) -> None:
    group(bench, outcome("a"), outcome("a"), outcome("b"))
    metrics = bench.kernels[NAME].metrics()
    assert (metrics["signatures_known_count"], metrics["signatures_auto_apply_ratio"]) == (2.0, 0.5)
    assert (metrics["outcomes_succeeded_count"], metrics["outcomes_recorded_count"]) == (3.0, 3.0)
