"""infrastructure_manager keeps the sets: after the boot, hourly, one command at a time, and tells what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.hygiene import commands, keeper
from grace_actors.kernel import Answer, Completed
from grace_actors.kernels import infrastructure_manager
from grace_actors.kernels.infrastructure_manager import InfrastructureManager
from tests.harness.kernels import Bench, BenchContext
from tests.unit.hygiene.house import House, rot

NAME = "infrastructure_manager"


@pytest.fixture
def bench(house: House, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(infrastructure_manager, "read_processes", lambda *_, **__: [])  # they cost time, hour by hour
    bench = Bench(house.home)
    bench.add(NAME, InfrastructureManager, snapshot_min_free_mb=0)
    return bench


def ask(bench: Bench, verb: str, **args: Any) -> Any:
    return bench.ask(NAME, verb, **args)


def event(bench: Bench, type: str) -> None:
    bench.post("status", NAME, "event", {"type": type, "subject": "grace", "data": {}, "at": 1.0}, None)


def told(bench: Bench, type: str) -> list[tuple[str, dict[str, Any]]]:
    return [(subject, data) for kind, subject, data in bench.events if kind == type]


class Held:
    """Commands that end when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[tuple[dict[str, Any], Callable[[Completed], None]]] = []

        def run(_: BenchContext, argv: Any, on_done: Callable[[Completed], None], *, input: bytes, **more: Any) -> None:
            self.begun.append((json.loads(input), on_done))

        monkeypatch.setattr(BenchContext, "run", run)

    def end(self, **value: Any) -> None:
        self.done(Completed(returncode=0, stdout=json.dumps({"ok": True, "value": value}).encode(), stderr=b""))

    def done(self, completed: Completed) -> None:
        self.begun.pop(0)[1](completed)

    @property
    def orders(self) -> list[str]:
        return [order["do"] for order, _ in self.begun]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


# ---- when -----------------------------------------------------------------------------------------------------------


def test_a_set_is_taken_at_the_end_of_the_boot_then_hourly(bench: Bench) -> None:
    assert ("status", "subscribe", {"types": ["boot.completed", "system.recovered"]}) in [s[1:] for s in bench.sent]
    bench.advance(100)
    assert told(bench, "snapshot_set.taken") == []
    event(bench, "boot.completed")
    assert len(told(bench, "snapshot_set.taken")) == 1
    bench.advance(3500)
    assert len(told(bench, "snapshot_set.taken")) == 1
    bench.advance(3600)
    assert len(told(bench, "snapshot_set.taken")) == 2
    event(bench, "child.exited")
    assert len(told(bench, "snapshot_set.taken")) == 2


def test_who_starts_anew_takes_a_set_only_when_one_is_due(bench: Bench) -> None:
    event(bench, "boot.completed")
    bench.advance(1800)
    bench.crash(NAME)
    bench.add(NAME, InfrastructureManager, snapshot_min_free_mb=0)
    bench.advance(1700)
    assert len(told(bench, "snapshot_set.taken")) == 1
    bench.advance(200)
    assert len(told(bench, "snapshot_set.taken")) == 2


def test_good_copies_follow_an_acceptance_within_half_a_minute(bench: Bench, house: House) -> None:
    event(bench, "boot.completed")
    copy = house.home / "snapshots/config/governance.yaml"
    assert copy.read_text() == "rules: [a, b]\n"
    house.file("config/governance.yaml", "rules: [meant]\n")
    bench.advance(60)
    assert copy.read_text() == "rules: [a, b]\n"
    house.accept_config()
    bench.advance(30)
    assert copy.read_text() == "rules: [meant]\n"
    assert len(told(bench, "snapshot_set.taken")) == 1


