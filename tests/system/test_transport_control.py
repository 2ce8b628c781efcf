"""What steers an actor overtakes what it has still to do: exit requests, heartbeats, wakeups.

How soon is told in messages handled, not in seconds: of a queue of 100,000 only a few.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from thespian.actors import ActorExitRequest, WakeupMessage

from tests.harness.instance import Running, wait_for
from tests.harness.transport import Board, Cell, Create, End, LiveSystem, Parent, Worker, alive, live_system

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(150)]
live = pytest.fixture(live_system)

QUEUED = 100_000
A_FEW = 100


@pytest.fixture
def busy(live: LiveSystem) -> tuple[Any, Any]:
    """A parent and its child, which works 2 ms on each of 100,000 messages and has done the first few."""
    parent = live.worker(Parent)
    live.tell(parent, Create(1, live.board.path))
    live.reaches(Cell.CHILDREN, 1)
    child, _ = live.seen(parent).children[0]
    live.give_role(child, cell=Cell.GOT, pause_s=0.002)
    live.flood(live.worker(), child, count=QUEUED, sizes=(100,))
    live.reaches(Cell.GOT, 200)
    return parent, child


def test_an_exit_request_of_its_parent_overtakes_what_an_actor_has_still_to_do(
    live: LiveSystem, busy: tuple[Any, Any]
) -> None:
    parent, child = busy
    live.tell(parent, End(child))
    live.reaches(Cell.EXITS, 1)
    assert live.board[Cell.GOT] - live.board[Cell.AT_REQUEST] <= A_FEW
    live.board[Cell.STOP] = 1
    assert set(live.seen(parent).exits) == {child.actorAddressString}


def test_an_exit_request_from_outside_overtakes_what_an_actor_has_still_to_do(
    live: LiveSystem, busy: tuple[Any, Any]
) -> None:
    parent, child = busy
    before = live.board[Cell.GOT]
    live.tell(child, ActorExitRequest())
    live.reaches(Cell.EXITS, 1)
    assert live.board[Cell.GOT] - before <= A_FEW
    live.board[Cell.STOP] = 1
    assert set(live.seen(parent).exits) == {child.actorAddressString}


def test_a_shutdown_of_the_system_overtakes_what_its_actors_have_still_to_do(
    live: LiveSystem, busy: tuple[Any, Any]
) -> None:
    _, child_pid = live.seen(busy[0]).children[0]
    before = live.board[Cell.GOT]
    ending = threading.Thread(target=live.system.shutdown)
    ending.start()
    wait_for(lambda: not alive(child_pid), "the flooded actor ends", 20.0)
    handled = live.board[Cell.GOT] - before
    live.board[Cell.STOP] = 1
    ending.join()
    assert handled <= A_FEW


def test_a_parent_that_is_flooded_is_told_of_its_childs_end_before_it_has_worked_through(live: LiveSystem) -> None:
    parent, children = live.family(2)
    live.give_role(parent, cell=Cell.GOT, pause_s=0.002)
    live.flood(live.worker(), parent, count=QUEUED, sizes=(100,))
    live.reaches(Cell.GOT, 200)
    live.kill(children[0][1])
    before = live.board[Cell.GOT]
    live.reaches(Cell.EXITS, 1)
    assert live.board[Cell.GOT] - before <= A_FEW


@dataclass(frozen=True)
class Alarms:
    """Ask for a wakeup after each of these times; its payload is the time."""

    delays_s: tuple[float, ...]
    board: str


class Clock(Worker):
    """Asks for wakeups, and takes items meanwhile; notes the payload of each wakeup and whether its time had come."""

    def receiveMessage(self, message: Any, sender: Any) -> Any:
        match message:
            case Alarms(delays_s, board):
                self.ticks, self.asked_at = Board(board), time.monotonic()
                for delay_s in delays_s:
                    self.wakeupAfter(timedelta(seconds=delay_s), delay_s)
            case WakeupMessage():
                due = time.monotonic() - self.asked_at >= message.payload
                self.seen.noted.append((message.payload, due))
                self.ticks[Cell.NOTED] = len(self.seen.noted)
            case _:
                super().receiveMessage(message, sender)


def test_wakeups_come_during_a_flood_in_the_order_of_their_times(live: LiveSystem) -> None:
    clock, sender = live.worker(Clock, cell=Cell.GOT, pause_s=0.001), live.worker()
    live.flood(sender, clock, count=QUEUED, sizes=(4_000,))  # few wait at the receiver: it reports soon
    live.reaches(Cell.GOT, 100)
    live.tell(clock, Alarms((0.5, 0.1, 0.3, 0.2, 0.4), live.board.path))
    live.reaches(Cell.NOTED, 5)
    at_last = live.board[Cell.GOT]
    live.board[Cell.STOP] = 1
    assert at_last < QUEUED / 10
    assert live.seen(clock).noted == [(delay_s, True) for delay_s in (0.1, 0.2, 0.3, 0.4, 0.5)]


def test_wakeups_come_to_an_idle_actor_in_the_order_of_their_times(live: LiveSystem) -> None:
    clock = live.worker(Clock)
    delays_s = (0.25, 0.05, 0.15, 0.0, 0.1, 0.2)
    for times in (1, 2):
        live.tell(clock, Alarms(delays_s, live.board.path))
        live.reaches(Cell.NOTED, times * len(delays_s))
    assert live.seen(clock).noted == [(delay_s, True) for delay_s in sorted(delays_s)] * 2


def test_an_idle_actor_that_waits_for_a_wakeup_uses_no_processor(live: LiveSystem) -> None:
    clock = live.worker(Clock)
    live.tell(clock, Alarms((0.001,), live.board.path))
    live.reaches(Cell.NOTED, 1)
    process = psutil.Process(live.seen(clock).pid)
    live.tell(clock, Alarms((0.6,), live.board.path))
    before = sum(process.cpu_times()[:2])
    live.reaches(Cell.NOTED, 2)
    assert sum(process.cpu_times()[:2]) - before < 0.3


TREE = """
schema: grace.tree/1
name: flooded
strategy: one_for_one
intensity: 5
period: 60s
defaults: {{start_timeout: 20s, shutdown: 1s}}
children:
  - {{id: toiler, kernel: "tests.harness.transport:Toiler", with: {{board: "{board}"}},
      heartbeat: {{interval: 300ms, misses: 3}}}}
  - {{id: flooder, kernel: "tests.harness.transport:Flooder", with: {{board: "{board}"}},
      heartbeat: {{interval: 300ms, misses: 3}}}}
