"""The verbs of the status actor, driven without processes under a virtual clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernel import Answer
from grace_actors.status import Status
from grace_actors.status import actor as actor_module
from grace_actors.status.eventlog import Limits
from tests.harness.kernels import Bench
from tests.unit.status.test_eventlog import FullDisk
from tests.unit.status.test_model import CORE, child, supervisor


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(home=tmp_path)
    made.add("status", Status)
    return made


def record(bench: Bench, n: int, type: str = "actor.exited", subject: str = "bus", **data: Any) -> Any:
    at = 1_700_000_000.0 + n
    return bench.ask("status", "record", emitter="k.1", n=n, type=type, subject=subject, data=data, at=at)


def later(bench: Bench, verb: str, **args: Any) -> list[Answer]:
    got: list[Answer] = []
    bench.post("test", "status", verb, args, got.append)
    return got


def seqs(answer: Any) -> list[int]:
    return [event["seq"] for event in answer["events"]]


def test_a_recorded_event_is_acknowledged_numbered_and_readable(bench: Bench) -> None:
    assert record(bench, 5, reason="SIGKILL") == {"acked": 5}
    assert bench.ask("status", "events") == {
        "events": [
            {"seq": 1, "at": "2023-11-14T22:13:25.000Z", "type": "actor.exited", "subject": "bus",
             "data": {"reason": "SIGKILL"}}
        ], "last": 1, "oldest": 1,
    }  # fmt: skip


def test_an_event_sent_again_after_a_crash_of_the_status_actor_is_kept_once(bench: Bench) -> None:
    record(bench, 1)
    bench.crash("status")
    bench.add("status", Status)
    assert record(bench, 1) == {"acked": 1}
    assert record(bench, 2) == {"acked": 2}
    assert seqs(bench.ask("status", "events", since=0)) == [1, 2]


def test_a_batch_is_recorded_in_order_and_what_was_seen_before_is_skipped(bench: Bench) -> None:
    record(bench, 1)
    events = [{"n": n, "type": f"step.{n}", "subject": "me", "data": {}, "at": None} for n in (1, 2, 3)]
    assert bench.ask("status", "record_many", emitter="k.1", events=events) == {"acked": 3}
    assert [e["type"] for e in bench.ask("status", "events", since=0)["events"]] == ["actor.exited", "step.2", "step.3"]


def test_a_malformed_event_does_not_hold_up_its_batch(bench: Bench) -> None:
    events = [{"n": 1, "type": 7, "subject": None}, {"n": 2, "type": "a.b", "subject": "me", "at": 1e300}]
    assert bench.ask("status", "record_many", emitter="k.1", events=events) == {"acked": 2}
    first, second = bench.ask("status", "events")["events"]
    assert (first["type"], first["data"]["type"]) == ("events.malformed", "7")
    assert second["at"].startswith("2023-")


@pytest.mark.parametrize("args", [{}, {"emitter": "k"}, {"emitter": "k", "n": "1"}, {"emitter": "", "n": 1}])
def test_a_record_without_emitter_or_number_is_refused(bench: Bench, args: dict[str, Any]) -> None:
    with pytest.raises(GraceError, match="refused"):
        bench.ask("status", "record", **args)


def test_events_are_filtered_by_glob_and_subject_and_paged(bench: Bench) -> None:
    for n in range(1, 9):
        record(bench, n, type="actor.started" if n % 2 else "actor.exited", subject=f"s{n % 4}")
    assert seqs(bench.ask("status", "events", type="*.exited")) == [2, 4, 6, 8]
    assert seqs(bench.ask("status", "events", type="actor.*", subject="s1")) == [1, 5]
    page = bench.ask("status", "events", since=0, type="*.exited", limit=2)
    assert (seqs(page), page["last"]) == ([2, 4], 5)
    assert seqs(bench.ask("status", "events", since=page["last"], type="*.exited")) == [6, 8]
    assert bench.ask("status", "events", since=8) == {"events": [], "last": 8, "oldest": 1}


@pytest.mark.parametrize("args", [{"since": -1}, {"limit": 0}, {"type": 3}, {"wait_s": float("inf")}, {"since": True}])
def test_wrong_arguments_of_events_are_refused(bench: Bench, args: dict[str, Any]) -> None:
    with pytest.raises(GraceError, match="refused"):
        bench.ask("status", "events", **args)


def test_a_long_poll_is_answered_by_the_first_event_that_matches(bench: Bench) -> None:
    record(bench, 1)
    got = later(bench, "events", since=1, type="bus.*", wait_s=30)
    record(bench, 2)
    assert got == []
    record(bench, 3, type="bus.paused")
    assert seqs(got[0].value) == [3]
    bench.advance(60)
    assert len(got) == 1


def test_a_long_poll_is_answered_empty_when_its_time_is_over(bench: Bench) -> None:
    got = later(bench, "events", since=0, wait_s=5)
    bench.advance(4.9)
    assert got == []
    bench.advance(0.2)
    assert got[0].value == {"events": [], "last": 0, "oldest": 1}


def test_too_many_waiting_readers_are_refused(bench: Bench) -> None:
    for _ in range(200):
        later(bench, "events", since=0, wait_s=30)
    refused = later(bench, "events", since=0, wait_s=30)
    assert refused[0].error is not None
    assert refused[0].error["code"] == "refused"


def told(bench: Bench, name: str) -> list[int]:
    return [args["seq"] for _, to, verb, args in bench.sent if (to, verb) == (name, "event")]


def test_a_subscriber_is_told_of_matching_events_until_it_does_not_renew(bench: Bench) -> None:
    bench.ask("status", "subscribe", sender="mesh", types=["actor.*"])
    record(bench, 1)
    record(bench, 2, type="bus.paused")
    bench.advance(100)
    bench.ask("status", "subscribe", sender="mesh", types=["actor.*"])
    bench.advance(100)
    record(bench, 3)
    bench.advance(21)
    record(bench, 4)
    assert told(bench, "mesh") == [1, 3]


def test_subscriptions_survive_a_crash_of_the_status_actor(bench: Bench) -> None:
    bench.ask("status", "subscribe", sender="mesh", types=["actor.*"])
    bench.crash("status")
    bench.add("status", Status)
    record(bench, 1)
    assert told(bench, "mesh") == [1]


def test_the_status_of_the_tree_is_one_object(bench: Bench) -> None:
    assert bench.ask("status", "status")["tree"] is None
    bench.ask("status", "describe", **supervisor("grace", None, CORE))
    bench.ask("status", "describe", **supervisor("core", "grace", child("bus"), pid=20))
    answer = bench.ask("status", "status")
    assert (answer["state"], answer["kernels"]["running"]) == ("running", 1)
    assert answer["tree"]["children"][0]["children"][0]["name"] == "bus"
    assert bench.ask("status", "status", name="bus")["kind"] == "kernel"
    assert [each["name"] for each in bench.ask("status", "names")] == ["grace", "core", "bus"]


def test_memory_is_measured_for_live_processes_only(bench: Bench) -> None:
    import os

    mine, none = child("bus", pid=os.getpid()), child("gone", state="stopped", pid=os.getpid())
    bench.ask("status", "describe", **supervisor("grace", None, mine, none))
    assert bench.ask("status", "status", name="bus")["memory_mb"] > 1
    assert bench.ask("status", "status", name="gone")["memory_mb"] is None


def test_a_malformed_description_is_refused_and_leaves_an_event(bench: Bench) -> None:
    with pytest.raises(GraceError, match="unknown state"):
        bench.ask("status", "describe", sender="core", **supervisor("core", None, state="dancing"))
    (event,) = bench.ask("status", "events", type="description.refused")["events"]
    assert event["data"]["by"] == "core"


def test_waiting_for_a_state_is_answered_when_the_last_one_reaches_it(bench: Bench) -> None:
    bench.ask("status", "describe", **supervisor("grace", None, child("bus"), child("log", state="starting")))
    whole, one = later(bench, "wait_for", timeout_s=10), later(bench, "wait_for", names=["bus"], timeout_s=10)
    assert one[0].ok
    bench.advance(1)
    assert whole == []
    bench.ask("status", "describe", **supervisor("grace", None, child("bus"), child("log")))
    bench.advance(0.1)
    assert whole[0].value["state"] == "running"


def test_waiting_in_vain_is_an_error_that_names_what_is_missing(bench: Bench) -> None:
    bench.ask("status", "describe", **supervisor("grace", None, child("bus", state="failed")))
    got = later(bench, "wait_for", names=["bus", "ghost"], timeout_s=2)
    bench.advance(3)
    assert got[0].error is not None
    assert got[0].error["code"] == "timed_out"
    assert "bus is failed, ghost is unknown" in got[0].error["message"]


def test_a_full_disk_is_said_and_healed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record(bench, 1)
    disk = FullDisk(monkeypatch, room=0)
    assert record(bench, 2) == {"acked": 2, "held": 1}
    assert "1 events wait" in bench.kernels["status"].degraded[0]
    assert seqs(bench.ask("status", "events", since=0)) == [1, 2]
    disk.room = 10_000
    bench.advance(2.5)
    assert bench.kernels["status"].degraded == []
    assert record(bench, 2) == {"acked": 2}


def test_events_dropped_while_the_disk_was_full_are_reported_as_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Limits(backlog_bytes=1_000, memory_events=5)
    monkeypatch.setattr(actor_module, "LIMITS", small)
    bench = Bench(home=tmp_path)
    bench.add("status", Status)
    disk = FullDisk(monkeypatch, room=0)
    for n in range(1, 41):
        record(bench, n)
    disk.room = 10_000
    bench.advance(2.5)
    dropped = bench.ask("status", "events", since=0, type="events.dropped")["events"]
    assert dropped[0]["data"]["first"] == 1
    assert dropped[0]["data"]["count"] == dropped[0]["seq"]


def test_a_repaired_tail_is_an_event(bench: Bench) -> None:
    record(bench, 1)
    bench.crash("status")
    (path,) = (bench.home / "data" / "status" / "events").iterdir()
    with path.open("ab") as file:
        file.write(b"half a li")
    bench.add("status", Status)
    (event,) = bench.ask("status", "events", type="events.tail_repaired")["events"]
    assert (event["seq"], event["data"]["torn_bytes"]) == (2, 9)
