"""The policies that act by themselves, statement by statement: what their scenarios do not show."""

import pytest

from supervisors import POLICIES, Backoff, PolicySpec, SupervisorSpec, validate
from supervisors.messages import ChildMeasured, Deliver, ExitKind, Observed, OpKind, PauseChild, Report, StopChild
from supervisors.policy import Policy
from tests.unit.supervisors.driver import Driver, child, children

PAIR = {"pair": ["a", "b"]}
HOST = "host.measured"


def with_policy(name, specs="ab", **params):
    return Driver(specs, policies=(PolicySpec(name=name, params=params),))


def measured(d, id, times=1, **figures):
    d.do(*[ChildMeasured(id, d.gen(id), 10.0, **figures)] * times)


def types(d, family):
    return [report.type.partition(".")[2] for report in d.reports if report.type.startswith(f"{family}.")]


# ---- parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "params", "code"),
    [
        ("mutual_repair", {}, "invalid_pair"),
        ("mutual_repair", {"pair": ["a"]}, "invalid_pair"),
        ("mutual_repair", {"pair": ["a", "a"]}, "invalid_pair"),
        ("mutual_repair", {"pair": ["a", 1]}, "invalid_pair"),
        ("mutual_repair", PAIR | {"attempts": 0}, "invalid_attempts"),
        ("mutual_repair", PAIR | {"cooldown_s": -1}, "invalid_cooldown_s"),
        ("mutual_repair", PAIR | {"deadline": 5}, "unknown_parameter"),
        ("mutual_repair", PAIR | {"criteria": []}, "invalid_criteria"),
        ("mutual_repair", PAIR | {"criteria": ["down"]}, "invalid_criterion"),
        ("mutual_repair", PAIR | {"criteria": [{}]}, "invalid_criterion"),
        ("mutual_repair", PAIR | {"criteria": [{"down_s": 1, "measure": "queue", "above": 1}]}, "invalid_criterion"),
        ("mutual_repair", PAIR | {"criteria": [{"down_s": 0}]}, "invalid_down_s"),
        ("mutual_repair", PAIR | {"criteria": [{"measure": "queue"}]}, "missing_above"),
        ("mutual_repair", PAIR | {"criteria": [{"measure": "queue", "above": 1, "times": 0}]}, "invalid_times"),
        ("mutual_repair", PAIR | {"criteria": [{"measure": "queue", "above": 1, "mode": "mild"}]}, "invalid_mode"),
        ("mutual_repair", PAIR | {"criteria": [{"down_s": 1, "times": 2}]}, "unknown_parameter"),
        ("load_shed", {"cpu_percent": "90"}, "invalid_cpu_percent"),
        ("load_shed", {"samples": 0}, "invalid_samples"),
        ("load_shed", {"relief": -1}, "invalid_relief"),
        ("load_shed", {"order": "a"}, "invalid_order"),
        ("load_shed", {"cpu": 90}, "unknown_parameter"),
        ("quarantine", {"failures": 0}, "invalid_failures"),
        ("quarantine", {"release_after_s": 0}, "invalid_release_after_s"),
        ("quarantine", {"releases": 1.5}, "invalid_releases"),
        ("quarantine", {"except": "a"}, "invalid_except"),
        ("emergency", {}, "invalid_set"),
        ("emergency", {"set": ["a", "a"]}, "invalid_set"),
        ("emergency", {"set": ["a", "b"], "down": 3}, "invalid_down"),
        ("emergency", {"set": ["a", "b"], "playbook": ""}, "invalid_playbook"),
        ("emergency", {"set": ["a", "b"], "grace": 3}, "unknown_parameter"),
    ],
)
def test_bad_parameters_are_found(policy, params, code):
    assert code in [fault.code for fault in POLICIES[policy].validate(params)]


