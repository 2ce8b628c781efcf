"""Back-pressure: who sends faster than others receive waits; neither side grows, and everything arrives."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.harness.instance import wait_for
from tests.harness.transport import LONG_S, Cell, LiveSystem, item, live_system, stopped

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(150)]
live = pytest.fixture(live_system)

MAX_MB = 40.0  # each flood here is 200 MB
_STILL_S = 0.4


class Growth:
    """How far the resident memory of a process has risen above what it is now, at its highest."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest value so far is forgotten
        self._before = self._kb("VmRSS")

    def _kb(self, name: str) -> int:
        return next(int(line.split()[1]) for line in self._status.read_text().splitlines() if line.startswith(name))

    @property
    def mb(self) -> float:
        return (self._kb("VmHWM") - self._before) * 1024 / 1e6


def stands_still(live: LiveSystem, cell: int, end: int) -> None:
    """Wait until the counter no longer moves, or has reached the end."""
    last, since = -1, time.monotonic()

    def still() -> bool:
        nonlocal last, since
        if live.board[cell] != last:
            last, since = live.board[cell], time.monotonic()
        return last >= end or (last > 0 and time.monotonic() - since > _STILL_S)

    wait_for(still, f"counter {cell} stands still", LONG_S)


def test_neither_side_grows_when_an_actor_floods_one_that_stands_still(live: LiveSystem) -> None:
    receiver, sender = live.worker(cell=Cell.GOT), live.worker()
    pid = live.seen(receiver).pid
    growths = [Growth(live.seen(sender).pid), Growth(pid)]
    with stopped(pid) as go_on:
        live.flood(sender, receiver, count=200_000, sizes=(1024,))
        stands_still(live, Cell.SENT, 200_000)
        sent_meanwhile = live.board[Cell.SENT]
        go_on()
        live.reaches(Cell.GOT, 200_000)
    assert (live.seen(receiver).got, live.seen(receiver).wrong) == ({"sender": 200_000}, [])
    assert [growth.mb for growth in growths if growth.mb > MAX_MB] == []
    assert sent_meanwhile < 200_000


@pytest.mark.parametrize(
    ("count", "size"),
    [pytest.param(20_000, 10 * 1024), pytest.param(200_000, 1024, marks=pytest.mark.slow)],
)
def test_neither_side_grows_when_an_actor_floods_a_slow_one(live: LiveSystem, count: int, size: int) -> None:
    receiver, sender = live.worker(cell=Cell.GOT, pause_s=0.0001), live.worker()
    growths = [Growth(live.seen(sender).pid), Growth(live.seen(receiver).pid)]
    live.flood(sender, receiver, count=count, sizes=(size,))
    live.reaches(Cell.GOT, count, 120.0)
    assert (live.seen(receiver).got, live.seen(receiver).wrong) == ({"sender": count}, [])
    assert [growth.mb for growth in growths if growth.mb > MAX_MB] == []


def test_neither_side_grows_when_one_that_stands_still_is_told_from_outside_in_a_loop(live: LiveSystem) -> None:
    receiver, count = live.worker(cell=Cell.GOT), 20_000
    pid = live.seen(receiver).pid
    growths = [Growth(os.getpid()), Growth(pid)]
    with stopped(pid) as go_on:

        def go_on_later() -> None:
            stands_still(live, Cell.SENT, count)
            go_on()

        waiter = threading.Thread(target=go_on_later)
        waiter.start()
        for number in range(count):
            live.tell(receiver, item("outside", number, 10 * 1024))
            live.board[Cell.SENT] = number + 1
        waiter.join()
    live.reaches(Cell.GOT, count)
    assert (live.seen(receiver).got, live.seen(receiver).wrong) == ({"outside": count}, [])
    assert [growth.mb for growth in growths if growth.mb > MAX_MB] == []


def test_a_slow_receiver_that_ten_senders_flood_does_not_grow(live: LiveSystem) -> None:
    receiver, senders = live.worker(cell=Cell.GOT, pause_s=0.0001), [live.worker() for _ in range(10)]
    growth = Growth(live.seen(receiver).pid)
    for number, sender in enumerate(senders):
        live.flood(sender, receiver, count=1_000, sizes=(20 * 1024,), source=str(number), cell=Cell.BLOCK + number)
    live.reaches(Cell.GOT, 10_000)
    seen = live.seen(receiver)
    assert (seen.got, seen.wrong) == ({str(number): 1_000 for number in range(10)}, [])
    assert growth.mb < MAX_MB


def test_a_flood_waits_for_one_receiver_no_longer_than_that_one_lives(live: LiveSystem) -> None:
    victim, bystander, sender = live.worker(), live.worker(cell=Cell.GOT), live.worker()
    pid = live.seen(victim).pid
    with stopped(pid):
        live.flood(sender, victim, count=30_000, sizes=(1024,), source="lost")
        live.flood(sender, bystander, count=100, source="next", cell=Cell.SENT_TOO)
        stands_still(live, Cell.SENT, 30_000)
        live.kill(pid)
    live.reaches(Cell.SENT, 30_000, 30.0)
    live.reaches(Cell.GOT, 100, 10.0)
    assert (live.seen(bystander).got, live.seen(bystander).wrong) == ({"next": 100}, [])
