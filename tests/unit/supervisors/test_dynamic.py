"""Dynamic supervisors (statements 99 and 132 to 139)."""

from dataclasses import replace

import pytest

from supervisors import AutoShutdown, Backoff, KernelStart, Restart, Strategy
from supervisors.messages import OpKind, StartChild
from tests.unit.supervisors.driver import Driver, child

START, TERMINATE = OpKind.START_CHILD, OpKind.TERMINATE_CHILD


def dynamic(**flags):
    return Driver(strategy=Strategy.DYNAMIC, **flags)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_child_beyond_max_children_is_refused(limit):
    d = dynamic(max_children=limit)
    for n in range(limit):
        assert d.call(START, spec=child(f"c{n}")) == "ok"
    assert d.call(START, spec=child("more")) == "max_children"
    assert len(d.states()) == limit


def test_restarting_child_occupies_a_place_and_a_crash_leaks_none():
    d = dynamic(max_children=1)
    d.call(START, spec=child("a", backoff=Backoff(min_s=1.0, max_s=1.0)))
    d.crash("a")
    assert d.call(START, spec=child("b")) == "max_children"
    d.advance(1.0)
    assert d.state("a") == "running"
    d.call(TERMINATE, "a")
    assert d.call(START, spec=child("b")) == "ok"


def test_lowering_max_children_keeps_the_running_ones_and_refuses_new_ones():
    d = dynamic(max_children=3)
    for id in "abc":
        d.call(START, spec=child(id))
    lower = type(d.spec)(name="top", strategy=Strategy.DYNAMIC, max_children=1)
    assert d.call(OpKind.RELOAD, spec=lower) == "ok"
    assert d.counts() == [3, 3, 0, 3]
    d.call(TERMINATE, "a")
    assert d.call(START, spec=child("d")) == "max_children"


def test_equal_ids_are_told_apart_by_the_name_in_the_reply():
    d = dynamic()
    names = [d.reply(START, spec=child("job")).child for _ in range(3)]
    assert len(set(names)) == 3
    assert names[0] == "job"
    assert d.call(TERMINATE, names[1]) == "ok"
    assert set(d.states()) == {names[0], names[2]}


def test_second_terminate_of_a_dynamic_child_is_not_found():
    d = dynamic()
    d.call(START, spec=child("a"))
    assert d.call(TERMINATE, "a") == "ok"
    assert d.call(TERMINATE, "a") == "not_found"


def test_restarting_dynamic_child_is_terminated_by_its_name():
    d = dynamic()
    d.call(START, spec=child("a", backoff=Backoff(min_s=1.0, max_s=1.0)))
    d.crash("a")
    assert d.call(TERMINATE, "a") == "ok"
    assert d.timers == {}
    d.advance(5.0)
    assert d.states() == {}


def test_reset_starts_a_dynamic_child_that_waits_for_its_restart():
    d = dynamic()
    d.call(START, spec=child("a", backoff=Backoff(min_s=60.0, max_s=60.0)))
    d.crash("a")
    assert d.state("a") == "restarting"
    assert d.call(OpKind.RESET, "a") == "ok"
    assert (d.state("a"), d.timers) == ("running", {})


def test_significant_children_and_auto_shutdown_are_rejected():
    d = dynamic()
    assert d.call(START, spec=child("a", restart=Restart.TEMPORARY, significant=True)) == "bad_combination"
    d = dynamic(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    assert d.exit is not None
    assert "bad_combination" in d.exit.reason


def test_transient_dynamic_child_is_removed_after_a_clean_exit():
    d = dynamic()
    d.call(START, spec=child("a", restart=Restart.TRANSIENT))
    d.leave("a")
    assert d.states() == {}


def test_failed_dynamic_start_answers_the_bare_error():
    d = dynamic(fails={"a": 1})
    reply = d.reply(START, spec=child("a"))
    assert (reply.result, reply.value.reason) == ("start_failed", "refused")
    assert d.states() == {}


def test_specs_of_a_dynamic_supervisor_are_its_children():
    d = dynamic()
    for n in range(5):
        d.call(START, spec=child(f"c{n}"))
    assert d.counts() == [5, 5, 0, 5]


def test_report_of_a_dynamic_supervisor_does_not_grow_with_its_children():
    def size(count):
        d = dynamic(intensity=0)
        for n in range(count):
            d.call(START, spec=child(f"c{n}"))
        d.reports.clear()
        d.crash("c0")
        return len(repr(d.told("supervisor.gave_up")))

    assert size(3) == size(300)


def test_extra_configuration_is_put_before_the_childs_own_on_start_and_on_every_restart():
    d = dynamic(extra_config={"shard": 7, "size": 1}, intensity=5)
    d.call(START, spec=replace(child("a"), start=KernelStart(path="m:C", config={"size": 2})))
    d.crash("a")
    starts = [c.spec.start.config for c in d.commands if isinstance(c, StartChild)]
    assert starts == [{"shard": 7, "size": 2}] * 2
    assert d.core.child("a").spec.start.config == {"size": 2}
