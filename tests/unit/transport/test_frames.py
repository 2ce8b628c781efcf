"""Frames on a byte stream: whole or not at all, for any cutting of the stream."""

from __future__ import annotations

import pytest

from grace_actors.transport import frames
from grace_actors.transport.frames import Lane

TOKEN = bytes(range(frames.TOKEN_BYTES))


def body_of(frame: bytes) -> bytes:
    return frame[frames.HEADER.size :]


def test_an_oversized_message_fails_in_the_sender_and_says_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", 10)
    with pytest.raises(frames.FrameTooLarge, match="11 bytes is over the limit of 10"):
        frames.encode(b"x" * 11)


def test_a_large_payload_is_not_copied() -> None:
    payload = bytes(100_000)
    assert frames.encode(payload)[-1] is payload


def test_a_header_out_of_bounds_is_refused_before_anything_is_allocated() -> None:
    reader = frames.FrameReader()
    reader.expect_no_greeting()
    with pytest.raises(frames.FrameTooLarge):
        reader.feed(frames.HEADER.pack(frames.MAX_FRAME_BYTES + 1))


def test_who_has_not_greeted_cannot_announce_a_large_frame() -> None:
    with pytest.raises(frames.FrameTooLarge):
        frames.FrameReader().feed(frames.HEADER.pack(5000))


def test_a_large_frame_in_the_same_read_as_the_greeting_is_let_in() -> None:
    greeting = frames.greeting(Lane.BULK, TOKEN, "/s/1.1")
    large = b"".join(frames.encode(b"x" * 5000))
    assert frames.FrameReader().feed(greeting + large) == [body_of(greeting), b"x" * 5000]


def test_a_greeting_tells_lane_and_address() -> None:
    frame = frames.greeting(Lane.CONTROL, TOKEN, "/home/s/42.1")
    assert frames.read_greeting(body_of(frame), TOKEN) == (Lane.CONTROL, "/home/s/42.1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"G",
        b"X\x01" + body_of(frames.greeting(Lane.BULK, TOKEN, "/a"))[2:],
        body_of(frames.greeting(Lane.BULK, bytes(32), "/a")),
        b"G\x01\x07" + TOKEN + b"/a",
        b"G\x01\x00" + TOKEN + b"\xff\xfe",
    ],
    ids=["nothing", "cut", "other magic", "other token", "other lane", "no text"],
)
def test_a_greeting_that_is_not_ours_is_refused(body: bytes) -> None:
    with pytest.raises(frames.NotOurs):
        frames.read_greeting(body, TOKEN)
