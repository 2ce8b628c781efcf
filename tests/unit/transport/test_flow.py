"""When an endpoint reads bulk, and when it reads more than it would like to."""

from __future__ import annotations

from grace_actors.transport.flow import INBOX_HIGH, INBOX_LOW, INBOX_MOST, Flow


def test_reading_stops_above_the_limit_and_goes_on_when_most_is_worked_off() -> None:
    flow = Flow()
    assert not flow.update(INBOX_HIGH)
    assert flow.update(INBOX_HIGH + 1) and flow.paused
    assert not flow.update(INBOX_LOW + 1) and flow.paused
    assert flow.update(INBOX_LOW) and not flow.paused


def test_who_waits_without_progress_and_does_not_read_reads_on() -> None:
    flow = Flow()
    flow.update(INBOX_HIGH + 1)
    flow.stalled(INBOX_HIGH + 1)
    assert flow.update(INBOX_HIGH + 1) and not flow.paused


def test_who_waits_but_still_reads_keeps_its_limit() -> None:
    flow = Flow()
    flow.stalled(0)
    assert flow.update(INBOX_HIGH + 1) and flow.paused


def test_however_long_two_wait_for_each_other_the_inbox_has_a_bound() -> None:
    flow, held = Flow(), INBOX_HIGH
    for _ in range(100):
        held += 1
        flow.update(held)
        flow.stalled(held)
        if not flow.paused:
            held = min(INBOX_MOST, held * 2)
    flow.update(INBOX_MOST + 1)
    assert flow.paused
    flow.stalled(INBOX_MOST + 1)
    assert not flow.update(INBOX_MOST + 1) and flow.paused


def test_the_limit_is_the_usual_one_again_once_the_mailbox_is_served() -> None:
    flow = Flow()
    flow.update(INBOX_HIGH + 1)
    flow.stalled(INBOX_HIGH + 1)
    flow.update(INBOX_HIGH + 1)
    flow.calm(0)
    assert flow.update(INBOX_HIGH + 1) and flow.paused