def test_one_command_runs_at_a_time_and_who_asks_meanwhile_gets_the_same_set(held: Held, bench: Bench) -> None:
    got: list[Answer] = []
    event(bench, "boot.completed")
    for _ in range(3):
        bench.post("me", NAME, "take_snapshot_set", {}, got.append)
    bench.post("me", NAME, "verify_snapshot_set", {"id": "20260101T000000.000000Z"}, got.append)
    assert held.orders == ["take"] and not got
    row = {"id": "20260101T000000.000000Z", "at": 1.0, "valid": True, "problems": [], "bytes": 1, "parts": []}
    held.end(taken=row | {"reason": "x"}, damaged=[], pruned=["old"], sets=[row])
    assert [answer.value["id"] for answer in got] == [row["id"]] * 3
    assert held.orders == ["verify"]
    assert told(bench, "snapshot_set.pruned") == [("old", {"kept": 5})]
    held.end(id=row["id"], valid=False, problems=["x is damaged"])
    assert got[-1].value["valid"] is False
    assert not ask(bench, "snapshot_sets")["sets"][0]["valid"]
    assert [subject for subject, _ in told(bench, "snapshot_set.found_damaged")] == [row["id"]]


def test_requests_beyond_the_limit_are_refused(held: Held, bench: Bench) -> None:
    for _ in range(commands.MOST_WAITING + 1):
        bench.post("me", NAME, "verify_snapshot_set", {"id": "x"}, None)
    with pytest.raises(GraceError, match="wait already"):
        ask(bench, "verify_snapshot_set", id="x")
    with pytest.raises(GraceError, match="wait already"):
        ask(bench, "take_snapshot_set")


# ---- what came of it ------------------------------------------------------------------------------------------------


def test_damage_in_a_file_nobody_reads_is_told_with_the_next_set(bench: Bench, house: House) -> None:
    event(bench, "boot.completed")
    rot(house.home / "snapshots/sandbox.snap", -3)
    bench.advance(3700)
    ((subject, data),) = told(bench, "hygiene.part_damaged")
    assert subject == "kernels/sandbox.snap" and data["copy"] == "kept" and "checksum" in data["problem"]
    assert told(bench, "snapshot_set.taken")[-1][1]["damaged"] == ["kernels/sandbox.snap"]


def test_a_failure_degrades_is_told_and_tried_again_sooner(bench: Bench, house: House) -> None:
    bench.crash(NAME)
    kernel = bench.add(NAME, InfrastructureManager, snapshot_min_free_mb=10**9)
    event(bench, "boot.completed")
    assert "must stay free" in kernel.degraded[0]
    assert kernel.metrics()["snapshot_set_failures"] == 1
    ((_, data),) = told(bench, "snapshot_set.failed")
    assert "snapshot_min_free_mb" in data["hint"]
    bench.advance(keeper.RETRY_S + keeper.LOOK_S)
    assert kernel.metrics()["snapshot_set_failures"] == 2
    bench.crash(NAME)
    kernel = bench.add(NAME, InfrastructureManager, snapshot_min_free_mb=0)
    event(bench, "boot.completed")
    assert kernel.degraded == []


@pytest.mark.parametrize(
    "completed",
    [
        Completed(returncode=1, stdout=b"", stderr=b"Traceback\nValueError: odd"),
        Completed(returncode=-9, stdout=b"", stderr=b"", timed_out=True),
        Completed(returncode=0, stdout=b"nonsense", stderr=b""),
        Completed(returncode=0, stdout=b"[]", stderr=b""),
        Completed(returncode=None, stdout=b"", stderr=b"", error="no such file"),
    ],
)
def test_a_command_that_dies_answers_whoever_asked(held: Held, bench: Bench, completed: Completed) -> None:
    got: list[Answer] = []
    bench.post("me", NAME, "take_snapshot_set", {}, got.append)
    bench.post("me", NAME, "snapshot_sets", {}, got.append)
    held.done(completed)
    held.done(completed)
    assert [answer.ok for answer in got] == [False, False]
    bench.post("me", NAME, "accept_artefacts", {}, got.append)
    assert held.orders == ["accept"]


