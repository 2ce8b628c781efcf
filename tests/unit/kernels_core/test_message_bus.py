"""The message bus kernel: routing, access, priorities, bounded queues, durable topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError, Refused, StoreFailed
from grace_actors.home import MARK
from grace_actors.kernel import LATER, Answer, Context, Kernel, Request
from grace_actors.kernels.message_bus import MessageBus
from tests.harness.kernels import Bench

NAME = "message_bus"


class Listener(Kernel):
    """Records what it is told. `failing` raises for so many deliveries; `silent` never answers."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.got: list[dict[str, Any]] = []
        self.failing: list[Exception] = []
        self.silent = False

    def do_deliver(self, request: Request) -> Any:
        if self.failing:
            raise self.failing.pop(0)
        self.got.append(request.args)
        return LATER if self.silent else "ok"

    def payloads(self) -> list[Any]:
        return [one["payload"] for one in self.got]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def start(bench: Bench, **config: Any) -> MessageBus:
    kernel = bench.add(NAME, MessageBus, **({"boot_rate_limit": 0, "durable": ["keep.#"]} | config))
    assert isinstance(kernel, MessageBus)
    return kernel


def listener(bench: Bench, name: str, topic: str = "", **args: Any) -> Listener:
    kernel = bench.add(name, Listener)
    assert isinstance(kernel, Listener)
    if topic:
        bench.ask(NAME, "subscribe", sender=name, topic=topic, **args)
    return kernel


def publish(bench: Bench, topic: str, payload: Any = None, sender: str = "test", **args: Any) -> Answer:
    answers: list[Answer] = []
    bench.post(sender, NAME, "publish", {"topic": topic, "payload": payload} | args, answers.append)
    if not answers:
        bench.advance(0.01)
    return answers[0]


def restart(bench: Bench, **config: Any) -> MessageBus:
    bench.crash(NAME)
    return start(bench, **config)


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


def test_only_the_names_of_the_table_publish_to_a_restricted_topic(bench: Bench) -> None:
    start(bench)
    assert publish(bench, "kernel.memory", 1, sender="librarian").ok
    refused = publish(bench, "kernel.memory", 1, sender="voice")
    assert refused.error["code"] == "refused"
    assert "librarian" in refused.error["hint"]
    assert not publish(bench, "kernel.memory.below", 1, sender="voice").ok
    assert publish(bench, "kernel.memoryless", 1, sender="voice").ok
    assert bench.events[0][:2] == ("message_bus.acl_violation", "voice")


def test_ten_violations_a_second_are_spam_and_twenty_blacklist_the_sender(bench: Bench) -> None:
    start(bench)
    for _ in range(10):
        publish(bench, "kernel.code", 1, sender="bad")
    assert [e[2]["alarm"] for e in bench.events] == ["first", "spam"]
    for _ in range(10):
        publish(bench, "kernel.code", 1, sender="bad")
    assert bench.events[-1][2]["alarm"] == "blacklisted"
    assert not publish(bench, "open.topic", 1, sender="bad").ok
    assert publish(bench, "open.topic", 1, sender="good").ok
    bench.advance(301.0)
    assert publish(bench, "open.topic", 1, sender="bad").ok


def test_five_violations_on_a_control_topic_raise_an_alarm(bench: Bench) -> None:
    start(bench)
    for _ in range(5):
        publish(bench, "system.control", 1, sender="bad")
        bench.advance(1.0)
    assert [e[2]["alarm"] for e in bench.events] == ["first", "control"]


def acl(bench: Bench, change: str = "", sender: str = "bad", by: str = "console", **args: Any) -> Any:
    answers: list[Answer] = []
    bench.post(by, NAME, "acl", {"change": change, "sender": sender} | args if change else {}, answers.append)
    if not answers[0].ok:
        raise GraceError(str(answers[0].error))
    return answers[0].value


