"""The API of a running supervisor (statements 95 to 109)."""

import pytest

from supervisors import Backoff, ChildType, Restart, Strategy
from supervisors.messages import Call, Deliver, ExitKind, Op, OpKind, StartChild
from tests.unit.supervisors.driver import Driver, child

START, TERMINATE, RESTART, DELETE = (
    OpKind.START_CHILD,
    OpKind.TERMINATE_CHILD,
    OpKind.RESTART_CHILD,
    OpKind.DELETE_CHILD,
)


def test_life_of_a_child_through_the_api():
    d = Driver("a")
    assert d.call(START, spec=child("a")) == "already_started"
    assert d.call(RESTART, "a") == "running"
    assert d.call(DELETE, "a") == "running"
    assert d.call(TERMINATE, "a") == "ok"
    assert d.call(TERMINATE, "a") == "ok"
    assert d.call(START, spec=child("a")) == "already_present"
    assert d.call(RESTART, "a") == "ok"
    assert d.call(TERMINATE, "a") == "ok"
    assert d.call(DELETE, "a") == "ok"
    for kind in (TERMINATE, RESTART, DELETE, OpKind.GET_CHILDSPEC, OpKind.RECYCLE, OpKind.RESET):
        assert d.call(kind, "a") == "not_found"


@pytest.mark.parametrize("restart", list(Restart))
def test_terminate_delete_and_start_with_the_same_id_works_for_every_type(restart):
    spec = child("a", restart=restart)
    d = Driver((spec,))
    assert d.call(TERMINATE, "a") == "ok"
    d.call(DELETE, "a")
    assert d.call(START, spec=spec) == "ok"


def test_deleted_id_added_again_goes_to_the_end_of_the_order_with_a_new_generation():
    d = Driver("abc")
    d.call(TERMINATE, "a")
    d.call(DELETE, "a")
    d.call(START, spec=child("a"))
    assert list(d.states()) == ["b", "c", "a"]
    assert d.gen("a") == 2
    d.said()
    d.stop()
    assert d.said() == ["orderly a", "orderly c", "orderly b", "gone"]


def test_which_children_is_newest_first_and_agrees_with_the_single_look_up():
    d = Driver("abc")
    d.call(TERMINATE, "b")
    views = d.reply(OpKind.WHICH_CHILDREN).value
    assert [view.id for view in views] == ["c", "b", "a"]
    for view in views:
        assert d.reply(OpKind.WHICH_CHILDREN, view.id).value == view
    assert d.call(OpKind.WHICH_CHILDREN, "x") == "not_found"


def test_get_childspec_returns_the_full_spec():
    spec = child("a", restart=Restart.TRANSIENT)
    d = Driver((spec,))
    assert d.reply(OpKind.GET_CHILDSPEC, "a").value == spec


def test_counts_are_specs_active_supervisors_workers():
    d = Driver((child("a"), child("b", type=ChildType.SUPERVISOR), child("c")))
    d.call(TERMINATE, "c")
    assert d.counts() == [3, 2, 1, 2]


def test_calls_during_a_slow_start_are_answered_in_order_afterwards():
    d = Driver("ab", slow="b")
    numbers = [d.post(TERMINATE, "a"), d.post(OpKind.COUNT_CHILDREN), d.post(RESTART, "a")]
    assert d.replies == {}
    d.ready("b")
    assert [d.replies[n].result for n in numbers] == ["ok", "ok", "ok"]
    assert d.replies[numbers[1]].value == [2, 1, 0, 2]


def test_crash_queued_before_terminate_child_is_handled_first():
    d = Driver("ab")
    d.slow = {"b"}
    d.crash("b")
    d.said()
    d.do(d.end("a"), Call(1, Op(TERMINATE, "a")))
    d.slow = set()
    d.ready("b")
    assert d.said() == ["start a", "orderly a"]
    assert d.state("a") == "stopped"


def test_crash_during_a_long_terminate_child_of_another_child_is_handled_right_after_it():
    d = Driver("ab")
    d.stubborn = {"a"}
    number = d.post(TERMINATE, "a")
    d.said()
    d.crash("b")
    assert d.said() == []
    d.leave("a", ExitKind.SHUTDOWN)
    assert d.said() == ["start b"]
    assert d.replies[number].result == "ok"


def test_operations_by_id_are_refused_by_a_dynamic_supervisor():
    d = Driver(strategy=Strategy.DYNAMIC)
    d.call(START, spec=child("a"))
    assert d.call(RESTART, "a") == "simple_one_for_one"
    assert d.call(DELETE, "a") == "simple_one_for_one"


def test_terminate_removes_a_temporary_child():
    d = Driver((child("a", restart=Restart.TEMPORARY),))
    assert d.call(TERMINATE, "a") == "ok"
    assert d.states() == {}


