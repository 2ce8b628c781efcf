"""The trigger mesh with real figures of a small tree, under a virtual clock."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernel import Answer, Request
from grace_actors.kernels.storm import Storm
from grace_actors.kernels.trigger_mesh import TriggerMesh
from grace_actors.kernels.watch import figures, own_code
from tests.harness.kernels import Bench, BenchContext
from tests.unit.watch.stage import CALM, again, record, small_tree


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = small_tree(tmp_path / "home", monkeypatch)
    (made.home / "config").mkdir()
    (made.home / "config" / "policy.yaml").write_text("a: 1")
    made.add("trigger_mesh", TriggerMesh)
    return made


def fired(bench: Bench) -> list[tuple[str, str, str]]:
    return [(data["issue"], subject, data["severity"]) for type, subject, data in bench.events if "fired" in type]


def row(bench: Bench, name: str) -> Any:
    return next(each for each in bench.ask("trigger_mesh", "triggers")["triggers"] if each["name"] == name)


def test_a_calm_tree_fires_nothing_and_every_measurable_trigger_is_evaluated(bench: Bench) -> None:
    bench.advance(61)
    assert fired(bench) == []
    table = bench.ask("trigger_mesh", "triggers")["triggers"]
    assert all(each["runs"] >= 2 for each in table if each["available"])
    assert {each["name"]: each["reason"] for each in table if not each["available"]} == {
        "pre_boot_code_diff": f"not measured: code_changes: {own_code.NOTHING_GOOD}",
        "telemetry_drift": "not measured: http_answers: api_server has not written down an address",
    }


def test_a_silent_kernel_fires_once_and_again_only_when_it_gets_worse(bench: Bench) -> None:
    monitor = bench.kernels["health_monitor"]
    monitor.waiting_s = 31.0  # type: ignore[attr-defined]
    bench.advance(91)
    assert fired(bench) == [("heartbeat_gap", "bus", "medium")]
    monitor.waiting_s = 95.0  # type: ignore[attr-defined]
    bench.advance(31)
    assert fired(bench)[1:] == [("heartbeat_gap", "bus", "high")]
    assert row(bench, "health_signal_gap")["suppressed"] >= 2


def test_what_fires_goes_into_the_event_log_and_to_nobody_else(bench: Bench) -> None:
    bench.kernels["health_monitor"].waiting_s = 31.0  # type: ignore[attr-defined]
    bench.advance(31)
    (data,) = [data for type, _, data in bench.events if type == "trigger.fired"]
    assert data == {
        "trigger": "health_signal_gap", "issue": "heartbeat_gap", "severity": "medium", "action": "restart_kernel",
        "target": "self_healing", "detail": "no answer to a ping for 31 s", "since": 1_700_001_030.0 - 31.0,
    }  # fmt: skip
    assert [to for _, to, verb, _ in bench.sent if verb == "event"] == []


def test_a_finding_that_was_over_is_told_again_when_it_comes_back(bench: Bench) -> None:
    monitor = bench.kernels["health_monitor"]
    for waiting_s in (31.0, 0.0, 31.0):
        monitor.waiting_s = waiting_s  # type: ignore[attr-defined]
        bench.advance(60)
    assert fired(bench) == [("heartbeat_gap", "bus", "medium")] * 2


def cleared(bench: Bench) -> list[tuple[str, Any]]:
    return [(subject, data) for type, subject, data in bench.events if type == "trigger.cleared"]


def test_what_was_told_and_is_over_is_told_to_be_over_once_also_after_a_kill(bench: Bench) -> None:
    monitor = bench.kernels["health_monitor"]
    monitor.waiting_s = 31.0  # type: ignore[attr-defined]
    bench.advance(61)
    again(bench)
    monitor.waiting_s = 0.0  # type: ignore[attr-defined]
    assert cleared(bench) == []
    bench.advance(121)
    assert cleared(bench) == [("bus", {"trigger": "health_signal_gap", "issue": "heartbeat_gap"})]


@pytest.mark.parametrize("told", [5, "abcd", [["one"]], [[1, 2, 3]], [None]])
def test_findings_of_a_former_life_that_cannot_be_read_are_refused(bench: Bench, told: object) -> None:
    """Some used to end the start with another error, which is not taken for a damaged snapshot."""
    with pytest.raises(ValueError, match="list of findings"):
        bench.kernels["trigger_mesh"].restore({"routes": {}, "told": told})


def test_a_restart_of_the_mesh_does_not_tell_anew_what_was_told_before_it(bench: Bench) -> None:
    """Errors of the last minutes used to become incidents a second time, long after they had been dealt with."""
    for _ in range(5):
        record(bench, "child.exited", "bus", {"kind": "crash", "reason": "KeyError: 1"})
    again(bench)
    bench.advance(400)
    assert fired(bench) == [("repeated_error", "bus", "high")]


def test_crashes_of_one_drill_and_the_next_added_up_to_an_error_that_repeats(bench: Bench) -> None:
    crash = {"kind": "crash", "reason": "Injected: out of ideas"}
    for end in ("drill.passed", "drill.interrupted"):
        record(bench, "drill.started", "MR003", {})
        for _ in range(5):
            record(bench, "child.exited", "bus", crash)
        record(bench, end, "MR003", {})
    assert fired(bench) == []
    for _ in range(5):  # an operator injects it, to see what happens
        record(bench, "child.exited", "bus", crash)
    assert fired(bench) == [("repeated_error", "bus", "high")]


def test_an_error_of_a_drills_own_kernel_counts_while_it_goes_on(bench: Bench) -> None:
    record(bench, "drill.started", "CE001", {})
    for _ in range(5):
        record(bench, "child.exited", "bus", {"kind": "crash", "reason": "SyntaxError: invalid syntax"})
    assert fired(bench) == [("repeated_error", "bus", "high")]


def test_what_is_over_when_the_mesh_restarts_is_news_when_it_comes_back(bench: Bench) -> None:
    monitor = bench.kernels["health_monitor"]
    monitor.waiting_s = 31.0  # type: ignore[attr-defined]
    bench.advance(61)
    again(bench)
    for waiting_s in (0.0, 31.0):
        monitor.waiting_s = waiting_s  # type: ignore[attr-defined]
        bench.advance(120)
    assert fired(bench) == [("heartbeat_gap", "bus", "medium")] * 2


@pytest.mark.parametrize(
    "lately", [5, "abcd", [["one"]], [{"key": [1], "at": 1.0, "weight": 1, "over": False}], [None]]
)
def test_what_was_told_lately_in_a_form_that_cannot_be_read_is_refused(bench: Bench, lately: object) -> None:
    with pytest.raises(ValueError, match="lately"):
        bench.kernels["trigger_mesh"].restore({"routes": {}, "lately": lately})


def test_an_error_that_happened_is_never_over(bench: Bench) -> None:
    for _ in range(5):
        record(bench, "child.exited", "bus", {"kind": "crash", "reason": "KeyError: 1"})
    assert fired(bench)[0][0] == "repeated_error"
    bench.advance(7200)
    assert cleared(bench) == []


def test_a_suspicion_is_judged_when_the_silence_is_too_long_and_not_at_the_next_half_minute(bench: Bench) -> None:
    bench.advance(31)
    bench.kernels["health_monitor"].waiting_s = 31.0  # type: ignore[attr-defined]
    record(bench, "health.suspected", "bus", {"level": 9.0, "waited_s": 22.0, "tier": "core"})
    bench.advance(8)
    assert fired(bench) == []
    bench.advance(0.2)
    assert fired(bench) == [("heartbeat_gap", "bus", "medium")]


def test_a_risk_that_is_raised_is_judged_in_the_same_call(bench: Bench) -> None:
    record(bench, "risk.raised", "bus", {"risk": 0.9, "horizon_s": 600})
    assert fired(bench) == [("predicted_failure", "bus", "medium")]
    record(bench, "risk.raised", "status", {"risk": "high"})
    assert len(fired(bench)) == 1


def test_pressure_is_judged_with_the_sample_that_shows_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.advance(31)
    monkeypatch.setattr(figures, "read_host", lambda at, disk, first: replace(CALM, cpu_percent=99.0))
    monkeypatch.setattr(figures.OwnCpu, "percent", lambda self, now: 80.0)
    bench.advance(19)
    assert fired(bench) == [("cpu_saturation", "host", "high")]
    (data,) = [data for type, _, data in bench.events if type == "trigger.fired"]
    assert data["since"] == 1_700_001_040.0  # the first of the two samples


def test_a_processor_that_others_saturate_is_not_ours_to_relieve(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "read_host", lambda at, disk, first: replace(CALM, cpu_percent=99.0))
    monkeypatch.setattr(figures.OwnCpu, "percent", lambda self, now: 9.0)
    bench.advance(61)
    assert fired(bench) == []


def test_a_signal_from_outside_is_no_error_of_the_actor(bench: Bench) -> None:
    for _ in range(9):
        record(bench, "child.exited", "bus", {"kind": "killed", "reason": "SIGKILL"})
    assert fired(bench) == []


def test_a_signal_is_seen_also_when_the_clock_of_the_host_was_set_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.advance(31)
    monkeypatch.setattr(BenchContext, "wall", lambda self: 1_000.0 - self.bench.clock)
    bench.kernels["health_monitor"].waiting_s = 31.0  # type: ignore[attr-defined]
    (bench.home / "config" / "policy.yaml").write_text("a: 2")
    bench.advance(31)
    assert sorted(fired(bench)) == [("config_drift", "policy.yaml", "critical"), ("heartbeat_gap", "bus", "medium")]
    assert row(bench, "health_signal_gap")["runs"] == 2


def test_a_figure_that_cannot_be_taken_is_reported_and_not_taken_for_calm(bench: Bench) -> None:
    bench.crash("health_monitor")
    bench.advance(41)
    found = row(bench, "health_signal_gap")
    why = "not measured: silent_s: health_monitor did not answer suspicion"
    assert (found["available"], found["reason"], found["runs"]) == (False, why, 0)
    assert row(bench, "resource_pressure")["runs"] > 0


def test_a_changed_configuration_fires_until_it_is_accepted(bench: Bench) -> None:
    (bench.home / "config" / "policy.yaml").write_text("a: 2")
    bench.advance(1.1)  # not at the next half minute
    assert fired(bench) == [("config_drift", "policy.yaml", "critical")]
    bench.ask("trigger_mesh", "accept", what="config")
    bench.advance(1000)
    assert len(fired(bench)) == 1


def test_a_drift_is_found_also_after_a_restart(bench: Bench) -> None:
    bench.crash("trigger_mesh")
    (bench.home / "config" / "policy.yaml").unlink()
    bench.add("trigger_mesh", TriggerMesh)
    bench.advance(31)
    assert fired(bench) == [("config_drift", "policy.yaml", "critical")]


def test_a_damaged_artefact_fires_and_again_when_it_is_damaged_after_its_repair(bench: Bench) -> None:
    folder = bench.home / "artefacts"
    folder.mkdir()
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(b'good').hexdigest()}  m.pt\n")
    for content in (b"good", b"evil", b"good", b"bad"):
        (folder / "m.pt").write_bytes(content)
        os.utime(folder / "m.pt", (1_000.0, 1_000.0))
        bench.advance(61)
    assert fired(bench) == [("model_corruption", "m.pt", "critical")] * 2
    (data, _) = [data for type, _, data in bench.events if type == "trigger.fired"]
    assert (data["action"], data["since"]) == ("restore_model_weights", 1_000.0)


def test_the_fifth_time_the_same_exit_comes_asks_for_a_fix_in_the_same_call(bench: Bench) -> None:
    for n in range(1, 6):
        assert fired(bench) == []
        bench.advance(1)
        record(bench, "child.exited", "core/bus", {"kind": "crash", "reason": f"ValueError: bad port\nline {n}"})
    assert fired(bench) == [("repeated_error", "bus", "high")]
    (data,) = [data for type, _, data in bench.events if type == "trigger.fired"]
    assert (data["target"], data["detail"]) == ("coding_agent", "5 times: ValueError: bad port")
    assert data["since"] == 1_700_001_001.0
    record(bench, "child.exited", "core/bus", {"kind": "crash", "reason": "ValueError: bad port"})
    assert len(fired(bench)) == 1
    for _ in range(5):
        record(bench, "child.exited", "core/bus", {"kind": "crash", "reason": "KeyError: 'x'"})
    assert len(fired(bench)) == 2


def test_errors_are_counted_on_after_a_crash(bench: Bench) -> None:
    for _ in range(4):
        record(bench, "child.exited", "bus", {"kind": "crash", "reason": "ValueError"})
    bench.kernels["trigger_mesh"].ctx.save()
    again(bench)
    record(bench, "child.exited", "bus", {"kind": "crash", "reason": "ValueError"})
    assert fired(bench) == [("repeated_error", "bus", "high")]


def test_errors_of_long_ago_do_not_count(bench: Bench) -> None:
    for _ in range(5):
        data = {"kind": "crash", "reason": "ValueError", "detail": ""}
        record(bench, "child.exited", "bus", data)
        bench.advance(200)
    assert fired(bench) == []


def test_evaluating_on_demand_answers_with_what_fired(bench: Bench) -> None:
    (bench.home / "config" / "new.yaml").write_text("")
    got: list[Answer] = []
    bench.post("test", "trigger_mesh", "evaluate", {}, got.append)
    assert [event["subject"] for event in got[0].value["fired"]] == ["new.yaml"]
    assert bench.ask("trigger_mesh", "fired")["fired"][0]["data"]["issue"] == "config_drift"


def test_events_are_told_to_those_whose_pattern_matches(bench: Bench) -> None:
    bench.ask("trigger_mesh", "subscribe", sender="desk", pattern="error.*")
    assert bench.ask("trigger_mesh", "match", type="error.io") == {"names": ["desk"]}
    assert bench.ask("trigger_mesh", "route", type="error.io", subject="x") == {"told": ["desk"]}
    assert bench.ask("trigger_mesh", "route", type="job.done", subject="x") == {"told": []}
    bench.ask("status", "record", emitter="s", n=1, type="error.disk", subject="y", data={}, at=0)
    assert [args["type"] for _, to, verb, args in bench.sent if to == "desk"] == ["error.io", "error.disk"]
    bench.ask("trigger_mesh", "unsubscribe", sender="desk")
    assert bench.ask("trigger_mesh", "match", type="error.io") == {"names": []}


def test_routes_survive_a_crash(bench: Bench) -> None:
    bench.ask("trigger_mesh", "subscribe", sender="desk", pattern="error.*")
    again(bench)
    assert bench.ask("trigger_mesh", "match", type="error.io") == {"names": ["desk"]}


def test_a_flood_of_events_is_not_passed_on_and_is_announced_once(bench: Bench) -> None:
    bench.ask("trigger_mesh", "subscribe", sender="desk", pattern="*")
    for n in range(10_000):
        bench.ask("trigger_mesh", "route", type=f"noise.{n}", subject="x")
    assert sum(to == "desk" for _, to, _, _ in bench.sent) == 500
    bench.kernels["health_monitor"].waiting_s = 31.0  # type: ignore[attr-defined]
    bench.advance(31)
    assert fired(bench) == [("heartbeat_gap", "bus", "medium")]  # meanwhile the triggers go on
    bench.advance(60)
    storms = [(type, data) for type, _, data in bench.events if type.startswith("storm")]
    assert [type for type, _ in storms] == ["storm.began", "storm.ended"]
    assert (storms[0][1], storms[1][1]["refused"]) == ({"of": "events"}, {"flood": 9_500})
    assert bench.ask("trigger_mesh", "route", type="calm.again", subject="x") == {"told": ["desk"]}
    assert bench.ask("trigger_mesh", "triggers")["suppressed"]["flood"] == 9_500


def test_a_flood_of_exits_is_counted_and_told_once(bench: Bench) -> None:
    mesh = bench.kernels["trigger_mesh"]
    args = {"type": "child.exited", "subject": "bus", "data": {"kind": "crash", "reason": "ValueError"}, "at": 0}
    for _ in range(10_000):
        mesh.handle(Request(verb="event", args=args, sender="status"))
    assert fired(bench) == [("repeated_error", "bus", "high")]
    assert row(bench, "live_error_feed")["suppressed"] == 10_000 - 5
    bench.advance(100)
    assert [type for type in bench.types() if type.startswith("storm")] == ["storm.began", "storm.ended"]


def test_more_findings_than_may_be_told_are_one_storm_and_are_told_later(bench: Bench) -> None:
    for n in range(50):
        (bench.home / "config" / f"{n}.yaml").write_text("new")
    bench.advance(31)
    assert len(fired(bench)) == 20
    assert bench.types().count("storm.began") == 1
    bench.advance(180)
    assert sorted({subject for _, subject, _ in fired(bench)}) == sorted(f"{n}.yaml" for n in range(50))
    bench.advance(90)
    assert (bench.types().count("storm.began"), bench.types().count("storm.ended")) == (1, 1)


def test_an_event_costs_the_same_in_a_flood() -> None:
    """Counted in calls of Python functions: the machine may be as slow as it likes."""

    def calls(events: int) -> int:
        storm, count = Storm(), 0

        def tick(frame: Any, event: str, arg: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(tick)
        try:
            for n in range(events):
                storm.event(f"type.{n}", n / 20_000)
                storm.finding(n, 1, n / 20_000)
        finally:
            sys.setprofile(None)
        return count

    assert calls(20_000) < 20 * 1.5 * calls(1_000)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"intervall": "30s"}, "no setting 'intervall'; did you mean interval?"),
        ({"interval": "soon"}, "interval is 'soon'; allowed is a duration"),
        ({"interval": "0s"}, "interval is '0s'; allowed is a duration from 1s to 1h"),
        ({"cpu_percent": 101}, "cpu_percent is 101; allowed is a number from 1 to 100"),
        ({"risk": True}, "risk is True; allowed is a number from 0 to 1"),
        ({"risk": float("nan")}, "risk is nan; allowed is a number from 0 to 1"),
        ({"repeats": 2.5}, "repeats is 2.5; allowed is a whole number"),
        ({"log_rules": {"pattern": "x"}}, "log_rules is {'pattern': 'x'}; allowed is a list"),
        ({"log_rules": [{"pattern": "x"}]}, "log_rules, number 1 is {'pattern': 'x'}; allowed is a mapping"),
        ({"log_rules": [{"pattern": "(", "event": "a.done"}]}, "log_rules, number 1: pattern '(' is no regular"),
        ({"log_rules": [{"pattern": "x", "event": "Done"}]}, "event is 'Done'; allowed is noun.past_tense"),
        ({"log_ignore": "shop"}, "log_ignore is 'shop'; allowed is a list of names"),
    ],
)
def test_a_wrong_setting_is_a_failed_start_that_says_what_is_allowed(
    tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Bench(home=tmp_path).add("trigger_mesh", TriggerMesh, **config)


def test_limits_and_interval_come_from_the_configuration(bench: Bench) -> None:
    again(bench, interval="5s", silent="2s", risk=0.05)
    bench.kernels["health_monitor"].waiting_s = 3.0  # type: ignore[attr-defined]
    bench.advance(5.1)
    assert fired(bench) == [("heartbeat_gap", "bus", "medium"), ("predicted_failure", "bus", "medium")]
    assert bench.ask("trigger_mesh", "triggers")["interval_s"] == 5.0


@pytest.mark.parametrize(
    ("verb", "args"),
    [("accept", {"what": "everything"}), ("subscribe", {}), ("route", {"type": ""}), ("fired", {"limit": 0})],
)
def test_bad_requests_are_refused(bench: Bench, verb: str, args: dict[str, Any]) -> None:
    with pytest.raises(GraceError, match="refused"):
        bench.ask("trigger_mesh", verb, **args)
