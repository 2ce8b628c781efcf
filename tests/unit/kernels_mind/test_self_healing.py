"""self_healing: incidents from reports and from events of the tree."""

from __future__ import annotations

import pytest

from grace_actors.errors import GraceError, StoreFailed
from grace_actors.kernels.incident_store import WITHHELD
from grace_actors.kernels.self_healing import SelfHealing
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Fixed, Status


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.add("status", Status)
    bench.add("secret_manager", Fixed, redact=lambda r: {"text": r.args["text"].replace("hunter2", "***")})
    bench.add("self_healing", SelfHealing)
    return bench


def report(bench, reason="ValueError: bad port", kernel="librarian", **more):
    return bench.ask("self_healing", "report", kernel=kernel, kind="crash", reason=reason, **more)


def happen(bench, type, subject, **data):
    bench.kernels["status"].happen(type, subject, 1_700_000_000.0 + bench.clock, **data)


def incidents(bench, **narrow):
    return bench.ask("self_healing", "incidents", **narrow)["incidents"]


def test_the_same_failure_within_five_minutes_is_one_incident(bench):
    first = report(bench)
    bench.advance(299)
    again = report(bench)
    assert (first["new"], again["new"], again["id"], again["count"]) == (True, False, first["id"], 2)
    assert bench.types().count("incident.opened") == 1


def test_the_same_failure_after_five_minutes_is_a_new_incident(bench):
    first = report(bench)
    bench.advance(301)
    assert report(bench)["id"] != first["id"]


def test_another_reason_or_another_kernel_is_another_incident(bench):
    ids = {report(bench)["id"], report(bench, reason="KeyError: x")["id"], report(bench, kernel="scheduler")["id"]}
    assert len(ids) == 3


def test_incident_ids_carry_the_day_and_count_up(bench):
    assert [report(bench, reason=f"E{n}")["id"] for n in range(2)] == ["inc_20231114_0001", "inc_20231114_0002"]


def test_an_abnormal_exit_opens_an_incident_and_the_next_start_recovers_it(bench):
    happen(bench, "child.exited", "librarian", kind="crash", reason="ValueError: x", detail="trace")
    assert incidents(bench)[0]["state"] == "open"
    bench.advance(2.5)
    happen(bench, "child.started", "librarian")
    found = incidents(bench)[0]
    assert (found["state"], found["recovery_s"]) == ("recovered", 2.5)
    assert bench.ask("self_healing", "stats")["mean_time_to_recovery_s"] == 2.5


def test_a_failure_after_recovery_opens_the_same_incident_again_and_times_it_anew(bench):
    happen(bench, "child.exited", "librarian", kind="crash", reason="x")
    bench.advance(1)
    happen(bench, "child.started", "librarian")
    bench.advance(10)
    happen(bench, "child.exited", "librarian", kind="crash", reason="x")
    bench.advance(3)
    happen(bench, "child.started", "librarian")
    stats = bench.ask("self_healing", "stats")
    assert (stats["incidents"], stats["failures"], stats["recoveries"]) == (1, 2, 2)
    assert stats["mean_time_to_recovery_s"] == 2.0
    assert stats["longest_recovery_s"] == 3.0


def test_an_exit_that_was_asked_for_is_no_incident(bench):
    happen(bench, "child.exited", "librarian", kind="normal", reason="normal")
    happen(bench, "child.exited", "librarian", kind="shutdown", reason="shutdown")
    assert incidents(bench) == []


def test_a_hang_and_the_exit_it_causes_count_once(bench):
    happen(bench, "child.hung", "librarian", misses=3)
    happen(bench, "child.exited", "librarian", kind="hung", reason="hung: 3 heartbeats missed")
    found = incidents(bench)
    assert [(i["kind"], i["count"]) for i in found] == [("hung", 1)]


def test_a_supervisor_that_gives_up_is_an_incident_naming_the_cause(bench):
    happen(
        bench, "supervisor.gave_up", "agentic", reason="reached_max_restart_intensity", cause="meta_loop", last_exit="E"
    )
    assert incidents(bench)[0]["reason"] == "reached_max_restart_intensity: meta_loop: E"


