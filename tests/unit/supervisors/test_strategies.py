"""Whom a crash takes along (statements 34 to 51)."""

import pytest

from supervisors import Restart, Strategy
from supervisors.messages import ExitKind, OpKind
from supervisors.spec import Backoff
from tests.unit.supervisors.driver import Driver, child, children

ALL, REST, ONE = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ONE


def test_one_for_one_restarts_only_the_child_that_crashed():
    d = Driver("abc", ONE)
    d.said()
    d.crash("b")
    assert d.said() == ["start b"]
    assert [d.gen(id) for id in "abc"] == [1, 2, 1]


def test_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order():
    d = Driver("abc", ALL)
    d.said()
    d.crash("b")
    assert d.said() == ["orderly c", "orderly a", "start a", "start b", "start c"]
    assert [d.gen(id) for id in "abc"] == [2, 2, 2]


def test_rest_for_one_leaves_earlier_children_alone():
    d = Driver("abcd", REST)
    d.said()
    d.crash("b")
    assert d.said() == ["orderly d", "orderly c", "start b", "start c", "start d"]
    assert d.gen("a") == 1


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_group_restart_counts_once_whatever_its_size(strategy):
    d = Driver("abcdef", strategy, intensity=1)
    d.crash("a")
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 1
    assert d.exit is None


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_temporary_bystander_is_stopped_and_its_slot_removed(strategy):
    d = Driver((child("a"), child("b", restart=Restart.TEMPORARY), child("c")), strategy)
    d.crash("a")
    assert d.states() == {"a": "running", "c": "running"}


def test_rest_for_one_leaves_a_temporary_child_before_the_crash_untouched():
    d = Driver((child("a", restart=Restart.TEMPORARY), child("b")), REST)
    d.crash("b")
    assert (d.state("a"), d.gen("a")) == ("running", 1)


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_temporary_crash_and_transient_clean_exit_do_not_trigger_the_group(strategy):
    specs = (child("a", restart=Restart.TEMPORARY), child("b", restart=Restart.TRANSIENT), child("c"))
    d = Driver(specs, strategy)
    d.said()
    d.crash("a")
    d.leave("b", ExitKind.NORMAL)
    assert d.said() == []


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_group_restart_also_starts_members_that_were_stopped(strategy):
    d = Driver((child("a"), child("b"), child("c", restart=Restart.TRANSIENT)), strategy)
    d.call(OpKind.TERMINATE_CHILD, "b")
    d.leave("c", ExitKind.NORMAL)
    d.crash("a")
    assert d.states() == {"a": "running", "b": "running", "c": "running"}


def test_rest_for_one_does_not_start_a_stopped_child_before_the_crash():
    d = Driver("abc", REST)
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.crash("b")
    assert d.state("a") == "stopped"


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_terminate_and_restart_child_touch_only_that_child_under_a_group_strategy(strategy):
    d = Driver("abc", strategy)
    d.said()
    d.call(OpKind.TERMINATE_CHILD, "a")
    d.call(OpKind.RESTART_CHILD, "a")
    assert d.said() == ["orderly a", "start a"]


def test_added_child_is_last_in_order_and_takes_part_in_group_restarts():
    d = Driver("ab", ALL)
    d.call(OpKind.START_CHILD, spec=child("aa"))
    d.said()
    d.crash("a")
    assert d.said() == ["orderly aa", "orderly b", "start a", "start b", "start aa"]


def test_siblings_that_crash_in_the_same_instant_are_absorbed_by_one_group_restart():
    d = Driver("abc", ALL, intensity=1)
    d.crash("a", "b", "c")
    assert d.exit is None
    assert [d.gen(id) for id in "abc"] == [2, 2, 2]
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 1


def test_rest_for_one_absorbs_a_later_sibling_that_crashed_at_once():
    d = Driver("abc", REST, intensity=1)
    d.crash("a", "c")
    assert d.exit is None
    assert [d.gen(id) for id in "abc"] == [2, 2, 2]


def test_one_for_one_counts_each_of_simultaneous_crashes():
    d = Driver("abc", ONE, intensity=2)
    d.crash("a", "b", "c")
    assert d.exit is not None


def test_restarted_member_that_dies_during_the_group_restart_leads_to_a_second_one_afterwards():
    d = Driver("ab", ALL, intensity=2, slow="")
    d.slow = {"b"}
    d.crash("a")
    d.said()
    d.crash("a")
    assert d.said() == []
    d.slow = set()
    d.ready("b")
    assert d.said() == ["orderly b", "start a", "start b"]
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 2


def test_transient_member_that_leaves_during_the_group_restart_ends_stopped_without_a_second_one():
    d = Driver((child("a", restart=Restart.TRANSIENT), child("b")), ALL)
    d.slow = {"b"}
    d.crash("b")
    d.leave("a", ExitKind.NORMAL)
    d.said()
    d.ready("b")
    assert d.said() == []
    assert d.states() == {"a": "stopped", "b": "running"}


def test_bystander_that_ignores_its_stop_is_killed_and_the_group_restart_goes_on():
    d = Driver(children("ab", shutdown_s=2.0), ALL, intensity=1)
    d.stubborn = {"b"}
    d.said()
    d.crash("a")
    d.advance(2.0)
    assert d.said() == ["orderly b", "term b", "kill b", "start a", "start b"]
    assert d.told("child.stopped")[0].data["context"] == "shutdown_error"
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 1


def test_dynamic_supervisor_restarts_only_the_child_that_crashed():
    d = Driver(strategy=Strategy.DYNAMIC)
    for id in "ab":
        d.call(OpKind.START_CHILD, spec=child(id))
    d.said()
    d.crash("a")
    assert d.said() == ["start a"]


def test_completed_group_restart_is_reported_with_its_members_and_cause():
    d = Driver("abc", REST)
    d.crash("b")
    (report,) = d.told("group.restarted")
    assert (report.data["children"], report.data["cause"]) == (["b", "c"], "b")


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_a_child_that_stands_apart_is_left_alone_by_group_restarts_and_restarts_alone(strategy):
    d = Driver((child("a"), child("b", apart=True), child("c")), strategy)
    d.crash("a")
    assert (d.gen("a"), d.gen("b"), d.gen("c")) == (2, 1, 2)
    d.crash("b")
    assert (d.gen("a"), d.gen("b"), d.gen("c")) == (2, 2, 2)


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_a_child_that_stands_apart_waits_for_its_backoff_alone(strategy):
    d = Driver((child("a"), child("b", apart=True, backoff=Backoff(min_s=1.0, max_s=1.0)), child("c")), strategy)
    d.crash("b")
    assert d.states() == {"a": "running", "b": "restarting", "c": "running"}
    d.advance(1.0)
    assert (d.gen("a"), d.gen("b"), d.gen("c")) == (1, 2, 1)
