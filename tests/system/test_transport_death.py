"""What becomes of messages to the dead, of messages that are too large, and what a parent hears of its children."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from thespian.actors import ActorExitRequest, DeadEnvelope

from tests.harness.instance import wait_for
from tests.harness.transport import ASK_S, MIB, Board, Cell, Item, LiveSystem, Worker, alive, item, live_system, stopped

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(120)]
live = pytest.fixture(live_system)

LIMIT = 64 * MIB
DEATHS = ["killed", "exited in order"]


@dataclass(frozen=True)
class TakeLetters:
    """Handle dead letters."""

    board: str


class LetterBox(Worker):
    """The dead letter handler: notes address, source and number of each item."""

    def receiveMessage(self, message: Any, sender: Any) -> Any:
        match message:
            case TakeLetters(board):
                self.letters = Board(board)
                self.handleDeadLetters()
            case DeadEnvelope():
                dead = message.deadMessage
                if isinstance(dead, Item):
                    self.seen.noted.append((message.deadAddress.actorAddressString, dead.source, dead.number))
                self.letters[Cell.NOTED] += 1
            case _:
                super().receiveMessage(message, sender)


def letter_box(live: LiveSystem) -> Any:
    """A LetterBox that gets the dead letters already: shown by a first one, which `letters` leaves out."""
    box, victim, sender = live.worker(LetterBox), live.worker(), live.worker()
    live.tell(box, TakeLetters(live.board.path))
    live.kill(live.seen(victim).pid)

    def probed() -> bool:
        live.flood(sender, victim, count=1, source="probe", cell=Cell.SENT_TOO)
        return live.board[Cell.NOTED] > 0

    wait_for(probed, "a dead letter arrives", 10.0)
    live.board[Cell.SENT_TOO] = 0
    return box


def letters(live: LiveSystem, box: Any) -> list[tuple[str, str, int]]:
    return [letter for letter in live.seen(box).noted if letter[1] != "probe"]


def end(live: LiveSystem, address: Any, how: str) -> None:
    pid = live.seen(address).pid
    if how == "killed":
        live.kill(pid)
    else:
        live.tell(address, ActorExitRequest())
        wait_for(lambda: not alive(pid), f"{pid} exits", 10.0)


@pytest.mark.parametrize("acquainted", [True, False], ids=["written to before", "never written to"])
@pytest.mark.parametrize("how", DEATHS)
def test_a_message_to_a_dead_actor_becomes_a_dead_letter_at_once(live: LiveSystem, how: str, acquainted: bool) -> None:
    box, sender, receiver = letter_box(live), live.worker(), live.worker(cell=Cell.GOT)
    if acquainted:
        live.flood(sender, receiver, count=1, source="before")
        live.reaches(Cell.GOT, 1)
    end(live, receiver, how)
    live.flood(sender, receiver, count=3)
    wait_for(lambda: len(letters(live, box)) == 3, "three dead letters", 5.0)
    path = receiver.actorAddressString
    assert letters(live, box) == [(path, "sender", 0), (path, "sender", 1), (path, "sender", 2)]
    assert live.seen(sender).poisons == []


@pytest.mark.parametrize("how", DEATHS)
def test_an_ask_from_outside_of_a_dead_actor_gives_none_and_a_dead_letter(live: LiveSystem, how: str) -> None:
    box, receiver = letter_box(live), live.worker()
    end(live, receiver, how)
    assert live.ask(receiver, item("outside", 0, 100), 1.0) is None
    wait_for(lambda: letters(live, box) == [(receiver.actorAddressString, "outside", 0)], "a dead letter", 5.0)


def test_a_receiver_killed_amid_a_large_message_harms_nobody_else(live: LiveSystem) -> None:
    box, victim, bystander = letter_box(live), live.worker(), live.worker(cell=Cell.GOT)
    sender, other = live.worker(), live.worker()
    pid, sender_pid = live.seen(victim).pid, live.seen(sender).pid
    with stopped(pid):
        live.flood(sender, victim, bystander, count=1, sizes=(16 * MIB,), source="large")
        live.flood(sender, bystander, count=100)
        live.flood(other, bystander, count=100, source="other", cell=Cell.SENT_TOO)
        live.reaches(Cell.SENT_TOO, 100)
        # It cannot get the whole of it into a process that stands still: it waits, inside the handler or after it.
        wait_for(lambda: psutil.Process(sender_pid).status() == psutil.STATUS_SLEEPING, "the sender waits", 10.0)
        live.kill(pid)
    live.reaches(Cell.GOT, 200, 10.0)
    assert (live.seen(bystander).got, live.seen(bystander).wrong) == ({"sender": 100, "other": 100}, [])
    assert live.seen(sender).pid == sender_pid
    wait_for(lambda: letters(live, box) == [(victim.actorAddressString, "large", 0)], "its dead letter", 5.0)


def test_a_sender_killed_amid_a_large_message_harms_nobody_else(live: LiveSystem) -> None:
    receiver, other = live.worker(cell=Cell.GOT), live.worker()
    sender = live.worker()
    pid = live.seen(sender).pid
    with stopped(live.seen(receiver).pid):
        live.flood(sender, receiver, count=1, sizes=(16 * MIB,), source="large")
        live.flood(other, receiver, count=10, cell=Cell.SENT_TOO)
        live.reaches(Cell.SENT_TOO, 10)
        live.kill(pid)
    live.reaches(Cell.GOT, 10, 10.0)
    assert (live.seen(receiver).got, live.seen(receiver).wrong) == ({"sender": 10}, [])


def test_a_message_over_the_limit_comes_back_as_poison_that_names_the_limit_and_the_sender_lives_on(
    live: LiveSystem,
) -> None:
    receiver, sender = live.worker(cell=Cell.GOT), live.worker()
    pid = live.seen(sender).pid
    live.flood(sender, receiver, count=1, sizes=(LIMIT + 1,), source="large")
    wait_for(lambda: live.seen(sender).poisons, "a PoisonMessage", 10.0)
    (details,) = live.seen(sender).poisons
    assert str(LIMIT) in details or "64 MiB" in details
    live.flood(sender, receiver, count=5)
    live.reaches(Cell.GOT, 5, 10.0)
    seen = live.seen(receiver)
    assert (live.seen(sender).pid, seen.got, seen.wrong) == (pid, {"sender": 5}, [])


def test_a_message_over_the_limit_is_an_error_where_it_is_told_from_outside(live: LiveSystem) -> None:
    receiver = live.worker(cell=Cell.GOT)
    with pytest.raises(Exception, match=rf"{LIMIT}|64 MiB"):
        live.tell(receiver, item("outside", 0, LIMIT + 1))
    live.tell(receiver, item("outside", 0, 10))
    live.reaches(Cell.GOT, 1, 10.0)
    assert live.seen(receiver).wrong == []


def test_a_message_just_under_the_limit_arrives_whole(live: LiveSystem) -> None:
    receiver, sender = live.worker(cell=Cell.GOT), live.worker()
    live.flood(sender, receiver, count=1, sizes=(LIMIT - 4096,))
    live.reaches(Cell.GOT, 1, ASK_S)
    assert (live.seen(receiver).got, live.seen(receiver).wrong) == ({"sender": 1}, [])


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_is_told_of_fifty_children_ended_at_once_each_exactly_once(
    live: LiveSystem, signum: signal.Signals
) -> None:
    parent, children = live.family(51)
    last, last_pid = children.pop(50)
    for _, pid in children.values():
        os.kill(pid, signum)
    live.reaches(Cell.EXITS, 50, 20.0)
    os.kill(last_pid, signum)  # told after the others: what had been told twice would be there by then
    wait_for(lambda: last.actorAddressString in live.seen(parent).exits, "the last one is told", 10.0)
    expected = sorted(address.actorAddressString for address, _ in [*children.values(), (last, last_pid)])
    assert sorted(live.seen(parent).exits) == expected


def test_a_storm_of_child_signals_loses_no_message_and_invents_no_death(live: LiveSystem) -> None:
    parent, children = live.family(2)
    live.give_role(parent)
    pid, sender = live.seen(parent).pid, live.worker()
    live.flood(sender, parent, count=10_000)
    while live.board[Cell.GOT] < 10_000 and alive(pid):
        os.kill(pid, signal.SIGCHLD)
    seen = live.seen(parent)
    assert (seen.pid, seen.got, seen.wrong, seen.exits) == (pid, {"sender": 10_000}, [], [])
    live.kill(children[0][1])
    live.reaches(Cell.EXITS, 1, 10.0)
