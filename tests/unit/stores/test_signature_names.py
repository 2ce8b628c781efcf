"""Which name leads to which signature: ids, hashes, hints, merging, occurrences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.stores.signature import SignatureStore
from tests.harness.kernels import Bench

NAME = "signature"
CART, SHELF = "shop_ValueError_aaaa1111", "shop_ValueError_bbbb2222"
CART_HASHES, SHELF_HASHES = ["a" * 32, "af" * 16, "9" * 32], ["b" * 32, "bf" * 16, "9" * 32]
"""Two failures with one message: the same broad hash."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.add(NAME, SignatureStore)
    return bench


def record(bench: Bench, signature: str = CART, ok: bool = True, **args: Any) -> Any:
    return bench.ask(NAME, "record_outcome", **({"signature": signature, "repair": "refill", "ok": ok} | args))


def lookup(bench: Bench, *hashes: str, **args: Any) -> Any:
    return bench.ask(NAME, "lookup", hashes=list(hashes), **args)


def test_matched_is_the_given_name_that_was_found(bench: Bench) -> None:
    record(bench, aliases=CART_HASHES, kernel="shop")
    found = lookup(bench, *CART_HASHES, signature=CART)
    assert (found["matched"], found["signature"], found["kernel"]) == (CART_HASHES[0], CART, "shop")
    assert lookup(bench, "unknown", *CART_HASHES[1:])["matched"] == CART_HASHES[1]
    assert lookup(bench, "unknown", signature=CART)["matched"] == CART
    assert lookup(bench, "unknown")["matched"] is None


def test_failures_that_share_only_the_broad_hash_stay_apart(bench: Bench) -> None:
    record(bench, CART, aliases=CART_HASHES)
    assert record(bench, SHELF, aliases=SHELF_HASHES)["successes"] == 1
    assert lookup(bench, *CART_HASHES)["signature"] == CART
    assert lookup(bench, *SHELF_HASHES)["signature"] == SHELF


def test_a_broad_hash_leads_to_the_signature_that_was_repaired_last(bench: Bench) -> None:
    bench.ask(NAME, "seen", signature=CART, aliases=CART_HASHES)
    bench.ask(NAME, "seen", signature=SHELF, aliases=SHELF_HASHES)
    assert lookup(bench, "9" * 32)["signature"] == CART
    record(bench, SHELF, aliases=SHELF_HASHES)
    record(bench, CART, ok=False, aliases=CART_HASHES)
    assert lookup(bench, "9" * 32)["signature"] == SHELF


def test_the_full_hash_finds_the_signature_when_the_specific_one_has_changed(bench: Bench) -> None:
    record(bench, aliases=CART_HASHES)
    changed = ["c" * 32, *CART_HASHES[1:]]
    assert record(bench, "shop_ValueError_cccc3333", aliases=changed)["successes"] == 2
    assert lookup(bench, *changed)["matched"] == "c" * 32


def test_the_kernel_is_kept_from_the_first_time_it_is_told(bench: Bench) -> None:
    record(bench)
    record(bench, kernel="shop")
    record(bench, kernel="other")
    assert lookup(bench, signature=CART)["kernel"] == "shop"


# ---- occurrences ----------------------------------------------------------------------------------------------------


def test_an_occurrence_without_outcome_is_counted(bench: Bench) -> None:
    first = bench.ask(NAME, "seen", signature=CART, kernel="shop", aliases=CART_HASHES, at=100.0)
    assert first == {"signature": CART, "known": False, "seen": 1}
    assert bench.ask(NAME, "seen", signature=CART, at=50.0, count=3)["seen"] == 4
    found = bench.ask(NAME, "get", signature=CART)
    assert (found["first_seen"], found["last_seen"], found["repairs"]) == (50.0, 100.0, [])
    assert lookup(bench, *CART_HASHES)["known"] is True


def test_repairs_of_an_incident_are_no_further_occurrences_of_it(bench: Bench) -> None:
    bench.ask(NAME, "seen", signature=CART, incident="incident_1")
    bench.ask(NAME, "seen", signature=CART, incident="incident_1", count=2)
    record(bench, ok=False, incident="incident_1")
    record(bench, incident="incident_1")
    assert bench.ask(NAME, "get", signature=CART)["seen"] == 3
    record(bench, ok=False, incident="incident_2")
    record(bench, incident="incident_2")
    assert bench.ask(NAME, "get", signature=CART)["seen"] == 4


