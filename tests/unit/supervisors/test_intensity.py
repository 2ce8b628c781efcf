"""The restart limit (statements 69 to 79)."""

import pytest

from supervisors import Restart, Strategy
from supervisors.messages import ExitKind, OpKind
from supervisors.window import RestartWindow
from tests.unit.supervisors.driver import Driver, child


def test_one_restart_too_many_stops_the_others_in_reverse_and_ends_with_shutdown():
    d = Driver("abc", intensity=1)
    d.crash("b")
    d.said()
    d.crash("b")
    assert d.said() == ["orderly c", "orderly a", "gone"]
    assert d.exit is not None
    assert (d.exit.kind, d.exit.reason) == (ExitKind.SHUTDOWN, "reached_max_restart_intensity")


def test_exactly_intensity_restarts_are_survived():
    d = Driver("a", intensity=3)
    for _ in range(3):
        d.crash("a")
    assert d.state("a") == "running"


def test_intensity_zero_ends_with_the_first_restart():
    d = Driver("a", intensity=0)
    d.crash("a")
    assert d.said()[-1] == "gone"


def test_crashes_further_apart_than_the_period_never_add_up():
    d = Driver("a", intensity=1, period_s=1.0)
    for _ in range(5):
        d.crash("a")
        d.advance(1.001)
    assert d.state("a") == "running"


def test_stamp_exactly_one_period_old_still_counts():
    d = Driver("a", intensity=1, period_s=1.0)
    d.crash("a")
    d.advance(1.0)
    d.crash("a")
    assert d.exit is not None


def test_window_is_finer_than_a_second():
    d = Driver("a", intensity=1, period_s=0.2)
    d.crash("a")
    d.advance(0.25)
    d.crash("a")
    assert d.exit is None


def test_successful_restart_does_not_reset_the_window():
    d = Driver("a", intensity=1, period_s=10.0)
    d.crash("a")
    d.advance(5.0)
    d.crash("a")
    assert d.exit is not None


def test_window_is_shared_by_all_children_and_by_retries():
    d = Driver("ab", intensity=2)
    d.fails = {"b": 1}
    d.crash("b")
    d.crash("a")
    assert d.exit is not None


def test_exits_that_lead_to_no_restart_and_api_calls_do_not_count():
    specs = (child("a", restart=Restart.TEMPORARY), child("b", restart=Restart.TRANSIENT), child("c"))
    d = Driver(specs, intensity=0)
    d.crash("a")
    d.leave("b")
    d.call(OpKind.TERMINATE_CHILD, "c")
    d.call(OpKind.RESTART_CHILD, "c")
    d.call(OpKind.START_CHILD, spec=child("d"))
    d.call(OpKind.RECYCLE, "d")
    assert d.exit is None


@pytest.mark.parametrize("intensity", [0, 1, 5])
def test_window_never_holds_more_than_intensity_plus_one_stamps(intensity):
    window = RestartWindow(intensity, 10.0)
    for n in range(50):
        window.add(n * 0.01)
        assert window.stamps <= intensity + 1


def test_window_tells_what_is_left_and_when_it_grows_again():
    window = RestartWindow(2, 10.0)
    assert (window.left(0.0), window.next_free_in_s(0.0)) == (2, None)
    window.add(0.0)
    window.add(4.0)
    assert (window.used(5.0), window.left(5.0), window.next_free_in_s(5.0)) == (2, 0, 5.0)
    assert window.left(10.5) == 1


def test_lowered_limit_drops_surplus_stamps():
    window = RestartWindow(5, 10.0)
    for n in range(5):
        window.add(float(n))
    window.limit(1, 10.0)
    assert window.add(5.0) is False
    assert window.stamps == 2


def test_nested_permanent_supervisors_multiply_their_limits():
    """An inner limit of 2 and an outer one of 3 make the top die at crash (2+1)*(3+1)."""
    outer = Driver("i", intensity=3)
    crashes = 0
    while outer.exit is None:
        inner = Driver("w", intensity=2)
        while inner.exit is None:
            inner.crash("w")
            crashes += 1
        outer.leave("i", inner.exit.kind, inner.exit.reason)
    assert crashes == 12


def test_transient_supervisor_that_hit_its_own_limit_is_not_restarted():
    inner = Driver("w", intensity=0)
    inner.crash("w")
    assert inner.exit is not None
    outer = Driver((child("i", restart=Restart.TRANSIENT),))
    outer.leave("i", inner.exit.kind, inner.exit.reason)
    assert outer.state("i") == "stopped"


def test_giving_up_is_reported_with_cause_limit_and_count():
    d = Driver("ab", Strategy.ONE_FOR_ALL, intensity=1, period_s=7.0)
    d.crash("b", reason="first")
    d.crash("b", reason="last straw")
    (report,) = d.told("supervisor.gave_up")
    assert report.subject == "top"
    assert report.data["cause"] == "b"
    assert (report.data["restarts"], report.data["intensity"], report.data["period_s"]) == (2, 1, 7.0)
    assert (report.data["context"], report.data["last_exit"]) == ("shutdown", "last straw")
