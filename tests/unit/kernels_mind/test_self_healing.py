"""self_healing: incidents from reports and from events of the tree."""

from __future__ import annotations

import pytest

from grace_actors.errors import GraceError, StoreFailed
from grace_actors.kernels.self_healing import SelfHealing
from grace_actors.kernels.tree_events import read_event
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Fixed, Status, child


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.add("status", Status)
    bench.kernels["status"].tree["children"] = [child("librarian"), child("scheduler")]
    clean = lambda r: {"texts": [t.replace("hunter2", "***") for t in r.args["texts"]], "complete": True}  # noqa: E731
    bench.add("secret_manager", Fixed, redact=clean)
    for name in ("librarian", "scheduler"):
        bench.add(name, Fixed, ready={"checks": [{"name": "works", "ok": True, "detail": ""}]})
    start(bench)
    return bench


def start(bench):
    bench.add("self_healing", SelfHealing)
    bench.advance(0.0)


def report(bench, reason="ValueError: bad port", kernel="librarian", **more):
    return bench.ask("self_healing", "report", kernel=kernel, kind="crash", reason=reason, **more)


def happen(bench, type, subject, **data):
    bench.kernels["status"].happen(type, subject, 1_700_000_000.0 + bench.clock, **data)


def crash(bench, name="librarian", reason="ValueError: x", kind="crash", **more):
    happen(bench, "child.exited", name, kind=kind, reason=reason, **more)


def incidents(bench, **narrow):
    return bench.ask("self_healing", "incidents", **narrow)["incidents"]


def whole(bench, id):
    got = []
    bench.post("test", "self_healing", "incident", {"id": id}, got.append)
    return got[0].value


def test_the_same_failure_again_is_the_same_incident_while_it_is_not_over(bench):
    first = report(bench)
    bench.advance(3000)
    again = report(bench)
    assert (first["new"], again["new"], again["id"], again["count"]) == (True, False, first["id"], 2)
    assert bench.types().count("incident.opened") == 1


def test_another_error_or_another_kernel_is_another_incident(bench):
    ids = {report(bench)["id"], report(bench, reason="KeyError: x")["id"], report(bench, kernel="scheduler")["id"]}
    assert len(ids) == 3


def test_incident_ids_carry_the_day_and_count_up(bench):
    assert [report(bench, reason=f"{e}: n")["id"] for e in ("KeyError", "OSError")] == [
        "inc_20231114_0001",
        "inc_20231114_0002",
    ]


def test_an_exit_opens_an_incident_and_a_start_that_lasts_heals_it(bench):
    crash(bench, detail="trace")
    assert incidents(bench)[0]["state"] == "open"
    bench.advance(2.5)
    happen(bench, "child.started", "librarian")
    assert incidents(bench)[0]["state"] == "open"
    bench.advance(0.25)
    found = incidents(bench)[0]
    assert (found["state"], found["repair"], found["auto"], found["heal_s"]) == ("healed", "restart", True, 2.75)
    assert bench.ask("self_healing", "stats")["zero_touch_rate"] == 1.0


def test_a_failure_soon_after_a_restart_healed_it_opens_the_same_incident_again_and_times_it_anew(bench):
    for outage in (1, 3):
        crash(bench)
        bench.advance(outage)
        happen(bench, "child.started", "librarian")
        bench.advance(10)
    found = incidents(bench)
    assert [(i["count"], i["state"], i["heal_s"]) for i in found] == [(2, "healed", 3.25)]


def test_the_same_failure_long_after_it_was_healed_is_a_new_incident(bench):
    for _ in range(2):
        crash(bench)
        happen(bench, "child.started", "librarian")
        bench.advance(301)
    assert [i["count"] for i in incidents(bench)] == [1, 1]


def test_a_failure_while_the_restart_is_verified_keeps_the_incident_open(bench):
    crash(bench)
    happen(bench, "child.started", "librarian")
    bench.advance(0.2)
    crash(bench)
    bench.advance(0.2)
    assert [(i["state"], i["count"]) for i in incidents(bench)] == [("open", 2)]


def test_an_exit_that_was_asked_for_is_no_incident(bench):
    crash(bench, kind="normal", reason="normal")
    crash(bench, kind="shutdown", reason="shutdown")
    assert incidents(bench) == []


def test_a_hang_and_the_exit_it_causes_count_once(bench):
    happen(bench, "child.hung", "librarian", misses=3)
    crash(bench, kind="hung", reason="hung: 3 heartbeats missed")
    found = incidents(bench)
    assert [(i["kind"], i["count"]) for i in found] == [("hung", 1)]


def test_a_playbook_about_its_own_exit_runs_in_the_one_after_it_beside_the_incident(bench):
    happen(bench, "child.hung", "self_healing", misses=3)
    crash(bench, "self_healing", reason="hung", kind="hung")
    (run,) = bench.ask("self_healing", "runs", playbook="self_healing_stuck_loop_fix")["runs"]
    assert (run["incident"], run["inputs"]["reason"]) == (None, "hung")
    crash(bench, "librarian", reason="hung", kind="hung")
    assert len(bench.ask("self_healing", "runs")["runs"]) == 1


@pytest.mark.parametrize(("type", "subject"), [("trigger.fired", "/api/health"), ("child.exited", "health")])
def test_a_finding_keeps_the_path_it_is_about_and_an_actor_its_last_name(type, subject):
    told = {"type": type, "subject": "/api/health", "seq": 1, "at": 1.0}
    assert read_event(told, 2.0).subject == subject


