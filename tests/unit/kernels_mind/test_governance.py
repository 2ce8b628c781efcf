"""governance: policy, approvals, audit."""

from __future__ import annotations

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels.governance import Governance
from grace_actors.kernels.policy import DEFAULT_RULES, Environment, PolicyTable
from tests.harness.kernels import Bench


@pytest.fixture
def bench(tmp_path, monkeypatch):
    for name in ("GRACE_ENV", "CODE_HEALING_REQUIRE_ALL_APPROVALS"):
        monkeypatch.delenv(name, raising=False)
    return Bench(tmp_path)


def policy(bench, text):
    path = bench.home / "config" / "governance.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def evaluate(bench, action, actor="self_healing", **more):
    return bench.ask("governance", "evaluate", action=action, actor=actor, **more)


def decide(action, environment="production", **context):
    table = PolicyTable(rules=DEFAULT_RULES, environment=Environment(environment))
    return table.evaluate(action, "self_healing", context).outcome.value


@pytest.mark.parametrize(
    ("action", "environment", "context", "decision"),
    [
        ("log.read", "production", {}, "allow"),
        ("kernel.restart", "production", {}, "allow"),
        ("playbook.run", "production", {}, "needs_approval"),
        ("playbook.run", "staging", {}, "allow"),
        ("config.change", "local", {}, "needs_approval"),
        ("secret.rotate", "dev", {}, "needs_approval"),
        ("dependency.install", "local", {}, "deny"),
        ("code.patch", "production", {"severity": "critical", "category": "reliability"}, "needs_approval"),
        ("code.patch", "dev", {"severity": "critical", "category": "reliability"}, "allow"),
        ("code.patch", "staging", {"severity": "critical", "category": "performance"}, "needs_approval"),
        ("code.patch", "dev", {"severity": "high", "category": "reliability"}, "needs_approval"),
        ("code.patch", "local", {"validated": True}, "allow"),
        ("code.patch", "local", {"validated": 1}, "needs_approval"),
        ("code.patch", "local", {}, "needs_approval"),
        ("universe.delete", "local", {}, "needs_approval"),
    ],
)
def test_the_default_table_decides_by_risk_and_environment(action, environment, context, decision):
    assert decide(action, environment, **context) == decision


def test_an_unknown_action_is_red_and_an_unknown_environment_is_production(bench):
    bench.add("governance", Governance, environment="moon")
    verdict = evaluate(bench, "universe.delete")
    assert (verdict["risk"], verdict["environment"], verdict["decision"]) == ("red", "production", "needs_approval")


def test_a_context_can_make_the_environment_stricter_but_not_freer(bench):
    bench.add("governance", Governance, environment="staging")
    assert evaluate(bench, "playbook.run", context={"environment": "production"})["decision"] == "needs_approval"
    assert evaluate(bench, "playbook.run", context={"environment": "local"})["environment"] == "staging"


def test_rules_of_the_file_replace_defaults_of_the_same_name(bench):
    policy(
        bench,
        "environment: dev\nrules:\n"
        "  - {action: playbook.run, risk: amber, actors: [self_healing]}\n"
        "  - {action: kernel.restart, risk: red, decision: deny, reason: frozen}\n",
    )
    bench.add("governance", Governance)
    assert evaluate(bench, "playbook.run")["decision"] == "allow"
    assert evaluate(bench, "playbook.run", actor="voice_conversation")["decision"] == "deny"
    assert "frozen" in evaluate(bench, "kernel.restart")["reason"]


def test_a_broken_file_denies_everything_and_says_where_it_is_broken(bench):
    policy(bench, "rules:\n  - {action: a.b, risk: purple}\n  - {actoin: x, risk: red}\n")
    kernel = bench.add("governance", Governance)
    assert evaluate(bench, "log.read")["decision"] == "deny"
    assert any(":2:" in fault and "green, amber, red" in fault for fault in kernel.degraded)
    assert any("did you mean 'action'" in fault for fault in kernel.degraded)
    policy(bench, "rules: []\n")
    assert bench.ask("governance", "reload")["ok"] is True
    assert evaluate(bench, "log.read")["decision"] == "allow"


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "rules: 3\n",
        "rules: [3]\n",
        "a: [\n",
        "version: 2\n",
        "rules:\n  - {action: a, risk: red, auto_when: [{}]}\n",
    ],
)
def test_no_file_crashes_the_kernel(bench, text):
    policy(bench, text)
    kernel = bench.add("governance", Governance)
    assert kernel.degraded
    assert bench.ask("governance", "reload", check=True)["ok"] is False


