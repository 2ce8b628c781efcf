"""A drill from its beginning to its verdict: what is asked, when, and what never happens."""

from __future__ import annotations

from chaos.card import TriggerRule
from chaos.drill import messages as m
from chaos.drill.admission import objection
from chaos.drill.messages import Phase, Status
from tests.unit.chaos.driver import START, Host, Refusal, card, cured_card, expects, fault, probe, step


def healthy_restart(**more) -> Host:
    """A drill whose kernel was killed and came back, healed after three seconds."""
    host = Host(card(**more)).begin().settle()
    host.restarts()
    host.advance(3.0)
    host.heals()
    return host


def test_a_kernel_that_is_killed_and_comes_back_passes_all_gates() -> None:
    host = healthy_restart()
    verdict = host.to_the_end()
    assert verdict.passed is True
    assert dict(verdict.gates) == {"trigger": True, "playbook": True, "work_order": True, "slo": True}
    assert (verdict.status, verdict.reason) == (Status.COMPLETED, "")
    assert host.names() == ["runs", "kill", "runs", "undo", "ensure", "judged"]
    assert host.told() == ["drill.started", "drill.injected", "drill.detected", "drill.recovered", "drill.passed"]


def test_detection_and_healing_are_counted_from_the_end_of_the_injection() -> None:
    verdict = healthy_restart().to_the_end()
    assert verdict.detect_s == 0.0
    assert verdict.heal_s == 3.0


def test_a_hypothesis_that_does_not_hold_fails_the_drill_and_nothing_is_injected() -> None:
    host = Host(card())
    host.answers["runs"] = "stopped"
    verdict = host.begin().to_the_end()
    assert (verdict.status, verdict.passed) == (Status.FAILED, None)
    assert "runs: 'stopped' is not running; nothing was injected" in verdict.reason
    assert host.names() == ["runs", "judged"]
    assert host.drill.as_data()["activities"][1]["state"] == "skipped"


def test_a_probe_that_cannot_be_read_fails_the_hypothesis() -> None:
    host = Host(card())
    host.answers["runs"] = False
    assert host.begin().to_the_end().status is Status.FAILED


def test_an_incident_that_is_open_refuses_the_drill() -> None:
    assert objection(card(), incidents=[("inc_7", "message_bus")]).startswith(
        "the incident inc_7 of message_bus is open"
    )
    assert objection(card()) == ""


def test_a_refused_request_of_the_method_counted_as_an_injection() -> None:
    host = Host(card(method=(step("sell", "ask", arguments={"kernel": "librarian", "verb": "sel"}),)))
    host.answers["sell"] = Refusal("librarian has no verb 'sel'")
    verdict = host.begin().to_the_end()
    assert (verdict.status, verdict.passed) == (Status.FAILED, None)
    assert verdict.reason == "sell could not be carried out: librarian has no verb 'sel'"
    assert "injected" not in [mark["what"] for mark in host.drill.as_data()["timeline"]]


def test_a_request_that_who_is_broken_does_not_answer_is_only_noted() -> None:
    host = Host(card(method=(fault(), step("sell", "ask"))))
    host.answers["sell"] = False
    host.begin().settle()
    host.restarts()
    host.heals()
    assert host.to_the_end().passed is True


def test_an_event_of_somebody_else_met_a_trigger_without_a_subject() -> None:
    trigger = TriggerRule(type="child.exited", of=("librarian",))
    host = Host(card(expect=expects(trigger=trigger))).begin().settle()
    host.happen("child.exited", "sandbox", gen=1)
    host.settle()
    assert host.drill.gates()["trigger"] is None
    assert host.drill.said()["trigger"] == "waits for child.exited of librarian"
    host.restarts()
    host.settle()
    assert host.drill.gates()["trigger"] is True


def test_an_event_is_about_a_kernel_also_when_its_data_names_it() -> None:
    trigger = TriggerRule(type="incident.opened", of=("librarian",))
    assert trigger.matches("incident.opened", "inc_1", {"kernel": "librarian"})
    assert not trigger.matches("incident.opened", "inc_1", {"kernel": "sandbox"})


def test_an_incident_that_opens_while_the_hypothesis_is_checked_prevents_the_injection() -> None:
    host = Host(card(probes=(probe(), probe("runs_too"))))
    host.answers["runs_too"] = None
    host.begin().settle()
    host.happen("incident.opened", "inc_3", kernel="librarian")
    host.advance(1.0)
    key = host.commands(m.RunProbe)[-1].key
    host.feed(m.ProbeDone(key, True, "running"))
    assert host.to_the_end().status is Status.ABORTED
    assert "kill" not in host.names()


