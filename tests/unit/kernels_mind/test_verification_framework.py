"""verification_framework and the trust score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.errors import GraceError
from grace_actors.kernel import LATER
from grace_actors.kernels.trust import Trust, trust_of
from grace_actors.kernels.verification_framework import VerificationFramework
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Fixed, Status, child

GOOD = {"checks": [{"name": "setup", "ok": True, "detail": ""}]}
BAD = {"checks": [{"name": "setup", "ok": True}, {"name": "log_writable", "ok": False, "detail": "disk full"}]}


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.add("message_bus", Fixed, ready=GOOD)
    bench.add("immutable_log", Fixed, ready=GOOD)
    bench.add("verification_framework", VerificationFramework)
    return bench


def verify(bench, name):
    return bench.ask("verification_framework", "verify", name=name)


def test_a_kernel_is_verified_by_its_own_checks(bench):
    assert verify(bench, "message_bus")["ok"] is True
    bench.kernels["message_bus"].answers["ready"] = BAD
    report = verify(bench, "message_bus")
    assert report["ok"] is False
    assert report["checks"][1] == {"name": "log_writable", "ok": False, "detail": "disk full"}


@pytest.mark.parametrize("answer", [{}, {"checks": []}, "fine", None, {"checks": ["ok"]}, {"checks": [{"ok": 1}]}])
def test_an_answer_without_checks_is_a_failed_check(bench, answer):
    bench.kernels["message_bus"].answers["ready"] = answer
    assert verify(bench, "message_bus")["ok"] is False


def test_silence_is_a_failed_check(bench):
    got = []
    bench.post("test", "verification_framework", "verify", {"name": "ghost"}, got.append)
    assert got == []
    bench.advance(6)
    assert got[0].value["checks"][0]["name"] == "answers"
    assert got[0].value["ok"] is False


def test_it_verifies_itself(bench):
    assert verify(bench, "verification_framework")["ok"] is True


def test_every_kernel_of_the_tree_is_verified_at_once(bench):
    status = bench.add("status", Status)
    status.tree["children"] = [child("message_bus"), child("immutable_log"), child("web", kind="process")]
    bench.kernels["immutable_log"].answers["ready"] = BAD
    report = bench.ask("verification_framework", "verify_all")
    assert (report["ok"], report["failed"]) == (False, ["immutable_log"])
    assert [r["name"] for r in report["reports"]] == ["message_bus", "immutable_log"]


def test_rules_are_unknown_before_the_first_check_and_checked_every_minute(bench):
    assert bench.ask("verification_framework", "rules")["ok"] is None
    bench.advance(8)
    assert bench.ask("verification_framework", "rules")["ok"] is True
    bench.kernels["immutable_log"].answers["ready"] = BAD
    bench.advance(60)
    rules = {rule["name"]: rule for rule in bench.ask("verification_framework", "rules")["rules"]}
    assert rules["log_writable"]["detail"] == "log_writable: disk full"
    assert bench.types().count("rule.broken") == 1
    bench.kernels["immutable_log"].answers["ready"] = GOOD
    assert bench.ask("verification_framework", "rules", now=True)["ok"] is True
    assert "rule.restored" in bench.types()


def test_a_dead_bus_breaks_its_rule(bench):
    bench.crash("message_bus")
    assert bench.ask("verification_framework", "rules", now=True) is LATER
    bench.advance(6)
    assert bench.ask("verification_framework", "rules")["ok"] is False


def test_trust_gains_five_and_loses_ten_points_from_fifty(bench):
    def record(ok):
        return bench.ask("verification_framework", "record_outcome", component="librarian", ok=ok)["score"]

    assert [record(True), record(False), record(True)] == [55, 45, 50]
    assert bench.ask("verification_framework", "trust", component="nobody")["score"] == 50


def test_trust_survives_a_crash_by_its_snapshot(bench):
    bench.ask("verification_framework", "record_outcome", component="librarian", ok=False)
    bench.kernels["verification_framework"].ctx.save()
    bench.crash("verification_framework")
    bench.add("verification_framework", VerificationFramework)
    assert bench.ask("verification_framework", "trust", component="librarian")["score"] == 40


@pytest.mark.parametrize("state", [{"trust": [3]}, {"trust": [{"component": "a", "score": 900}]}, {"trust": [{}]}])
def test_a_snapshot_with_impossible_scores_is_discarded(bench, state):
    with pytest.raises(ValueError, match=r"trust|score"):
        bench.kernels["verification_framework"].restore(state)


@given(st.lists(st.booleans(), max_size=60))
def test_trust_stays_within_bounds_and_reads_back(outcomes):
    trust = Trust(component="x")
    for number, ok in enumerate(outcomes):
        trust = trust.after(ok=ok, at=float(number))
        assert 0 <= trust.score <= 100
        assert trust.is_valid
        assert trust_of(trust.as_data()) == trust


def test_bad_input_is_refused(bench):
    for verb, args in (
        ("verify", {}),
        ("record_outcome", {"component": "a"}),
        ("record_outcome", {"component": "a", "ok": 1}),
    ):
        with pytest.raises(GraceError):
            bench.ask("verification_framework", verb, **args)