@pytest.mark.parametrize(
    ("policy", "params"),
    [
        ("mutual_repair", PAIR | {"criteria": [{"down_s": 1, "child": "a"}, {"measure": "x", "above": 0}]}),
        ("load_shed", {}),
        ("load_shed", {"own_percent": 50, "order": ["a"], "except": ["b"], "step": 2, "relief": 0}),
        ("quarantine", {}),
        ("emergency", {"set": ["a"], "down": 1, "for_s": 0}),
    ],
)
def test_good_parameters_are_accepted(policy, params):
    assert POLICIES[policy].validate(params) == []


def test_a_pair_of_children_that_are_not_there_is_a_fault_that_names_those_that_are():
    policies = (PolicySpec(name="mutual_repair", params={"pair": ["a", "bb"]}),)
    (fault,) = validate(SupervisorSpec(name="top", children=children("ab"), policies=policies))
    assert (fault.path, fault.code, fault.allowed) == (
        ("policies", "mutual_repair", "pair"),
        "unknown_child",
        ("a", "b"),
    )


# ---- mutual_repair -------------------------------------------------------------------------------


def test_a_child_that_awaits_repair_is_left_to_its_partner_first_and_started_when_that_does_not_help():
    d = with_policy("mutual_repair", **PAIR, deadline_s=20, cooldown_s=10)
    d.call(OpKind.HOLD, "b")
    assert types(d, "mutual_repair") == ["requested"]
    assert d.state("b") == "awaiting_repair"
    d.advance(30.0)
    assert types(d, "mutual_repair") == ["requested", "failed", "requested", "healed"]
    assert d.state("b") == "running"


def test_what_an_operator_stopped_or_quarantined_is_not_unwell():
    d = with_policy("mutual_repair", **PAIR)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.call(OpKind.QUARANTINE, "b")
    d.advance(600.0)
    assert types(d, "mutual_repair") == []


def test_hold_by_an_operator_hands_a_child_that_was_stopped_by_hand_to_whoever_repairs():
    d = with_policy("mutual_repair", **PAIR)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.call(OpKind.TERMINATE_CHILD, "b")
    d.advance(600.0)
    assert (d.state("a"), types(d, "mutual_repair")) == ("stopped", [])
    d.call(OpKind.HOLD, "a")
    assert (d.state("a"), d.state("b")) == ("running", "stopped"), "its partner is stopped: the supervisor starts it"


@pytest.mark.parametrize("op", [OpKind.RESET, OpKind.RECYCLE])
def test_reset_and_recycle_by_an_operator_leave_a_child_stopped_that_was_stopped_by_hand(op):
    d = with_policy("mutual_repair", **PAIR)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.call(op, "a")
    d.advance(600.0)
    assert (d.state("a"), d.core.child("a").stopped_by) == ("stopped", "operator")


def test_without_its_partner_the_supervisor_repairs_alone():
    d = with_policy("mutual_repair", **PAIR)
    d.call(OpKind.TERMINATE_CHILD, "a")
    measured(d, "b", 3, cpu_percent=99.0)
    (report,) = d.told("mutual_repair.requested")
    assert (report.subject, report.data["by"], report.data["repair"]) == ("b", "top", "recycle")


def test_partner_whose_death_is_known_but_not_handled_yet_is_no_longer_asked_for_help():
    d = Driver(
        tuple(child(id, backoff=Backoff(min_s=1.0, max_s=4.0), shutdown_s=20.0) for id in "abc"),
        policies=(PolicySpec(name="mutual_repair", params=PAIR | {"criteria": [{"down_s": 3}]}),),
    )
    d.stubborn = {"c"}
    d.crash("a")
    d.post(OpKind.TERMINATE_CHILD, "c")
    d.crash("b")
    d.advance(10.0)
    assert types(d, "mutual_repair") == [], "all that follows waits for the end of c, and b is down"
    d.advance(20.0)
    assert d.states() == {"a": "running", "b": "running", "c": "stopped"}


