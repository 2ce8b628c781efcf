"""The policy `repair`: restart first, hold what comes again alike, quarantine what nobody repaired in time."""

from dataclasses import replace

import pytest

from supervisors import Backoff, Budget, OnExhausted, PolicySpec, Restart, Startup, Strategy, simulate
from supervisors.messages import ExitKind, OpKind, Start
from tests.unit.supervisors.driver import Driver, child

STATIC = pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
STARTUPS = pytest.mark.parametrize("startup", list(Startup))
ALIKE_AT_START = "the same failure 2 times in 60 s"


def repairing(specs="abc", strategy=Strategy.ONE_FOR_ONE, *, fails=None, flags=None, **params):
    """Not started yet."""
    policies = (PolicySpec(name="repair", params=params),)
    return Driver(specs, strategy, start=False, fails=fails, policies=policies, **(flags or {}))


def begun(*args, **kwargs):
    d = repairing(*args, **kwargs)
    start(d)
    d.said()
    return d


def start(d):
    d.do(Start())


def hold_b(strategy=Strategy.ONE_FOR_ONE, specs="abc", **kwargs):
    """b crashes and its next two starts fail alike."""
    d = begun(specs, strategy, **kwargs)
    d.fails = {"b": 99}
    d.crash("b")
    assert d.state("b") == "awaiting_repair"
    return d


def deadlines(d):
    """When which hold ends, as the policy has set it."""
    (hosted,) = d.core._policies._hosted
    return {id: d.timers[token] - d.now for id, token in hosted.timers.items()}


# ---- which failures hold ------------------------------------------------------------------------------


def test_first_failed_start_is_tried_again_and_the_second_alike_holds_the_child():
    d = begun()
    d.fails = {"b": 1}
    d.crash("b")
    assert d.state("b") == "running"
    d.advance(61.0)
    d.fails = {"b": 99}
    d.crash("b")
    assert d.state("b") == "awaiting_repair"
    assert d.log.count("start b") == 4


def test_failed_starts_that_differ_hold_nothing():
    d = begun(flags={"intensity": 20})
    d.slow = {"b"}
    d.crash("b")
    for n in range(8):
        d.do(d.end("b", ExitKind.START_FAILED, f"trouble {n}"))
    assert d.state("b") == "starting"
    d.do(d.end("b", ExitKind.START_FAILED, "trouble 3"))
    assert d.state("b") == "awaiting_repair"


@pytest.mark.parametrize("kind", [ExitKind.CRASH, ExitKind.START_FAILED, ExitKind.START_TIMEOUT])
def test_crash_in_a_start_counts_as_a_failed_start(kind):
    d = begun()
    d.slow = {"b"}
    d.crash("b")
    d.do(d.end("b", kind, "same"))
    assert d.state("b") == "starting"
    d.do(d.end("b", kind, "same"))
    assert d.state("b") == "awaiting_repair"


def test_start_that_times_out_twice_holds_the_child():
    d = begun((child("a"), child("b", start_timeout_s=3.0)))
    d.slow = {"b"}
    d.crash("b")
    d.advance(6.0)
    assert d.states() == {"a": "running", "b": "awaiting_repair"}
    assert d.told("child.awaiting_repair")[0].data["kind"] == "start_timeout"


@pytest.mark.parametrize("kind", [ExitKind.CRASH, ExitKind.HUNG])
def test_fifth_crash_or_hang_alike_holds_the_child(kind):
    d = begun()
    for _ in range(4):
        d.leave("b", kind, "same")
    assert d.state("b") == "running"
    d.leave("b", kind, "same")
    assert d.states() == {"a": "running", "b": "awaiting_repair", "c": "running"}
    assert d.told("child.awaiting_repair")[0].data["cause"] == "the same failure 5 times in 60 s"


def test_crashes_that_differ_hold_nothing_and_neither_do_those_outside_the_window():
    d = begun()
    for n in range(20):
        d.crash("b", reason=f"trouble {n}")
    for _ in range(20):
        d.advance(15.1)
        d.crash("b", reason="same, but seldom")
    assert d.state("b") == "running"


