"""A link over a socket that takes and gives what it likes, and breaks when it likes.

Frames come out as they were put in, in order, whole or not at all; each is reported exactly once; and what was
reported as sent has reached the wire whole.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from grace_actors.transport.frames import encode
from grace_actors.transport.link import Link
from tests.harness.examples import examples


class Wire:
    """One direction of a fake connection: a pipe of bytes with as much room as the test gives it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.room = 0
        self.is_reset = self.is_ended = False


class FakeSocket:
    """The end of a connection: writes to one wire, reads from another."""

    def __init__(self, out: Wire, into: Wire) -> None:
        self._out, self._into = out, into
        self.most = 1 << 30

    def fileno(self) -> int:
        return 7

    def send(self, buffer: Any, flags: int = 0) -> int:
        return self.sendmsg([buffer], (), flags)

    def sendmsg(self, buffers: list[Any], ancillary: Any, flags: int) -> int:
        if self._out.is_reset:
            raise BrokenPipeError
        if not self._out.room:
            raise BlockingIOError
        taken = b"".join(bytes(buffer) for buffer in buffers)[: self._out.room]
        self._out.data += taken
        self._out.room -= len(taken)
        return len(taken)

    def recv(self, size: int) -> bytes:
        taken = bytes(self._into.data[: min(size, self.most)])
        del self._into.data[: len(taken)]
        if taken or self._into.is_ended:
            return taken
        if self._into.is_reset:
            raise ConnectionResetError
        raise BlockingIOError

    def close(self) -> None:
        self._out.is_ended = True


class LinkMachine(RuleBasedStateMachine):
    """Two links, A and B, joined by two wires."""

    def __init__(self) -> None:
        super().__init__()
        self.wire, back = Wire(), Wire()
        self.read_end = FakeSocket(back, self.wire)
        self.a: Any = Link(FakeSocket(self.wire, back))  # type: ignore[arg-type]
        self.b: Any = Link(self.read_end)  # type: ignore[arg-type]
        self.b.reader.expect_no_greeting()
        self.put: list[bytes] = []
        self.sent: list[int] = []
        self.unsent: list[int] = []
        self.got: list[bytes] = []
        self.is_over = False

    @rule(body=st.one_of(st.binary(max_size=40), st.integers(0, 60_000).map(bytes)), now=st.booleans())
    def put_one(self, body: bytes, now: bool) -> None:
        if self.a.sock is None:
            return
        self.a.out.put(encode(body), len(self.put))
        self.put.append(body)
        if now:
            self.write()

    @rule(room=st.one_of(st.integers(0, 50), st.integers(0, 200_000)))
    def write_some(self, room: int) -> None:
        self.wire.room += room
        self.write()

    def write(self) -> None:
        if self.a.sock is None:
            return
        receipts, reads = self.a.write()
        self.sent += receipts
        if not reads:
            self.unsent += self.a.close()

    @rule(most=st.one_of(st.integers(1, 7), st.integers(1, 100_000)))
    def read_some(self, most: int) -> None:
        self.read_end.most = most
        self.read()

    def read(self) -> bool:
        if self.is_over:
            return False
        before = len(self.wire.data)
        try:
            bodies = self.b.read()
        except ConnectionResetError:
            bodies = None
        if bodies is None:
            self.is_over = True
            return False
        self.got += bodies
        return len(self.wire.data) < before

    @rule()
    @precondition(lambda self: not self.wire.is_reset)
    def reset(self) -> None:
        self.wire.is_reset = True

    @rule()
    def sender_dies(self) -> None:
        self.unsent += self.a.close()

    @invariant()
    def what_came_out_is_a_beginning_of_what_went_in(self) -> None:
        assert self.got == self.put[: len(self.got)]

    @invariant()
    def every_frame_is_reported_once_and_in_order(self) -> None:
        reported = self.sent + self.unsent
        assert reported == sorted(set(reported))

    @invariant()
    def the_count_of_waiting_bytes_is_true(self) -> None:
        assert self.a.out.bytes == sum(len(buffer) for buffer, _ in self.a.out._queue)

    def teardown(self) -> None:
        self.unsent += self.a.close()
        assert self.sent + self.unsent == list(range(len(self.put)))
        self.read_end.most = 1 << 30
        while self.read():
            pass
        assert len(self.got) == len(self.sent), "what was reported as sent arrives, and nothing else does"


TestLinkMachine = LinkMachine.TestCase
TestLinkMachine.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
