"""What is refused, where and with which word (statements 16 to 25, 136, 147, 153)."""

from dataclasses import replace
from itertools import product

import pytest

from supervisors import (
    AutoShutdown,
    Backoff,
    Budget,
    ChildSpec,
    ChildType,
    Heartbeat,
    OnExhausted,
    PolicySpec,
    Restart,
    Startup,
    Strategy,
    SupervisorSpec,
    validate,
    validate_child,
    warnings,
)
from supervisors.messages import OpKind
from tests.unit.supervisors.driver import Driver, child, children

TOP = SupervisorSpec(name="top", intensity=1, period_s=5.0)


def codes(spec):
    return [(fault.path, fault.code) for fault in validate(spec)]


def with_child(**fields):
    return replace(TOP, children=(child("a", **fields),))


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"restart": "permanent"}, "restart", "invalid_restart_type"),
        ({"restart": "sometimes"}, "restart", "invalid_restart_type"),
        ({"type": "wrecker"}, "type", "invalid_child_type"),
        ({"shutdown_s": -1}, "shutdown_s", "invalid_shutdown"),
        ({"shutdown_s": "later"}, "shutdown_s", "invalid_shutdown"),
        ({"shutdown_s": True}, "shutdown_s", "invalid_shutdown"),
        ({"shutdown_s": float("nan")}, "shutdown_s", "invalid_shutdown"),
        ({"significant": "yes"}, "significant", "invalid_significant"),
        ({"significant": True}, "significant", "bad_combination"),
        ({"significant": True, "restart": Restart.TEMPORARY}, "significant", "bad_combination"),
        ({"start_timeout_s": 0}, "start_timeout_s", "invalid_start_timeout"),
        ({"heartbeat": Heartbeat(interval_s=0)}, "heartbeat.interval_s", "invalid_heartbeat"),
        ({"heartbeat": Heartbeat(interval_s=1, misses=0)}, "heartbeat.misses", "invalid_heartbeat"),
        ({"heartbeat": 5}, "heartbeat", "invalid_heartbeat"),
        ({"backoff": Backoff(min_s=0, max_s=1)}, "backoff.min_s", "invalid_backoff"),
        ({"backoff": Backoff(min_s=2, max_s=1)}, "backoff.max_s", "invalid_backoff"),
        ({"backoff": Backoff(min_s=1, max_s=2, jitter=1.5)}, "backoff.jitter", "invalid_backoff"),
        ({"backoff": Backoff(min_s=1, max_s=2, jitter=-0.1)}, "backoff.jitter", "invalid_backoff"),
        ({"backoff": Backoff(min_s=1, max_s=2, reset_after_s=0)}, "backoff.reset_after_s", "invalid_backoff"),
        ({"backoff": 3}, "backoff", "invalid_backoff"),
        ({"budget": Budget(intensity=-1, period_s=1)}, "budget.intensity", "invalid_budget"),
        ({"budget": Budget(intensity=1, period_s=0)}, "budget.period_s", "invalid_budget"),
        ({"budget": 3}, "budget", "invalid_budget"),
        ({"on_exhausted": "panic"}, "on_exhausted", "invalid_on_exhausted"),
        ({"permanent_failure": "ValueError"}, "permanent_failure", "invalid_permanent_failure"),
        ({"clean_exits": ("",)}, "clean_exits", "invalid_clean_exits"),
        ({"clean_exits": ("x",), "permanent_failure": ("x",)}, "permanent_failure", "bad_combination"),
        ({"depends_on": ("ghost",)}, "depends_on", "unknown_dependency"),
        ({"depends_on": ("a",)}, "depends_on", "dependency_cycle"),
    ],
)
def test_each_bad_child_field_has_its_own_place_and_word(fields, path, code):
    assert (("children", "a", *path.split(".")), code) in codes(with_child(**fields))


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"name": ""}, "name", "missing_name"),
        ({"strategy": "one_for_none"}, "strategy", "invalid_strategy"),
        ({"intensity": -1}, "intensity", "invalid_intensity"),
        ({"intensity": "infinity"}, "intensity", "invalid_intensity"),
        ({"intensity": 1.5}, "intensity", "invalid_intensity"),
        ({"period_s": 0}, "period_s", "invalid_period"),
        ({"period_s": "infinity"}, "period_s", "invalid_period"),
        ({"auto_shutdown": "sometimes"}, "auto_shutdown", "invalid_auto_shutdown"),
        ({"startup": "lazy"}, "startup", "invalid_startup"),
        ({"max_children": 5}, "max_children", "bad_combination"),
        ({"max_children": -1, "strategy": Strategy.DYNAMIC}, "max_children", "invalid_max_children"),
        (
            {"strategy": Strategy.DYNAMIC, "auto_shutdown": AutoShutdown.ANY_SIGNIFICANT},
            "auto_shutdown",
            "bad_combination",
        ),
        ({"policies": ("watchdog",)}, "policies", "invalid_policy"),
        ({"policies": (PolicySpec(name="wizard"),)}, "policies.wizard", "unknown_policy"),
        (
            {"policies": (PolicySpec(name="watchdog", params={"misses": 0}),)},
            "policies.watchdog.misses",
            "invalid_misses",
        ),
    ],
)
def test_each_bad_flag_has_its_own_place_and_word(fields, path, code):
    assert (tuple(path.split(".")), code) in codes(replace(TOP, **fields))