def test_a_blocked_sender_publishes_nowhere_until_its_time_is_over_also_across_a_crash_of_the_bus(bench: Bench) -> None:
    start(bench)
    assert list(acl(bench, "block", for_s=60)["blocked"]) == ["bad"]
    assert not publish(bench, "open.topic", 1, sender="bad").ok
    bench.crash(NAME)
    bench.advance(30.0)
    start(bench)
    assert not publish(bench, "open.topic", 1, sender="bad").ok
    assert publish(bench, "open.topic", 1, sender="good").ok
    bench.advance(31.0)
    assert publish(bench, "open.topic", 1, sender="bad").ok
    acl(bench, "block")
    assert acl(bench, "unblock")["blocked"] == {}
    assert publish(bench, "open.topic", 1, sender="bad").ok
    assert bench.types().count("message_bus.acl_changed") == 3


def test_a_grant_opens_a_topic_and_what_is_below_it_to_one_sender_until_it_is_taken_back(bench: Bench) -> None:
    start(bench)
    acl(bench, "allow", "voice", topic="kernel.code")
    bench.crash(NAME)
    bus = start(bench)
    assert publish(bench, "kernel.code.new", 1, sender="voice").ok
    assert not publish(bench, "kernel.memory", 1, sender="voice").ok
    assert not publish(bench, "kernel.code", 1, sender="other").ok
    assert all(check.ok for check in bus.ready())
    assert acl(bench, "disallow", "voice", topic="kernel.code")["granted"] == []
    assert not publish(bench, "kernel.code", 1, sender="voice").ok
    acl(bench, "disallow", "sandbox", topic="kernel.code")
    assert publish(bench, "kernel.code", 1, sender="sandbox").ok, "the table stays"


@pytest.mark.parametrize(
    ("change", "args", "said"),
    [
        ("block", {"by": "librarian"}, "may not change access"),
        ("block", {"sender": "self_healing"}, "cannot be blocked"),
        ("allow", {}, "topic"),
        ("widen", {}, "allowed: block, unblock, allow, disallow"),
        ("block", {"for_s": 0}, "for_s"),
    ],
)
def test_a_change_of_access_that_means_nothing_changes_nothing(
    bench: Bench, change: str, args: dict[str, Any], said: str
) -> None:
    start(bench)
    with pytest.raises(GraceError, match=said):
        acl(bench, change, **args)
    assert acl(bench) == {"blocked": {}, "granted": [], "loaded": True}


def test_the_table_can_be_configured(bench: Bench) -> None:
    start(bench, acl={"mine": ["me"]})
    assert publish(bench, "mine", 1, sender="me").ok
    assert not publish(bench, "mine", 1, sender="you").ok
    assert publish(bench, "kernel.memory", 1, sender="anyone").ok


def test_during_boot_fifty_messages_a_second_are_taken_until_open(bench: Bench) -> None:
    start(bench, boot_rate_limit=50)
    taken = sum(publish(bench, "a.b", n).ok for n in range(80))
    assert taken == 50
    bench.advance(1.0)
    assert publish(bench, "a.b", 1).ok
    assert bench.ask(NAME, "open") == {"was_limited": True}
    assert all(publish(bench, "a.b", n).ok for n in range(200))


@pytest.mark.parametrize(("run", "taken"), [("home:7", 80), ("home:8", 50)])
def test_a_bus_that_is_restarted_after_the_boot_takes_as_much_as_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, run: str, taken: int
) -> None:
    """Another run of the instance is another boot."""
    monkeypatch.setenv(MARK, "home:7")
    start(bench, boot_rate_limit=50)
    bench.ask(NAME, "open")
    bench.crash(NAME)
    monkeypatch.setenv(MARK, run)
    start(bench, boot_rate_limit=50)
    assert sum(publish(bench, "a.b", n).ok for n in range(80)) == taken


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


def answer_waiting(bench: Bench, but: Any = None) -> None:
    """The subscribers at last answer what they kept."""
    for number, on_answer in list(bench._waiting.items()):
        if on_answer != but:
            bench.answer(number, Answer(ok=True))