def test_a_row_of_measurements_is_broken_by_a_good_one():
    d = with_policy("mutual_repair", **PAIR)
    measured(d, "a", 2, cpu_percent=99.0)
    measured(d, "a", cpu_percent=20.0)
    measured(d, "a", 2, cpu_percent=99.0)
    assert types(d, "mutual_repair") == []
    measured(d, "a", cpu_percent=99.0)
    assert types(d, "mutual_repair") == ["requested"]


def test_wellness_must_be_measured_and_not_only_assumed():
    d = with_policy("mutual_repair", **PAIR)
    measured(d, "a", 3, queue=500)
    d.advance(5.0)
    measured(d, "a", queue=500)
    assert types(d, "mutual_repair") == ["requested"]
    measured(d, "a", queue=3)
    assert types(d, "mutual_repair") == ["requested", "healed"]


def test_measurements_of_an_older_incarnation_say_nothing():
    d = with_policy("mutual_repair", **PAIR)
    d.crash("a")
    d.do(*[ChildMeasured("a", 1, 10.0, cpu_percent=99.0)] * 3)
    assert types(d, "mutual_repair") == []


def test_suspicion_makes_unwell_until_it_is_taken_back():
    d = with_policy("mutual_repair", **PAIR, cooldown_s=0.0)
    suspected, recovered = Observed("health.suspected", "top/a", {"level": 9.5}), Observed("health.recovered", "top/a")
    d.do(suspected, suspected, suspected, suspected, recovered, suspected)
    measured(d, "a", 9, cpu_percent=1.0)
    assert types(d, "mutual_repair") == [], "whoever suspects may have been slow itself"
    d.do(suspected, suspected, suspected, suspected)
    (report,) = d.told("mutual_repair.requested")
    assert (report.subject, report.data["criterion"], report.data["value"]) == ("a", "suspicion", 9.5)
    assert types(d, "mutual_repair") == ["requested", "healed"]  # its new incarnation is not suspected


def test_a_child_in_safe_mode_that_stays_well_is_brought_back_to_normal():
    d = with_policy("mutual_repair", **PAIR, window_s=20.0)
    measured(d, "a", gauges={"failed_runs": 8})
    assert d.core.child("a").mode == "safe"
    measured(d, "a", gauges={"failed_runs": 0})
    d.advance(19.0)
    assert d.core.child("a").mode == "safe"
    d.advance(1.0)
    assert (d.core.child("a").mode, d.gen("a")) == ("", 3)
    d.advance(600.0)
    assert types(d, "mutual_repair") == ["requested", "healed", "returned"]


def test_what_a_repaired_child_had_not_answered_is_no_longer_lost_unless_a_repair_with_it_did_not_help():
    d = with_policy("mutual_repair", **PAIR, deadline_s=5.0, cooldown_s=1.0)
    for _ in range(2):
        measured(d, "a", 3, cpu_percent=99.0)
        measured(d, "a", 3, cpu_percent=99.0)
        d.advance(7.0)
    assert [(c.gen, c.keep) for c in d.commands if isinstance(c, StopChild)] == [(1, True), (2, False), (3, False)]
    assert [c for c in d.commands if isinstance(c, Deliver)] == [Deliver("a", 2)]


def test_a_return_to_normal_keeps_what_was_not_answered():
    d = with_policy("mutual_repair", **PAIR, window_s=20.0)
    measured(d, "a", gauges={"failed_runs": 8})
    measured(d, "a", gauges={"failed_runs": 0})
    d.advance(20.0)
    assert [c.gen for c in d.commands if isinstance(c, Deliver)] == [2, 3]