def test_missing_id_comes_before_missing_start():
    faults = codes(replace(TOP, children=(ChildSpec(id="", start=None),)))
    assert [code for _, code in faults] == ["missing_id", "missing_start"]


@pytest.mark.parametrize("spec", [None, "a", {"id": "a"}])
def test_something_else_than_a_spec_is_invalid(spec):
    assert codes(replace(TOP, children=(spec,))) == [(("children", "#1"), "invalid_child_spec")]
    assert [fault.code for fault in validate(spec)] == ["invalid_supervisor_spec"]


@pytest.mark.parametrize("limit", [0, 1, 0.5, "infinity", "brutal_kill", None])
def test_every_form_of_shutdown_is_accepted(limit):
    assert validate(with_child(shutdown_s=limit)) == []


def test_duplicate_ids_are_found_and_only_in_static_supervisors():
    assert codes(replace(TOP, children=children("aba"))) == [(("children", "a", "id"), "duplicate_child_name")]
    assert codes(replace(TOP, strategy=Strategy.DYNAMIC, children=children("aba"))) == []


def test_every_legal_combination_is_accepted():
    for strategy, auto, restart, kind, significant in product(
        Strategy, AutoShutdown, Restart, ChildType, (False, True)
    ):
        is_illegal = (significant and (auto is AutoShutdown.NEVER or restart is Restart.PERMANENT)) or (
            strategy is Strategy.DYNAMIC and auto is not AutoShutdown.NEVER
        )
        spec = replace(
            TOP,
            strategy=strategy,
            auto_shutdown=auto,
            children=(child("a", restart=restart, type=kind, significant=significant),),
        )
        assert bool(validate(spec)) is is_illegal, (strategy, auto, restart, kind, significant)


def test_every_fault_is_reported_at_once():
    spec = replace(
        TOP, intensity=-1, period_s=0, children=(child("a", shutdown_s=-1, type=None), child("a", restart=None))
    )
    assert len(validate(spec)) == 6


def test_faults_of_nested_supervisors_are_found_with_their_whole_path():
    inner = SupervisorSpec(name="inner", children=(child("w", shutdown_s=-5),))
    spec = replace(TOP, children=(ChildSpec(id="inner", start=inner, type=ChildType.SUPERVISOR),))
    assert codes(spec) == [(("children", "inner", "children", "w", "shutdown_s"), "invalid_shutdown")]


def test_cycle_of_dependencies_is_found_and_shown():
    specs = (child("a", depends_on=("c",)), child("b", depends_on=("a",)), child("c", depends_on=("b",)))
    (fault,) = validate(replace(TOP, startup=Startup.PARALLEL, children=specs))
    assert fault.code == "dependency_cycle"
    assert all(id in fault.message for id in "abc")


