"""The JSON form: what is exported, what is imported, and what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.stores.signature import SignatureStore
from tests.harness.kernels import Bench

NAME = "signature"
KEY = "message_bus_import_error_a3f2"
FORM = """{
  "message_bus_import_error_a3f2": {
    "signature_id": "message_bus_import_error_a3f2",
    "playbook_name": "message_bus_restart_drain",
    "success_count": 15,
    "failure_count": 1,
    "confidence": 0.95,
    "last_used": "2025-11-15T08:00:00Z",
    "auto_apply": true
  }
}"""
ENTRY: dict[str, Any] = json.loads(FORM)[KEY]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return started(tmp_path)


def started(home: Path) -> Bench:
    bench = Bench(home)
    bench.add(NAME, SignatureStore)
    return bench


def imported(bench: Bench, replace: bool = False, **entries: Any) -> Any:
    return bench.ask(NAME, "import", signatures=entries, replace=replace)


def entry(**changes: Any) -> dict[str, Any]:
    return {KEY: ENTRY | changes}


def best(bench: Bench, name: str = KEY) -> Any:
    return bench.ask(NAME, "lookup", signature=name)["best"]


def test_the_form_is_imported_as_it_stands(bench: Bench) -> None:
    done = imported(bench, **json.loads(FORM))
    assert (done["signatures_added"], done["repairs_added"], done["notes"]) == (1, 1, [])
    assert best(bench) == {
        "playbook": "message_bus_restart_drain", "params": {}, "successes": 15, "failures": 1, "confidence": 95,
        "auto_apply": True, "last_used": 1763193600.0,
    }  # fmt: skip
    (listed,) = bench.ask(NAME, "list")["signatures"]
    assert {key: listed[key] for key in ENTRY} == ENTRY
    assert bench.types() == ["signature.imported"]


def test_what_comes_after_an_import_counts_on_from_it(bench: Bench) -> None:
    imported(bench, **entry())
    for _ in range(4):
        bench.ask(NAME, "record_outcome", signature=KEY, repair="message_bus_restart_drain", ok=False)
    found = best(bench)
    assert (found["successes"], found["failures"], found["confidence"], found["auto_apply"]) == (15, 5, 55, False)
    (repair,) = bench.ask(NAME, "get", signature=KEY)["repairs"]
    assert repair["before"] == {"successes": 15, "failures": 1}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"success_count": "15"}, "success_count is '15'; allowed: a whole number from 0"),
        ({"success_count": True}, "success_count is True"),
        ({"failure_count": -1}, "failure_count is -1"),
        ({"failure_count": 1.5}, "failure_count is 1.5"),
        ({"confidence": 95}, "confidence is 95; allowed: a number from 0.0 to 1.0"),
        ({"confidence": float("nan")}, "confidence is nan"),
        ({"confidence": None}, "confidence is None"),
        ({"last_used": "yesterday"}, "last_used is 'yesterday'; allowed: a time such as"),
        ({"last_used": 1763193600}, "last_used is 1763193600"),
        ({"auto_apply": "yes"}, "auto_apply is 'yes'; allowed: true or false"),
        ({"playbook_name": ""}, "playbook_name is ''"),
        ({"playbook_name": None}, "playbook_name is None"),
        ({"signature_id": "other"}, f"signature_id is 'other'; allowed: '{KEY}'"),
        ({"params": []}, r"params is \[\]"),
        ({"params": {"a": {1, 2}}}, "params is"),
        ({"aliases": "x"}, "aliases is 'x'; allowed: a list of texts"),
        ({"aliases": [" "]}, "aliases is"),
        ({"sucess_count": 1}, "unknown field 'sucess_count'; did you mean success_count"),
        ({"repairs": [{"playbook_name": "x"}]}, r"repairs\[0\]: success_count is missing"),
        ({"repairs": [{k: v for k, v in ENTRY.items() if k != "signature_id"}]}, "twice"),
        ({"components": [1]}, "components is"),
    ],
)
def test_a_bad_entry_is_told_with_key_field_and_what_is_allowed(
    bench: Bench, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(GraceError, match=f"'{KEY}'.*{told}"):
        imported(bench, good=ENTRY | {"signature_id": "good"}, **entry(**changes))
    assert bench.ask(NAME, "stats")["known_signatures"] == 0


def test_every_mistake_of_a_file_is_told(bench: Bench) -> None:
    with pytest.raises(GraceError) as refused:
        imported(bench, one=7, two=ENTRY, **entry(confidence=2, failure_count=-1))
    for part in ("'one' is 7", "'two': signature_id", "confidence is 2", "failure_count is -1"):
        assert part in str(refused.value)


def test_two_entries_with_one_alias_are_refused(bench: Bench) -> None:
    other = ENTRY | {"signature_id": "other", "aliases": ["h1"]}
    with pytest.raises(GraceError, match=r"'other': aliases is 'h1'.*'message_bus_import_error_a3f2' has it, too"):
        imported(bench, **entry(aliases=["h1"]), other=other)
    with pytest.raises(GraceError, match="has it, too"):
        imported(bench, **entry(), other=other | {"aliases": [KEY]})


@pytest.mark.parametrize(
    ("changes", "is_auto"),
    [
        ({"success_count": 1}, False),
        ({"confidence": 0.6}, False),
        ({"confidence": 0.59, "auto_apply_held": True}, False),
        ({"confidence": 0.6, "auto_apply_held": True}, True),
        ({"confidence": 0.61, "success_count": 2}, True),
    ],
)
def test_automatic_is_imported_only_where_the_rules_allow_it_else_as_off_with_a_note(
    bench: Bench, changes: dict[str, Any], is_auto: bool
) -> None:
    done = imported(bench, **entry(**changes))
    assert best(bench)["auto_apply"] is is_auto
    assert [KEY in note and "imported as off" in note for note in done["notes"]] == ([] if is_auto else [True])


def test_confidence_without_a_success_is_taken_as_none_with_a_note(bench: Bench) -> None:
    done = imported(bench, **entry(success_count=0, failure_count=2, confidence=0.5, auto_apply=False))
    assert bench.ask(NAME, "lookup", signature=KEY)["repairs"][0]["confidence"] == 0
    assert "without a success" in done["notes"][0]


def test_an_import_never_lowers_what_is_known(bench: Bench) -> None:
    imported(bench, **entry())
    before = bench.ask(NAME, "get", signature=KEY)
    for less in ({"confidence": 0.9}, {"success_count": 14}, {"failure_count": 0}, {"auto_apply": False}, {}):
        assert imported(bench, **entry(**less))["repairs_kept"] == 1
        assert bench.ask(NAME, "get", signature=KEY) == before
    assert imported(bench, **entry(success_count=20, confidence=1.0))["repairs_raised"] == 1
    assert (best(bench)["successes"], best(bench)["confidence"]) == (20, 100)


def test_replace_puts_the_files_repairs_in_the_place_of_those_known(bench: Bench) -> None:
    bench.ask(NAME, "record_outcome", signature=KEY, repair="rollback", ok=True, run="r1")
    bench.ask(NAME, "record_outcome", signature="other", repair="rollback", ok=True)
    done = imported(bench, replace=True, **entry(success_count=1, confidence=0.8, auto_apply=False))
    assert (done["repairs_replaced"], done["repairs_added"]) == (1, 1)
    (repair,) = bench.ask(NAME, "lookup", signature=KEY)["repairs"]
    assert (repair["playbook"], repair["successes"]) == ("message_bus_restart_drain", 1)
    assert bench.ask(NAME, "lookup", signature="other")["known"] is True


def test_check_says_what_an_import_would_do_and_writes_nothing(bench: Bench) -> None:
    done = bench.ask(NAME, "import", signatures=entry(), check=True)
    assert done["signatures_added"] == 1
    assert bench.ask(NAME, "stats")["known_signatures"] == 0
    assert bench.types() == []


def test_an_entry_whose_alias_is_known_counts_for_the_known_signature(bench: Bench) -> None:
    bench.ask(NAME, "record_outcome", signature="known", aliases=["h1"], repair="rollback", ok=True)
    imported(bench, **entry(aliases=["h1", "h2"]))
    assert {r["playbook"] for r in bench.ask(NAME, "lookup", signature=KEY)["repairs"]} == {
        "rollback", "message_bus_restart_drain",
    }  # fmt: skip
    assert bench.ask(NAME, "lookup", hashes=["h2"])["signature"] == "known"


def test_an_entry_without_repair_is_a_known_signature(bench: Bench) -> None:
    imported(bench, quiet={"signature_id": "quiet", "playbook_name": None, "seen": 4})
    assert bench.ask(NAME, "get", signature="quiet")["seen"] == 4


def test_export_and_import_into_an_empty_base_lose_nothing(bench: Bench, tmp_path: Path) -> None:
    record = {"repair": {"playbook": "refill", "params": {"to": "ä", "n": 3}}, "kernel": "shop"}
    hashes = ["a" * 32, "b" * 32, "c" * 32]
    for number in range(6):
        ok = number < 2  # ends at exactly 0.50; at 0.60 it was automatic still
        bench.ask(NAME, "record_outcome", signature="s1", ok=ok, aliases=hashes, at=number + 0.123456, **record)
        bench.ask(NAME, "record_outcome", signature="s2", ok=number not in (2, 3, 4), **record)
    for ok in (True, True, False, False, False):
        bench.ask(NAME, "record_outcome", signature="s3", ok=ok, repair="rollback")
        bench.ask(NAME, "record_outcome", signature="s2", ok=not ok, repair="rollback")
    bench.ask(NAME, "seen", signature="s4", components=[{"name": "call"}], kernel="till")
    text = json.dumps(bench.ask(NAME, "export")["signatures"])
    other = started(tmp_path / "other")
    assert imported(other, **json.loads(text))["notes"] == []
    for name in ("s1", "s2", "s3", "s4", *hashes):
        assert other.ask(NAME, "lookup", hashes=[name]) == bench.ask(NAME, "lookup", hashes=[name])
    playbooks = ["refill", "rollback"]
    assert other.ask(NAME, "standing", playbooks=playbooks) == bench.ask(NAME, "standing", playbooks=playbooks)
    assert other.ask(NAME, "export") == bench.ask(NAME, "export")
    assert best(other, "s3")["auto_apply"] is True


def test_export_comes_in_pages(bench: Bench) -> None:
    for number in range(5):
        bench.ask(NAME, "seen", signature=f"s{number}")
    first = bench.ask(NAME, "export", limit=3)
    rest = bench.ask(NAME, "export", limit=3, after=first["next"])
    assert [*first["signatures"], *rest["signatures"]] == ["s0", "s1", "s2", "s3", "s4"]
    assert (first["next"], rest["next"]) == ("s2", None)


def test_nothing_given_is_nothing_changed_by_an_import(bench: Bench) -> None:
    given = entry()
    before = copy.deepcopy(given)
    imported(bench, **given)
    assert given == before