def test_failures_are_counted_for_each_child_and_apart_in_starts():
    d = begun("ab", crashes=3)
    for _ in range(2):
        d.crash("a")
        d.crash("b")
    assert d.states() == {"a": "running", "b": "running"}
    d.fails, d.why = {"a": 1}, "boom"
    d.crash("b")
    assert d.states() == {"a": "running", "b": "awaiting_repair"}


@pytest.mark.parametrize("kind", [ExitKind.KILLED, ExitKind.NORMAL, ExitKind.SHUTDOWN])
def test_what_a_signal_killed_and_clean_exits_hold_nothing(kind):
    d = begun("ab")
    for _ in range(90):
        d.leave("b", kind, "SIGKILL")
    assert d.state("b") == "running"


def test_kills_count_for_the_budget_alone():
    d = begun((child("a"), child("b", budget=Budget(intensity=3, period_s=60.0), on_exhausted=OnExhausted.QUARANTINE)))
    for _ in range(3):
        d.leave("b", ExitKind.KILLED, "SIGKILL")
    assert d.state("b") == "running"
    d.leave("b", ExitKind.KILLED, "SIGKILL")
    assert d.states() == {"a": "running", "b": "awaiting_repair"}
    assert d.told("child.awaiting_repair")[0].data["cause"] == "restart budget spent"


@pytest.mark.parametrize(
    ("on_exhausted", "state"),
    [
        (OnExhausted.QUARANTINE, "awaiting_repair"),
        (OnExhausted.REPAIR, "awaiting_repair"),
        (OnExhausted.ESCALATE, None),
    ],
)
def test_spent_budget_holds_where_it_would_quarantine_and_escalates_where_it_would_escalate(on_exhausted, state):
    d = begun((child("a"), child("b", on_exhausted=on_exhausted)), flags={"intensity": 1})
    d.leave("b", ExitKind.KILLED, "SIGKILL")
    d.leave("b", ExitKind.KILLED, "SIGKILL")
    assert (d.exit is None) == (state is not None)
    assert state is None or d.state("b") == state


def test_excepted_and_temporary_children_are_left_alone():
    specs = (child("a", on_exhausted=OnExhausted.QUARANTINE), child("t", restart=Restart.TEMPORARY))
    d = begun(specs, flags={"intensity": 3}, crashes=2, **{"except": ["a"]})
    d.crash("a")
    d.crash("a")
    assert d.state("a") == "running"
    d.crash("a")
    d.crash("a")
    d.crash("t")
    assert d.states() == {"a": "quarantined"}


def test_permanent_failure_is_judged_by_the_spec_before_the_policy():
    d = begun((child("a", permanent_failure=("boom",)),), crashes=1)
    d.crash("a")
    assert d.state("a") == "failed"
    assert d.core.child("a").cause == "declared a permanent failure"


def test_one_failure_is_enough_where_the_tree_says_so():
    d = begun(starts=1)
    d.fails = {"b": 99}
    d.crash("b")
    assert d.told("child.awaiting_repair")[0].data["cause"] == "the same failure 1 time in 60 s"
    assert d.said() == ["start b"]


def test_the_supervisor_is_asked_which_failures_are_the_same():
    asked = []

    def signature(id, exit):
        asked.append((id, exit.reason))
        return exit.reason[:4]

    d = repairing()
    d.core.signature = signature
    start(d)
    for word in ("pain", "pain again", "painful", "pain!", "panic", "pain."):
        d.crash("b", reason=word)
    assert d.state("b") == "awaiting_repair"
    assert asked[0] == ("b", "pain")
    assert d.told("child.awaiting_repair")[0].data["signature"] == "pain"


# ---- nothing else is disturbed ------------------------------------------------------------------------


@STATIC
def test_siblings_of_a_child_whose_crash_holds_it_are_not_touched(strategy):
    d = begun("abc", strategy, crashes=1)
    d.crash("b")
    assert d.states() == {"a": "running", "b": "awaiting_repair", "c": "running"}
    assert d.said() == []


