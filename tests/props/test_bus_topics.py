"""Topic patterns agree with their definition, and queues lose nothing they should keep."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.kernels.bus.message import BoundedQueue, Feed, Message, Priority
from grace_actors.kernels.bus.topics import matches

levels = st.sampled_from(["a", "b", "cc"])
topics = st.lists(levels, min_size=1, max_size=5).map(".".join)
patterns = st.lists(st.one_of(levels, st.sampled_from(["*", "#"])), min_size=1, max_size=5).map(".".join)


def by_definition(pattern: list[str], topic: list[str]) -> bool:
    if not pattern:
        return not topic
    head, rest = pattern[0], pattern[1:]
    if head == "#":
        return any(by_definition(rest, topic[at:]) for at in range(len(topic) + 1))
    return bool(topic) and head in ("*", topic[0]) and by_definition(rest, topic[1:])


@given(patterns, topics)
def test_a_pattern_matches_what_its_definition_says(pattern: str, topic: str) -> None:
    assert matches(pattern, topic) == by_definition(pattern.split("."), topic.split("."))


@given(topics)
def test_a_topic_matches_itself(topic: str) -> None:
    assert matches(topic, topic)
    assert matches("#", topic)


@given(st.lists(st.tuples(st.sampled_from(Priority), st.booleans()), max_size=60), st.integers(1, 8))
def test_a_bounded_queue_keeps_the_highest_priorities_in_order(
    steps: list[tuple[Priority, bool]], capacity: int
) -> None:
    queue, model = BoundedQueue(capacity), list[Message]()
    for number, (priority, pop) in enumerate(steps):
        message = Message(id=str(number), topic="a", payload=None, priority=priority)
        dropped = queue.push(message)
        model.append(message)
        if len(model) > capacity:
            lowest = min(one.priority for one in model)
            victim = next(one for one in model if one.priority == lowest)
            model.remove(victim)
            assert dropped == victim
        else:
            assert dropped is None
        if pop:
            got = queue.pop()
            highest = max(one.priority for one in model)
            expected = next(one for one in model if one.priority == highest)
            model.remove(expected)
            assert got == expected
        assert len(queue) == len(model)


@given(st.integers(0, 700), st.lists(st.sampled_from(["publish", "pop", "back"]), max_size=80), st.data())
def test_a_feed_hands_out_every_matching_message_once_and_in_order(
    stored: int, steps: list[str], data: st.DataObject
) -> None:
    log = [_message(seq) for seq in range(1, stored + 1)]
    feed = Feed("keep", 0, lambda after, limit: log[after : after + limit], caught_up=not stored)
    taken: list[Message] = []
    for step in steps:
        if step == "publish":
            for _ in range(data.draw(st.integers(1, 300))):
                log.append(_message(len(log) + 1))
                feed.offer(log[-1])
        elif step == "pop" and (message := feed.pop()) is not None:
            taken.append(message)
        elif step == "back" and taken:
            feed.put_back([taken.pop()])
    while (message := feed.pop()) is not None:
        taken.append(message)
    assert [m.seq for m in taken] == [m.seq for m in log if m.topic == "keep"]
    assert feed.cursor == len(log)


def _message(seq: int) -> Message:
    return Message(id=str(seq), topic="keep" if seq % 3 else "other", payload=None, seq=seq)