def test_what_needs_approval_is_asked_once_for_the_same_question(bench):
    bench.add("governance", Governance)
    first = evaluate(bench, "config.change", context={"file": "a"})["approval"]
    assert evaluate(bench, "config.change", context={"file": "a"})["approval"]["id"] == first["id"]
    assert evaluate(bench, "config.change", context={"file": "b"})["approval"]["id"] != first["id"]
    assert evaluate(bench, "config.change", context={"file": "c"}, ask=False)["approval"] is None


def test_an_approved_question_is_allowed_once(bench):
    bench.add("governance", Governance)
    id = evaluate(bench, "config.change", context={"file": "a"})["approval"]["id"]
    bench.ask("governance", "respond", id=id, response="approve", by="ana")
    verdict = evaluate(bench, "config.change", context={"file": "a"}, approval=id)
    assert (verdict["decision"], verdict["approval"]["state"]) == ("allow", "used")
    with pytest.raises(GraceError, match="used"):
        evaluate(bench, "config.change", context={"file": "a"}, approval=id)


def test_an_approval_does_not_cover_another_question(bench):
    bench.add("governance", Governance)
    id = evaluate(bench, "config.change", context={"file": "a"})["approval"]["id"]
    bench.ask("governance", "respond", id=id, response="approve", by="ana")
    with pytest.raises(GraceError, match="another action"):
        evaluate(bench, "config.change", context={"file": "b"}, approval=id)


def test_two_operators_cannot_both_decide(bench):
    bench.add("governance", Governance)
    seen = evaluate(bench, "config.change")["approval"]
    respond = {"id": seen["id"], "version": seen["version"]}
    bench.ask("governance", "respond", response="approve", by="ana", **respond)
    with pytest.raises(GraceError, match="approved by ana already"):
        bench.ask("governance", "respond", response="reject", by="bob", reason="no", **respond)
    assert bench.ask("governance", "approval", id=seen["id"])["decided_by"] == "ana"


def test_a_response_to_an_old_version_is_refused(bench):
    bench.add("governance", Governance)
    id = evaluate(bench, "config.change")["approval"]["id"]
    with pytest.raises(GraceError, match="version 1, not 7"):
        bench.ask("governance", "respond", id=id, response="approve", by="ana", version=7)


def test_nobody_decides_what_they_asked_for(bench):
    bench.add("governance", Governance)
    id = evaluate(bench, "config.change", actor="ana")["approval"]["id"]
    with pytest.raises(GraceError, match="cannot decide"):
        bench.ask("governance", "respond", id=id, response="approve", by="ana")


def test_an_unanswered_approval_is_marked_timed_out_and_kept(bench):
    bench.add("governance", Governance)
    id = evaluate(bench, "config.change", ttl_s=60)["approval"]["id"]
    bench.advance(91)
    assert "approval.timed_out" in bench.types()
    assert bench.ask("governance", "approval", id=id)["state"] == "timed_out"
    with pytest.raises(GraceError, match="timed_out already"):
        bench.ask("governance", "respond", id=id, response="approve", by="ana")


def test_a_rejection_needs_a_reason(bench):
    bench.add("governance", Governance)
    id = evaluate(bench, "config.change")["approval"]["id"]
    with pytest.raises(GraceError, match="reason"):
        bench.ask("governance", "respond", id=id, response="reject", by="ana")


def test_the_audit_trail_and_approvals_survive_a_crash(bench):
    bench.add("governance", Governance)
    id = evaluate(bench, "config.change")["approval"]["id"]
    evaluate(bench, "log.read")
    bench.crash("governance")
    bench.add("governance", Governance)
    trail = bench.ask("governance", "audit")
    assert [entry["action"] for entry in trail["entries"]] == ["log.read", "config.change"]
    assert bench.ask("governance", "approvals", state="pending")["approvals"][0]["id"] == id


def test_require_all_asks_for_everything_that_is_not_green(bench):
    bench.add("governance", Governance, environment="local", require_all_approvals=True)
    assert evaluate(bench, "playbook.run")["decision"] == "needs_approval"
    assert evaluate(bench, "kernel.restart")["decision"] == "allow"


def test_the_switch_for_all_patch_approvals_overrides_the_exceptions(bench, monkeypatch):
    monkeypatch.setenv("CODE_HEALING_REQUIRE_ALL_APPROVALS", "true")
    bench.add("governance", Governance, environment="local")
    assert evaluate(bench, "code.patch", context={"validated": True})["decision"] == "needs_approval"


def test_bad_input_is_refused(bench):
    bench.add("governance", Governance)
    for verb, args in (
        ("evaluate", {}),
        ("evaluate", {"action": "a", "context": [1]}),
        ("evaluate", {"action": "a", "context": {"x": object()}}),
        ("evaluate", {"action": "a", "ttl_s": float("nan")}),
        ("respond", {"id": "ap_1", "response": "maybe", "by": "ana"}),
        ("respond", {"id": "ap_1", "response": "approve", "by": "ana"}),
    ):
        with pytest.raises(GraceError):
            bench.ask("governance", verb, **args)


