"""Parallel start: children start as soon as their dependencies are ready."""

from supervisors import Startup, Strategy
from supervisors.messages import Call, ExitKind, Op, OpKind, Start
from tests.unit.supervisors.driver import Driver, child

DIAMOND = (
    child("a"),
    child("b", depends_on=("a",)),
    child("c", depends_on=("a",)),
    child("d", depends_on=("b", "c")),
    child("e"),
)


def parallel(specs=DIAMOND, strategy=Strategy.ONE_FOR_ONE, **kwargs):
    return Driver(specs, strategy, startup=Startup.PARALLEL, **kwargs)


def test_children_start_when_what_they_depend_on_is_ready():
    d = parallel(slow="abcde")
    assert d.said() == ["start a", "start e"]
    d.ready("a")
    assert d.said() == ["start b", "start c"]
    d.ready("c")
    assert d.said() == []
    d.ready("b")
    assert d.said() == ["start d"]
    d.ready("d")
    assert d.said() == []
    d.ready("e")
    assert d.said() == ["started"]


def test_stop_order_is_still_the_reverse_of_the_spec():
    d = parallel()
    d.said()
    d.stop()
    assert d.said() == ["orderly e", "orderly d", "orderly c", "orderly b", "orderly a", "gone"]


def test_failed_first_start_awaits_those_in_flight_and_then_stops_all_in_reverse():
    d = parallel(slow="e", fails={"b": 1})
    assert d.said() == ["start a", "start e", "start b", "start c"]
    d.ready("e")
    assert d.said() == ["orderly e", "orderly c", "orderly a", "gone"]
    assert d.exit is not None
    assert d.exit.reason == "failed_to_start:b: refused"


def test_stop_pre_empts_a_parallel_start():
    d = parallel(slow="bc")
    d.said()
    d.stop()
    assert d.said() == ["kill c", "kill b", "orderly e", "orderly a", "gone"]


def test_group_restart_starts_in_parallel_too():
    d = parallel(strategy=Strategy.ONE_FOR_ALL)
    d.slow = set("abcde")
    d.said()
    d.crash("a")
    assert d.said() == ["orderly e", "orderly d", "orderly c", "orderly b", "start a", "start e"]


def test_rest_for_one_considers_only_dependencies_within_the_group():
    d = parallel(strategy=Strategy.REST_FOR_ONE)
    d.slow = set("bcde")
    d.said()
    d.crash("b")
    assert d.said() == ["orderly e", "orderly d", "orderly c", "start b", "start c", "start e"]


def test_failure_in_a_parallel_group_restart_awaits_those_in_flight_and_retries_from_the_first():
    d = parallel(strategy=Strategy.REST_FOR_ONE)
    d.fails = {"b": 1}
    d.slow = {"e"}
    d.crash("a")
    d.said()
    d.slow = set()
    d.ready("e")
    assert d.said() == ["orderly e", "orderly c", "start b", "start c", "start e", "start d"]
    assert set(d.states().values()) == {"running"}


def test_several_failures_in_one_parallel_restart_lead_to_one_retry():
    specs = (child("a"), child("b"), child("c"))
    d = parallel(specs, Strategy.REST_FOR_ONE, intensity=2)
    d.fails = {"b": 1, "c": 1}
    d.crash("a")
    assert d.exit is None
    assert set(d.states().values()) == {"running"}
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 2


def test_group_carries_on_with_every_sibling_that_failed_beside_a_terminated_one():
    specs = (child("a"), child("b"), child("c"))
    d = parallel(specs, Strategy.REST_FOR_ONE)
    d.slow = {"b", "c"}
    d.crash("a")
    d.do(Call(900, Op(OpKind.TERMINATE_CHILD, "b")))
    d.said()
    d.do(d.end("b", ExitKind.START_FAILED), d.end("c", ExitKind.START_FAILED))
    assert d.said() == ["start c"]


def test_retry_begins_with_the_first_failing_child_in_start_order_whichever_failed_first():
    specs = (child("a"), child("b"), child("c"), child("d"))
    d = parallel(specs, Strategy.REST_FOR_ONE)
    d.slow = {"b", "c"}
    d.crash("a")
    d.said()
    d.do(d.end("c", ExitKind.START_FAILED), d.end("b", ExitKind.START_FAILED))
    assert d.said() == ["orderly d", "start b", "start c", "start d"]


def test_ignoring_child_satisfies_those_that_depend_on_it():
    d = Driver(DIAMOND, start=False, startup=Startup.PARALLEL)
    d.ignores = {"a": 1}
    d.do(Start())
    assert d.states() == {"a": "stopped", "b": "running", "c": "running", "d": "running", "e": "running"}


def test_cycle_made_by_deleting_and_adding_anew_does_not_hang_a_restart():
    d = parallel((child("a"), child("b", depends_on=("a",))), Strategy.ONE_FOR_ALL)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.call(OpKind.DELETE_CHILD, "a")
    assert d.call(OpKind.START_CHILD, spec=child("a", depends_on=("b",))) == "ok"
    d.crash("b")
    assert set(d.states().values()) == {"running"}


def test_child_that_dies_while_others_still_start_is_restarted_afterwards():
    d = parallel(slow="e", strategy=Strategy.ONE_FOR_ONE)
    d.leave("a", ExitKind.CRASH)
    d.said()
    d.ready("e")
    assert d.said() == ["started", "start a"]