def test_fresh_supervisor_has_no_dynamic_children_and_deleted_static_ones_back():
    first = Driver("ab")
    first.call(START, spec=child("c"))
    first.call(TERMINATE, "a")
    first.call(DELETE, "a")
    second = Driver(first.spec.children)
    assert list(second.states()) == ["a", "b"]


def test_recycle_replaces_a_running_child_without_counting():
    d = Driver("ab", Strategy.ONE_FOR_ALL, intensity=0)
    d.said()
    assert d.call(OpKind.RECYCLE, "a") == "ok"
    assert d.said() == ["orderly a", "start a"]
    assert d.gen("b") == 1
    assert d.told("child.recycled")[0].subject == "a"


def test_recycle_whose_start_fails_goes_on_as_a_failed_restart():
    d = Driver("a", intensity=1)
    d.fails = {"a": 1}
    assert d.call(OpKind.RECYCLE, "a") == "start_failed"
    assert d.state("a") == "running"
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 1


def test_recycle_that_keeps_gives_the_requests_to_whoever_comes_up_even_after_failed_starts():
    d = Driver("a")
    d.fails = {"a": 2}
    assert d.call(OpKind.RECYCLE, "a", keep=True) == "start_failed"
    d.crash("a")
    assert [c for c in d.commands if isinstance(c, Deliver)] == [Deliver("a", 4)]


def test_recycle_is_refused_for_a_stopped_and_for_a_temporary_child():
    d = Driver((child("a"), child("b", restart=Restart.TEMPORARY)))
    d.call(TERMINATE, "a")
    assert d.call(OpKind.RECYCLE, "a") == "not_running"
    assert d.call(OpKind.RECYCLE, "b") == "temporary"


@pytest.mark.parametrize(("kind", "state"), [(OpKind.HOLD, "awaiting_repair"), (OpKind.QUARANTINE, "quarantined")])
def test_hold_and_quarantine_stop_a_child_until_it_is_reset(kind, state):
    d = Driver("ab", Strategy.ONE_FOR_ALL)
    d.said()
    assert d.call(kind, "b") == "ok"
    assert (d.said(), d.state("b")) == (["orderly b"], state)
    assert d.told(f"child.{state}")[0].subject == "b"
    d.crash("a")
    assert d.state("b") == state
    assert d.call(OpKind.RESET, "b") == "ok"
    assert d.state("b") == "running"


def test_mode_of_a_start_by_hand_stays_until_another_is_given():
    d = Driver("a")

    def modes():
        return [c.mode for c in d.commands if isinstance(c, StartChild)]

    d.do(Call(901, Op(OpKind.RECYCLE, "a", mode="safe")))
    d.crash("a")
    assert modes() == ["", "safe", "safe"]
    assert d.core.child("a").mode == "safe"
    d.call(OpKind.RECYCLE, "a")
    d.call(TERMINATE, "a")
    d.do(Call(902, Op(RESTART, "a", mode="safe")))
    assert modes() == ["", "safe", "safe", "", "safe"]


def test_child_quarantined_by_the_operator_is_marked_so_and_a_held_one_is_left_to_whoever_repairs():
    d = Driver("ab")
    d.call(OpKind.QUARANTINE, "a")
    d.call(OpKind.HOLD, "b")
    assert (d.core.child("a").stopped_by, d.core.child("b").stopped_by) == ("operator", "")
    d.call(TERMINATE, "a")
    assert d.state("a") == "stopped"


def test_changed_names_the_children_whose_view_differs_since_last_taken():
    d = Driver("abc")
    assert d.core.take_changed() == {"a", "b", "c"}
    d.crash("b")
    assert d.core.changed == {"b"}
    assert d.core.take_changed() == {"b"}
    assert d.core.take_changed() == set()


def test_view_counts_automatic_restarts_only():
    d = Driver("a")
    d.crash("a")
    d.crash("a")
    d.call(OpKind.RECYCLE, "a")
    d.call(TERMINATE, "a")
    d.call(RESTART, "a")
    view = d.core.child("a")
    assert (view.restarts, view.gen) == (2, 5)


def test_view_as_dict_is_plain_data():
    d = Driver((child("a", backoff=Backoff(min_s=1.0, max_s=8.0)),))
    d.crash("a", reason="ValueError: bad port")
    view = d.core.child("a")
    assert view is not None
    assert view.as_dict() == {
        "id": "a",
        "state": "restarting",
        "gen": 1,
        "restarts": 0,
        "last_exit": {"kind": "crash", "reason": "ValueError: bad port"},
        "next_retry_at": 101.0,
        "ready_at": None,
        "attempt": 1,
        "stopped_by": "",
        "mode": "",
        "waits_for": [],
        "cause": "",
        "next_step": "",
        "restart": "permanent",
        "type": "worker",
    }
