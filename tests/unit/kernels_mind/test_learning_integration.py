"""learning_integration: failure risk and confidence from outcomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.errors import GraceError
from grace_actors.kernels.failure_risk import HALF_LIFE_S, Record, record_of
from grace_actors.kernels.learning_integration import LearningIntegration
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Status


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.add("status", Status)
    bench.add("learning_integration", LearningIntegration)
    return bench


def ask(bench, verb, **args):
    return bench.ask("learning_integration", verb, **args)


def happen(bench, type, subject, **data):
    bench.kernels["status"].happen(type, subject, 1_700_000_000.0 + bench.clock, **data)


def test_what_was_never_seen_has_the_prior_risk_of_one_failure_a_day(bench):
    answer = ask(bench, "risk", name="librarian", horizon_s=86_400)
    assert (round(answer["risk"], 3), answer["confidence"], answer["evidence"]) == (0.632, 0.5, 0.0)


def test_a_crash_raises_the_risk_and_lowers_the_confidence(bench):
    before = ask(bench, "risk", name="librarian")
    happen(bench, "child.exited", "librarian", kind="crash", reason="x")
    after = ask(bench, "risk", name="librarian")
    assert after["risk"] > before["risk"]
    assert after["confidence"] < before["confidence"]


def test_an_orderly_exit_teaches_nothing(bench):
    happen(bench, "child.exited", "librarian", kind="shutdown")
    assert ask(bench, "top")["kernels"] == []


def test_a_start_that_lasts_a_minute_is_a_success_and_a_shorter_one_is_not(bench):
    happen(bench, "child.started", "librarian")
    happen(bench, "child.started", "scheduler")
    bench.advance(31)
    happen(bench, "child.exited", "scheduler", kind="crash")
    happen(bench, "child.started", "stopped")
    happen(bench, "child.stopped", "stopped", kind="shutdown")
    bench.advance(90)
    assert ask(bench, "confidence", name="librarian")["successes"] == 1
    assert ask(bench, "confidence", name="scheduler")["successes"] == 0
    assert ask(bench, "confidence", name="stopped")["evidence"] == 0


def test_risk_fades_when_nothing_fails(bench):
    happen(bench, "child.exited", "librarian", kind="crash")
    before = ask(bench, "risk", name="librarian")["risk"]
    bench.advance(3 * HALF_LIFE_S)
    assert ask(bench, "risk", name="librarian")["risk"] < before


def test_the_most_endangered_kernel_is_on_top(bench):
    for _ in range(3):
        happen(bench, "child.exited", "librarian", kind="crash")
    happen(bench, "child.exited", "scheduler", kind="crash")
    assert [k["name"] for k in ask(bench, "top")["kernels"]] == ["librarian", "scheduler"]


def test_high_risk_is_told_once(bench):
    for _ in range(400):
        ask(bench, "outcome", name="librarian", ok=False)
    assert ask(bench, "risk", name="librarian")["risk"] > 0.7
    assert bench.types().count("risk.raised") == 1


def test_knowledge_survives_a_crash_and_no_event_counts_twice(bench):
    happen(bench, "child.exited", "librarian", kind="crash")
    bench.kernels["learning_integration"].ctx.save()
    bench.crash("learning_integration")
    happen(bench, "child.exited", "librarian", kind="crash")
    bench.add("learning_integration", LearningIntegration)
    assert ask(bench, "risk", name="librarian")["failures"] == 2


@pytest.mark.parametrize(
    "state",
    [
        {"records": [1]},
        {"records": [{"name": "a"}]},
        {"last_event": "x"},
        {"started": 3},
        {
            "records": [
                {
                    "name": "a",
                    "at": 1,
                    "failures": -1,
                    "successes": 0,
                    "seconds": 0,
                    "total_failures": 0,
                    "total_successes": 0,
                }
            ]
        },
    ],
)
def test_a_damaged_snapshot_is_discarded(bench, state):
    with pytest.raises(ValueError, match=r".+"):
        bench.kernels["learning_integration"].restore(state)


outcomes = st.lists(st.tuples(st.booleans(), st.floats(0, 1e5)), max_size=40)


@given(outcomes, st.floats(0, 1e6))
def test_risk_and_confidence_stay_between_nought_and_one_and_failures_only_hurt(steps, later):
    record, now = Record(name="x", at=0.0), 0.0
    for ok, pause in steps:
        now += pause
        before, record = record, record.after(ok=ok, now=now)
        assert 0 < record.risk(now) < 1
        assert 0 < record.confidence(now) < 1
        if not ok:
            assert record.risk(now) >= before.risk(now)
            assert record.confidence(now) <= before.confidence(now)
        assert record_of(record.as_data()) == record
    assert record.at_time(now - 1) == record
    assert 0 < record.risk(now + later) < 1


def test_bad_input_is_refused(bench):
    for verb, args in (("outcome", {"name": "a"}), ("outcome", {"name": "a", "ok": True, "weight": 99}), ("risk", {})):
        with pytest.raises(GraceError):
            ask(bench, verb, **args)
