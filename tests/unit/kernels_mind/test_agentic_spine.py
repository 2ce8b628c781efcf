"""agentic_spine and the scoring of incidents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.errors import GraceError
from grace_actors.kernel import LATER
from grace_actors.kernels.agentic_spine import AgenticSpine
from grace_actors.kernels.impact import impact_of, in_order
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Fixed, Status, child

WALL = 1_700_001_000.0


def incident(id, kernel, *, kind="crash", count=1, open_s=5.0, state="open"):
    at = WALL - open_s
    base = {"id": id, "kernel": kernel, "kind": kind, "reason": "ValueError: x", "count": count, "state": state}
    return base | {"failed_at": at, "last_at": at}


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    status = bench.add("status", Status)
    status.tree["children"] = [child("message_bus", critical=True), child("librarian"), child("scheduler")]
    bench.add("self_healing", Fixed, incidents={"incidents": []})
    bench.add("clarity_framework", Fixed, record={"id": "dec_1"})
    bench.add("agentic_spine", AgenticSpine)
    return bench


def open_incidents(bench, *found):
    bench.kernels["self_healing"].answers["incidents"] = {"incidents": list(found)}


def plan(bench):
    return [entry["incident"] for entry in bench.ask("agentic_spine", "plan")["plan"]]


def test_a_critical_kernel_comes_before_any_other(bench):
    open_incidents(bench, incident("inc_1", "librarian", count=100), incident("inc_2", "message_bus"))
    assert plan(bench) == ["inc_2", "inc_1"]


def test_among_equals_what_fails_more_often_and_what_waits_longer_comes_first(bench):
    open_incidents(
        bench,
        incident("inc_1", "librarian"),
        incident("inc_2", "librarian", open_s=1200),
        incident("inc_3", "librarian", count=8),
    )
    assert plan(bench) == ["inc_3", "inc_2", "inc_1"]


def test_what_is_healed_is_planned_only_while_it_keeps_coming_back(bench):
    open_incidents(
        bench,
        incident("inc_1", "librarian", state="healed"),
        incident("inc_2", "librarian", state="healed", count=3),
        incident("inc_3", "librarian", state="healed", count=3, open_s=601),
    )
    assert plan(bench) == ["inc_2"]


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({}, "watch"),
        ({"open_s": 30}, "inspect_start"),
        ({"count": 3}, "diagnose"),
        ({"kind": "gave_up", "count": 9}, "call_operator"),
    ],
)
def test_the_next_step_follows_from_kind_recurrence_and_age(bench, more, step):
    open_incidents(bench, incident("inc_1", "librarian", **more))
    assert bench.ask("agentic_spine", "next")["next"]["step"] == step


def test_an_explanation_names_every_part_of_the_score(bench):
    open_incidents(bench, incident("inc_1", "message_bus", count=2))
    answer = bench.ask("agentic_spine", "explain", id="inc_1")
    for part in ("criticality 40", "kind 10", "recurrence 5", "watch"):
        assert part in answer["text"]
    assert answer["score"] == answer["criticality"] + answer["kind"] + answer["recurrence"] + answer["age"]
    with pytest.raises(GraceError, match="not in the plan"):
        bench.ask("agentic_spine", "explain", id="inc_9")


def test_nothing_to_do_is_said(bench):
    assert bench.ask("agentic_spine", "next")["text"] == "Nothing needs attention."


def test_a_new_first_incident_is_recorded_as_a_decision_once(bench):
    open_incidents(bench, incident("inc_1", "librarian"))
    bench.advance(100)
    records = bench.kernels["clarity_framework"].asked
    assert [(r.verb, r.args["subject"]) for r in records] == [("record", "inc_1")]


def test_without_self_healing_there_is_no_plan_and_the_asker_is_told(bench):
    bench.crash("self_healing")
    got = []
    bench.post("test", "agentic_spine", "plan", {}, got.append)
    bench.post("test", "agentic_spine", "next", {}, got.append)
    bench.advance(4)
    assert [answer.error["code"] for answer in got] == ["world_failed", "world_failed"]
    assert bench.kernels["agentic_spine"].degraded == ["plans without self_healing: it does not answer"]


def test_without_the_status_actor_the_known_critical_kernels_still_come_first(bench):
    bench.crash("status")
    open_incidents(bench, incident("inc_1", "librarian"), incident("inc_2", "immutable_log"))
    assert bench.ask("agentic_spine", "plan") is LATER
    bench.advance(4)
    assert bench.kernels["agentic_spine"].plan[0].incident == "inc_2"


KINDS = st.sampled_from(["crash", "hung", "gave_up", "start_failed", "odd"])


@given(KINDS, st.integers(1, 10_000), st.floats(0, 1e6), st.integers(0, 1000), st.floats(0, 1e5))
def test_more_failures_or_more_waiting_never_lower_a_score(kind, count, open_s, more, longer):
    before = impact_of(incident("a", "x", kind=kind, count=count, open_s=open_s), (), WALL)
    after = impact_of(incident("a", "x", kind=kind, count=count + more, open_s=open_s + longer), (), WALL)
    assert after.score >= before.score
    assert in_order([before, before]) == [before, before]