def test_components_are_kept_from_the_first_time(bench: Bench) -> None:
    components = [{"name": "call", "value": "shop.cart:total", "contributes": True, "into": ["specific"], "hint": "ö"}]
    bench.ask(NAME, "seen", signature=CART, components=components)
    record(bench, components=[{"name": "other"}])
    assert bench.ask(NAME, "get", signature=CART)["components"] == components


@pytest.mark.parametrize("bad", [{"components": "x"}, {"components": [1]}, {"count": 0}, {"aliases": ["x" * 301]}])
def test_a_malformed_occurrence_is_refused(bench: Bench, bad: dict[str, Any]) -> None:
    with pytest.raises(GraceError, match=next(iter(bad))):
        bench.ask(NAME, "seen", signature=CART, **bad)
    assert bench.ask(NAME, "stats")["known_signatures"] == 0


# ---- finding one by hand --------------------------------------------------------------------------------------------


def test_get_takes_a_unique_beginning_of_an_id_or_an_alias(bench: Bench) -> None:
    record(bench, CART, aliases=CART_HASHES)
    record(bench, SHELF, aliases=SHELF_HASHES)
    assert bench.ask(NAME, "get", signature="shop_ValueError_a")["signature"] == CART
    assert bench.ask(NAME, "get", signature="bfbf")["signature"] == SHELF
    with pytest.raises(GraceError, match=rf"ambiguous.*{CART}, {SHELF}"):
        bench.ask(NAME, "get", signature="shop_")
    with pytest.raises(GraceError, match="'99' is not known"):
        bench.ask(NAME, "get", signature="99")  # the beginning of a hint


def test_get_says_what_is_done_next_time_and_why(bench: Bench) -> None:
    bench.ask(NAME, "seen", signature=CART)
    assert bench.ask(NAME, "get", signature=CART)["next"]["repair"] is None
    record(bench)
    first = bench.ask(NAME, "get", signature=CART)["next"]
    assert (first["repair"], first["automatic"]) == ("refill", False)
    assert "verified successes: 1, 2 are needed" in first["why"]
    record(bench)
    assert bench.ask(NAME, "get", signature=CART)["next"]["automatic"] is True


# ---- merging --------------------------------------------------------------------------------------------------------


def test_merging_moves_names_counts_and_repairs(bench: Bench) -> None:
    record(bench, CART, aliases=CART_HASHES, kernel="shop", at=100.0)
    record(bench, SHELF, aliases=SHELF_HASHES, repair="rollback", at=50.0)
    done = bench.ask(NAME, "merge", **{"from": SHELF, "into": CART, "by": "ada"})
    assert done == {"signature": CART, "from": SHELF, "repairs_moved": 1, "repairs_united": 0}
    for name in (SHELF, *SHELF_HASHES, *CART_HASHES):
        assert lookup(bench, name)["signature"] == CART
    found = bench.ask(NAME, "get", signature=CART)
    assert (found["seen"], found["first_seen"], found["last_seen"]) == (2, 50.0, 100.0)
    assert {repair["playbook"] for repair in found["repairs"]} == {"refill", "rollback"}
    assert bench.events[-1] == (
        "signature.merged",
        CART,
        {"from": SHELF, "repairs_moved": 1, "repairs_united": 0, "by": "ada"},
    )
    assert bench.ask(NAME, "stats")["known_signatures"] == 1


def test_the_same_repair_of_both_is_folded_anew_in_the_order_of_time(bench: Bench) -> None:
    for at, signature, ok in [(1, CART, True), (3, CART, False), (2, SHELF, True), (4, SHELF, True), (5, SHELF, True)]:
        record(bench, signature, ok, at=float(at), run=f"run-{at}")
    bench.ask(NAME, "merge", **{"from": SHELF, "into": CART})
    (repair,) = bench.ask(NAME, "get", signature=CART)["repairs"]
    assert [h["run"] for h in repair["history"]] == ["run-5", "run-4", "run-3", "run-2", "run-1"]
    assert [h["confidence"] for h in repair["history"]] == [100, 90, 80, 90, 80]
    assert (repair["successes"], repair["failures"], repair["confidence"], repair["auto_apply"]) == (4, 1, 100, True)
    assert record(bench, CART, run="run-2")["duplicate"] is True


def test_what_the_file_of_an_import_contained_is_not_counted_again_by_merging(bench: Bench) -> None:
    for run in range(3):
        record(bench, CART, run=f"old-{run}")
    fields = {"signature_id": CART, "playbook_name": "refill", "success_count": 9, "failure_count": 0}
    bench.ask(NAME, "import", signatures={CART: fields | {"confidence": 1.0, "auto_apply": True}})
    record(bench, CART, ok=False, run="new")
    record(bench, SHELF)
    bench.ask(NAME, "merge", **{"from": SHELF, "into": CART})
    (repair,) = bench.ask(NAME, "get", signature=CART)["repairs"]
    assert (repair["successes"], repair["failures"], repair["confidence"]) == (10, 1, 100)
    assert repair["before"] == {"successes": 9, "failures": 0}
    assert len(repair["history"]) == 5