def test_a_start_by_hand_gives_an_exhausted_child_new_attempts():
    d = with_policy("mutual_repair", **PAIR, attempts=1, deadline_s=5.0, cooldown_s=1.0)
    measured(d, "a", 3, cpu_percent=99.0)
    measured(d, "a", 3, cpu_percent=99.0)
    d.advance(10.0)
    measured(d, "a", 3, cpu_percent=99.0)
    assert types(d, "mutual_repair") == ["requested", "failed", "exhausted"]
    d.call(OpKind.RECYCLE, "a")
    measured(d, "a", 3, cpu_percent=99.0)
    assert types(d, "mutual_repair")[3:] == ["requested"]


def test_a_supervisor_that_ends_repairs_nobody():
    d = with_policy("mutual_repair", **PAIR)
    d.stubborn = {"a"}
    d.do(*[ChildMeasured("a", 1, 1.0, cpu_percent=99.0)] * 2)
    d.stop()
    measured(d, "a", 3, cpu_percent=99.0)
    d.advance(60.0)
    assert types(d, "mutual_repair") == []
    assert d.timers == {}


# ---- load_shed -----------------------------------------------------------------------------------


def under(d, times, **figures):
    d.do(*[Observed(HOST, "host", figures)] * times)


def pauses(d):
    return [(c.child, c.paused) for c in d.commands if isinstance(c, PauseChild)]


def test_the_last_started_goes_first_unless_an_order_is_given():
    d = with_policy("load_shed", "abcd", samples=1, order=["b"])
    under(d, 3, cpu_percent=99.0)
    assert pauses(d) == [("b", True), ("d", True), ("c", True)]


def test_a_figure_that_was_not_measured_decides_nothing():
    d = with_policy("load_shed", "ab", samples=1, own_percent=50)
    under(d, 1, cpu_percent=99.0, own_percent=None, memory_percent=None)
    under(d, 1, cpu_percent=10.0, own_percent=None)
    under(d, 3)
    assert pauses(d) == [("b", True), ("b", False)]


def test_a_host_that_others_saturate_is_no_pressure_and_pausing_ends_when_they_are_to_blame():
    d = with_policy("load_shed", "ab", samples=1)
    under(d, 3, cpu_percent=99.0, own_percent=5.0)
    assert pauses(d) == []
    under(d, 1, cpu_percent=99.0, own_percent=40.0)
    under(d, 1, cpu_percent=99.0, own_percent=2.0)
    assert pauses(d) == [("b", True), ("b", False)]


def test_four_paused_children_waited_three_samples_each_after_the_pressure_was_over():
    d = with_policy("load_shed", "abcde", samples=2)
    under(d, 8, cpu_percent=99.0)
    assert len(pauses(d)) == 4
    under(d, 1, cpu_percent=5.0)
    assert len(pauses(d)) == 4
    under(d, 3, cpu_percent=5.0)
    assert pauses(d)[4:] == [("b", False), ("c", False), ("d", False), ("e", False)]


def test_what_an_operator_paused_is_neither_paused_nor_resumed():
    d = with_policy("load_shed", "abc", samples=1)
    under(d, 1, cpu_percent=99.0)
    d.do(Observed("child.paused", "c", {"by": "operator"}))
    under(d, 2, cpu_percent=99.0)
    under(d, 5, cpu_percent=5.0)
    assert pauses(d) == [("c", True), ("b", True), ("a", True), ("a", False), ("b", False)]


def test_what_an_operator_resumed_is_spared_until_the_pressure_is_over():
    d = with_policy("load_shed", "ab", samples=1)
    under(d, 1, cpu_percent=99.0)
    d.do(Observed("child.resumed", "b", {"by": "operator"}))
    under(d, 3, cpu_percent=99.0)
    assert pauses(d) == [("b", True), ("a", True)]
    under(d, 1, cpu_percent=5.0)
    under(d, 1, cpu_percent=99.0)
    assert pauses(d)[2:] == [("a", False), ("b", True)]


