"""Frames on a byte stream: whole or not at all, for any cutting of the stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.transport import frames


@given(st.lists(st.binary(max_size=300), max_size=12), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frames.encode(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = frames.FrameReader()
    out: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += reader.feed(stream[start:end])
    assert out == payloads
    assert reader.pending_bytes == 0


@given(st.binary(max_size=2000))
def test_any_input_gives_frames_or_an_error_and_holds_no_more_than_was_received(noise: bytes) -> None:
    reader = frames.FrameReader()
    try:
        out = reader.feed(noise)
    except frames.FrameTooLarge:
        return
    assert sum(len(frame) + 4 for frame in out) + reader.pending_bytes == len(noise)


def test_an_oversized_message_fails_in_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", 10)
    with pytest.raises(frames.FrameTooLarge, match="11 bytes is over the limit"):
        frames.encode(b"x" * 11)


def test_a_header_out_of_bounds_is_refused_before_anything_is_allocated() -> None:
    reader = frames.FrameReader()
    with pytest.raises(frames.FrameTooLarge):
        reader.feed(frames.HEADER.pack(frames.MAX_FRAME_BYTES + 1))
