"""A deadlock of two kernels in a user's tree: found within two seconds, said in words, broken, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.client import Client
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(120)]

TREE = """
schema: grace.tree/1
name: bank
children:
  - supervisor: accounts
    policies:
      - staggered_restart: {group: [anna, ben], stagger: 1s, calm: 1500ms}
    children:
      - {id: anna, kernel: "tests.harness.accounts:Account", with: {peer: ben}}
      - {id: ben, kernel: "tests.harness.accounts:Account", with: {peer: anna}}
      - {id: carl, kernel: "tests.harness.accounts:Account", with: {peer: anna}}
  - supervisor: friends
    policies:
      - staggered_restart: {after: 2500ms}
    children:
      - {id: dora, kernel: "tests.harness.accounts:Account", with: {peer: emil}}
      - {id: emil, kernel: "tests.harness.accounts:Account", with: {peer: dora}}
"""
OVERRIDES = """
overrides:
  - {child: anna, setting: with.limit, change: {to: 5}}
"""
PER_ACCOUNT = 5


def ask(running: Running, name: str, verb: str, **args: Any) -> Any:
    return Client(running.home, timeout_s=40.0).call("ask", {"name": name, "verb": verb, "args": args})


def events(running: Running, type: str) -> list[dict[str, Any]]:
    return running.events(type=type)


def test_deadlock_is_found_told_and_broken_and_every_request_is_answered_once(
    start: Callable[..., Running], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tree = tmp_path / "tree.yaml"
    tree.write_text(TREE)
    overrides = tmp_path / "home" / "config" / "overrides.yaml"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(OVERRIDES)
    running = start(tree)
    running.wait_running()
    before = {name: running.node(name)["pid"] for name in ("anna", "ben", "carl")}

    with ThreadPoolExecutor(2 * PER_ACCOUNT + 2) as clients:
        # Slow, but it goes on: two ask each other again and again, one waits long for somebody who waits for nobody.
        chats = [clients.submit(ask, running, name, "chat", rounds=3, for_s=1.0) for name in ("dora", "emil")]
        long = clients.submit(ask, running, "carl", "chat", rounds=1, for_s=2.5)
        assert [chat.result() for chat in (*chats, long)] == [{"ok": True}] * 3
        assert events(running, "deadlock.found") == []

        # Both lock themselves, then each asks the other.
        bookings: dict[str, Future[Any]] = {}
        for n in range(PER_ACCOUNT):
            for name in ("anna", "ben"):
                note = f"{name} {n}"
                bookings[note] = clients.submit(ask, running, name, "debit", note=note, think_s=0.0 if n else 0.3)
            if n == 0:
                wait_for(lambda: all(_queue(running, name) for name in ("anna", "ben")), "both lock themselves")
        (found,) = wait_for(lambda: events(running, "deadlock.found"), "the deadlock is found", 20.0)
        answers = {note: booking.result() for note, booking in bookings.items()}

    data = found["data"]
    assert sorted(data["members"]) == ["anna", "ben"]
    for wait in data["waits"]:
        text = f"{wait['who']} waits for {wait['for']} (credit, {wait['since_s']:.1f} s)"
        assert text in data["text"]
    found_s = min(wait["since_s"] for wait in data["waits"])
    record_property("found_s", found_s)
    print(f"found {found_s:.2f} s after the circle had closed: {data['text']}")
    assert found_s < 2.0

    for note, answer in answers.items():
        name = note.split()[0]
        assert (answer["debited"], answer["by"], answer["other"]["credited"]) == (note, name, note)
    (broken,) = events(running, "deadlock.broken")
    print(f"broken after {broken['data']['seconds']:.2f} s, restarted {broken['data']['restarted']}")
    assert broken["data"]["restarted"] == data["order"]
    kept = {event["subject"]: event["data"]["count"] for event in events(running, "requests.kept")}
    given = {event["subject"]: event["data"] for event in events(running, "requests.redelivered")}
    for name in ("anna", "ben"):
        assert given[name] == {"count": kept[name] - 1, "unwanted": 1}, "but not what the other one had asked"
    assert events(running, "requests.dropped") == []
    assert len(events(running, "deadlock.found")) == 1

    # anna was started without what is set beside the tree file; ben has nothing of that kind.
    wait_for(lambda: events(running, "child.recycled"), "anna returns to her normal settings", 20.0)
    wait_for(lambda: ask(running, "anna", "settings")["overridden"] == ["limit"], "anna runs as before")
    assert [(event["subject"], event["data"]["by"]) for event in events(running, "child.recycled")] == [
        ("anna", "staggered_restart")
    ]
    after = {name: running.node(name)["pid"] for name in ("anna", "ben", "carl")}
    assert after["carl"] == before["carl"]
    assert not set(after.values()) & {before["anna"], before["ben"]}
    assert running.stop() == 0


def _queue(running: Running, name: str) -> bool:
    """Whether its self-report counts a request that it has not answered; asked of the kernel, so it is up to date."""
    return bool(ask(running, name, "waits")["waits"])
