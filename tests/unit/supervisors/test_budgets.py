"""Budgets of single children, reasons that are hopeless or clean, what is left (statements 157 to 161 and 175)."""

import pytest

from supervisors import Budget, OnExhausted, Restart, Strategy
from supervisors.messages import OpKind
from tests.unit.supervisors.driver import Driver, child

OWN = Budget(intensity=1, period_s=60.0)


def budgeted(on_exhausted, strategy=Strategy.ONE_FOR_ONE, **flags):
    specs = (child("a"), child("b", budget=OWN, on_exhausted=on_exhausted), child("c"))
    return Driver(specs, strategy, **flags)


@pytest.mark.parametrize(
    ("on_exhausted", "state"), [(OnExhausted.QUARANTINE, "quarantined"), (OnExhausted.REPAIR, "awaiting_repair")]
)
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_exhausted_budget_holds_that_child_and_leaves_its_siblings_alone(on_exhausted, state, strategy):
    d = budgeted(on_exhausted, strategy, intensity=0)
    d.crash("b")
    d.said()
    d.crash("b")
    assert d.said() == []
    assert d.states() == {"a": "running", "b": state, "c": "running"}
    assert d.told(f"child.{state}")[0].data["reason"] == "boom"


def test_exhausted_budget_escalates_when_told_so():
    d = budgeted(OnExhausted.ESCALATE)
    d.crash("b")
    d.crash("b")
    assert d.exit is not None
    assert d.told("supervisor.gave_up")[0].data["period_s"] == 60.0


def test_restarts_of_a_child_with_its_own_budget_do_not_use_up_that_of_its_supervisor():
    d = budgeted(OnExhausted.QUARANTINE, intensity=1)
    d.crash("b")
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 0
    d.crash("a")
    assert d.exit is None


def test_child_that_is_held_when_exhausted_has_the_limit_of_its_supervisor_unless_it_names_one():
    d = Driver((child("a", on_exhausted=OnExhausted.QUARANTINE), child("b")), intensity=2)
    for _ in range(3):
        d.crash("a")
    assert d.states() == {"a": "quarantined", "b": "running"}


def test_reset_gives_a_held_child_a_new_budget_and_starts_it():
    d = budgeted(OnExhausted.REPAIR)
    d.crash("b")
    d.crash("b")
    assert d.call(OpKind.RESET, "b") == "ok"
    assert d.state("b") == "running"
    d.crash("b")
    assert d.state("b") == "running"


def test_reset_whose_start_fails_leaves_the_slot_held():
    d = budgeted(OnExhausted.QUARANTINE)
    d.crash("b")
    d.crash("b")
    d.fails = {"b": 1}
    assert d.call(OpKind.RESET, "b") == "start_failed"
    assert d.state("b") == "quarantined"


def test_reset_of_a_running_child_only_renews_its_budget():
    d = budgeted(OnExhausted.QUARANTINE)
    d.crash("b")
    d.said()
    assert d.call(OpKind.RESET, "b") == "ok"
    assert d.said() == []
    assert d.reply(OpKind.BUDGET, "b").value["children"]["b"]["left"] == 1


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_held_child_is_not_started_by_a_group_restart(strategy):
    d = budgeted(OnExhausted.QUARANTINE, strategy)
    d.crash("b")
    d.crash("b")
    d.crash("a")
    assert d.states() == {"a": "running", "b": "quarantined", "c": "running"}


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_group_carries_on_when_a_failing_member_is_held(strategy):
    d = budgeted(OnExhausted.QUARANTINE, strategy)
    d.fails = {"b": 9}
    d.crash("a")
    assert d.states() == {"a": "running", "b": "quarantined", "c": "running"}


def test_restart_child_starts_a_held_child_without_renewing_its_budget():
    d = budgeted(OnExhausted.QUARANTINE)
    d.crash("b")
    d.crash("b")
    assert d.call(OpKind.RESTART_CHILD, "b") == "ok"
    d.crash("b")
    assert d.state("b") == "quarantined"


@pytest.mark.parametrize("reason", ["ConfigError", "ConfigError: no port", "exit 78"])
def test_hopeless_reason_fails_the_slot_without_restart_or_count(reason):
    d = Driver((child("a", permanent_failure=("ConfigError", "exit 78")), child("b")), intensity=0)
    d.said()
    d.crash("a", reason=reason)
    assert d.said() == []
    assert d.states() == {"a": "failed", "b": "running"}
    assert d.told("child.failed")[0].data["reason"] == reason


@pytest.mark.parametrize("reason", ["ConfigErrors", "exit 7", "Other: ConfigError", "exit 780"])
def test_similar_reason_is_not_hopeless(reason):
    d = Driver((child("a", permanent_failure=("ConfigError", "exit 78")),))
    d.crash("a", reason=reason)
    assert d.state("a") == "running"


def test_restart_that_fails_for_a_hopeless_reason_fails_the_slot_and_the_group_carries_on():
    specs = (child("a"), child("b", permanent_failure=("refused",)), child("c"))
    d = Driver(specs, Strategy.REST_FOR_ONE)
    d.fails = {"b": 1}
    d.crash("a")
    assert d.states() == {"a": "running", "b": "failed", "c": "running"}


def test_declared_clean_reason_is_treated_like_normal():
    d = Driver((child("a", restart=Restart.TRANSIENT, clean_exits=("exit 3",)),), intensity=0)
    d.crash("a", reason="exit 3")
    assert d.state("a") == "stopped"
    assert d.exit is None


def test_what_is_left_before_giving_up_can_be_asked():
    d = budgeted(OnExhausted.QUARANTINE, intensity=3, period_s=10.0)
    d.crash("a")
    d.crash("b")
    d.advance(4.0)
    value = d.reply(OpKind.BUDGET).value
    assert value == {
        "supervisor": {"intensity": 3, "period_s": 10.0, "used": 1, "left": 2, "next_free_in_s": 6.0},
        "children": {"b": {"intensity": 1, "period_s": 60.0, "used": 1, "left": 0, "next_free_in_s": 56.0}},
    }
    assert d.reply(OpKind.BUDGET, "a").value["children"] == {}
    assert d.call(OpKind.BUDGET, "x") == "not_found"


def test_child_stopped_by_the_operator_is_not_held_or_started_by_anything_automatic():
    d = budgeted(OnExhausted.REPAIR)
    d.call(OpKind.TERMINATE_CHILD, "b")
    d.said()
    d.advance(1000.0)
    assert d.said() == []
    assert d.core.child("b").stopped_by == "operator"