def test_merging_keeps_the_components_of_the_one_that_stays_else_of_the_other(bench: Bench) -> None:
    other = "shop_ValueError_cccc3333"
    bench.ask(NAME, "seen", signature=CART, components=[{"name": "cart"}])
    bench.ask(NAME, "seen", signature=SHELF)
    bench.ask(NAME, "seen", signature=other, components=[{"name": "other"}])
    bench.ask(NAME, "merge", **{"from": CART, "into": SHELF})
    bench.ask(NAME, "merge", **{"from": other, "into": SHELF})
    assert bench.ask(NAME, "get", signature=SHELF)["components"] == [{"name": "cart"}]


def test_outcomes_of_a_merged_signature_count_for_the_one_that_stays(bench: Bench) -> None:
    record(bench, CART)
    record(bench, SHELF)
    bench.ask(NAME, "merge", **{"from": SHELF, "into": CART})
    assert record(bench, SHELF) | {"last_used": None} == {
        "playbook": "refill", "params": {}, "successes": 3, "failures": 0, "confidence": 100, "auto_apply": True,
        "last_used": None, "signature": CART, "duplicate": False,
    }  # fmt: skip


def test_merging_with_itself_or_with_the_unknown_is_refused_and_changes_nothing(bench: Bench) -> None:
    record(bench, aliases=CART_HASHES)
    before = bench.ask(NAME, "get", signature=CART)
    for source, target, told in [
        (CART, CART, "itself"),
        (CART, CART_HASHES[0], "itself"),
        (CART, "never_seen", "'never_seen' is not known"),
        ("never_seen", CART, "'never_seen' is not known"),
    ]:
        with pytest.raises(GraceError, match=told):
            bench.ask(NAME, "merge", **{"from": source, "into": target})
    assert bench.ask(NAME, "get", signature=CART) == before


def test_a_hint_is_too_little_to_merge_or_forget_by(bench: Bench) -> None:
    record(bench, aliases=CART_HASHES)
    record(bench, SHELF)
    with pytest.raises(GraceError, match="not known"):
        bench.ask(NAME, "forget", signature=CART_HASHES[2])
    with pytest.raises(GraceError, match="not known"):
        bench.ask(NAME, "merge", **{"from": CART_HASHES[2], "into": SHELF})


# ---- answers that are kept ------------------------------------------------------------------------------------------


def test_a_lookup_says_what_is_known_now_whatever_was_answered_before(bench: Bench) -> None:
    def answers() -> list[tuple[Any, Any]]:
        found = [lookup(bench, *CART_HASHES), lookup(bench, "unknown", signature=CART)]
        return [(each["known"] and each["signature"], len(each["repairs"])) for each in found]

    assert answers() == answers() == [(False, 0), (False, 0)]
    bench.ask(NAME, "seen", signature=CART, aliases=CART_HASHES)
    assert answers() == [(CART, 0)] * 2
    record(bench)
    assert answers() == [(CART, 1)] * 2
    bench.ask(NAME, "record_outcomes", outcomes=[{"signature": CART, "repair": "rollback", "ok": True}])
    assert answers() == [(CART, 2)] * 2
    record(bench, SHELF)
    bench.ask(NAME, "merge", **{"from": CART, "into": SHELF})
    assert answers() == [(SHELF, 2)] * 2
    form = {"signature_id": SHELF, "playbook_name": "p", "success_count": 1, "failure_count": 0, "confidence": 0.8}
    bench.ask(NAME, "import", signatures={SHELF: form})
    assert answers() == [(SHELF, 3)] * 2
    bench.ask(NAME, "forget", signature=SHELF)
    assert answers() == [(False, 0)] * 2


def test_kept_answers_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_actors.stores.signature_answers.MOST_KEPT", 10)
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, SignatureStore)
    for number in range(50):
        lookup(bench, f"h{number}")
        assert len(kernel.answers._kept) <= 10


def test_an_asker_that_changes_its_answer_changes_nobody_elses(bench: Bench) -> None:
    record(bench, aliases=CART_HASHES)
    lookup(bench, *CART_HASHES)["known"] = "changed"
    assert lookup(bench, *CART_HASHES)["known"] is True
