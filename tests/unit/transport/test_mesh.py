"""Connections of endpoints in one process, under both pollers and over both families of sockets."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grace_actors.transport import sockets
from grace_actors.transport.frames import Lane, encode
from grace_actors.transport.mesh import Mesh
from grace_actors.transport.poller import EpollPoller, Poller, SelectorPoller
from grace_actors.transport.sockets import Place

TOKEN = bytes(range(32))
Maker = Callable[[], "End"]


class End:
    """A mesh, and what it told."""

    def __init__(self, place: Place, poller: Poller, token: bytes = TOKEN) -> None:
        self.poller, self.is_open = poller, True
        self.got: list[tuple[str, Lane, int, bytes]] = []
        self.done: list[tuple[object, bool]] = []
        self.lost: list[str] = []
        self.mesh = Mesh(
            place.fresh(),
            token,
            poller,
            lambda source, bodies: self.got.extend((source.path, Lane.BULK, 0, body) for body in bodies),
            lambda source, position, body: self.got.append((source.path, Lane.CONTROL, position, body)),
            lambda receipt, sent: self.done.append((receipt, sent)),
            self.lost.append,
        )

    def send(self, to: End, body: bytes, lane: Lane = Lane.BULK) -> None:
        prefix = struct.pack("!Q", 5) if lane is Lane.CONTROL else b""
        self.mesh.send(to.mesh.path, lane, encode(body, prefix), body)

    def look(self, timeout_s: float = 0.0) -> None:
        self.mesh.end_turn()
        self.mesh.before_wait()
        for fd, events in self.poller.wait(timeout_s):
            self.mesh.handle(fd, events)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.mesh.close()
            self.poller.close()


def until(condition: Callable[[], bool], *ends: End) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        for end in ends:
            end.look(0.001)


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    directory = tempfile.mkdtemp(prefix="g-", dir="/tmp")
    yield Place(directory) if request.param == "unix" else Place(host="127.0.0.1", token=TOKEN)
    assert list(Path(directory).iterdir()) == []
    shutil.rmtree(directory)


@pytest.fixture(params=[EpollPoller, SelectorPoller])
def new_end(place: Place, request: pytest.FixtureRequest) -> Iterator[Maker]:
    ends: list[End] = []

    def make() -> End:
        ends.append(End(place, request.param()))
        return ends[-1]

    yield make
    for end in ends:
        end.close()


def test_frames_arrive_once_and_in_order(new_end: Maker) -> None:
    a, b = new_end(), new_end()
    bodies = [b"%d" % number for number in range(2000)]
    for body in bodies:
        a.send(b, body)
    until(lambda: len(b.got) == 2000, a, b)
    assert [body for *_, body in b.got] == bodies
    assert a.done == [(body, True) for body in bodies]


def test_an_answer_travels_on_the_connection_of_the_question(new_end: Maker) -> None:
    a, b = new_end(), new_end()
    a.send(b, b"question")
    until(lambda: bool(b.got), a, b)
    b.send(a, b"answer")
    until(lambda: bool(a.got), a, b)
    assert [len(end.mesh.descriptors()) for end in (a, b)] == [2, 2]


def test_large_frames_arrive_whole_while_both_sides_write(new_end: Maker) -> None:
    a, b = new_end(), new_end()
    large = os.urandom(5_000_000)
    a.send(b, large)
    b.send(a, large)
    until(lambda: len(a.got) == len(b.got) == 1, a, b)
    assert a.got[0][3] == b.got[0][3] == large


def test_control_has_a_connection_of_its_own_and_tells_its_position(new_end: Maker) -> None:
    a, b = new_end(), new_end()
    a.send(b, b"work")
    a.send(b, b"stop", Lane.CONTROL)
    until(lambda: len(b.got) == 2, a, b)
    assert (a.mesh.path, Lane.CONTROL, 5, b"stop") in b.got


def test_control_is_read_while_bulk_is_not(new_end: Maker) -> None:
    a, b = new_end(), new_end()
    a.send(b, b"first")
    until(lambda: len(b.got) == 1, a, b)
    b.mesh.read_bulk(False)
    a.send(b, b"work")
    a.send(b, b"stop", Lane.CONTROL)
    until(lambda: len(b.got) == 2, a, b)
    assert b.got[1][3] == b"stop"
    b.mesh.read_bulk(True)
    until(lambda: len(b.got) == 3, a, b)


def test_a_frame_for_nobody_fails_and_a_lost_peer_is_told_after_its_last_words(new_end: Maker, place: Place) -> None:
    a, b, c = new_end(), new_end(), new_end()
    b.send(a, b"hello")
    until(lambda: bool(a.got), a, b)
    a.send(b, b"x" * 30_000_000)  # more than the kernel takes: part of it waits
    b.send(a, b"farewell")
    b.close()
    until(lambda: a.lost == [b.mesh.path], a, c)
    assert [body for *_, body in a.got] == [b"hello", b"farewell"]
    assert [sent for _, sent in a.done] == [False]
    a.send(b, b"to nobody")
    until(lambda: a.done[-1] == (b"to nobody", False), a)
    a.send(c, b"alive")
    until(lambda: bool(c.got), a, c)


def test_a_peer_whose_connection_broke_is_not_called_again_though_its_door_still_opens(new_end: Maker) -> None:
    """It used to be: a killed process's listener let in, and what was written there was lost without a word."""
    a, b = new_end(), new_end()
    a.send(b, b"hello")
    until(lambda: bool(b.got), a, b)
    for link in list(b.mesh._links.values()):
        b.mesh._drop(link)
    until(lambda: a.lost == [b.mesh.path], a)
    a.send(b, b"to the dying")
    assert a.done[-1] == (b"to the dying", False)