def test_a_restart_without_an_incident_is_enough_for_the_playbook_gate_of_restart() -> None:
    host = Host(card()).begin().settle()
    host.happen("child.exited", "librarian", gen=1)
    host.happen("child.started", "librarian", gen=2)
    assert host.to_the_end().passed is True


def test_an_event_of_before_the_injection_opens_no_gate() -> None:
    host = Host(card(probes=(probe(), probe("slow")), expect=expects(heal_within_s=10.0)))
    host.answers["slow"] = None
    host.begin().settle()
    host.happen("child.exited", "librarian", gen=1)
    host.happen("child.started", "librarian", gen=2)
    host.settle()
    host.answers.pop("slow")
    host.feed(m.ProbeDone(host.commands(m.RunProbe)[-1].key, True, "running"))
    verdict = host.to_the_end()
    assert verdict.gates["trigger"] is verdict.gates["playbook"] is False
    assert verdict.said["trigger"] == "no child.exited of librarian came"
    assert verdict.passed is False
    assert "drill.deviated" in host.told()


def test_an_event_that_the_drill_sees_late_but_that_was_before_the_injection_opens_no_gate() -> None:
    """The host asks for the newest number just before it injects; what the drill has seen lags behind."""
    host = Host(card(expect=expects(heal_within_s=10.0)))
    host.answers["kill"] = None
    host.begin().settle()
    host.feed(m.ActionDone(host.commands(m.RunAction)[0].key, True, "rec", 105))
    host.feed(m.Seen(104, "child.exited", "librarian", {}, host.now))
    host.feed(m.Seen(105, "child.started", "librarian", {}, host.now))
    assert host.to_the_end().gates["trigger"] is False


def test_events_that_come_while_the_injection_is_under_way_count_once_it_has_answered() -> None:
    host = Host(card())
    host.after_injection = [("child.exited", "librarian", {}), ("child.started", "librarian", {})]
    verdict = host.begin().to_the_end()
    assert verdict.passed is True


def test_only_the_first_acting_entry_asks_for_the_number_from_which_on_events_count() -> None:
    host = Host(
        card(method=(step("dummy", "start_dummy", arguments={"name": "x", "kind": "k"}), fault(), fault("again")))
    )
    host.begin().settle()
    assert [command.counts for command in host.commands(m.RunAction)[:3]] == [False, True, False]


def test_the_method_is_carried_out_in_order_with_its_pauses() -> None:
    method = (fault("one", pause_before_s=2.0, pause_after_s=3.0), fault("two", pause_before_s=4.0))
    host = Host(card(method=method)).begin().settle()
    assert "one" not in host.names()
    host.advance(2.0)
    assert host.names()[-1] == "one"
    host.advance(6.9)
    assert "two" not in host.names()
    host.advance(0.2)
    assert host.names()[-1] == "two"


def test_a_fault_that_cannot_be_injected_fails_the_drill_and_what_was_injected_is_undone() -> None:
    host = Host(card(method=(fault("one"), fault("two"), fault("three"))))
    host.answers["two"] = False
    verdict = host.begin().to_the_end()
    assert (verdict.status, verdict.passed) == (Status.FAILED, None)
    assert "two could not be carried out: refused" in verdict.reason
    assert host.names() == ["runs", "one", "two", "undo", "ensure", "judged"]
    assert host.told()[-1] == "drill.failed"


def test_a_kernel_that_does_not_answer_what_breaks_it_fails_no_drill() -> None:
    ask = step("poke", "ask", arguments={"kernel": "librarian", "verb": "explode"})
    host = Host(card(method=(ask,)))
    host.answers["poke"] = False
    host.begin().settle()
    host.restarts()
    host.advance(1.0)
    host.heals()
    assert host.to_the_end().passed is True
    assert "undo" not in host.names()


def test_an_event_that_the_method_waits_for_in_vain_deviates() -> None:
    wait = step("until_it_is_paid", "act", arguments={"action": "wait_for_event", "params": {"type": "paid"}})
    host = Host(card(method=(fault(), wait)))
    host.answers["until_it_is_paid"] = False
    host.begin().settle()
    host.restarts()
    host.heals()
    verdict = host.to_the_end()
    assert verdict.gates == {"trigger": True, "playbook": True, "work_order": True, "slo": False}
    assert verdict.said["slo"] == "not as before: until_it_is_paid"


