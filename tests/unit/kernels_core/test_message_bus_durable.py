"""Durable topics: on the disk before they are acknowledged, delivered in order until they are done with."""

from __future__ import annotations

from grace_actors.errors import Refused
from grace_actors.kernel import Answer
from tests.harness.kernels import Bench
from tests.unit.kernels_core.bus import NAME, listener, publish, restart, start


def test_a_durable_publish_is_answered_only_when_it_is_stored(bench: Bench) -> None:
    bus = start(bench)
    answers: list[Answer] = []
    for n in range(10):
        bench.post("test", NAME, "publish", {"topic": "keep.x", "payload": n}, answers.append)
    assert answers == []
    assert bus.store.count() == 0
    bench.advance(0.01)
    assert [a.value["seq"] for a in answers] == list(range(1, 11))
    assert bus.store.count() == 10


def test_durable_messages_wait_for_an_absent_subscriber_and_come_in_order(bench: Bench) -> None:
    start(bench)
    listener(bench, "one", "keep.*", durable=True)
    bench.crash("one")
    for n in range(50):
        assert publish(bench, "keep.x", n).ok
    bench.advance(300.0)
    again = listener(bench, "one")
    bench.advance(30.0)
    assert again.payloads() == list(range(50))


def test_durable_messages_survive_a_crash_of_the_bus(bench: Bench) -> None:
    start(bench)
    listener(bench, "one", "keep.*", durable=True)
    bench.crash("one")
    for n in range(600):
        publish(bench, "keep.x", n)
    bench.crash(NAME)
    again = listener(bench, "one")
    start(bench)
    bench.advance(30.0)
    assert again.payloads() == list(range(600))


def test_what_was_acknowledged_before_a_crash_does_not_come_again(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "keep.*", durable=True)
    for n in range(5):
        publish(bench, "keep.x", n)
    bench.advance(1.0)
    restart(bench)
    publish(bench, "keep.x", 5)
    bench.advance(1.0)
    assert one.payloads() == list(range(6))


def test_an_acknowledgement_not_yet_stored_only_means_that_the_message_comes_again(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "keep.*", durable=True)
    answers: list[Answer] = []
    bench.post("test", NAME, "publish", {"topic": "keep.x", "payload": 1}, answers.append)
    bench.advance(0.005)
    assert one.payloads() == [1]
    restart(bench)
    assert [m["id"] for m in one.got] == [answers[0].value["id"]] * 2


def test_a_subscriber_that_dies_holding_a_durable_message_gets_it_again(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "keep.*", durable=True)
    one.silent = True
    for n in range(3):
        publish(bench, "keep.x", n)
    assert one.payloads() == [0]
    bench.crash("one")
    again = listener(bench, "one")
    bench.advance(30.0)
    assert again.payloads() == [0, 1, 2]


def test_a_repeated_publish_with_the_same_id_is_stored_and_delivered_once(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "keep.*", durable=True)
    first = publish(bench, "keep.x", 1, sender="pub", id="42")
    again = publish(bench, "keep.x", 1, sender="pub", id="42")
    restart(bench)
    third = publish(bench, "keep.x", 1, sender="pub", id="42")
    bench.advance(1.0)
    assert [a.value["duplicate"] for a in (first, again, third)] == [False, True, True]
    assert first.value["seq"] == again.value["seq"] == third.value["seq"]
    assert len({m["id"] for m in one.got}) == 1
    assert publish(bench, "keep.x", 1, sender="other", id="42").value["duplicate"] is False


def test_every_durable_subscription_has_its_own_offset(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "keep.a", durable=True)
    listener(bench, "two", "keep.#", durable=True)
    bench.crash("two")
    for n in range(4):
        publish(bench, "keep.a" if n % 2 else "keep.b", n)
    bench.advance(60.0)
    two = listener(bench, "two")
    bench.advance(30.0)
    assert one.payloads() == [1, 3]
    assert two.payloads() == [0, 1, 2, 3]


