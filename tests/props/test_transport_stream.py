"""The decoder: any cutting of a stream gives the frames that went in; any noise gives frames or one error."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from grace_actors.transport import frames
from grace_actors.transport.frames import FrameReader, FrameTooLarge, Lane, NotOurs
from tests.harness.examples import examples

TOKEN = bytes(frames.TOKEN_BYTES)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    cuts = sorted(cut % (len(stream) + 1) for cut in cuts)
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(st.lists(st.binary(max_size=300), max_size=12), st.lists(st.integers(0, 10_000), max_size=20))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    reader, out = FrameReader(), []
    for piece in pieces(b"".join(b"".join(frames.encode(body)) for body in bodies), cuts):
        out += reader.feed(piece)
    assert out == bodies
    assert reader.pending_bytes == 0


@given(st.lists(st.binary(max_size=3000), max_size=20))
@settings(max_examples=examples(400))
def test_any_noise_gives_whole_frames_or_an_error_and_holds_no_more_than_was_received(noise: list[bytes]) -> None:
    reader, received, given_out = FrameReader(), 0, 0
    for piece in noise:
        received += len(piece)
        try:
            given_out += sum(len(body) + 4 for body in reader.feed(piece))
        except FrameTooLarge:
            return
        assert given_out + reader.pending_bytes == received


@given(st.integers(0, frames.MAX_FRAME_BYTES), st.binary(max_size=100))
@settings(max_examples=examples(30))
def test_an_announced_length_allocates_nothing(length: int, begun: bytes) -> None:
    reader = FrameReader()
    reader.expect_no_greeting()
    tracemalloc.start()
    try:
        reader.feed(frames.HEADER.pack(length) + begun[:length])
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200))
@settings(max_examples=examples(400))
def test_any_bytes_are_a_greeting_of_ours_or_refused(body: bytes) -> None:
    try:
        lane, path = frames.read_greeting(body, TOKEN)
    except NotOurs:
        return
    assert frames.greeting(lane, TOKEN, path)[frames.HEADER.size :] == body


@given(st.sampled_from(Lane), st.binary(min_size=32, max_size=32), st.text(st.characters(codec="utf-8"), max_size=90))
def test_a_greeting_says_what_was_put_in(lane: Lane, token: bytes, path: str) -> None:
    assert frames.read_greeting(frames.greeting(lane, token, path)[frames.HEADER.size :], token) == (lane, path)