def test_an_injection_that_never_answers_is_undone_also_when_it_answers_late() -> None:
    host = Host(card(method=(fault(timeout_s=20.0),)))
    host.answers["kill"] = None
    host.begin().advance(21.0)
    assert host.names()[-1] == "undo"
    key = host.commands(m.RunAction)[0].key
    host.advance(2.0)
    host.feed(m.ActionDone(key, True, "rec_late", 100))
    verdict = host.to_the_end()
    assert host.names() == ["runs", "kill", "undo", "undo", "ensure", "judged"]
    assert (verdict.status, verdict.reason) == (Status.FAILED, "kill: no answer within 20 s")
    assert verdict.problems == ()


def test_an_injection_that_stays_silent_for_good_is_a_problem_that_is_told() -> None:
    host = Host(card(method=(fault(timeout_s=20.0),)))
    host.answers["kill"] = None
    verdict = host.begin().to_the_end()
    assert verdict.problems == ("kill: no answer; whether it was done is unknown",)
    assert host.names() == ["runs", "kill", "undo", "undo", "ensure", "judged"]


def test_an_injection_that_answers_when_nobody_expected_it_any_more_is_undone_too() -> None:
    host = Host(card(method=(fault(timeout_s=20.0),)))
    host.answers["kill"] = host.answers["ensure"] = None
    host.begin().advance(40.0)
    assert host.names() == ["runs", "kill", "undo", "undo", "ensure"]
    host.feed(m.ActionDone(host.commands(m.RunAction)[0].key, True, "rec_late", 100))
    host.to_the_end()
    assert host.names() == ["runs", "kill", "undo", "undo", "ensure", "undo", "judged"]


def test_a_halt_undoes_at_once_and_is_judged_interrupted() -> None:
    host = Host(card()).begin().settle()
    host.feed(m.Halt("anna"))
    assert host.names()[-1] == "undo"
    verdict = host.to_the_end()
    assert (verdict.status, verdict.passed, verdict.reason) == (Status.INTERRUPTED, None, "halted by anna")
    assert host.names() == ["runs", "kill", "undo", "ensure", "judged"]
    assert host.told()[-1] == "drill.interrupted"


def test_a_halt_before_anything_was_done_does_nothing_more() -> None:
    host = Host(card())
    host.answers["runs"] = None
    host.begin().feed(m.Halt())
    assert host.names() == ["runs", "judged"]
    assert host.drill.handle(m.Halt(), host.now) == []


def test_an_incident_of_something_else_aborts_after_two_seconds() -> None:
    host = Host(card()).begin().settle()
    host.happen("incident.opened", "inc_9", kernel="message_bus")
    host.advance(1.9)
    assert host.drill.phase is Phase.DETECTING
    host.advance(0.2)
    verdict = host.to_the_end()
    assert (verdict.status, verdict.passed) == (Status.ABORTED, None)
    assert verdict.reason == "the incident inc_9 of message_bus, which is no part of the drill, is open"
    assert host.names()[-3:] == ["undo", "ensure", "judged"]


def test_an_incident_of_something_else_that_is_over_soon_disturbs_nothing() -> None:
    host = Host(card()).begin().settle()
    host.happen("incident.opened", "inc_9", kernel="message_bus")
    host.advance(1.0)
    host.heals("message_bus", "inc_9")
    host.restarts()
    host.advance(1.0)
    host.heals()
    assert host.to_the_end().passed is True


def test_a_radius_of_everything_takes_every_incident_as_its_own() -> None:
    host = Host(card(radius=("*",))).begin().settle()
    host.restarts()
    host.happen("incident.opened", "inc_9", kernel="message_bus")
    host.advance(5.0)
    assert host.drill.phase is Phase.HEALING
    host.heals("message_bus", "inc_9")
    host.heals()
    assert host.to_the_end().passed is True