def test_ordered_start_against_a_dependency_is_found():
    specs = (child("a", depends_on=("b",)), child("b"))
    assert [code for _, code in codes(replace(TOP, children=specs))] == ["dependency_order"]
    assert codes(replace(TOP, startup=Startup.PARALLEL, children=specs)) == []


@pytest.mark.parametrize(
    ("intensity", "period_s", "is_reachable"),
    [(3, 7.0, True), (3, 6.9, False), (0, 0.1, True), (1, 1.0, True), (1, 0.9, False)],
)
def test_limit_that_delays_make_unreachable_is_flagged_but_does_not_stop_the_core(intensity, period_s, is_reachable):
    specs = (child("a", backoff=Backoff(min_s=1.0, max_s=60.0)),)
    spec = replace(TOP, intensity=intensity, period_s=period_s, children=specs)
    assert [fault.code for fault in validate(spec)] == ([] if is_reachable else ["unreachable_limit"])
    assert all(not fault.is_fatal for fault in validate(spec))
    assert Driver(specs, intensity=intensity, period_s=period_s).exit is None


@pytest.mark.parametrize(("period_s", "gives_up"), [(7.0, True), (6.9, False)])
def test_flagged_limit_is_never_exceeded_by_a_child_that_crashes_at_once_and_an_unflagged_one_is(period_s, gives_up):
    d = Driver((child("a", backoff=Backoff(min_s=1.0, max_s=60.0)),), intensity=3, period_s=period_s)
    for _ in range(12):
        if d.exit is None:
            d.crash("a")
        if d.exit is None:
            view = d.core.child("a")
            d.advance(view.next_retry_at - d.now)
    assert (d.exit is not None) is gives_up


def test_limit_of_its_own_budget_is_what_must_be_reachable():
    spec = with_child(backoff=Backoff(min_s=1.0, max_s=60.0), budget=Budget(intensity=3, period_s=3.0))
    assert [fault.code for fault in validate(spec)] == ["unreachable_limit"]


def test_slow_stops_and_useless_budgets_are_warned_of():
    spec = replace(TOP, strategy=Strategy.ONE_FOR_ALL, intensity=2, children=children("abc"))
    assert [fault.code for fault in warnings(spec)] == ["limit_unreachable_by_slow_stops"]
    assert warnings(replace(spec, period_s=60.0)) == []
    useless = child("a", restart=Restart.TEMPORARY, on_exhausted=OnExhausted.REPAIR)
    inner = SupervisorSpec(name="inner", children=(useless,))
    nested = replace(TOP, children=(ChildSpec(id="inner", start=inner),))
    assert [fault.path for fault in warnings(nested)] == [("children", "inner", "children", "a", "budget")]


def test_child_is_judged_without_a_running_supervisor():
    assert [fault.code for fault in validate_child(child("a", shutdown_s=-1), TOP)] == ["invalid_shutdown"]
    assert [fault.code for fault in validate_child(child("a", depends_on=("b",)), TOP)] == ["unknown_dependency"]
    assert validate_child(child("a", depends_on=("b",)), TOP, ["b"]) == []


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        (child("x", significant=True, restart=Restart.TRANSIENT), "bad_combination"),
        (child("x", shutdown_s=-1), "invalid_shutdown"),
        (child("x", depends_on=("ghost",)), "unknown_dependency"),
        ("x", "invalid_child_spec"),
        (None, "invalid_child_spec"),
    ],
)
def test_start_child_refuses_a_faulty_spec_and_tells_every_fault(spec, word):
    d = Driver("a")
    d.said()
    reply = d.reply(OpKind.START_CHILD, spec=spec)
    assert reply.result == word
    assert reply.value[0].code == word
    assert d.said() == []


def test_fault_reads_as_a_sentence_with_place_and_what_is_allowed():
    (fault,) = validate(with_child(shutdown_s="later"))
    assert str(fault) == (
        "children.a.shutdown_s: invalid_shutdown: shutdown_s is 'later' (allowed: seconds >= 0, brutal_kill, infinity)"
    )
