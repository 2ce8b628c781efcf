"""The message bus kernel: routing, access, priorities, bounded queues, durable topics."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.errors import Refused, StoreFailed
from grace_actors.kernel import Answer
from tests.harness.kernels import Bench
from tests.unit.kernels_core.bus import NAME, answer_waiting, listener, publish, restart, start


def test_a_message_reaches_every_subscriber_whose_pattern_matches(bench: Bench) -> None:
    start(bench)
    one, two, other = (listener(bench, *p) for p in (("one", "error.*"), ("two", "#"), ("other", "task.*")))
    answer = publish(bench, "error.raised", {"n": 1})
    assert answer.value["subscribers"] == 2
    assert one.payloads() == two.payloads() == [{"n": 1}]
    assert other.payloads() == []


def test_a_message_carries_id_source_time_and_correlation(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "a.b")
    publish(bench, "a.b", 1, sender="pub", correlation_id="c7", metadata={"k": "v"}, priority="high", id="x")
    got = one.got[0]
    assert (got["id"], got["source"], got["correlation_id"], got["metadata"]) == ("pub:x", "pub", "c7", {"k": "v"})
    assert (got["priority"], got["topic"], got["redelivered"]) == ("high", "a.b", False)
    assert got["timestamp"] == pytest.approx(1_700_000_000.0 + bench.clock, abs=1.0)


def test_overlapping_patterns_of_one_subscriber_bring_a_message_once(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "error.*")
    bench.ask(NAME, "subscribe", sender="one", topic="error.#")
    publish(bench, "error.raised", 1)
    assert one.payloads() == [1]


def test_nothing_comes_after_unsubscribing(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "a.*")
    assert bench.ask(NAME, "unsubscribe", sender="one", topic="a.*")["found"]
    publish(bench, "a.b", 1)
    assert one.payloads() == []
    assert not bench.ask(NAME, "unsubscribe", sender="one", topic="a.*")["found"]


@pytest.mark.parametrize("topic", ["", "a..b", "a.*", "#", "a b", "ä", "x" * 300, 7])
def test_a_malformed_topic_is_refused(bench: Bench, topic: Any) -> None:
    start(bench)
    assert not publish(bench, topic, 1).ok


def test_a_payload_that_is_not_plain_or_too_large_is_refused(bench: Bench) -> None:
    start(bench)
    assert publish(bench, "a.b", {"x": object()}).error["code"] == "refused"
    assert publish(bench, "a.b", "x" * 2_000_000).error["code"] == "refused"
    assert publish(bench, "a.b", 1, priority="urgent").error["code"] == "refused"
    assert publish(bench, "a.b", 1, priority=4).ok


def test_higher_priorities_overtake_what_waits(bench: Bench) -> None:
    start(bench, window=1)
    slow = listener(bench, "slow", "a.*")
    slow.silent = True
    publish(bench, "a.b", "first")
    for priority in ("low", "normal", "high", "critical", "normal"):
        publish(bench, "a.b", priority, priority=priority)
    slow.silent = False
    answer_waiting(bench)
    assert slow.payloads() == ["first", "critical", "high", "normal", "normal", "low"]


def test_a_full_queue_drops_the_oldest_of_the_lowest_priority_and_counts_it(bench: Bench) -> None:
    bus = start(bench, window=1)
    slow = listener(bench, "slow", "a.*", queue_size=3)
    slow.silent = True
    publish(bench, "a.b", "on its way")
    for payload, priority in (("l1", "low"), ("l2", "low"), ("h1", "high"), ("h2", "high"), ("n1", "normal")):
        publish(bench, "a.b", payload, priority=priority)
    slow.silent = False
    answer_waiting(bench)
    assert slow.payloads() == ["on its way", "h1", "h2", "n1"]
    assert bus.metrics()["dropped_count"] == 2
    dead = bench.ask(NAME, "dead_letters")
    assert [letter["payload"] for letter in dead["dead_letters"]] == ["l2", "l1"]
    assert bench.types().count("message_bus.message_dropped") == 1


def test_messages_wait_for_a_subscriber_that_is_restarting_and_keep_their_order(bench: Bench) -> None:
    start(bench)
    listener(bench, "one", "a.*")
    bench.crash("one")
    for n in range(20):
        publish(bench, "a.b", n)
    bench.advance(1.0)
    again = listener(bench, "one")
    bench.advance(30.0)
    assert again.payloads() == list(range(20))


def test_a_message_nobody_takes_becomes_a_dead_letter_after_five_attempts(bench: Bench) -> None:
    start(bench)
    listener(bench, "one", "a.*")
    bench.crash("one")
    publish(bench, "a.b", "lost")
    bench.advance(120.0)
    dead = bench.ask(NAME, "dead_letters")["dead_letters"]
    assert [(letter["payload"], letter["subscriber"]) for letter in dead] == [("lost", "one")]
    assert "message_bus.message_died" in bench.types()


def test_a_message_its_subscriber_refuses_does_not_block_those_behind(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "a.*")
    one.failing = [Refused("not this one")]
    publish(bench, "a.b", "poison")
    publish(bench, "a.b", "good")
    assert one.payloads() == ["good"]
    assert bench.ask(NAME, "dead_letters")["count"] == 1


def test_a_failed_delivery_is_repeated_with_the_same_id_and_marked(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "a.*")
    one.failing = [StoreFailed("disk full"), StoreFailed("disk full")]
    sent = publish(bench, "a.b", "important")
    bench.advance(5.0)
    assert [(m["id"], m["attempt"], m["redelivered"]) for m in one.got] == [(sent.value["id"], 3, True)]


def test_subscriptions_survive_a_crash_of_the_bus(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "a.*")
    restart(bench)
    publish(bench, "a.b", 1)
    assert one.payloads() == [1]


def test_drain_answers_when_nothing_waits(bench: Bench) -> None:
    start(bench)
    slow = listener(bench, "slow", "a.*")
    slow.silent = True
    publish(bench, "a.b", 1)
    answers: list[Answer] = []
    bench.post("test", NAME, "drain", {"timeout_s": 2.0}, answers.append)
    bench.advance(1.0)
    assert answers == []
    slow.silent = False
    answer_waiting(bench, but=answers.append)
    bench.advance(0.1)
    assert answers[0].value == {"drained": True, "waiting": 0}


def test_the_self_test_leaves_no_trace(bench: Bench) -> None:
    bus = start(bench)
    before = (bus.metrics(), bench.ask(NAME, "stats"))
    assert [check.name for check in bus.ready()] == ["queue_operational", "acl_loaded", "store_message_bus"]
    assert all(check.ok for check in bus.ready())
    assert (bus.metrics(), bench.ask(NAME, "stats")) == before


def test_an_orderly_stop_stores_what_was_published(bench: Bench) -> None:
    bus = start(bench)
    listener(bench, "one", "keep.*", durable=True)
    bench.crash("one")
    answers: list[Answer] = []
    bench.post("test", NAME, "publish", {"topic": "keep.x", "payload": "last"}, answers.append)
    bus.stop("shutdown")
    assert answers[0].ok
    again = listener(bench, "one")
    restart(bench)
    bench.advance(10.0)
    assert again.payloads() == ["last"]