def test_events_while_the_kernel_was_dead_are_read_when_it_is_back_and_none_counts_twice(bench):
    happen(bench, "child.exited", "librarian", kind="crash", reason="x")
    bench.crash("self_healing")
    happen(bench, "child.exited", "scheduler", kind="crash", reason="y")
    bench.add("self_healing", SelfHealing)
    assert {i["kernel"]: i["count"] for i in incidents(bench)} == {"librarian": 1, "scheduler": 1}


def test_an_event_read_again_after_a_crash_before_its_number_was_kept_counts_once(bench):
    happen(bench, "child.exited", "librarian", kind="crash", reason="x")
    with bench.kernels["self_healing"].store.write() as db:
        db["feed"].upsert({"name": "tree", "last": 0}, pk="name")
    bench.crash("self_healing")
    bench.add("self_healing", SelfHealing)
    assert [i["count"] for i in incidents(bench)] == [1]


def test_a_log_that_begins_anew_is_read_from_its_start(bench):
    for _ in range(3):
        happen(bench, "child.exited", "librarian", kind="crash", reason="x")
    bench.kernels["status"].log.clear()
    bench.kernels["status"].log.append(
        {"seq": 1, "type": "child.exited", "subject": "scheduler", "at": 1.0, "data": {"kind": "crash", "reason": "z"}}
    )
    bench.advance(31)
    assert "scheduler" in {i["kernel"] for i in incidents(bench)}


def test_details_are_stored_only_after_the_secret_manager_redacted_them(bench):
    made = report(bench, detail="password is hunter2")
    assert bench.ask("self_healing", "incident", id=made["id"])["detail"] == "password is ***"


def test_details_are_withheld_while_the_secret_manager_is_silent_and_stored_when_it_is_back(bench):
    secrets = bench.kernels.pop("secret_manager")
    made = report(bench, detail="trace of hunter2")
    assert bench.ask("self_healing", "incident", id=made["id"])["detail"] == WITHHELD
    bench.advance(31)
    assert "withheld" in bench.kernels["self_healing"].degraded[0]
    bench.kernels["secret_manager"] = secrets
    bench.advance(31)
    assert bench.ask("self_healing", "incident", id=made["id"])["detail"] == "trace of ***"
    bench.advance(31)
    assert bench.kernels["self_healing"].degraded == []


def test_what_looks_like_a_secret_in_a_reason_is_masked_without_asking(bench):
    report(bench, reason="ConnectionError: postgres://grace:s3cr3t@db/grace api_key=abcdef123")
    reason = incidents(bench)[0]["reason"]
    assert "s3cr3t" not in reason
    assert "abcdef123" not in reason


def test_a_resolved_incident_stays_closed_and_a_later_failure_opens_a_new_one(bench):
    made = report(bench)
    resolved = bench.ask("self_healing", "resolve", id=made["id"], by="ana", note="fixed the port")
    assert (resolved["state"], resolved["resolved_by"]) == ("resolved", "ana")
    assert report(bench)["id"] != made["id"]


def test_incidents_survive_a_crash(bench):
    made = report(bench)
    bench.crash("self_healing")
    bench.add("self_healing", SelfHealing)
    assert bench.ask("self_healing", "incident", id=made["id"])["count"] == 1


def test_bad_input_is_refused_and_names_what_is_allowed(bench):
    for args in ({}, {"kernel": "a", "kind": "b"}, {"kernel": "a", "kind": "b", "reason": 3}):
        with pytest.raises(GraceError):
            bench.ask("self_healing", "report", **args)
    with pytest.raises(GraceError, match="open, recovered, resolved"):
        bench.ask("self_healing", "incidents", state="closed")
    with pytest.raises(GraceError, match="no incident"):
        bench.ask("self_healing", "resolve", id="inc_1")


def test_a_full_store_is_answered_and_the_events_are_read_again(bench, monkeypatch):
    kernel = bench.kernels["self_healing"]
    record = kernel.incidents.record

    def full(**_):
        raise StoreFailed("disk full")

    monkeypatch.setattr(kernel.incidents, "record", full)
    happen(bench, "child.exited", "librarian", kind="crash", reason="x")
    bench.advance(31)
    assert any("events wait" in reason for reason in kernel.degraded)
    monkeypatch.setattr(kernel.incidents, "record", record)
    bench.advance(31)
    assert [i["kernel"] for i in incidents(bench)] == ["librarian"]


def test_an_event_without_a_type_is_refused(bench):
    with pytest.raises(GraceError, match="type"):
        bench.ask("self_healing", "event", subject="x")
