"""meta_loop: proposals for thresholds, through governance, never silently."""

from __future__ import annotations

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels.governance import Governance
from grace_actors.kernels.meta_loop import MetaLoop
from grace_actors.kernels.tuning import Seen, Setting, Tuner
from supervisors.yaml_source import read_yaml
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Status


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.delenv("GRACE_ENV", raising=False)
    bench = Bench(tmp_path)
    bench.add("status", Status)
    bench.add("governance", Governance)
    bench.add("meta_loop", MetaLoop)
    return bench


def ask(bench, verb, **args):
    return bench.ask("meta_loop", verb, **args)


def happen(bench, type, subject, **data):
    bench.kernels["status"].happen(type, subject, 1_700_000_000.0 + bench.clock, **data)


def cluster(bench, child="librarian"):
    for _ in range(4):
        happen(bench, "child.exited", child, kind="crash", reason="x")
    return ask(bench, "proposals")["proposals"][0]


def approve(bench, proposal):
    bench.ask("governance", "respond", id=proposal["approval"], response="approve", by="ana")


def overrides(bench):
    return read_yaml(bench.home / "config/overrides.yaml").plain()["overrides"]


def test_four_ends_within_a_minute_suggest_a_longer_back_off():
    tuner = Tuner()
    found = [tuner.observe("a", Seen.ENDED, at) for at in (0.0, 20.0, 40.0, 60.0)]
    assert [len(f) for f in found] == [0, 0, 0, 1]
    assert (found[3][0].setting, found[3][0].change) == (Setting.BACKOFF_MIN, {"times": 2.0})


def test_four_ends_in_more_than_a_minute_suggest_nothing():
    tuner = Tuner()
    assert not any(tuner.observe("a", Seen.ENDED, at) for at in (0.0, 30.0, 60.0, 90.0))


def test_hangs_followed_by_a_good_run_suggest_one_more_missed_heartbeat():
    tuner = Tuner()
    for at in (0.0, 100.0, 200.0):
        tuner.observe("a", Seen.HUNG, at)
        tuner.observe("a", Seen.STARTED, at + 1)
    assert tuner.look(240.0) == []
    found = tuner.look(262.0)
    assert (found[0].setting, found[0].change) == (Setting.HEARTBEAT_MISSES, {"plus": 1.0})
    assert tuner.look(300.0) == []


def test_hangs_followed_by_a_crash_suggest_no_more_patience():
    tuner = Tuner()
    for at in (0.0, 100.0, 200.0):
        tuner.observe("a", Seen.HUNG, at)
    tuner.observe("a", Seen.STARTED, 201.0)
    tuner.observe("a", Seen.ENDED, 230.0)
    assert tuner.look(290.0) == []


def test_two_start_timeouts_suggest_more_time():
    tuner = Tuner()
    tuner.observe("a", Seen.START_TIMEOUT, 0.0)
    assert tuner.observe("a", Seen.START_TIMEOUT, 3000.0)[0].setting is Setting.START_TIMEOUT


def test_observations_read_back_as_they_were():
    tuner = Tuner()
    for at in (0.0, 1.0, 2.0):
        tuner.observe("a", Seen.ENDED, at)
    other = Tuner()
    other.restore(tuner.as_data())
    assert len(other.observe("a", Seen.ENDED, 3.0)) == 1
    with pytest.raises(ValueError, match="not observations"):
        other.restore({"a": 3})


def test_a_proposal_waits_for_approval_and_changes_nothing_until_it_is_applied(bench):
    proposal = cluster(bench)
    assert (proposal["state"], proposal["setting"]) == ("awaiting_approval", "backoff.min")
    approve(bench, proposal)
    bench.advance(31)
    assert ask(bench, "proposal", id=proposal["id"])["state"] == "approved"
    assert not (bench.home / "config/overrides.yaml").exists()
    assert ask(bench, "apply", id=proposal["id"])["state"] == "applied"
    entry = overrides(bench)[0]
    assert (entry["child"], entry["change"], entry["approval"]) == ("librarian", {"times": 2.0}, proposal["approval"])