def test_a_durable_subscription_may_start_with_what_is_stored(bench: Bench) -> None:
    start(bench)
    for n in range(3):
        publish(bench, "keep.x", n)
    late = listener(bench, "late", "keep.*", durable=True, **{"from": "start"})
    now = listener(bench, "now", "keep.*", durable=True)
    publish(bench, "keep.x", 3)
    bench.advance(1.0)
    assert late.payloads() == [0, 1, 2, 3]
    assert now.payloads() == [3]


def test_a_durable_message_that_is_always_rejected_is_kept_as_a_dead_letter_on_disk(bench: Bench) -> None:
    start(bench)
    one = listener(bench, "one", "keep.*", durable=True)
    one.failing = [Refused("no")] * 5
    publish(bench, "keep.x", "poison")
    publish(bench, "keep.x", "good")
    bench.advance(30.0)
    assert one.payloads() == ["good"]
    restart(bench)
    letters = bench.ask(NAME, "dead_letters")["dead_letters"]
    assert [(letter["payload"], letter["durable"]) for letter in letters] == [("poison", True)]


def test_acknowledged_messages_are_deleted_when_their_ids_need_not_be_recognised(bench: Bench) -> None:
    bus = start(bench)
    listener(bench, "one", "keep.a", durable=True)
    for n in range(10):
        publish(bench, "keep.a" if n % 2 else "keep.b", n)
    bench.advance(60.0)
    assert bus.store.count() == 10
    bench.advance(600.0)
    assert bus.store.count() == 0
    assert publish(bench, "keep.a", 1).value["seq"] == 11


def test_unacknowledged_messages_are_never_deleted_and_too_many_stop_the_publishers(bench: Bench) -> None:
    bus = start(bench, backlog=20)
    listener(bench, "gone", "keep.#", durable=True)
    bench.crash("gone")
    answers = [publish(bench, "keep.x", n) for n in range(25)]
    assert [a.ok for a in answers] == [True] * 20 + [False] * 5
    assert answers[-1].error["code"] == "store_failed"
    bench.advance(2000.0)
    assert bus.store.count() == 20
    bench.ask(NAME, "unsubscribe", sender="gone", topic="keep.#")
    assert publish(bench, "keep.x", 1).ok


def test_a_full_disk_refuses_durable_messages_and_plain_ones_still_flow(bench: Bench) -> None:
    bus = start(bench)
    one = listener(bench, "one", "#")
    bus.store.store.db.execute("PRAGMA max_page_count = 1")
    refused = publish(bench, "keep.x", "x" * 100_000)
    assert refused.error["code"] == "store_failed"
    assert bus.degraded
    assert publish(bench, "a.b", "flows").ok
    assert one.payloads() == ["flows"]
    bus.store.store.db.execute("PRAGMA max_page_count = 100000")
    assert publish(bench, "keep.x", "again").ok
    assert bus.degraded == []


def test_a_damaged_store_is_restored_with_its_subscriptions(bench: Bench) -> None:
    bus = start(bench)
    one = listener(bench, "one", "keep.*", durable=True)
    publish(bench, "keep.x", 1)
    bench.advance(301.0)
    bus.store.store.close()
    bench.crash(NAME)
    (bench.home / "data" / NAME / "bus.db").write_bytes(b"garbage" * 1000)
    start(bench)
    assert "store.restored" in bench.types()
    publish(bench, "keep.x", 2)
    bench.advance(1.0)
    assert one.payloads()[-1] == 2


def test_declare_makes_a_topic_durable_across_restarts(bench: Bench) -> None:
    start(bench)
    assert publish(bench, "jobs.new", 1).value["durable"] is False
    bench.ask(NAME, "declare", topic="jobs.*", durable=True)
    restart(bench)
    assert publish(bench, "jobs.new", 1).value["durable"] is True
    topics = {t["topic"]: t["durable"] for t in bench.ask(NAME, "topics")["topics"]}
    assert topics == {"jobs.*": True, "jobs.new": True}
