"""clarity_framework: decision records."""

from __future__ import annotations

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels.clarity_framework import ClarityFramework
from tests.harness.kernels import Bench

DECISION = {
    "subject": "librarian",
    "what": "restart librarian",
    "why": ["three crashes in a minute", "same signature"],
    "alternatives": ["wait", "quarantine"],
    "confidence": 0.8,
    "risk": "medium",
}


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.add("clarity_framework", ClarityFramework)
    return bench


def record(bench, **changes):
    return bench.ask("clarity_framework", "record", sender="self_healing", **(DECISION | changes))["id"]


def test_a_decision_is_explained_with_its_evidence_alternatives_and_outcome(bench):
    id = record(bench)
    bench.ask("clarity_framework", "resolve", id=id, outcome="succeeded", note="up since")
    said = bench.ask("clarity_framework", "explain", id=id)["text"]
    for part in ("self_healing", "three crashes", "quarantine", "80%", "medium", "succeeded (up since)"):
        assert part in said


def test_a_subject_is_explained_by_its_last_decisions_newest_first(bench):
    first = record(bench)
    bench.advance(1)
    second = record(bench)
    record(bench, subject="scheduler")
    found = bench.ask("clarity_framework", "explain", subject="librarian")["decisions"]
    assert [d["id"] for d in found] == [second, first]


def test_an_outcome_is_given_once(bench):
    id = record(bench)
    bench.ask("clarity_framework", "resolve", id=id, outcome="failed")
    with pytest.raises(GraceError, match="has the outcome failed already"):
        bench.ask("clarity_framework", "resolve", id=id, outcome="succeeded")


def test_records_survive_a_crash(bench):
    id = record(bench)
    bench.crash("clarity_framework")
    bench.add("clarity_framework", ClarityFramework)
    assert bench.ask("clarity_framework", "recent")["decisions"][0]["id"] == id


def test_stated_confidence_is_compared_with_what_came_of_it(bench):
    for outcome in ("succeeded", "failed"):
        bench.ask("clarity_framework", "resolve", id=record(bench), outcome=outcome)
    calibration = bench.ask("clarity_framework", "stats")["calibration"]
    assert (calibration["stated"], calibration["reached"], calibration["n"]) == (0.8, 0.5, 2)


def test_only_open_decisions_are_listed_on_request(bench):
    closed, open_one = record(bench), record(bench)
    bench.ask("clarity_framework", "resolve", id=closed, outcome="partial")
    found = bench.ask("clarity_framework", "recent", open=True)["decisions"]
    assert [d["id"] for d in found] == [open_one]


@pytest.mark.parametrize(
    "changes",
    [{"why": []}, {"confidence": 1.5}, {"confidence": "high"}, {"risk": "huge"}, {"subject": " "}, {"why": [1]}],
)
def test_a_decision_without_substance_is_refused(bench, changes):
    with pytest.raises(GraceError):
        record(bench, **changes)


def test_explaining_needs_exactly_one_of_id_and_subject(bench):
    for args in ({}, {"id": "dec_1", "subject": "x"}, {"id": "dec_1"}, {"subject": "nobody"}):
        with pytest.raises(GraceError):
            bench.ask("clarity_framework", "explain", **args)
