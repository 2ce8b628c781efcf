"""Changing the spec of a running supervisor (statements 123 and 127)."""

from dataclasses import replace

import pytest

from supervisors import AutoShutdown, Budget, Heartbeat, PolicySpec, Restart, Strategy
from supervisors.messages import ExitKind, OpKind
from tests.unit.supervisors.driver import Driver, child, children

RELOAD = OpKind.RELOAD


def test_flags_are_replaced():
    d = Driver("ab", intensity=0)
    assert d.call(RELOAD, spec=replace(d.spec, strategy=Strategy.ONE_FOR_ALL, intensity=1)) == "ok"
    d.said()
    d.crash("a")
    assert d.said() == ["orderly b", "start a", "start b"]
    assert d.core.spec.intensity == 1


def test_known_child_is_updated_in_place_without_a_restart():
    d = Driver("ab")
    d.said()
    d.call(RELOAD, spec=replace(d.spec, children=(child("a", restart=Restart.TRANSIENT), child("b"))))
    assert d.said() == []
    d.leave("a", ExitKind.NORMAL)
    assert d.state("a") == "stopped"


def test_new_child_is_added_but_not_started_and_a_removed_one_stays():
    d = Driver("ab")
    d.said()
    d.call(RELOAD, spec=replace(d.spec, children=children("cb")))
    assert d.said() == []
    assert d.states() == {"c": "stopped", "b": "running", "a": "running"}
    d.stop()
    assert d.said() == ["orderly a", "orderly b", "gone"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"intensity": -1}, "invalid_intensity"),
        ({"children": children("aa")}, "duplicate_child_name"),
        ({"children": (child("a", significant=True, restart=Restart.TRANSIENT),)}, "bad_combination"),
        ({"strategy": Strategy.DYNAMIC}, "invalid_strategy"),
        ({"policies": (PolicySpec(name="ghost"),)}, "unknown_policy"),
    ],
)
def test_faulty_reload_is_refused_and_the_old_state_kept(change, word):
    d = Driver("ab")
    before = d.core.view()
    assert d.call(RELOAD, spec=replace(d.spec, **change)) == word
    assert d.core.spec == d.spec
    assert d.core.view() == before


def test_something_else_than_a_spec_is_refused():
    assert Driver("a").call(RELOAD, spec={"name": "x"}) == "invalid_supervisor_spec"


def test_changed_auto_shutdown_affects_later_exits_only():
    specs = (child("a", restart=Restart.TRANSIENT), child("b", restart=Restart.TRANSIENT), child("c"))
    d = Driver(specs)
    d.leave("a", ExitKind.NORMAL)
    important = tuple(replace(spec, significant=spec.id != "c") for spec in specs)
    assert d.call(RELOAD, spec=replace(d.spec, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT, children=important)) == "ok"
    assert d.exit is None
    d.leave("b", ExitKind.NORMAL)
    assert d.exit is not None


def test_all_significant_counts_correctly_after_flags_changed_at_reload():
    specs = (child("a", restart=Restart.TRANSIENT), child("b", restart=Restart.TRANSIENT))
    d = Driver(specs)
    important = tuple(replace(spec, significant=True) for spec in specs)
    d.call(RELOAD, spec=replace(d.spec, auto_shutdown=AutoShutdown.ALL_SIGNIFICANT, children=important))
    d.leave("a", ExitKind.NORMAL)
    assert d.exit is None
    d.call(RELOAD, spec=replace(d.core.spec, children=(specs[0], important[1])))
    d.leave("b", ExitKind.NORMAL)
    assert d.exit is not None


def test_stamps_are_kept_and_the_new_limit_applies():
    d = Driver("a", intensity=5)
    d.crash("a")
    d.crash("a")
    d.call(RELOAD, spec=replace(d.spec, intensity=2))
    d.crash("a")
    assert d.exit is not None


def test_new_budget_replaces_the_old_one_and_an_equal_one_keeps_its_stamps():
    d = Driver((child("a", budget=Budget(intensity=2, period_s=60.0)),))
    d.crash("a")
    d.call(RELOAD, spec=d.spec)
    assert d.reply(OpKind.BUDGET, "a").value["children"]["a"]["left"] == 1
    d.call(RELOAD, spec=replace(d.spec, children=(child("a", budget=Budget(intensity=5, period_s=60.0)),)))
    assert d.reply(OpKind.BUDGET, "a").value["children"]["a"]["left"] == 5


def test_policies_are_replaced_and_their_timers_cancelled():
    old = (PolicySpec(name="recycle", params={"max_age_s": 50.0}),)
    d = Driver("a")
    d.call(RELOAD, spec=replace(d.spec, policies=old))
    d.call(OpKind.RECYCLE, "a")
    assert len(d.timers) == 1
    d.call(RELOAD, spec=replace(d.core.spec, policies=()))
    assert d.timers == {}


def test_heartbeat_added_at_reload_applies_from_the_next_incarnation():
    d = Driver("a")
    d.call(RELOAD, spec=replace(d.spec, children=(child("a", heartbeat=Heartbeat(interval_s=1.0)),)))
    assert d.timers == {}
    d.crash("a")
    d.said()
    d.advance(1.0)
    assert d.said() == ["ping a"]


def test_dynamic_reload_changes_the_flags_and_leaves_the_children():
    d = Driver(strategy=Strategy.DYNAMIC)
    d.call(OpKind.START_CHILD, spec=child("a"))
    assert d.call(RELOAD, spec=replace(d.spec, intensity=0)) == "ok"
    d.crash("a")
    assert d.exit is not None
