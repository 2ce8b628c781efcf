"""The loop of an endpoint, with two or three of them in one process."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from thespian.actors import ActorExitRequest, WakeupMessage, WatchMessage
from thespian.system.transport import ReceiveEnvelope, SendStatus, TransmitIntent, TransmitOnly

from grace_actors.transport.sockets import Place
from grace_actors.transport.transport import GraceTransport, _Clone

Maker = Callable[[], GraceTransport]
A_MOMENT = timedelta(milliseconds=5)


@pytest.fixture
def new_endpoint() -> Iterator[Maker]:
    directory = tempfile.mkdtemp(prefix="g-", dir="/tmp")
    made: list[GraceTransport] = []

    def make() -> GraceTransport:
        made.append(GraceTransport(_Clone(), Place(directory), None))
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.close()
    assert os.listdir(directory) == []  # noqa: PTH208
    shutil.rmtree(directory)


def send(a: GraceTransport, b: GraceTransport, message: Any) -> TransmitIntent:
    intent = TransmitIntent(b.myAddress, message)
    a.scheduleTransmit(None, intent)
    return intent


def receive(b: GraceTransport, count: int, *senders: GraceTransport) -> list[Any]:
    """So many messages, while the senders write what waits with them."""
    got: list[Any] = []
    deadline = time.monotonic() + 20
    while len(got) < count:
        assert time.monotonic() < deadline, f"{len(got)} of {count} came"
        for sender in senders:
            sender.run(TransmitOnly, A_MOMENT)
        envelope = b.run(None, A_MOMENT)
        if isinstance(envelope, ReceiveEnvelope):
            got.append(envelope.message)
    return got


def test_an_inbox_that_was_full_and_is_emptied_is_read_again(new_endpoint: Maker) -> None:
    """It used to be: a message of a mebibyte stopped the reading, and nothing began it again."""
    a, b = new_endpoint(), new_endpoint()
    large = bytes(1 << 20)
    for _ in range(4):
        send(a, b, large)
        assert receive(b, 1, a) == [large]


def test_alarms_come_while_messages_come_in_without_a_pause(new_endpoint: Maker) -> None:
    """It used to be: as long as there was something to read, no alarm was delivered."""
    a, b = new_endpoint(), new_endpoint()
    seen: list[str] = []
    b.run(None, timedelta(0))
    b.set_alarm(0.05)

    def handler(envelope: Any) -> bool:
        if isinstance(envelope.message, WakeupMessage):
            seen.append("alarm")
            return False
        send(a, b, "more")  # there is always something to read
        return True

    send(a, b, "first")
    b.run(handler, timedelta(seconds=20))
    assert seen == ["alarm"]


def test_an_alarm_that_is_due_does_not_keep_what_waits_from_being_sent(new_endpoint: Maker) -> None:
    """It used to be: who ended with an alarm due and something unsent ran idle for 7 s, and sent nothing."""
    a, b = new_endpoint(), new_endpoint()
    large = bytes(4 << 20)
    a.set_alarm(0.0)
    send(a, b, large)
    got: list[Any] = []
    reader = threading.Thread(target=lambda: got.extend(receive(b, 1)))
    reader.start()
    unsent = a.run(TransmitOnly, timedelta(seconds=10))
    reader.join()
    assert (unsent, got) == (0, [large])
    envelope = a.run(None, timedelta(seconds=5))
    assert isinstance(envelope.message, WakeupMessage)  # the alarm is still delivered


def test_what_is_reported_while_sending_may_send_again(new_endpoint: Maker) -> None:
    """It used to be: a thread that told of a dead receiver waited for itself."""
    a, b, gone = new_endpoint(), new_endpoint(), new_endpoint()
    gone.close()
    intent = TransmitIntent(gone.myAddress, "hello", onError=lambda *_: send(a, b, "dead letter"))
    a.scheduleTransmit(None, intent)
    assert intent.result is SendStatus.DeadTarget
    assert receive(b, 1, a) == ["dead letter"]


def test_a_message_to_oneself_keeps_its_place(new_endpoint: Maker) -> None:
    a = new_endpoint()
    exit_request = ActorExitRequest()
    for message in ("one", "two", exit_request):
        send(a, a, message)
    assert receive(a, 3) == ["one", "two", exit_request]


def test_another_thread_may_send_while_one_runs(new_endpoint: Maker) -> None:
    """It used to be: what was collected for a thread left only when a handler returned, which may be never."""
    a, b = new_endpoint(), new_endpoint()
    runner = threading.Thread(target=lambda: a.run(lambda envelope: envelope.message != "stop", timedelta(seconds=20)))
    runner.start()
    for number in range(3000):
        send(a, b, number)
    assert receive(b, 3000) == list(range(3000))
    send(b, a, "stop")
    b.run(TransmitOnly, timedelta(seconds=20))
    runner.join(20)
    assert not runner.is_alive()


def test_another_thread_that_floods_is_slowed_too(new_endpoint: Maker) -> None:
    """It used to be: what threads sent was queued for the receiver without a bound."""
    a, b = new_endpoint(), new_endpoint()
    runner = threading.Thread(target=lambda: a.run(lambda envelope: envelope.message != "stop", timedelta(seconds=60)))
    runner.start()
    flooder = threading.Thread(target=lambda: [send(a, b, (number, "x" * 1000)) for number in range(5000)])
    flooder.start()
    flooder.join(1.0)
    assert flooder.is_alive(), "it waits for a receiver that reads nothing"
    assert a._mesh.waiting_for(b._mesh.path) < 500_000, "of 5 MB, a tenth lies with the sender"
    assert [number for number, _ in receive(b, 5000)] == list(range(5000))
    flooder.join(20)
    send(b, a, "stop")
    b.run(TransmitOnly, timedelta(seconds=20))
    runner.join(20)
    assert not runner.is_alive()


def test_a_descriptor_that_cannot_be_watched_does_not_end_the_run(new_endpoint: Maker) -> None:
    """It used to be: the actor ended."""
    a = new_endpoint()
    read_end, write_end = os.pipe()
    closed = os.dup(read_end)
    os.close(closed)
    a.set_watch([closed, read_end])
    os.write(write_end, b"x")
    envelope = a.run(None, timedelta(seconds=20))
    assert isinstance(envelope.message, WatchMessage)
    assert envelope.message.ready == [read_end]
    a.forget_watch(read_end)
    os.close(read_end)
    os.close(write_end)


def test_a_notice_about_a_descriptor_that_is_no_longer_watched_is_taken_back(new_endpoint: Maker) -> None:
    a = new_endpoint()
    ends = [os.pipe() for _ in range(2)]
    fds = [read_end for read_end, _ in ends]
    a.set_watch(fds)
    for _, write_end in ends:
        os.write(write_end, b"x")
    first = a.run(None, timedelta(seconds=20)).message.ready
    (other,) = set(fds) - set(first)
    a.forget_watch(other)
    a.set_watch(first)
    assert a.run(None, timedelta(seconds=20)).message.ready == first
    for pair in ends:
        for fd in pair:
            os.close(fd)


def test_a_message_that_cannot_be_read_is_dropped_and_told_and_the_next_one_comes(
    new_endpoint: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = new_endpoint(), new_endpoint()
    send(a, b, Unreadable())
    send(a, b, "next")
    assert receive(b, 1, a) == ["next"]
    assert "could not be read and was dropped" in caplog.text


class Unreadable:
    """Its pickle raises when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (int, ("no number",))


def test_who_waits_for_room_may_answer_what_is_urgent(new_endpoint: Maker) -> None:
    a, b, parent = new_endpoint(), new_endpoint(), new_endpoint()
    answered: list[Any] = []
    begun = threading.Event()

    def urgent(envelope: Any) -> bool:
        answered.append(envelope.message)
        return True

    def handler(envelope: Any) -> bool:
        if envelope.message == "stop":
            return False
        begun.set()
        for number in range(30_000):  # far more than waits anywhere: the send waits
            send(a, b, (number, "x" * 100))
        return True

    a.urgent = urgent
    send(a, a, "flood")
    flooder = threading.Thread(target=lambda: a.run(handler, timedelta(seconds=60)))
    flooder.start()
    assert begun.wait(20)
    send(parent, a, ActorExitRequest())
    deadline = time.monotonic() + 20
    while not answered:
        assert time.monotonic() < deadline
        parent.run(TransmitOnly, A_MOMENT)
    assert isinstance(answered[0], ActorExitRequest)
    got = receive(b, 30_000)
    assert [number for number, _ in got] == list(range(30_000))
    send(parent, a, "stop")
    parent.run(TransmitOnly, timedelta(seconds=20))
    flooder.join(20)
    assert not flooder.is_alive()