def test_an_incident_that_is_healed_a_moment_later_is_waited_for() -> None:
    """The failure is told before its incident: a probe may see a kernel run before anybody knows that it failed."""
    host = Host(card()).begin().settle()
    host.happen("child.exited", "librarian", gen=1)
    host.happen("child.started", "librarian", gen=2)
    host.advance(0.5)
    host.happen("incident.opened", "inc_1", kernel="librarian")
    host.advance(4.0)
    assert not host.drill.is_over
    host.heals()
    verdict = host.to_the_end()
    assert (verdict.passed, verdict.heal_s) == (True, 4.5)


def test_an_incident_that_comes_again_is_open_again() -> None:
    host = healthy_restart()
    host.happen("incident.recurred", "inc_1", kernel="librarian", count=2)
    host.advance(10.0)
    assert host.drill.phase is Phase.HEALING
    host.heals()
    assert host.to_the_end().passed is True


def test_probes_are_repeated_until_all_are_in_tolerance() -> None:
    host = healthy_restart()
    host.answers["runs"] = "starting"
    host.advance(5.0)
    host.answers["runs"] = "running"
    verdict = host.to_the_end()
    assert verdict.passed is True
    assert verdict.heal_s is not None
    assert 8.0 <= verdict.heal_s <= 9.0


def test_a_system_that_is_not_as_before_within_its_time_deviates() -> None:
    host = healthy_restart()
    host.answers["runs"] = "starting"
    verdict = host.to_the_end()
    assert verdict.gates == {"trigger": True, "playbook": True, "work_order": True, "slo": False}
    assert verdict.said["slo"] == "not as before: runs"
    assert verdict.reason == "slo: not as before: runs"


def test_an_incident_that_stays_open_deviates_and_the_hypothesis_is_looked_at_all_the_same() -> None:
    host = Host(card()).begin().settle()
    host.restarts()
    verdict = host.to_the_end()
    assert verdict.said["slo"] == "not healed: inc_1 of librarian is open"
    assert verdict.heal_s is None
    assert host.names() == ["runs", "kill", "runs", "undo", "ensure", "judged"]


def test_detection_that_comes_too_late_passes_the_trigger_but_not_the_limits() -> None:
    host = Host(card()).begin().settle()
    host.advance(6.0)
    host.restarts()
    host.heals()
    verdict = host.to_the_end()
    assert verdict.gates == {"trigger": True, "playbook": True, "work_order": True, "slo": False}
    assert verdict.said["slo"] == "noticed after 6.00 s, the limit is 5 s"


def test_the_time_of_the_whole_drill_ends_it() -> None:
    host = Host(card(timeout_s=30.0)).begin().settle()
    host.restarts()
    host.advance(31.0)
    verdict = host.verdict
    assert (verdict.status, verdict.passed) == (Status.COMPLETED, False)
    assert verdict.reason.startswith("not over within 30 s; slo: not healed")


def test_a_named_playbook_must_run_for_an_incident_of_the_radius_and_succeed() -> None:
    host = Host(card(expect=expects(playbook="mend"))).begin().settle()
    host.restarts()
    host.happen("self_healing.triggered", "inc_1", kernel="librarian", playbook="mend", how="matched")
    host.happen("run.requested", "run_1", playbook="mend", check=False, incident="inc_1")
    host.happen("run.ended", "run_1", playbook="mend", status="succeeded")
    host.heals(repair="mend")
    assert host.to_the_end().said["playbook"] == "mend ran and succeeded"


def test_a_playbook_that_ran_for_something_else_is_none() -> None:
    host = Host(card(expect=expects(playbook="mend", heal_within_s=5.0))).begin().settle()
    host.happen("run.requested", "run_1", playbook="mend", check=False, incident="inc_8")
    host.happen("run.ended", "run_1", playbook="mend", status="succeeded")
    host.restarts()
    host.heals()
    assert host.to_the_end().said["playbook"] == "mend did not run"


def test_a_playbook_that_runs_where_none_is_expected_deviates() -> None:
    host = Host(card(expect=expects(playbook="none", heal_within_s=5.0))).begin().settle()
    host.restarts()
    host.happen("run.requested", "run_1", playbook="mend", check=False, incident="inc_1")
    host.heals()
    verdict = host.to_the_end()
    assert (verdict.gates["playbook"], verdict.said["playbook"]) == (False, "no playbook was to run, but mend did")


def test_a_work_order_that_is_made_where_none_is_expected_deviates() -> None:
    host = healthy_restart()
    host.happen("coding_agent.work_order_created", "wo_1", incident="inc_1", run=None)
    verdict = host.to_the_end()
    assert (verdict.gates["work_order"], verdict.passed) == (False, False)
    assert verdict.said["work_order"] == "none was to be made, but wo_1"


