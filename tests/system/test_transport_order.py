"""Messages between two living actors: each arrives once, whole and in order, whatever else the two are doing."""

from __future__ import annotations

import stat

import pytest
from thespian.actors import ActorExitRequest

from tests.harness.instance import wait_for
from tests.harness.transport import Cell, LiveSystem, alive, live_system

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(150)]
live = pytest.fixture(live_system)

MIXED = (0, 1, 80, 200, 900, 80, 3000, 80, 17_000, 80)
WITH_LARGE = (*MIXED * 20, 300_000, *MIXED * 20, 70_000)


def test_sockets_live_in_a_private_directory_and_nothing_outlives_the_shutdown(live: LiveSystem) -> None:
    parent, children = live.family(3)
    assert stat.S_IMODE(live.directory.stat().st_mode) == 0o700
    sockets = [path for path in live.directory.iterdir() if path.is_socket()]
    assert len(sockets) >= 6  # the admin, the outside, the parent and its children
    pids = {pid for _, pid in children.values()} | {live.seen(parent).pid}
    assert pids < {process.pid for process in live.processes()}
    live.system.shutdown()
    wait_for(lambda: not [pid for pid in pids if alive(pid)], "every process to be gone", timeout_s=10.0)
    assert not [path for path in sockets if path.name != "admin" and path.exists()]


def test_twenty_thousand_messages_of_mixed_sizes_arrive_once_and_in_order(live: LiveSystem) -> None:
    receiver, sender = live.worker(cell=Cell.GOT), live.worker()
    live.flood(sender, receiver, count=20_000, sizes=WITH_LARGE)
    live.reaches(Cell.GOT, 20_000)
    seen = live.seen(receiver)
    assert (seen.got, seen.wrong) == ({"sender": 20_000}, [])


def test_messages_of_ten_senders_at_once_arrive_once_and_each_senders_in_order(live: LiveSystem) -> None:
    receiver, senders = live.worker(cell=Cell.GOT), [live.worker() for _ in range(10)]
    for number, sender in enumerate(senders):
        live.flood(sender, receiver, count=2_000, sizes=MIXED, source=str(number), cell=Cell.BLOCK + number)
    live.reaches(Cell.GOT, 20_000)
    seen = live.seen(receiver)
    assert (seen.got, seen.wrong) == ({str(number): 2_000 for number in range(10)}, [])


def test_a_sender_to_ten_receivers_in_turn_keeps_the_order_to_each(live: LiveSystem) -> None:
    sender, receivers = live.worker(), [live.worker(cell=Cell.BLOCK + number) for number in range(10)]
    live.flood(sender, *receivers, count=10_000, sizes=MIXED)
    for number, receiver in enumerate(receivers):
        live.reaches(Cell.BLOCK + number, 1_000)
        seen = live.seen(receiver)
        assert (seen.got, seen.wrong) == ({"sender": 1_000}, [])


def test_an_actor_that_floods_itself_gets_everything_in_order(live: LiveSystem) -> None:
    actor = live.worker(cell=Cell.GOT)
    live.flood(actor, actor, count=20_000)
    live.reaches(Cell.GOT, 20_000)
    assert (live.seen(actor).got, live.seen(actor).wrong) == ({"sender": 20_000}, [])


def test_two_actors_that_flood_each_other_in_single_handlers_both_finish(live: LiveSystem) -> None:
    one, other = live.worker(cell=Cell.GOT), live.worker(cell=Cell.GOT_TOO)
    live.flood(one, other, count=50_000, cell=Cell.SENT)
    live.flood(other, one, count=50_000, cell=Cell.SENT_TOO)
    for cell in (Cell.SENT, Cell.SENT_TOO, Cell.GOT, Cell.GOT_TOO):
        live.reaches(cell, 50_000)
    for seen in (live.seen(one), live.seen(other)):
        assert (seen.got, seen.wrong) == ({"sender": 50_000}, [])


def test_actors_in_a_ring_that_flood_their_next_in_single_handlers_all_finish(live: LiveSystem) -> None:
    ring = [live.worker(cell=Cell.BLOCK + number) for number in range(5)]
    for number, actor in enumerate(ring):
        live.flood(actor, ring[(number + 1) % 5], count=5_000, sizes=(1_000,), cell=Cell.BLOCK + 8 + number)
    for number, actor in enumerate(ring):
        live.reaches(Cell.BLOCK + number, 5_000)
        assert (live.seen(actor).got, live.seen(actor).wrong) == ({"sender": 5_000}, [])


def test_a_sender_whose_every_request_is_answered_while_it_is_still_sending_gets_all_answers(live: LiveSystem) -> None:
    receiver, sender = live.worker(cell=Cell.GOT, answers=True), live.worker(cell=Cell.GOT_TOO)
    live.flood(sender, receiver, count=100_000)
    live.reaches(Cell.GOT, 100_000)
    live.reaches(Cell.GOT_TOO, 100_000)
    assert (live.seen(receiver).got, live.seen(receiver).wrong) == ({"sender": 100_000}, [])
    assert (live.seen(sender).got, live.seen(sender).wrong) == ({"answer to sender": 100_000}, [])


def test_what_an_actor_sent_before_it_exits_in_order_still_arrives(live: LiveSystem) -> None:
    receiver, sender = live.worker(cell=Cell.GOT, pause_s=0.0002), live.worker()
    live.flood(sender, receiver, count=5_000, sizes=(1_000,))
    live.tell(sender, ActorExitRequest())
    live.reaches(Cell.GOT, 5_000)
    assert (live.seen(receiver).got, live.seen(receiver).wrong) == ({"sender": 5_000}, [])