@pytest.mark.parametrize("backoff", [None, Backoff(min_s=1.0, max_s=2.0)])
@STARTUPS
@STATIC
def test_siblings_run_again_once_the_member_that_cannot_start_is_held(strategy, startup, backoff):
    d = begun(tuple(child(id, backoff=backoff) for id in "abc"), strategy, flags={"startup": startup})
    d.fails = {"b": 99}
    d.crash("b")
    d.advance(5.0)
    assert d.states() == {"a": "running", "b": "awaiting_repair", "c": "running"}
    assert d.exit is None


@STATIC
def test_held_child_is_no_member_of_later_group_restarts_until_it_is_started(strategy):
    d = hold_b(strategy)
    d.said()
    d.crash("a")
    assert "start b" not in d.said()
    assert d.states() == {"a": "running", "b": "awaiting_repair", "c": "running"}
    d.fails = {}
    assert d.call(OpKind.RESET, "b") == "ok"
    assert d.said() == ["start b"]


def test_every_failed_member_of_a_parallel_group_start_is_judged():
    d = begun("abcd", Strategy.ONE_FOR_ALL, flags={"startup": Startup.PARALLEL})
    d.fails = {"b": 99, "c": 99}
    d.crash("a")
    assert d.states() == {"a": "running", "b": "awaiting_repair", "c": "awaiting_repair", "d": "running"}
    assert [report.subject for report in d.told("child.awaiting_repair")] == ["c", "b"]


def test_failed_recycle_counts_as_a_failed_start():
    d = begun(starts=1)
    d.fails = {"b": 1}
    assert d.call(OpKind.RECYCLE, "b") == "start_failed"
    assert d.state("b") == "awaiting_repair"


# ---- first starts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_exhausted", list(OnExhausted))
@STARTUPS
@STATIC
def test_first_start_that_fails_twice_alike_holds_the_child_and_not_the_boot(strategy, startup, on_exhausted):
    specs = (child("a"), child("b", on_exhausted=on_exhausted), child("c"))
    d = repairing(specs, strategy, fails={"b": 99}, flags={"startup": startup})
    start(d)
    assert d.states() == {"a": "running", "b": "awaiting_repair", "c": "running"}
    assert (d.log.count("started"), d.log.count("start b"), d.log.count("start a")) == (1, 2, 1)
    assert d.told("child.awaiting_repair")[0].data["cause"] == ALIKE_AT_START


def test_first_start_that_fails_once_comes_up_alone_at_its_retry():
    d = repairing(fails={"b": 1})
    start(d)
    assert d.said() == ["start a", "start b", "start c", "started", "start b"]


def test_first_starts_that_fail_each_time_in_another_way_spend_the_budget():
    d = repairing(flags={"intensity": 3})
    d.slow = {"b"}
    start(d)
    for n in range(5):
        if d.exit is None:
            d.do(d.end("b", ExitKind.START_FAILED, f"trouble {n}"))
    assert d.exit is not None
    assert d.exit.reason == "reached_max_restart_intensity"


@pytest.mark.parametrize(
    "specs",
    [
        (child("a"), child("x")),
        (child("a"), child("b", restart=Restart.TEMPORARY)),
        (child("a"), child("b", permanent_failure=("refused",))),
    ],
)
def test_children_it_does_not_cover_end_the_boot_as_before(specs):
    d = repairing(specs, fails={"b": 99, "x": 99}, **{"except": ["x"]})
    start(d)
    assert d.exit is not None
    assert d.exit.reason.startswith("failed_to_start:")


def test_children_that_need_a_held_one_wait_for_it():
    d = repairing((child("a"), child("b"), child("c", depends_on=("b",))), fails={"b": 99})
    start(d)
    assert d.states() == {"a": "running", "b": "awaiting_repair", "c": "waiting"}
    d.fails = {}
    d.call(OpKind.RESET, "b")
    assert set(d.states().values()) == {"running"}


# ---- the deadline ---------------------------------------------------------------------------------------


