"""Faults that a kernel carries out on itself, in a user's tree: what each does is seen, and that a pardon ends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from chaoslib.provider.python import run_python_activity

from grace_actors.console.errors import RemoteFailed
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(120)]

TREE = """
schema: grace.tree/1
name: tree
strategy: one_for_one
intensity: 99
period: 60s
defaults:
  heartbeat: {interval: 200ms, misses: 5}
  backoff: {min: 10ms, max: 20ms}
  budget: {intensity: 99, period: 60s}
children:
  - {actor: registry}
  - {actor: signature}
  - {actor: status}
  - {id: teller, kernel: "tests.harness.meddled:Teller"}
  - {id: notes, kernel: "tests.harness.meddled:Notes"}
  - {id: chaos_runner, kernel: "tests.harness.meddled:Breaker"}
"""


class Desk:
    """The instance, and what the tests ask of it."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def inject(self, fault: str, **params: Any) -> Any:
        return self.running.call("inject", fault=fault, target="notes", params=params)

    def pardon(self) -> None:
        assert self.inject("pardon")["result"] == "ended"

    def ask(self, verb: str, **args: Any) -> Any:
        return self.running.client.call("ask", {"name": "notes", "verb": verb, "args": args})

    def tell(self, count: int) -> None:
        self.running.client.call("ask", {"name": "teller", "verb": "tell", "args": {"count": count}})

    def noted(self, count: int) -> list[int]:
        """So many of what was noted, once they have arrived."""
        found: list[int] = []

        def enough() -> bool:
            found.extend(self.ask("noted")["noted"])
            return len(found) >= count

        wait_for(enough, f"{count} notes, not {found}")
        return found

    def mailbox(self) -> int:
        found: int = self.running.node("notes")["mailbox"]
        return found

    def told(self, type: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.running.events(type=type, subject="notes", limit=100)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("meddling")
    (folder / "tree.yaml").write_text(TREE)
    (folder / "bin").mkdir()
    (folder / "bin/tool").touch(mode=0o755)
    path = f"{folder}/bin:{os.environ['PATH']}"
    running = Running(folder / "home", folder / "tree.yaml", env={"PATH": path})
    try:
        running.wait_running()
        yield Desk(running)
    finally:
        running.close()


def test_requests_are_lost_doubled_and_swapped_until_the_pardon(desk: Desk) -> None:
    desk.inject("drop", verb="note", topic="odd")
    desk.tell(4)
    assert desk.noted(2) == [0, 2]
    desk.pardon()
    desk.inject("duplicate", verb="note")
    desk.tell(2)
    assert desk.noted(4) == [0, 0, 1, 1]
    desk.pardon()
    desk.inject("reorder", verb="note")
    desk.tell(2)
    assert desk.noted(2) == [1, 0]
    desk.pardon()
    desk.tell(2)
    assert desk.noted(2) == [0, 1]


@pytest.mark.parametrize("fault", ["delay", "slow"])
def test_what_is_held_back_shows_in_the_mailbox_and_comes_in_order_with_the_pardon(desk: Desk, fault: str) -> None:
    desk.inject(fault, delay_ms=1e6)
    desk.tell(3)
    wait_for(lambda: desk.mailbox() >= 3, "the notes wait")
    desk.pardon()
    assert desk.noted(3) == [0, 1, 2]


def test_a_process_has_less_until_the_pardon_and_goes_on(desk: Desk) -> None:
    pid = desk.running.node("notes")["pid"]
    whole = desk.ask("can", open=20, write_mb=2)
    assert (whole["open"], whole["write_mb"], bool(whole["which"]), whole["clock_off_s"]) == (20, 2, True, 0)
    for fault, params in (("descriptors", {"leave": 2}), ("quota", {}), ("hide", {"binary": "tool"}), ("clock", {})):
        desk.inject(fault, **params)
    less = desk.ask("can", open=20, write_mb=2)
    assert less.pop("open") <= 2  # the connection of this very request may be one of them
    assert less == {"write_mb": 1, "which": None, "clock_off_s": 300}
    desk.pardon()
    assert desk.ask("can", open=20, write_mb=2) == whole
    assert not (desk.running.home.root / "run/without/notes").exists()
    assert desk.running.node("notes")["pid"] == pid


def test_a_fault_ends_by_itself_and_both_ends_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_HOME", str(desk.running.home.root))
    arguments = {"kernel": "notes", "offset_s": -60.0, "seconds": 0.1}
    provider = {"type": "python", "module": "chaos.faults.clock", "func": "clock", "arguments": arguments}
    run_python_activity({"type": "action", "name": "clock", "provider": provider}, {}, {})
    undone = {"fault": "clock", "by": "its time is over"}
    wait_for(lambda: undone in desk.told("fault.undone"), "the clock goes right again")
    assert desk.ask("can")["clock_off_s"] == 0
    assert {"fault": "drop", "by": "pardon"} in desk.told("fault.undone")
    assert "pardon" not in [data["fault"] for data in desk.told("fault.injected")]


def test_a_mute_kernel_works_on_until_it_is_taken_for_hung(desk: Desk) -> None:
    pid = desk.running.node("notes")["pid"]
    desk.inject("mute", seconds=60)
    assert desk.ask("note", n=1) >= 1
    desk.running.wait_new_pid("notes", pid)
    assert "hung" in [data["kind"] for data in desk.told("child.exited")]
    assert desk.ask("noted") == {"noted": []}


def test_what_no_supervisor_can_cause_is_the_business_of_the_runner(desk: Desk) -> None:
    found = desk.running.call("inject", fault="burn", target="host", params={"cores": 1})
    asked = {"fault": "burn", "target": "host", "params": {"cores": 1, "seconds": 60.0}, "by": "console"}
    assert found == {"fault": "burn", "target": "host", "result": "injected", "asked": asked}


@pytest.mark.parametrize(
    ("fault", "target", "params", "words"),
    [
        ("quota", "tree", {}, "supervisor"),
        ("rain", "notes", {}, "there is no fault"),
        ("drop", "notes", {"share": 2}, "share"),
    ],
)
def test_what_cannot_be_injected_is_refused_with_a_hint(
    desk: Desk, fault: str, target: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(RemoteFailed, match=words) as refused:
        desk.running.call("inject", fault=fault, target=target, params=params)
    assert (refused.value.code, bool(refused.value.hint)) == ("refused", True)