def asked_for(bench, **more):
    return evaluate(bench, "config.change", **more)["approval"]


def told(bench, id):
    return [(type, data) for type, subject, data in bench.events if subject == id]


@pytest.mark.parametrize(
    ("context", "subject"),
    [
        ({}, "config.change"),
        ({"subject": "librarian"}, "librarian"),
        ({"subject": "  "}, "config.change"),
        ({"subject": 3}, "config.change"),
        ({"subject": "x" * 500}, "x" * 200),
    ],
)
def test_the_subject_is_what_the_context_names_else_the_action(bench, context, subject):
    bench.add("governance", Governance)
    approval = asked_for(bench, context=context)
    assert approval["subject"] == subject
    assert told(bench, approval["id"])[0][1]["subject"] == subject
    assert bench.ask("governance", "approval", id=approval["id"])["subject"] == subject
    assert bench.ask("governance", "approvals")["approvals"][0]["subject"] == subject


def test_an_answer_is_told_at_once_with_all_that_whoever_waits_needs(bench):
    bench.add("governance", Governance)
    id = asked_for(bench, context={"subject": "librarian"})["id"]
    bench.ask("governance", "respond", id=id, response="approve", by="ada", reason="go on")
    assert told(bench, id)[-1] == (
        "approval.responded",
        {
            "state": "approved",
            "by": "ada",
            "action": "config.change",
            "actor": "self_healing",
            "subject": "librarian",
            "note": "go on",
            "approval": id,
        },
    )


def test_time_running_out_is_told_at_that_moment_and_once(bench):
    bench.add("governance", Governance)
    short, long = (asked_for(bench, ttl_s=ttl, context={"n": ttl})["id"] for ttl in (7.5, 70.0))
    bench.advance(7.4)
    assert "approval.timed_out" not in bench.types()
    bench.advance(0.2)
    type, data = told(bench, short)[-1]
    assert (type, data["state"], data["by"], data["note"]) == (
        "approval.timed_out",
        "timed_out",
        "",
        "nobody responded in time",
    )
    bench.advance(62.3)
    assert len(told(bench, long)) == 1
    bench.advance(0.2)
    assert [type for type, _ in told(bench, long)] == ["approval.requested", "approval.timed_out"]
    bench.advance(100)
    assert bench.types().count("approval.timed_out") == 2


def test_one_that_was_approved_and_not_used_says_by_whom(bench):
    bench.add("governance", Governance)
    id = asked_for(bench, ttl_s=60)["id"]
    bench.ask("governance", "respond", id=id, response="approve", by="ada", reason="go on")
    bench.advance(61)
    assert told(bench, id)[-1][1]["note"] == "approved by ada (go on), but not used in time"
    assert bench.ask("governance", "approval", id=id)["state"] == "timed_out"


def test_a_person_has_up_to_thirty_days(bench):
    bench.add("governance", Governance)
    month = 30 * 86400
    assert asked_for(bench, ttl_s=month)["expires_at"] == bench.clock + 1_700_000_000.0 + month
    with pytest.raises(GraceError, match="a number from 1 to"):
        asked_for(bench, ttl_s=month + 1, context={"n": 1})


def test_approvals_are_found_by_their_action(bench):
    bench.add("governance", Governance)
    asked_for(bench)
    evaluate(bench, "secret.rotate")
    found = bench.ask("governance", "approvals", action="secret.rotate")["approvals"]
    assert [each["action"] for each in found] == ["secret.rotate"]


def test_an_answer_that_a_crash_kept_from_being_told_is_told_at_the_next_start(bench, monkeypatch):
    kernel = bench.add("governance", Governance)
    id = asked_for(bench)["id"]
    monkeypatch.setattr(kernel, "_tell", lambda _: None)  # it dies between the disk and the wire
    bench.ask("governance", "respond", id=id, response="reject", by="ada", reason="no")
    for expected in (["approval.responded"], []):
        bench.crash("governance")
        bench.events.clear()
        bench.add("governance", Governance)
        assert [type for type, _ in told(bench, id)] == expected


def test_a_question_that_could_not_be_kept_is_not_told(bench):
    kernel = bench.add("governance", Governance)
    kernel.store.db.execute("PRAGMA max_page_count = 1")
    for number in range(1000):  # until the pages that are free are taken
        bench.events.clear()
        try:
            asked_for(bench, context={"text": f"{number}" * 20_000})
        except GraceError as error:
            assert "store_failed" in str(error)
            break
    assert bench.types() == []
    kernel.store.db.execute("PRAGMA max_page_count = 100000")
    assert asked_for(bench, context={"text": f"{number}" * 20_000})["state"] == "pending"
