"""Requests that outlive an incarnation: what fits is kept, given once, and only for who still waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grace_actors import handover, wire
from grace_actors.handover import Keeping, Room
from tests.unit.actors.test_names import At, FakeActor


class FakeSupervisor(FakeActor):
    """Says what it would have emitted."""

    def __init__(self) -> None:
        super().__init__("top")
        self.said: list[tuple[str, str, Any]] = []
        self.living: dict[str, Any] = {}
        self.names = self
        self.events = self

    def emit(self, type: str, subject: str, data: Any) -> None:
        self.said.append((type, subject, data))


def keeping() -> tuple[FakeSupervisor, Keeping]:
    supervisor = FakeSupervisor()
    return supervisor, Keeping(supervisor)  # type: ignore[arg-type]


def asked(number: int) -> wire.Ask:
    return wire.Ask(number, "debit", {"n": number}, "client")


def test_kept_requests_are_given_once_to_the_next_incarnation_in_their_order(tmp_path: Path) -> None:
    there = tmp_path / "client"
    there.touch()
    supervisor, kept = keeping()
    client, gone = At(str(there)), At(str(tmp_path / "gone"))
    kept.take(wire.Handover("anna", 1, ((asked(1), client), (asked(2), gone))))
    kept.take(wire.Handover("anna", 1, ((asked(3), client), (asked(0), gone))))
    kept.deliver("anna", 2, At("anna-2"))
    kept.deliver("anna", 2, At("anna-2"))
    assert [message.ask.id for message in supervisor.to("anna-2")] == [1, 3, 0], "a notice needs nobody who waits"
    assert supervisor.said[-1] == ("requests.redelivered", "anna", {"count": 3, "unwanted": 1})


def test_what_those_ask_who_hold_others_up_comes_first(tmp_path: Path) -> None:
    supervisor, kept = keeping()
    work = [(wire.Ask(n, "debit", {}, who), At(str(tmp_path))) for n, who in enumerate(("x", "ben", "y", "ben"), 1)]
    kept.take(wire.Handover("anna", 1, tuple(work)))
    kept.deliver("anna", 2, At("anna-2"), ("anna", "ben"))
    assert [message.ask.id for message in supervisor.to("anna-2")] == [2, 4, 1, 3]


def test_handover_that_is_overtaken_by_the_next_start_is_given_at_once(tmp_path: Path) -> None:
    supervisor, kept = keeping()
    kept.deliver("anna", 2, At("anna-2"))
    assert supervisor.sent == []
    kept.take(wire.Handover("anna", 1, ((asked(1), At(str(tmp_path))),)))
    assert [message.ask.id for message in supervisor.to("anna-2")] == [1]
    kept.take(wire.Handover("anna", 2, ((asked(2), At(str(tmp_path))),)))
    assert len(supervisor.to("anna-2")) == 1, "that is for the one after"


def test_what_nobody_comes_back_for_is_dropped_and_said(monkeypatch: Any) -> None:
    supervisor, kept = keeping()
    clock = [100.0]
    monkeypatch.setattr(handover.time, "monotonic", lambda: clock[0])
    kept.take(wire.Handover("anna", 1, ((asked(1), At("x")),), dropped=4))
    clock[0] += handover.KEEP_S + 1
    supervisor.timers.run_due(float("inf"))
    dropped = [(subject, data["count"]) for type, subject, data in supervisor.said if type == "requests.dropped"]
    assert dropped == [("anna", 4), ("anna", 1)]
    kept.deliver("anna", 2, At("anna-2"))
    assert supervisor.to("anna-2") == []


def test_no_more_is_kept_than_there_is_room_for() -> None:
    room = Room()
    work = [(asked(n), At("x")) for n in range(handover.MOST + 5)]
    fits, dropped = room.take(work)
    assert ([ask.id for ask, _ in fits], dropped) == (list(range(handover.MOST)), 5)
    assert room.take(work[:1]) == ([], 1)
    large = wire.Ask(1, "debit", {"blob": b"x" * (handover.MOST_BYTES + 1)}, "client")
    fits, dropped = Room().take([(large, At("x")), (asked(2), At("x"))])
    assert ([ask.id for ask, _ in fits], dropped) == ([2], 1)
