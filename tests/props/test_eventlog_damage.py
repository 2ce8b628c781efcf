"""Whatever is done to the files of the event log: the numbers stay gapless, and what is intact is read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from grace_actors.status.eventlog import EventLog, Limits
from grace_actors.status.records import decode_segment, encode
from tests.harness.examples import examples

AT = "2023-11-14T22:13:20.000Z"
texts = st.text(max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(type=texts, subject=texts, data=st.dictionaries(texts, plain, max_size=5), emitter=texts)
def test_an_event_is_read_back_as_it_was_given(type: str, subject: str, data: dict[str, object], emitter: str) -> None:
    record = encode(1, AT, type, subject, data, emitter=emitter, n=3)
    segment = decode_segment(1, record.line)
    assert segment.records == [record]
    assert segment.emitters == ({emitter: 3} if emitter else {})
    event = {"seq": 1, "at": AT, "type": type, "subject": subject, "data": json.loads(json.dumps(data))}
    assert record.event() == event


@given(content=st.binary(max_size=400))
def test_any_bytes_can_be_opened_as_a_segment(content: bytes) -> None:
    segment = decode_segment(5, content)
    assert segment.next_seq >= 5
    assert segment.torn_bytes == len(content) - (content.rfind(b"\n") + 1)


@settings(max_examples=examples(60))
@given(cut=st.integers(0, 2_000), extra=st.binary(max_size=20).filter(lambda b: b"\n" not in b))
def test_a_write_cut_anywhere_costs_only_what_was_not_whole(cut: int, extra: bytes) -> None:
    with tempfile.TemporaryDirectory() as home:
        log = _filled(home, 12)
        path = _newest(home)
        content = path.read_bytes()
        path.write_bytes(content[: min(cut, len(content))] + extra)
        kept = decode_segment(1, content[:cut]).next_seq - 1
        again = _opened(home)
        assert again.last == kept
        again.append(AT, "test.happened", "me", {"n": "new"})
        assert again.flush()
        assert [r.seq for r in _opened(home).after(0)] == list(range(1, kept + 2))
        log.close()


@settings(max_examples=examples(100))
@given(data=st.data())
def test_a_flipped_byte_loses_at_most_the_two_lines_it_touches(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as home:
        _filled(home, 12).close()
        path = _newest(home)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        records = list(_opened(home).after(0))
        intact = {r.seq: r.event()["data"] for r in records if r.type == "test.happened"}
        assert all(event == {"n": seq} for seq, event in intact.items())
        assert len(intact) >= 10
        expected = 1
        for record in records:
            assert record.first == expected
            expected = record.seq + 1


@settings(max_examples=examples(60))
@given(
    batches=st.lists(st.lists(st.integers(1, 30), max_size=8), max_size=12),
    reopen_after=st.sets(st.integers(0, 12)),
)
def test_each_number_of_an_emitter_is_kept_once_however_often_it_is_sent(
    batches: list[list[int]], reopen_after: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as home:
        log = _opened(home)
        highest = kept = 0
        for index, batch in enumerate(batches):
            for n in batch:
                is_new = log.append(AT, "test.happened", "me", {}, "k.1", n) is not None
                assert is_new == (n > highest)
                highest, kept = max(n, highest), kept + is_new
            log.flush()
            assert log.seen("k.1") == highest
            if index in reopen_after:
                log = _opened(home)
        assert [r.seq for r in log.after(0)] == list(range(1, kept + 1))


def _opened(home: str) -> EventLog:
    return EventLog(Path(home), lambda: 0.0, Limits(segment_bytes=100_000, memory_events=4))


def _filled(home: str, count: int) -> EventLog:
    log = _opened(home)
    for n in range(1, count + 1):
        log.append(AT, "test.happened", "me", {"n": n})
    log.flush()
    return log


def _newest(home: str) -> Path:
    return max(Path(home).glob("*.jsonl"))