def test_hold_that_outlasts_its_deadline_ends_in_quarantine_with_cause_and_next_step():
    d = hold_b(deadline_s=10.0)
    d.advance(9.9)
    assert d.state("b") == "awaiting_repair"
    d.advance(0.1)
    assert d.states() == {"a": "running", "b": "quarantined", "c": "running"}
    (report,) = d.told("child.quarantined")
    assert report.data == {
        "supervisor": "top",
        "gen": 3,
        "kind": "start_failed",
        "reason": "refused",
        "cause": f"not repaired within 10 s: {ALIKE_AT_START}",
        "next_step": "see why b; then: start b",
        "by": "repair",
    }
    assert (d.core.child("b").cause, d.core.child("b").next_step) == (report.data["cause"], report.data["next_step"])
    assert d.timers == {}


def test_report_of_a_hold_says_all_that_a_healer_needs():
    d = hold_b()
    (report,) = d.told("child.awaiting_repair")
    assert report.data == {
        "supervisor": "top",
        "gen": 3,
        "kind": "start_failed",
        "reason": "refused",
        "cause": ALIKE_AT_START,
        "next_step": "wait for its repair, or: start b",
        "signature": "start_failed refused",
        "deadline_s": 300.0,
    }


@pytest.mark.parametrize("op", [OpKind.RESET, OpKind.RESTART_CHILD])
def test_start_by_hand_ends_the_hold_its_deadline_and_its_counts(op):
    d = hold_b()
    d.fails = {}
    assert d.call(op, "b") == "ok"
    assert (d.state("b"), d.timers) == ("running", {})
    assert (d.core.child("b").cause, d.core.child("b").next_step) == ("", "")
    d.fails = {"b": 1}
    d.crash("b")
    assert d.state("b") == "running"
    d.advance(1000.0)
    assert d.state("b") == "running"


def test_start_by_hand_that_fails_changes_nothing_about_the_hold():
    d = hold_b(deadline_s=10.0)
    d.advance(4.0)
    assert d.call(OpKind.RESET, "b") == "start_failed"
    assert deadlines(d) == {"b": 6.0}
    d.advance(6.0)
    assert d.state("b") == "quarantined"


@pytest.mark.parametrize("comes_up", [True, False])
def test_deadline_in_the_midst_of_a_start_by_hand_waits_for_what_becomes_of_it(comes_up):
    d = hold_b(deadline_s=10.0)
    d.fails, d.slow = {}, {"b"}
    d.post(OpKind.RESET, "b")
    d.advance(11.0)
    assert d.state("b") == "starting"
    if comes_up:
        d.ready("b")
    else:
        d.do(d.end("b", ExitKind.START_FAILED, "still broken"))
    assert d.state("b") == ("running" if comes_up else "quarantined")
    assert d.timers == {}


@pytest.mark.parametrize("fails", [0, 1])
def test_deadline_that_waited_behind_a_start_by_hand_is_judged_anew(fails):
    d = hold_b(deadline_s=10.0)
    d.slow = {"c"}
    d.crash("c")
    d.post(OpKind.RESET, "b")
    d.advance(11.0)
    d.fails = {"b": fails}
    d.ready("c")
    assert d.state("b") == ("quarantined" if fails else "running")


def test_child_held_again_after_a_repair_gets_a_new_deadline():
    d = hold_b(deadline_s=100.0)
    d.advance(60.0)
    d.fails = {}
    d.call(OpKind.RESET, "b")
    d.advance(30.0)
    d.fails = {"b": 99}
    d.crash("b")
    assert deadlines(d) == {"b": 100.0}
    assert len(d.told("child.awaiting_repair")) == 2


@pytest.mark.parametrize("op", [OpKind.TERMINATE_CHILD, OpKind.DELETE_CHILD, OpKind.QUARANTINE])
def test_deadline_ends_with_the_hold(op):
    d = hold_b()
    assert deadlines(d) == {"b": 300.0}
    assert d.call(op, "b") == "ok"
    assert d.timers == {}


def test_hold_asked_for_by_a_healer_has_a_deadline_too_and_shows_its_reason():
    d = begun(deadline_s=10.0)
    assert d.call(OpKind.HOLD, "b", reason="its index is damaged") == "ok"
    (report,) = d.told("child.awaiting_repair")
    assert (report.data["cause"], report.data["deadline_s"]) == ("its index is damaged", 10.0)
    d.advance(10.0)
    assert d.core.child("b").cause == "not repaired within 10 s: its index is damaged"


