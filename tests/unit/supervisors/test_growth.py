"""Cost of an event does not grow with the number of children."""

import sys

import pytest

from supervisors import Restart, Strategy
from supervisors.messages import ChildExited, ChildReady, Exit, ExitKind, HeartbeatSeen
from tests.unit.supervisors.driver import Driver, child

CRASH = Exit(ExitKind.CRASH, "boom")


def calls_of(act):
    """How many Python and C functions are called: a measure of work that no busy machine disturbs."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(trace)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def supervisor(size, **fields):
    return Driver(tuple(child(f"c{n}", **fields) for n in range(size))).core


def cycle(core, id, gen):
    core.handle(ChildExited(id, gen, CRASH), 1.0)
    core.handle(ChildReady(id, gen + 1), 1.0)
    core.handle(HeartbeatSeen(id, gen + 1), 1.0)


@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT])
def test_exit_and_ready_cost_the_same_with_ten_and_with_three_thousand_children(restart):
    small, large = (supervisor(size, restart=restart) for size in (10, 3_000))
    assert calls_of(lambda: cycle(small, "c5", 1)) == calls_of(lambda: cycle(large, "c5", 1))


def test_one_dynamic_stop_costs_the_same_with_few_and_many_siblings():
    def leaving(size):
        d = Driver(tuple(child(f"c{n}", restart=Restart.TEMPORARY) for n in range(size)), Strategy.DYNAMIC)
        return calls_of(lambda: d.core.handle(ChildExited("c5", 1, CRASH), 1.0))

    assert leaving(10) == leaving(2_000)


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.DYNAMIC])
def test_start_and_stop_of_ten_times_the_children_cost_about_ten_times_as_much(strategy):
    def whole(size):
        specs = tuple(child(f"c{n}") for n in range(size))
        return calls_of(lambda: Driver(specs, strategy).stop())

    assert whole(1_000) < 12 * whole(100)


def test_changed_holds_only_what_changed():
    core = supervisor(500)
    core.take_changed()
    cycle(core, "c7", 1)
    assert core.take_changed() == {"c7"}
