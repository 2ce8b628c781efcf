"""Endpoints outside actors, many children at once, and watched descriptors."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ThespianWatch, WatchMessage

from tests.harness.instance import wait_for
from tests.harness.transport import ASK_S, Cell, Hello, Here, LiveSystem, Report, Worker, item, live_system

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(150)]
live = pytest.fixture(live_system)

THREADS, ASKS = 8, 50


def test_private_endpoints_of_eight_threads_get_each_its_own_answers(live: LiveSystem) -> None:
    worker = live.worker()
    wrong: list[Any] = []
    finished: list[int] = []

    def ask(thread: int) -> None:
        with live.system.private() as endpoint:
            for number in range(thread * ASKS, thread * ASKS + ASKS):
                answer = endpoint.ask(worker, Hello(number), ASK_S)
                if not isinstance(answer, Here) or answer.number != number:
                    wrong.append((number, answer))
        finished.append(thread)

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ASK_S)
    assert (sorted(finished), wrong) == (list(range(THREADS)), [])


def test_the_socket_of_a_private_endpoint_goes_with_it(live: LiveSystem) -> None:
    worker = live.worker()
    live.seen(worker)
    before = set(live.directory.iterdir())
    with live.system.private() as endpoint:
        assert isinstance(endpoint.ask(worker, Hello(1), ASK_S), Here)
        assert set(live.directory.iterdir()) > before
    assert set(live.directory.iterdir()) == before


def test_ask_tell_and_listen_work_from_outside(live: LiveSystem) -> None:
    worker = live.worker()
    assert live.ask(worker, Hello(1), ASK_S).number == 1
    for number in (2, 3, 4):
        live.tell(worker, Hello(number))
    assert [live.system.listen(ASK_S).number for _ in range(3)] == [2, 3, 4]
    assert live.ask(worker, Hello(5), ASK_S).number == 5


def test_listen_and_ask_give_none_once_their_time_is_over(live: LiveSystem) -> None:
    worker = live.worker()
    assert live.system.listen(0.05) is None
    assert live.ask(worker, item("outside", 0, 10), 0.05) is None
    assert live.ask(worker, Hello(1), ASK_S).number == 1


@pytest.mark.slow
def test_five_hundred_children_created_at_once_all_answer(live: LiveSystem) -> None:
    _, children = live.family(500, timeout_s=60.0)
    assert sorted(children) == list(range(500))
    assert len({pid for _, pid in children.values()}) == 500
    assert len({address.actorAddressString for address, _ in children.values()}) == 500


# ---- watched descriptors ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Open:
    """Watch this named pipe, and a socket pair."""

    fifo: str


@dataclass(frozen=True)
class Say:
    """Write this into the far end of the socket pair."""

    text: str


@dataclass(frozen=True)
class Close:
    """Close the pipe and go on asking for it to be watched, in the same list or in a new one each time."""

    fresh: bool


@dataclass(frozen=True)
class WatchNothing:
    """Watch no descriptor any more."""


@dataclass(frozen=True)
class WatchClosed:
    """Begin to watch a descriptor that is closed already."""


class Watcher(Worker):
    """Reads from what it watches; says what it has read, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: list[int] = []
        self.fifo = -1
        self.fresh = False

    def receiveMessage(self, message: Any, sender: Any) -> Any:
        match message:
            case Open(fifo):
                self.fifo = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
                self.near, self.far = socket.socketpair()
                self.watch = [self.fifo, self.near.fileno()]
                self.send(sender, "open")
            case Say(text):
                self.far.sendall(text.encode())
            case Close(fresh):
                os.close(self.fifo)
                self.fresh = fresh
                self.send(sender, "closed")
            case WatchClosed():
                self.fifo = os.dup(0)
                os.close(self.fifo)
                self.watch = [self.fifo]
                self.send(sender, "closed")
            case WatchNothing():
                self.watch = []
                self.send(sender, "nothing")
            case WatchMessage():
                for fd in message.ready:
                    with contextlib.suppress(OSError):  # it may be the closed one
                        where = "pipe" if fd == self.fifo else "socket"
                        self.seen.noted.extend(f"{where}: {word}" for word in os.read(fd, 1000).decode().split())
            case _:
                super().receiveMessage(message, sender)
        if not self.watch:
            return None
        return ThespianWatch(list(self.watch) if self.fresh else self.watch)


@pytest.fixture
def watcher(live: LiveSystem, tmp_path: Path) -> Any:
    """A Watcher of `tmp_path/fifo` and a socket pair."""
    os.mkfifo(tmp_path / "fifo")
    watcher = live.worker(Watcher, cell=Cell.GOT)
    assert live.ask(watcher, Open(str(tmp_path / "fifo")), ASK_S) == "open"
    return watcher


def hears(live: LiveSystem, watcher: Any, *words: str) -> None:
    wait_for(lambda: sorted(live.seen(watcher).noted) == sorted(words), f"heard {words}", 10.0)


def test_watched_descriptors_are_reported_when_they_are_readable(
    live: LiveSystem, watcher: Any, tmp_path: Path
) -> None:
    assert live.seen(watcher).noted == []
    with (tmp_path / "fifo").open("w") as fifo:
        fifo.write("one ")
        fifo.flush()
        hears(live, watcher, "pipe: one")
        live.tell(watcher, Say("two "))
        hears(live, watcher, "pipe: one", "socket: two")
        fifo.write("three ")
        fifo.flush()
        hears(live, watcher, "pipe: one", "socket: two", "pipe: three")


def test_a_watched_descriptor_is_reported_during_a_flood(live: LiveSystem, watcher: Any, tmp_path: Path) -> None:
    live.flood(live.worker(), watcher, count=300_000)
    live.reaches(Cell.GOT, 1_000)
    live.tell(watcher, Say("amid "))
    hears(live, watcher, "socket: amid")
    assert live.board[Cell.SENT] < 300_000


@pytest.mark.parametrize("fresh", [False, True], ids=["in the same list", "in a new list each time"])
def test_a_watched_descriptor_that_is_closed_does_no_harm(live: LiveSystem, watcher: Any, fresh: bool) -> None:
    pid = live.seen(watcher).pid
    assert live.ask(watcher, Close(fresh), ASK_S) == "closed"
    live.tell(watcher, Say("still "))
    hears(live, watcher, "socket: still")
    assert live.seen(watcher).pid == pid


def test_a_closed_descriptor_that_is_to_be_watched_does_no_harm(live: LiveSystem) -> None:
    watcher = live.worker(Watcher)
    pid = live.seen(watcher).pid
    assert live.ask(watcher, WatchClosed(), ASK_S) == "closed"
    assert live.ask(watcher, Hello(1), 5.0) == Here(1, pid)


def test_a_connection_that_gets_the_number_of_a_closed_watched_descriptor_is_not_taken_for_it(
    live: LiveSystem, watcher: Any
) -> None:
    assert live.ask(watcher, Close(False), ASK_S) == "closed"
    with contextlib.ExitStack() as stack:
        endpoints = [stack.enter_context(live.system.private()) for _ in range(5)]
        for moment in ("watched", "no longer watched"):
            for number, endpoint in enumerate(endpoints):
                answer = endpoint.ask(watcher, Report(), 5.0)
                assert answer is not None, f"endpoint {number} gets no answer while the closed one is {moment}"
                assert answer.noted == []
            assert live.ask(watcher, WatchNothing(), ASK_S) == "nothing"