def test_a_supervisor_that_gives_up_is_an_incident_naming_the_cause(bench):
    happen(
        bench, "supervisor.gave_up", "agentic", reason="reached_max_restart_intensity", cause="meta_loop", last_exit="E"
    )
    assert incidents(bench)[0]["reason"] == "reached_max_restart_intensity: meta_loop: E"


def test_events_while_the_kernel_was_dead_are_read_when_it_is_back_and_none_counts_twice(bench):
    crash(bench)
    bench.crash("self_healing")
    crash(bench, "scheduler")
    start(bench)
    assert {i["kernel"]: i["count"] for i in incidents(bench)} == {"librarian": 1, "scheduler": 1}


def test_an_event_read_again_after_a_crash_before_its_number_was_kept_counts_once(bench):
    crash(bench)
    with bench.kernels["self_healing"].store.write() as db:
        db["feed"].upsert({"name": "tree", "last": 0}, pk="name")
    bench.crash("self_healing")
    start(bench)
    assert [i["count"] for i in incidents(bench)] == [1]


def test_a_log_that_begins_anew_is_read_from_its_start(bench):
    for _ in range(3):
        crash(bench)
    bench.kernels["status"].log.clear()
    bench.kernels["status"].log.append(
        {"seq": 1, "type": "child.exited", "subject": "scheduler", "at": 1.0, "data": {"kind": "crash", "reason": "z"}}
    )
    bench.advance(31)
    assert "scheduler" in {i["kernel"] for i in incidents(bench)}


def test_diagnostics_are_stored_only_after_the_secret_manager_redacted_them(bench):
    made = report(bench, detail="the word is hunter2")
    bench.advance(1.0)
    stored = repr(whole(bench, made["id"])["diagnostics"])
    assert "the word is ***" in stored
    assert "hunter2" not in stored


def test_diagnostics_are_withheld_while_the_secret_manager_is_silent_and_stored_when_it_is_back(bench):
    secrets = bench.kernels.pop("secret_manager")
    made = report(bench, detail="trace of hunter2")
    bench.advance(31)
    assert whole(bench, made["id"])["diagnostics"] is None
    assert any("withheld" in reason for reason in bench.kernels["self_healing"].degraded)
    bench.kernels["secret_manager"] = secrets
    bench.advance(31)
    assert "trace of ***" in repr(whole(bench, made["id"])["diagnostics"])
    bench.advance(31)
    assert not any("withheld" in reason for reason in bench.kernels["self_healing"].degraded)


def test_what_looks_like_a_secret_in_a_reason_is_masked_without_asking(bench):
    report(bench, reason="ConnectionError: postgres://grace:s3cr3t@db/grace api_key=abcdef123")
    reason = incidents(bench)[0]["reason"]
    assert "s3cr3t" not in reason
    assert "abcdef123" not in reason


def test_a_resolved_incident_stays_closed_and_a_later_failure_opens_a_new_one(bench):
    made = report(bench)
    resolved = bench.ask("self_healing", "resolve", id=made["id"], by="ana", note="fixed the port")
    assert (resolved["state"], resolved["repair"], resolved["auto"]) == ("healed", "by hand", False)
    assert report(bench)["id"] != made["id"]


def test_incidents_survive_a_crash(bench):
    made = report(bench)
    bench.crash("self_healing")
    start(bench)
    assert whole(bench, made["id"])["count"] == 1


def test_bad_input_is_refused_and_names_what_is_allowed(bench):
    for args in ({}, {"kernel": "a", "kind": "b"}, {"kernel": "a", "kind": "b", "reason": 3}):
        with pytest.raises(GraceError):
            bench.ask("self_healing", "report", **args)
    with pytest.raises(GraceError, match="open, repairing, awaiting_approval"):
        bench.ask("self_healing", "incidents", state="closed")
    with pytest.raises(GraceError, match="no incident"):
        bench.ask("self_healing", "resolve", id="inc_1")


def test_what_the_disk_refuses_is_kept_in_mind_told_and_written_later(bench, monkeypatch):
    kernel = bench.kernels["self_healing"]
    save = kernel.incidents.save

    def full(batch):
        raise StoreFailed("disk full")

    monkeypatch.setattr(kernel.incidents, "save", full)
    crash(bench)
    with pytest.raises(GraceError, match="disk full"):
        report(bench, kernel="scheduler")
    bench.advance(31)
    assert any("stand still" in reason for reason in kernel.degraded)
    assert "incident.opened" not in bench.types()
    monkeypatch.setattr(kernel.incidents, "save", save)
    bench.advance(31)
    assert {i["kernel"]: i["count"] for i in incidents(bench)} == {"librarian": 1, "scheduler": 1}


def test_an_event_without_a_type_is_refused(bench):
    with pytest.raises(GraceError, match="type"):
        bench.ask("self_healing", "event", subject="x")


def test_a_storm_of_failures_is_counted_and_folded_and_the_rest_goes_on(bench):
    for number in range(260):
        bench.kernels["status"].log.append(
            {
                "seq": number + 1,
                "type": "child.exited",
                "subject": f"worker_{number}",
                "at": 1_700_001_000.0,
                "data": {"kind": "crash", "reason": "ValueError: x"},
            }
        )
    bench.advance(61)
    assert len(incidents(bench, limit=500)) == 200
    folded = [data["count"] for type, _, data in bench.events if type == "incident.folded"]
    assert sum(folded) == 60
    assert bench.ask("self_healing", "stats")["incidents"] == 200