"""


def test_a_flooded_kernel_answers_heartbeats_and_is_stopped_within_its_limit(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    board = Board(str(tmp_path / "board"))
    (tmp_path / "tree.yaml").write_text(TREE.format(board=board.path))
    running = start(tmp_path / "tree.yaml")
    running.wait_running()
    try:
        pid = running.node("toiler")["pid"]
        flood = {"name": "flooder", "verb": "flood", "args": {"to": "toiler", "count": QUEUED}}
        running.client.call("ask", flood)

        def told() -> int:
            return int(running.node("toiler")["does"].rpartition(" ")[2])

        wait_for(lambda: told() > 100, "a heartbeat is answered during the flood")
        wait_for(lambda: board[Cell.GOT] > 3_000, "it has been flooded for more than three of its limits")
        wait_for(lambda: told() > 2_500, "a heartbeat is still answered", 10.0)
        assert running.node("toiler")["pid"] == pid
        before = board[Cell.GOT]
        running.call("stop", name="toiler")
        wait_for(lambda: running.node("toiler")["state"] == "stopped", "toiler is stopped")
        assert board[Cell.GOT] - before < 1_000  # the requests of a second, its limit
        (end,) = running.events(type="child.stopped", subject="toiler")
        assert (end["data"]["context"], end["data"]["kind"]) == ("shutdown", "shutdown"), end
        assert running.events(type="child.hung", subject="toiler") == []
    finally:
        board[Cell.STOP] = 1


def test_a_kernel_whose_send_waits_is_not_taken_for_hung_and_ends_in_order(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    board = Board(str(tmp_path / "board"))
    (tmp_path / "tree.yaml").write_text(TREE.format(board=board.path))
    running = start(tmp_path / "tree.yaml")
    running.wait_running()
    pid = running.node("flooder")["pid"]
    flood = {"name": "flooder", "verb": "flood", "args": {"to": "toiler", "count": QUEUED}}
    running.client.call("ask", flood)
    wait_for(lambda: board[Cell.GOT] > 3_000, "it has been in one handler for more than three of its limits")
    assert running.node("flooder")["pid"] == pid
    assert board[Cell.SENT] < QUEUED, "it is still in that handler"
    running.call("stop", name="flooder")
    wait_for(lambda: running.node("flooder")["state"] == "stopped", "flooder is stopped")
    (end,) = running.events(type="child.stopped", subject="flooder")
    assert (end["data"]["context"], end["data"]["kind"]) == ("shutdown", "shutdown"), end
    assert running.events(type="child.hung", subject="flooder") == []
    assert board[Cell.SENT] < QUEUED
