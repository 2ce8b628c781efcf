"""Significant children (statements 110 to 123)."""

import pytest

from supervisors import AutoShutdown, Restart, Strategy
from supervisors.messages import ExitKind, OpKind
from tests.unit.supervisors.driver import Driver, child

ANY, EVERY, NEVER = AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT, AutoShutdown.NEVER


def significant(id, restart=Restart.TRANSIENT):
    return child(id, restart=restart, significant=True)


def ended(d):
    return d.exit is not None and d.exit.kind is ExitKind.SHUTDOWN


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
@pytest.mark.parametrize("kind", [ExitKind.NORMAL, ExitKind.CRASH])
def test_never_means_no_exit_shuts_it_down(restart, kind):
    d = Driver((child("a", restart=restart),), auto_shutdown=NEVER)
    d.leave("a", kind)
    assert d.exit is None


def test_any_significant_clean_exit_stops_the_rest_in_reverse():
    d = Driver((child("x"), significant("a"), child("y")), auto_shutdown=ANY)
    d.said()
    d.leave("a")
    assert d.said() == ["orderly y", "orderly x", "gone"]
    assert ended(d)


@pytest.mark.parametrize("kind", [ExitKind.NORMAL, ExitKind.CRASH, ExitKind.KILLED])
def test_any_exit_of_a_significant_temporary_child_ends_the_supervisor(kind):
    d = Driver((significant("a", Restart.TEMPORARY),), auto_shutdown=ANY)
    d.leave("a", kind)
    assert ended(d)


def test_all_significant_ends_only_when_the_last_active_one_is_gone():
    d = Driver((significant("a"), significant("b", Restart.TEMPORARY), child("c")), auto_shutdown=EVERY)
    d.leave("a")
    assert d.exit is None
    d.crash("b")
    assert ended(d)


@pytest.mark.parametrize("rule", [ANY, EVERY])
def test_exit_of_an_insignificant_child_never_ends_it(rule):
    d = Driver((significant("a"), child("b", restart=Restart.TRANSIENT)), auto_shutdown=rule)
    d.leave("b")
    assert d.exit is None


@pytest.mark.parametrize("rule", [ANY, EVERY])
def test_terminate_child_of_a_significant_child_never_ends_it(rule):
    d = Driver((significant("a"), significant("b", Restart.TEMPORARY)), auto_shutdown=rule)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.call(OpKind.TERMINATE_CHILD, "b")
    assert d.exit is None


def test_child_stopped_by_hand_counts_as_gone_when_another_exits_by_itself():
    d = Driver((significant("a"), significant("b")), auto_shutdown=EVERY)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.leave("b")
    assert ended(d)


def test_restarting_significant_child_counts_as_active():
    d = Driver((significant("a"), significant("b")), auto_shutdown=EVERY)
    d.slow = {"a"}
    d.crash("a")
    d.do(d.end("b", ExitKind.NORMAL), d.end("a", ExitKind.START_FAILED))
    assert d.exit is None


def test_crash_of_a_significant_transient_child_restarts_it_and_counts():
    d = Driver((significant("a"),), auto_shutdown=ANY, intensity=1)
    d.crash("a")
    assert d.exit is None
    d.crash("a")
    assert ended(d)


@pytest.mark.parametrize("rule", [ANY, EVERY])
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_bystander_stops_of_significant_children_do_not_end_it(rule, strategy):
    specs = (child("x"), significant("a"), significant("b", Restart.TEMPORARY))
    d = Driver(specs, strategy, auto_shutdown=rule)
    d.crash("x")
    assert d.exit is None
    assert d.states() == {"x": "running", "a": "running"}


def test_any_significant_takes_precedence_over_the_group_strategy():
    d = Driver((significant("a", Restart.TEMPORARY), child("b")), Strategy.ONE_FOR_ALL, auto_shutdown=ANY)
    d.said()
    d.crash("a")
    assert d.said() == ["orderly b", "gone"]


@pytest.mark.parametrize("crash_first", [True, False])
def test_crash_and_clean_exit_in_the_same_instant_are_handled_in_arrival_order(crash_first):
    d = Driver((child("a"), significant("b")), Strategy.ONE_FOR_ALL, auto_shutdown=ANY)
    notices = [d.end("a"), d.end("b", ExitKind.NORMAL)]
    d.do(*(notices if crash_first else reversed(notices)))
    assert (d.exit is None) is crash_first


def test_significant_child_gone_during_the_first_start_ends_it_after_the_start():
    d = Driver((significant("a"), child("b")), auto_shutdown=ANY, slow="b")
    d.leave("a")
    assert d.exit is None
    d.said()
    d.ready("b")
    assert d.said() == ["started", "orderly b", "gone"]


@pytest.mark.parametrize(
    ("restart", "state"), [(Restart.PERMANENT, "running"), (Restart.TRANSIENT, "stopped"), (Restart.TEMPORARY, None)]
)
def test_auto_shut_supervisor_under_its_parent(restart, state):
    inner = Driver((significant("a"),), auto_shutdown=ANY)
    inner.leave("a")
    assert inner.exit is not None
    outer = Driver((child("i", restart=restart),))
    outer.leave("i", inner.exit.kind, inner.exit.reason)
    assert outer.states().get("i") == state


def test_auto_shutdown_is_reported_with_its_cause():
    d = Driver((significant("a"),), auto_shutdown=ANY)
    d.leave("a")
    assert d.told("supervisor.auto_shutdown")[0].data["cause"] == "a"


def test_failed_significant_child_counts_as_gone():
    spec = child("a", restart=Restart.TRANSIENT, significant=True, permanent_failure=("ConfigError",))
    d = Driver((spec,), auto_shutdown=ANY)
    d.crash("a", reason="ConfigError: no port")
    assert ended(d)