def test_quarantine_asked_for_by_a_healer_shows_its_reason():
    d = hold_b()
    assert d.call(OpKind.QUARANTINE, "b", reason="three repairs failed") == "ok"
    assert d.told("child.quarantined")[0].data["cause"] == "three repairs failed"
    assert d.core.child("b").cause == "three repairs failed"


def test_hold_of_an_excepted_child_has_no_deadline():
    d = begun(**{"except": ["b"]})
    d.call(OpKind.HOLD, "b")
    assert d.timers == {}
    assert "deadline_s" not in d.told("child.awaiting_repair")[0].data


def test_reload_gives_those_that_are_held_a_deadline_under_the_new_parameters():
    d = hold_b()
    policies = (PolicySpec(name="repair", params={"deadline_s": 7.0}),)
    assert d.call(OpKind.RELOAD, None, replace(d.spec, policies=policies)) == "ok"
    assert deadlines(d) == {"b": 7.0}
    d.advance(7.0)
    assert d.state("b") == "quarantined"


def test_nothing_is_remembered_of_failures_outside_the_window():
    d = begun(flags={"intensity": 1000})
    for n in range(50):
        d.advance(2.0)
        d.crash("b", reason=f"trouble {n}")
    (hosted,) = d.core._policies._hosted
    assert len(hosted.policy._seen) <= 31


# ---- scenarios ----------------------------------------------------------------------------------------

CRASH = {"op": "exit", "id": "b", "reason": "crash"}
KILL = {"op": "exit", "id": "b", "reason": "kill"}
BROKEN = {"op": "fail_starts", "id": "b", "times": 99}
MENDED = {"op": "fail_starts", "id": "b", "times": 0}
RESET = {"op": "reset", "id": "b"}
LATER = {"op": "advance", "seconds": 301}


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([CRASH] * 4, "running"),
        ([CRASH] * 5, "awaiting_repair"),
        ([CRASH] * 4 + [{"op": "advance", "seconds": 61}] + [CRASH] * 4, "running"),
        ([{**CRASH, "reason": f"crash:trouble {n}"} for n in range(9)], "running"),
        ([KILL] * 9, "running"),
        ([KILL] * 11, "awaiting_repair"),
        ([CRASH, KILL] * 4, "running"),
        ([CRASH, KILL] * 5, "awaiting_repair"),
        ([{**BROKEN, "times": 1}, CRASH], "running"),
        ([BROKEN, KILL], "awaiting_repair"),
        ([{"op": "stall_starts", "id": "b", "times": 2}, KILL], "awaiting_repair"),
        ([BROKEN, CRASH, LATER], "quarantined"),
        ([BROKEN, CRASH, RESET], "awaiting_repair"),
        ([BROKEN, CRASH, RESET, LATER], "quarantined"),
        ([BROKEN, CRASH, MENDED, RESET], "running"),
        ([BROKEN, CRASH, MENDED, RESET, LATER], "running"),
        ([BROKEN, CRASH, LATER, MENDED, RESET], "running"),
        ([BROKEN, CRASH, {"op": "terminate_child", "id": "b"}, LATER], "stopped"),
        ([{"op": "hold", "id": "b"}, LATER], "quarantined"),
        ([{"op": "quarantine", "id": "b"}], "quarantined"),
    ],
)
@STATIC
def test_scenarios_of_repair_end_as_they_should_and_their_siblings_run(strategy, steps, state):
    b = {"id": "b", "on_exhausted": "quarantine", "start_timeout_s": 1, "budget": {"intensity": 10, "period_s": 60}}
    data = {
        "id": "repair",
        "strategy": strategy.value,
        "intensity": 10,
        "period": 60,
        "policies": [{"name": "repair"}],
        "children": [{"id": "a"}, b, {"id": "c"}],
        "steps": steps,
    }
    last = simulate(data)[-1]
    assert {view.id: view.state.value for view in last.children} == {"a": "running", "b": state, "c": "running"}
