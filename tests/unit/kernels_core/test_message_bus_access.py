"""Who may publish where, how fast, and how that is changed while the bus runs."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.home import MARK
from grace_actors.kernel import Answer
from tests.harness.kernels import Bench
from tests.unit.kernels_core.bus import NAME, publish, start


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