def test_figures_and_the_list_say_what_there_is(bench: Bench) -> None:
    assert ask(bench, "snapshot_sets")["sets"] == []
    id = ask(bench, "take_snapshot_set")["id"]
    bench.advance(10)
    listing = ask(bench, "snapshot_sets")
    (row,) = listing["sets"]
    assert row["id"] == id and row["valid"] and row["age_s"] == 10.0 and row["bytes"] > 0
    assert listing["keep"] == 5 and listing["interval_s"] == 3600.0
    figures = bench.kernels[NAME].metrics()
    assert figures["snapshot_sets"] == 1 and figures["snapshot_set_newest_age_s"] == 10.0
    assert figures["snapshot_set_bytes"] == row["bytes"]
    assert ask(bench, "verify_snapshot_set", id=id) == {"id": id, "valid": True, "problems": []}


# ---- restoring ------------------------------------------------------------------------------------------------------


def restore(bench: Bench, id: str, part: str, state: str | None) -> list[Answer]:
    """Ask for a restore; the status actor says in which state the owner is."""
    got: list[Answer] = []
    bench.post("operator", NAME, "restore_part", {"set": id, "part": part}, got.append)
    if state is not None and not got:
        asked = max(number for number in bench._waiting)
        nodes = [{"name": "librarian", "kind": "kernel", "state": state, "children": []}]
        bench.answer(asked, Answer(ok=True, value={"tree": {"name": "grace", "state": "running", "children": nodes}}))
    return got


def test_a_part_with_an_owner_comes_back_only_while_the_owner_stands_still(bench: Bench, house: House) -> None:
    id = ask(bench, "take_snapshot_set")["id"]
    rot(house.home / "data/librarian/library.db", 4096)
    (refused,) = restore(bench, id, "stores/librarian", "running")
    assert not refused.ok and refused.error is not None
    assert refused.error["code"] == "refused" and "restore_from_snapshot" in refused.error["hint"]
    (answer,) = restore(bench, id, "stores/librarian", "stopped")
    assert answer.ok and answer.value["restored"] == ["stores/librarian/library.db"]
    ((part, data),) = told(bench, "hygiene.part_restored")
    assert part == "stores/librarian" and data["by"] == "operator" and data["set"] == id


def test_without_an_answer_of_status_nothing_of_a_kernel_is_replaced(bench: Bench) -> None:
    id = ask(bench, "take_snapshot_set")["id"]
    got = restore(bench, id, "stores/librarian", None)
    bench.advance(6)
    assert [answer.ok for answer in got] == [False]


def test_files_of_people_come_back_while_everything_runs(bench: Bench, house: House) -> None:
    id = ask(bench, "take_snapshot_set")["id"]
    (house.home / "config/limits.json").unlink()
    answer = ask(bench, "restore_part", set=id, part="config")
    assert answer["restored"] == ["config/limits.json"]
    assert ask(bench, "accept_artefacts")["files"] == 2


def test_bad_configuration_is_a_failed_start(house: House) -> None:
    for bad in ({"snapshot_keep": 0}, {"snapshot_interval": "1h"}, {"snapshot_max_age": True}):
        with pytest.raises(ValueError, match="a number of at least"):
            Bench(house.home).add(NAME, InfrastructureManager, **bad)


def test_a_set_is_tried_again_at_once_when_there_is_space_again(
    held: Held, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.crash(NAME)
    kernel = bench.add(NAME, InfrastructureManager, snapshot_min_free_mb=10)
    usage = keeper.shutil.disk_usage(bench.home)
    monkeypatch.setattr(keeper.shutil, "disk_usage", lambda _: usage._replace(free=0))
    event(bench, "boot.completed")
    held.done(Completed(returncode=1, stdout=b"", stderr=b"full"))
    bench.advance(2 * keeper.LOOK_S)
    assert held.orders == [] and kernel.degraded
    monkeypatch.setattr(keeper.shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    bench.advance(2 * keeper.LOOK_S + keeper.SETTLE_S)
    assert held.orders == ["take"]
