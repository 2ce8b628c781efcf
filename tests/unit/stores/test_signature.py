"""The signature actor: lookup by signature or alias, outcomes, repair of its own database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.stores.signature import SignatureStore
from tests.harness.kernels import Bench

NAME = "signature"
RESTART = {"playbook": "restart_kernel", "params": {"kernel": "bus"}}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    start(bench)
    return bench


def start(bench: Bench) -> SignatureStore:
    kernel = bench.add(NAME, SignatureStore)
    assert isinstance(kernel, SignatureStore)
    return kernel


def record(bench: Bench, ok: bool = True, signature: str = "bus_KeyError_a3f2", **args: Any) -> Any:
    return bench.ask(NAME, "record_outcome", **({"signature": signature, "repair": RESTART, "ok": ok} | args))


def test_an_unknown_signature_is_an_answer_not_an_error(bench: Bench) -> None:
    found = bench.ask(NAME, "lookup", signature="never_seen")
    assert (found["known"], found["best"], found["repairs"]) == (False, None, [])


def test_the_second_verified_success_makes_a_repair_automatic(bench: Bench) -> None:
    assert (record(bench)["confidence"], record(bench)["auto_apply"]) == (80, True)
    best = bench.ask(NAME, "lookup", signature="bus_KeyError_a3f2")["best"]
    assert (best["playbook"], best["params"], best["confidence"]) == ("restart_kernel", {"kernel": "bus"}, 90)
    assert bench.types() == ["signature.recorded", "signature.recorded", "signature.promoted"]


def test_failures_switch_automatic_off_below_sixty_with_an_event(bench: Bench) -> None:
    for ok in (True, True, False, False, False):
        last = record(bench, ok)
    assert (last["confidence"], last["auto_apply"]) == (60, True)
    assert record(bench, False)["auto_apply"] is False
    assert bench.types()[-1] == "signature.demoted"


def test_an_unverified_outcome_is_kept_and_changes_no_standing(bench: Bench) -> None:
    record(bench)
    assert record(bench, verified=False)["confidence"] == 80
    history = bench.ask(NAME, "get", signature="bus_KeyError_a3f2")["repairs"][0]["history"]
    assert [h["verified"] for h in history] == [False, True]


def test_the_same_run_counts_once_also_after_a_crash(bench: Bench) -> None:
    assert record(bench, run="run-1")["duplicate"] is False
    bench.crash(NAME)
    start(bench)
    again = record(bench, run="run-1")
    assert (again["duplicate"], again["successes"]) == (True, 1)


def test_an_alias_finds_the_signature(bench: Bench) -> None:
    record(bench, aliases=["v1:abc", "v2:def"])
    found = bench.ask(NAME, "lookup", hashes=["unknown", "v2:def"])
    assert (found["known"], found["signature"]) == (True, "bus_KeyError_a3f2")
    assert bench.ask(NAME, "get", signature="v1:abc")["aliases"] == ["v1:abc", "v2:def"]


def test_an_outcome_under_another_hash_of_a_known_failure_counts_for_that(bench: Bench) -> None:
    record(bench, aliases=["v1:abc"])
    assert record(bench, signature="bus_KeyError_ffff", aliases=["v1:abc"])["successes"] == 2
    assert bench.ask(NAME, "lookup", signature="bus_KeyError_ffff")["signature"] == "bus_KeyError_a3f2"


def test_the_most_trusted_repair_is_the_best_and_one_that_never_worked_is_none(bench: Bench) -> None:
    record(bench, False, repair="clear_cache")
    assert bench.ask(NAME, "lookup", signature="bus_KeyError_a3f2")["best"] is None
    record(bench, repair="rollback")
    for _ in range(2):
        record(bench)
    found = bench.ask(NAME, "lookup", signature="bus_KeyError_a3f2")
    assert [r["playbook"] for r in found["repairs"]] == ["restart_kernel", "rollback", "clear_cache"]
    assert found["best"]["playbook"] == "restart_kernel"


def test_other_parameters_are_another_repair(bench: Bench) -> None:
    record(bench)
    assert record(bench, repair=RESTART | {"params": {"kernel": "log"}})["successes"] == 1
    assert record(bench, repair={"params": {"kernel": "bus"}, "playbook": "restart_kernel"})["successes"] == 2


@pytest.mark.parametrize(
    "bad",
    [{"signature": ""}, {"repair": ""}, {"repair": {"params": {}}}, {"repair": 7}, {"ok": "yes"}, {"signature": None}],
)
def test_a_malformed_outcome_is_refused_and_nothing_is_stored(bench: Bench, bad: dict[str, Any]) -> None:
    with pytest.raises(GraceError):
        record(bench, **bad)
    assert bench.ask(NAME, "stats")["known_signatures"] == 0


def test_stats_count_signatures_and_outcomes(bench: Bench) -> None:
    assert bench.ask(NAME, "stats")["success_rate"] is None
    for ok in (True, True, False):
        record(bench, ok)
    record(bench, signature="other")
    found = bench.ask(NAME, "stats")
    assert (found["known_signatures"], found["auto_apply"], found["success_rate"]) == (2, 1, 0.75)


def test_forgetting_deletes_everything_of_a_signature(bench: Bench) -> None:
    record(bench, aliases=["v1:abc"])
    record(bench, signature="other")
    assert bench.ask(NAME, "forget", signature="v1:abc")["signature"] == "bus_KeyError_a3f2"
    assert bench.ask(NAME, "lookup", hashes=["v1:abc", "bus_KeyError_a3f2"])["known"] is False
    assert [r["signature_id"] for r in bench.ask(NAME, "list")["signatures"]] == ["other"]
    with pytest.raises(GraceError, match="not known"):
        bench.ask(NAME, "forget", signature="v1:abc")


def test_outcomes_survive_a_crash(bench: Bench) -> None:
    record(bench)
    bench.crash(NAME)
    start(bench)
    assert bench.ask(NAME, "get", signature="bus_KeyError_a3f2")["repairs"][0]["successes"] == 1


@pytest.mark.parametrize("content", [b"garbage" * 2000, b"", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_database_is_restored_from_its_snapshot_with_an_event(bench: Bench, content: bytes) -> None:
    record(bench)
    bench.advance(3.0)
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, SignatureStore)
    kernel.store.close()
    bench.crash(NAME)
    (bench.home / "data" / NAME / "signatures.db").write_bytes(content)
    start(bench)
    assert "store.restored" in bench.types()
    assert bench.ask(NAME, "lookup", signature="bus_KeyError_a3f2")["best"]["confidence"] == 80


def test_changes_of_one_moment_share_a_snapshot(bench: Bench) -> None:
    for _ in range(10):
        record(bench)
    bench.advance(3.0)
    assert len(list((bench.home / "snapshots" / "stores" / NAME).glob("*.db"))) == 1


def test_a_full_disk_is_refused_and_recording_goes_on_when_there_is_space(bench: Bench) -> None:
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, SignatureStore)
    record(bench)
    kernel.store.db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(GraceError, match="full"):
        for number in range(500):
            record(bench, signature=f"{number:04d}" + "x" * 280)
    kernel.store.db.execute("PRAGMA max_page_count = 100000")
    assert record(bench)["successes"] == 2
