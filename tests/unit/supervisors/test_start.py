"""Start: order, failure, ignore, what a start passes on (statements 1 to 15 of OTP's behaviour)."""

import pytest

from supervisors import AutoShutdown, ChildSpec, ChildType, Restart, Strategy, Supervisor, SupervisorSpec
from supervisors import messages as m
from supervisors.messages import ExitKind, OpKind
from tests.unit.supervisors.driver import Driver, child, children


def test_empty_supervisor_starts_and_stops_with_shutdown():
    d = Driver()
    assert d.said() == ["started"]
    d.stop()
    assert d.exit is not None
    assert d.exit.kind is ExitKind.SHUTDOWN


def test_next_child_is_started_only_after_the_one_before_is_ready():
    d = Driver("abc", slow="ab")
    assert d.said() == ["start a"]
    d.ready("a")
    assert d.said() == ["start b"]
    d.ready("b")
    assert d.said() == ["start c", "started"]


def test_failed_first_start_stops_what_was_started_in_reverse_and_tries_nothing_else():
    d = Driver("abcd", fails={"c": 1})
    assert d.said() == ["start a", "start b", "start c", "orderly b", "orderly a", "gone"]
    assert d.exit is not None
    assert d.exit.reason == "failed_to_start:c: refused"
    assert not d.exit.is_clean


def test_permanent_child_that_ignores_its_start_keeps_its_slot():
    d = Driver()
    d.ignores = {"a": 1}
    assert d.call(OpKind.START_CHILD, spec=child("a")) == "ignored"
    assert d.states() == {"a": "stopped"}
    assert d.counts() == [1, 0, 0, 1]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_temporary_child_that_ignores_its_start_is_not_kept(strategy):
    d = Driver(strategy=strategy)
    d.ignores = {"a": 1}
    assert d.call(OpKind.START_CHILD, spec=child("a", restart=Restart.TEMPORARY)) == "ignored"
    assert d.states() == {}


def test_ignore_in_the_first_start_lets_the_others_start():
    d = Driver((child("a"), child("b", restart=Restart.TEMPORARY), child("c")), start=False)
    d.ignores = {"a": 1, "b": 1}
    d.do(m.Start())
    assert d.states() == {"a": "stopped", "c": "running"}
    assert d.said()[-1] == "started"


@pytest.mark.parametrize("restart", list(Restart))
def test_dynamic_child_that_ignores_its_start_is_never_kept(restart):
    d = Driver(strategy=Strategy.DYNAMIC)
    d.ignores = {"a": 1}
    assert d.call(OpKind.START_CHILD, spec=child("a", restart=restart)) == "ignored"
    assert d.states() == {}
    d.stop()
    assert d.exit is not None


def test_failed_start_child_keeps_nothing_and_the_supervisor_lives():
    d = Driver("a", fails={"b": 1})
    reply = d.reply(OpKind.START_CHILD, spec=child("b"))
    assert reply.result == "start_failed"
    assert reply.value.reason == "refused"
    assert d.states() == {"a": "running"}


def test_info_of_a_start_is_passed_on_to_the_caller_and_ignored_on_restart():
    d = Driver("a", slow="b")
    number = d.post(OpKind.START_CHILD, spec=child("b"))
    d.ready("b", info={"port": 80})
    assert d.replies[number].value == {"port": 80}
    d.call(OpKind.TERMINATE_CHILD, "b")
    number = d.post(OpKind.RESTART_CHILD, "b")
    d.ready("b", info="again")
    assert d.replies[number].value == "again"
    d.crash("b")
    d.ready("b", info="unseen")
    assert d.state("b") == "running"


def test_child_that_dies_while_a_later_one_starts_is_restarted_after_the_start_and_counts_once():
    d = Driver("abc", slow="c", intensity=1)
    d.crash("a")
    assert d.said() == ["start a", "start b", "start c"]
    d.ready("c")
    assert d.said() == ["started", "start a"]
    assert d.reply(OpKind.BUDGET).value["supervisor"]["used"] == 1


def test_minimal_spec_has_the_defaults_of_otp():
    spec = ChildSpec(id="a", start="x")
    assert (spec.restart, spec.type, spec.shutdown, spec.significant) == (
        Restart.PERMANENT,
        ChildType.WORKER,
        5.0,
        False,
    )
    assert ChildSpec(id="a", start="x", type=ChildType.SUPERVISOR).shutdown == "infinity"
    flags = SupervisorSpec(name="s")
    assert (flags.strategy, flags.intensity, flags.period_s, flags.auto_shutdown) == (
        Strategy.ONE_FOR_ONE,
        1,
        5.0,
        AutoShutdown.NEVER,
    )


def test_invalid_spec_is_refused_at_start_with_zero_start_attempts():
    d = Driver(children("aa"))
    assert d.said() == ["gone"]
    assert d.exit is not None
    assert "duplicate_child_name" in d.exit.reason


def test_second_start_changes_nothing():
    d = Driver("a")
    d.said()
    d.do(m.Start())
    assert d.said() == []


def test_call_before_the_start_is_answered_noproc():
    core = Supervisor(SupervisorSpec(name="s"))
    assert core.handle(m.Call(1, m.Op(OpKind.COUNT_CHILDREN)), 0.0) == [m.Reply(1, "noproc")]