def test_a_work_order_of_something_else_is_none_of_the_drill() -> None:
    host = healthy_restart()
    host.happen("coding_agent.work_order_created", "wo_1", incident="inc_8", run=None)
    assert host.to_the_end().passed is True


def test_the_cure_undoes_the_fault_then_completes_the_order_then_the_drill_goes_on() -> None:
    host = Host(cured_card()).begin().settle()
    host.restarts()
    host.happen("run.requested", "run_1", playbook="mend", check=False, incident="inc_1")
    host.happen("coding_agent.work_order_created", "wo_1", incident=None, run="run_1")
    host.advance(1.0)
    assert host.names() == ["runs", "kill", "undo"]
    assert host.orders_completed == ["wo_1"]
    host.happen("coding_agent.work_order_updated", "wo_1", status="completed", ok=True)
    host.heals()
    verdict = host.to_the_end()
    assert (verdict.passed, verdict.said["work_order"]) == (True, "made: wo_1")
    assert host.names() == ["runs", "kill", "undo", "runs", "undo", "ensure", "judged"]


def test_a_fault_that_the_cure_cannot_undo_completes_no_order() -> None:
    host = Host(cured_card())
    host.undone = m.Undone("", ok=False, problems=("the good copy is gone",))
    host.begin().settle()
    host.restarts()
    host.happen("coding_agent.work_order_created", "wo_1", incident="inc_1", run=None)
    verdict = host.to_the_end()
    assert host.orders_completed == []
    assert verdict.problems == ("the good copy is gone",)
    assert verdict.passed is False


def test_an_approval_of_its_own_incident_is_given_once() -> None:
    host = Host(card(approves=True)).begin().settle()
    host.restarts()
    host.happen("approval.requested", "apr_1", subject="inc_1", action="playbook.mend")
    host.happen("approval.requested", "apr_2", subject="inc_8", action="playbook.mend")
    host.happen("incident.recurred", "inc_1", kernel="librarian")
    host.settle()
    assert [approve.approval for approve in host.commands(m.Approve)] == ["apr_1"]


def test_an_approval_is_left_to_people_unless_the_card_says_so() -> None:
    host = Host(card()).begin().settle()
    host.restarts()
    host.happen("approval.requested", "apr_1", subject="inc_1", action="playbook.mend")
    assert host.to_the_end().passed is False
    assert host.commands(m.Approve) == []


def test_a_rollback_that_fails_fails_the_drill_whatever_its_gates_say() -> None:
    host = healthy_restart()
    host.answers["ensure"] = False
    verdict = host.to_the_end()
    assert all(verdict.gates.values())
    assert (verdict.passed, verdict.problems) == (False, ("the rollback ensure failed: refused",))
    assert host.told()[-1] == "drill.deviated"


def test_an_undoing_that_fails_is_told_and_the_rollbacks_are_done() -> None:
    host = healthy_restart()
    host.undone = m.Undone("", ok=False, problems=("rec_kill: no permission",))
    verdict = host.to_the_end()
    assert (verdict.passed, verdict.problems) == (False, ("rec_kill: no permission",))
    assert host.names()[-3:] == ["undo", "ensure", "judged"]


def test_an_undoing_that_never_answers_does_not_keep_the_drill_from_ending() -> None:
    host = healthy_restart()
    host.undone = False
    assert host.to_the_end().problems == ("undoing was not over in time",)


def test_the_timeline_tells_what_happened_in_order() -> None:
    host = healthy_restart()
    host.to_the_end()
    marks = [(mark["what"], mark["subject"], mark["at_s"]) for mark in host.drill.as_data()["timeline"]]
    assert marks[:2] == [("injected", "librarian", 0.0), ("exited", "librarian", 0.0)]
    assert ("recovered", "KH002", 3.0) in marks
    assert marks[-1][0] == "passed"
    assert host.drill.started_at == START


def test_as_long_as_a_gate_can_be_passed_it_is_null() -> None:
    host = Host(card()).begin().settle()
    assert dict(host.drill.gates()) == dict.fromkeys(("trigger", "playbook", "work_order", "slo"))
    host.restarts()
    host.settle()
    gates = host.drill.gates()
    assert (gates["trigger"], gates["playbook"], gates["slo"]) == (True, True, None)