def test_a_proposal_that_is_not_approved_cannot_be_applied(bench):
    proposal = cluster(bench)
    with pytest.raises(GraceError, match="pending"):
        ask(bench, "apply", id=proposal["id"])
    assert ask(bench, "proposal", id=proposal["id"])["state"] == "awaiting_approval"


def test_a_rejected_proposal_is_closed_and_not_made_again_within_a_day(bench):
    proposal = cluster(bench)
    bench.ask("governance", "respond", id=proposal["approval"], response="reject", by="ana", reason="known")
    bench.advance(31)
    assert ask(bench, "proposal", id=proposal["id"])["state"] == "rejected"
    cluster(bench)
    assert ask(bench, "proposals")["count"] == 1
    bench.advance(86_400)
    cluster(bench)
    assert ask(bench, "proposals")["count"] == 2


def test_an_approval_nobody_uses_lapses_with_its_proposal(bench):
    proposal = cluster(bench)
    approve(bench, proposal)
    bench.advance(3700)
    assert ask(bench, "proposal", id=proposal["id"])["state"] == "timed_out"


def test_a_proposal_made_while_governance_is_silent_is_judged_later(bench):
    governance = bench.kernels.pop("governance")
    assert cluster(bench)["state"] == "proposed"
    bench.kernels["governance"] = governance
    bench.advance(40)
    assert ask(bench, "proposals")["proposals"][0]["state"] == "awaiting_approval"


def test_where_amber_is_free_a_proposal_is_approved_but_still_not_applied(tmp_path):
    bench = Bench(tmp_path)
    bench.add("status", Status)
    bench.add("governance", Governance, environment="dev")
    bench.add("meta_loop", MetaLoop)
    proposal = cluster(bench)
    assert proposal["state"] == "approved"
    assert not (bench.home / "config/overrides.yaml").exists()
    ask(bench, "apply", id=proposal["id"])
    assert overrides(bench)[0]["approval"].startswith("allowed")


def test_earlier_overrides_are_kept_and_an_unreadable_file_is_never_overwritten(bench):
    for child in ("librarian", "scheduler"):
        proposal = cluster(bench, child)
        approve(bench, proposal)
        ask(bench, "apply", id=proposal["id"])
    assert [entry["child"] for entry in overrides(bench)] == ["librarian", "scheduler"]
    path = bench.home / "config/overrides.yaml"
    path.write_text("overrides: [\n")
    proposal = cluster(bench, "trigger_mesh")
    approve(bench, proposal)
    with pytest.raises(GraceError, match="cannot be read"):
        ask(bench, "apply", id=proposal["id"])
    assert path.read_text() == "overrides: [\n"
    path.unlink()
    assert ask(bench, "apply", id=proposal["id"])["state"] == "applied"


def test_proposals_and_observations_survive_a_crash(bench):
    cluster(bench)
    for _ in range(3):
        happen(bench, "child.exited", "scheduler", kind="crash")
    bench.kernels["meta_loop"].ctx.save()
    bench.crash("meta_loop")
    bench.add("meta_loop", MetaLoop)
    happen(bench, "child.exited", "scheduler", kind="crash")
    assert {p["child"] for p in ask(bench, "proposals")["proposals"]} == {"librarian", "scheduler"}


def test_anybody_may_observe(bench):
    made = [ask(bench, "observe", child="x", seen="start_timeout")["proposals"] for _ in range(2)]
    assert [len(m) for m in made] == [0, 1]


def test_bad_input_is_refused(bench):
    for verb, args in (
        ("observe", {"child": "x", "seen": "danced"}),
        ("apply", {"id": "mp_1"}),
        ("proposals", {"state": "odd"}),
        ("observe", {"seen": "ended"}),
    ):
        with pytest.raises(GraceError):
            ask(bench, verb, **args)