def test_a_reload_resumes_what_the_old_policy_paused():
    d = with_policy("load_shed", "ab", samples=1)
    under(d, 2, cpu_percent=99.0)
    d.call(OpKind.RELOAD, spec=SupervisorSpec(name="top", children=children("ab"), intensity=100))
    assert pauses(d)[2:] == [("a", False), ("b", False)]
    assert types(d, "load") == ["shed", "shed", "restored", "restored"]


def test_a_pause_of_a_generation_that_is_gone_is_not_passed_on():
    class Late(Policy):
        name = "late"

        def handle(self, event, commands, now):
            return [PauseChild("a", 1, True)] if isinstance(event, Observed) else []

    d = Driver("a", known={"late": Late}, policies=(PolicySpec(name="late"),))
    d.do(Observed("x.y"))
    d.crash("a")
    d.do(Observed("x.y"))
    assert pauses(d) == [("a", True)]


# ---- quarantine ----------------------------------------------------------------------------------


def test_exits_on_purpose_do_not_count():
    d = with_policy("quarantine", "a", failures=2)
    for _ in range(5):
        d.leave("a", ExitKind.NORMAL)
    assert d.state("a") == "running"
    d.crash("a")
    d.crash("a")
    assert d.state("a") == "quarantined"


def test_releases_come_at_growing_distances_and_end():
    d = with_policy("quarantine", "a", failures=1, release_after_s=10.0, releases=2)
    d.fails["a"] = 99
    d.crash("a")
    d.advance(9.9)
    assert types(d, "quarantine") == []
    d.advance(0.1)
    assert types(d, "quarantine") == ["released"]
    d.advance(19.9)
    assert types(d, "quarantine") == ["released"]
    d.advance(0.1)
    assert types(d, "quarantine") == ["released", "released", "exhausted"]
    d.advance(100000.0)
    assert d.state("a") == "quarantined"


def test_a_start_by_hand_begins_the_count_anew():
    d = with_policy("quarantine", "a", failures=2, release_after_s=10.0)
    d.crash("a")
    d.crash("a")
    d.call(OpKind.RESTART_CHILD, "a")
    assert d.timers == {}
    d.crash("a")
    assert d.state("a") == "running"


def test_a_reload_does_not_forget_who_waits_for_a_release():
    d = with_policy("quarantine", "ab", failures=1, release_after_s=10.0)
    d.crash("a")
    d.call(OpKind.QUARANTINE, "b")
    policies = (PolicySpec(name="quarantine", params={"failures": 2, "release_after_s": 5.0}),)
    d.call(OpKind.RELOAD, spec=SupervisorSpec(name="top", children=children("ab"), intensity=100, policies=policies))
    d.advance(5.0)
    assert d.states() == {"a": "running", "b": "quarantined"}


# ---- emergency -----------------------------------------------------------------------------------


def test_an_emergency_names_who_is_down_and_the_playbook():
    d = with_policy("emergency", "a", set=["a", "bus"], for_s=1.0, playbook="all_hands")
    d.slow = {"a"}
    d.crash("a")
    d.do(Observed("member.exited", "top/core/bus", {"kind": "killed"}))
    d.advance(1.0)
    (report,) = d.told("emergency.declared")
    assert report == Report(
        "emergency.declared",
        "top",
        {
            "supervisor": "top",
            "deadline_s": 120.0,
            "down": ["a", "bus"],
            "set": ["a", "bus"],
            "playbook": "all_hands",
        },
    )
    d.do(Observed("member.started", "bus"))
    assert types(d, "emergency") == ["declared"]
    d.ready("a")
    assert types(d, "emergency") == ["declared", "ended"]


def test_a_reload_ends_the_emergency_it_forgets():
    d = with_policy("emergency", "a", set=["x"], down=1, for_s=0.0)
    d.do(Observed("member.exited", "x", {"kind": "crash"}))
    d.call(OpKind.RELOAD, spec=SupervisorSpec(name="top", children=(child("a"),), intensity=100))
    assert [report.data.get("reason") for report in d.told("emergency.ended")] == ["the policy was replaced"]
