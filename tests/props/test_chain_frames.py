"""The chain of the log: what is valid stays valid, what is touched is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.stores.chain.frames import GENESIS, frame, walk

records = st.lists(st.binary(max_size=60), min_size=1, max_size=12)


def chain(items: list[bytes]) -> tuple[bytes, list[bytes]]:
    last, parts = GENESIS, []
    for item in items:
        part, last = frame(last, item)
        parts.append(part)
    return b"".join(parts), parts


@given(records)
def test_a_walk_finds_exactly_what_was_written(items: list[bytes]) -> None:
    data, _ = chain(items)
    found = walk(data, 0, GENESIS)
    assert [data[begin:stop] for begin, stop in found.spans] == items
    assert (found.problem, found.end) == ("", len(data))


@given(records, st.data())
def test_a_cut_anywhere_keeps_the_whole_records_before_it_and_is_torn(items: list[bytes], data: st.DataObject) -> None:
    whole, parts = chain(items)
    cut = data.draw(st.integers(0, len(whole) - 1))
    found = walk(whole[:cut], 0, GENESIS)
    ends = [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    assert len(found.spans) == sum(end <= cut for end in ends)
    assert found.torn == (cut not in (0, *ends))


@given(records, st.data())
def test_a_changed_byte_ends_the_valid_part_at_its_record(items: list[bytes], data: st.DataObject) -> None:
    whole, parts = chain(items)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    index = next(n for n in range(len(parts)) if sum(map(len, parts[: n + 1])) > at)
    found = walk(changed, 0, GENESIS)
    assert len(found.spans) == index
    assert found.problem


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=3, max_size=12), st.data())
def test_a_changed_record_with_whole_ones_behind_it_is_not_taken_for_a_torn_tail(
    items: list[bytes], data: st.DataObject
) -> None:
    whole, parts = chain(items)
    index = data.draw(st.integers(0, len(parts) - 3))
    at = sum(map(len, parts[:index])) + data.draw(st.integers(0, len(parts[index]) - 1))
    changed = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
    assert not walk(changed, 0, GENESIS).torn


@given(records, st.integers(1, 5))
def test_a_walk_in_slices_finds_the_same_as_one_walk(items: list[bytes], most: int) -> None:
    data, _ = chain(items)
    spans, at, last = [], 0, GENESIS
    while at < len(data):
        part = walk(data, at, last, most=most)
        assert len(part.spans) <= most
        spans += part.spans
        at, last = part.end, part.last
    assert spans == walk(data, 0, GENESIS).spans
