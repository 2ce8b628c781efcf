"""What the event log learns of a supervisor (statements 31, 130, 131)."""

import pytest

from supervisors import Backoff, Strategy
from supervisors.messages import OpKind
from tests.unit.supervisors.driver import Driver, child


def types(d):
    return [report.type for report in d.reports]


def test_explicit_start_makes_no_info_record_and_an_automatic_one_does():
    d = Driver("a")
    d.call(OpKind.START_CHILD, spec=child("b"))
    d.crash("b")
    d.call(OpKind.TERMINATE_CHILD, "b")
    d.call(OpKind.RESTART_CHILD, "b")
    started = [(r.data["cause"], r.data["level"]) for r in d.told("child.started")]
    assert started == [
        ("start", "info"),
        ("start_child", "debug"),
        ("restart", "info"),
        ("restart_child", "debug"),
    ]


def test_crash_and_restart_tell_one_story_in_order():
    d = Driver("ab", Strategy.ONE_FOR_ALL)
    d.reports.clear()
    d.crash("a")
    assert types(d) == ["child.exited", "child.stopped", "child.started", "child.started", "group.restarted"]


def test_delay_is_told_with_its_length_and_attempt():
    d = Driver((child("a", backoff=Backoff(min_s=2.0, max_s=8.0)),))
    d.crash("a")
    (report,) = d.told("child.restart_delayed")
    assert (report.data["delay_s"], report.data["attempt"], report.data["gen"]) == (2.0, 1, 1)


def test_detail_of_an_exit_is_kept_for_the_reader():
    d = Driver("a")
    notice = d.end("a")
    d.do(type(notice)(notice.child, notice.gen, type(notice.exit)(notice.exit.kind, "ValueError: x", "Traceback ...")))
    assert d.told("child.exited")[0].data["detail"] == "Traceback ..."
    assert d.core.child("a").last_exit.detail == "Traceback ..."


def test_every_report_names_its_supervisor_and_reads_noun_dot_past_tense():
    d = Driver("abc", Strategy.REST_FOR_ONE, intensity=1)
    d.crash("a")
    d.crash("b")
    assert d.exit is not None
    for report in d.reports:
        assert report.data["supervisor"] == "top"
        assert report.type.count(".") == 1


def test_refused_spec_is_told_with_every_fault():
    d = Driver((child("a", shutdown_s=-1), child("a")))
    (report,) = d.told("supervisor.refused")
    assert len(report.data["faults"]) == 2


@pytest.mark.parametrize("kind", [OpKind.HOLD, OpKind.QUARANTINE])
def test_who_held_a_child_is_told(kind):
    d = Driver("a")
    d.call(kind, "a")
    assert d.reports[-1].data["by"] == "operator"