def test_who_knows_not_the_token_is_refused_unread(
    new_end: Maker, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    a = new_end()
    stranger = End(place, SelectorPoller(), token=bytes(32))
    with caplog.at_level(logging.WARNING, "grace.transport"):
        stranger.send(a, b"harm")
        until(lambda: stranger.lost == [a.mesh.path], a, stranger)
    assert a.got == []
    assert "was refused" in caplog.text
    stranger.close()


@pytest.mark.parametrize("noise", [b"\xff" * 64, b"\x00\x00\x00\x05G\x01\x00ab", b"\x00\x00", b""])
def test_noise_ends_its_own_connection_only(new_end: Maker, noise: bytes) -> None:
    a, b = new_end(), new_end()
    sock = sockets.connect(b.mesh.path)
    assert sock is not None
    until(lambda: len(b.mesh.descriptors()) == 2, b)
    if noise:
        sock.send(noise)
    sock.close()
    until(lambda: len(b.mesh.descriptors()) == 1, b)
    a.send(b, b"still here")
    until(lambda: bool(b.got), a, b)


def test_a_full_backlog_is_knocked_at_until_it_lets_in(new_end: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = new_end(), new_end()
    real, refusals = sockets.connect, iter([True, True, True])

    def busy(path: str) -> socket.socket | None:
        if next(refusals, False):
            raise sockets.Busy
        return real(path)

    monkeypatch.setattr(sockets, "connect", busy)
    for number in range(20):
        a.send(b, b"%d" % number)
    until(lambda: len(b.got) == 20, a, b)
    assert [body for *_, body in b.got] == [b"%d" % number for number in range(20)]


def test_a_peer_that_is_gone_before_its_backlog_lets_in_fails_all_frames(
    new_end: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = new_end(), new_end()
    answers = iter([sockets.Busy()])

    def gone(path: str) -> None:
        for error in answers:
            raise error

    monkeypatch.setattr(sockets, "connect", gone)
    a.send(b, b"1")
    a.send(b, b"2")
    until(lambda: a.done == [(b"1", False), (b"2", False)], a)


def test_a_number_of_a_descriptor_closed_without_a_word_is_watched_anew(new_end: Maker) -> None:
    a, b = new_end(), new_end()
    read_end, write_end = os.pipe()
    a.poller.watch(read_end, 1)
    os.close(read_end)
    a.send(b, b"question")  # its socket gets the number of the pipe
    assert read_end in a.mesh.descriptors()
    until(lambda: bool(b.got), a, b)
    b.send(a, b"answer")
    until(lambda: bool(a.got), a, b)
    os.close(write_end)


def test_many_small_frames_of_one_turn_leave_in_few_writes(new_end: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = new_end(), new_end()
    a.send(b, b"opens the connection")
    a.mesh.end_turn()
    writes = []
    real = Mesh._write
    monkeypatch.setattr(Mesh, "_write", lambda self, link: (writes.append(1), real(self, link))[1])
    for number in range(1000):
        a.send(b, b"%d" % number)
    a.mesh.end_turn()
    assert len(writes) < 20
    until(lambda: len(b.got) == 1001, a, b)


def test_the_first_frames_of_a_turn_leave_at_once(new_end: Maker) -> None:
    a, b = new_end(), new_end()
    a.send(b, b"opens")
    until(lambda: bool(b.got), a, b)
    a.send(b, b"now")
    deadline = time.monotonic() + 20
    while len(b.got) < 2:  # without a look or the end of a turn at a
        assert time.monotonic() < deadline
        b.look(0.001)


def test_the_uid_of_a_peer_is_read_from_what_the_kernel_of_a_mac_says() -> None:
    assert sockets.uid_of_xucred(struct.pack("=IIh", 0, 501, 1) + bytes(66)) == 501
