"""Storms of events: counted, folded, bounded, and nothing else is starved by them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grace_actors.healing.open_cases import MAX_DECIDED, MAX_OF_KERNEL, MAX_OPEN
from grace_actors.kernels.self_healing import SelfHealing
from tests.unit.healing.hospital import Hospital
from tests.unit.healing.test_cases import MENDS, mended
from tests.unit.healing.ward import TRACE

Storm = Callable[[Hospital, int], None]


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    ward = Hospital(tmp_path / "home", monkeypatch)
    ward.write("mend", MENDS)
    ward.write("take", "triggers: [{type: ingestion.failed}]\nsteps:\n  - {id: go, action: look}\n")
    return ward


def alike(ward: Hospital, number: int) -> None:
    detail = TRACE.format(line=number, number=number)
    _log(ward, "child.exited", "scheduler", kind="crash", reason="IndexError", detail=detail, gen=1)


def different(ward: Hospital, number: int) -> None:
    _log(ward, "child.exited", f"worker{number}", kind="crash", reason=f"Error{_word(number)}", detail="", gen=1)


def wanted(ward: Hospital, number: int) -> None:
    _log(ward, "ingestion.failed", f"file{number}.txt", problem=f"cannot read {_word(number)}")


def _word(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _log(ward: Hospital, type: str, subject: str, **data: Any) -> None:
    """Into the log without a push: in a storm, one page is read after the other."""
    log = ward.status.log
    at = 1_700_000_000.0 + ward.bench.clock
    log.append({"seq": len(log) + 1, "type": type, "subject": subject, "at": at, "data": data})


def pour(ward: Hospital, storm: Storm, count: int, start: int = 0) -> float:
    """The processor time that so many events cost until they are taken."""
    for number in range(start, start + count):
        storm(ward, number)
    began = time.process_time()
    read(ward)
    return time.process_time() - began


def read(ward: Hospital) -> None:
    """One push, upon which the log is read to its end."""
    ward.happen("child.started", "nobody")
    ward.bench.pump()


@pytest.mark.parametrize(
    "storm", [different, *(pytest.param(each, marks=pytest.mark.slow) for each in (alike, wanted))]
)
def test_ten_thousand_failures_at_once_cost_no_more_each_than_a_thousand(ward: Hospital, storm: Storm) -> None:
    ward.up()
    pour(ward, storm, 300)  # so that what is done once is done
    some = pour(ward, storm, 1000, 300)
    many = pour(ward, storm, 10_000, 1300)
    assert many / 10 < 3 * some + 0.05


@pytest.mark.parametrize("storm", [alike, different, wanted])
def test_in_a_storm_requests_are_answered_and_another_kernel_is_repaired(ward: Hospital, storm: Storm) -> None:
    ward.up()
    pour(ward, storm, 2000)
    assert len(ward.ask("incidents", limit=500)["incidents"]) >= 1
    ward.fall_ill()
    ward.bench.pump()
    mended(ward)
    found = ward.ask("incidents", kernel="librarian")["incidents"][0]
    assert (found["state"], found["repair"]) == ("healed", "mend")


def test_what_a_storm_does_to_the_store_and_the_memory_is_bounded(ward: Hospital) -> None:
    ward.up()
    for storm in (alike, different, wanted):
        pour(ward, storm, 2000)
    healer = ward.kernel
    assert isinstance(healer, SelfHealing)
    assert len(healer.cases._cases) <= MAX_OPEN
    assert sum(case["kind"] == "trigger" for case in ward.ask("incidents", limit=500)["incidents"]) <= MAX_DECIDED
    assert sum(healer.cases.folded.values()) > 3000
    assert len(healer.incidents.list(state="", kernel="", limit=10_000)) <= MAX_OPEN
    ward.bench.advance(31)
    assert sum(data["count"] for data in ward.events("incident.folded")) == sum(healer.cases.folded.values())


def test_one_kernel_with_ever_new_failures_takes_its_own_places_only(ward: Hospital) -> None:
    ward.up()
    for number in range(200):
        _log(ward, "child.exited", "scheduler", kind="crash", reason=f"Error{_word(number)}", detail="", gen=1)
    read(ward)
    assert len(ward.ask("incidents", kernel="scheduler", limit=500)["incidents"]) == MAX_OF_KERNEL


def test_a_failure_that_comes_two_hundred_times_in_a_page_is_told_of_once_and_counted_each_time(ward: Hospital) -> None:
    ward.up()
    alike(ward, 1)
    read(ward)
    for number in range(150):
        alike(ward, number)
    read(ward)
    assert [data["count"] for data in ward.events("incident.recurred")] == [151]
    assert ward.incident()["count"] == 151


def test_a_kernel_that_is_held_after_its_failure_was_only_counted_gets_an_incident(ward: Hospital) -> None:
    ward.up()
    pour(ward, different, 300)
    healer = ward.kernel
    assert isinstance(healer, SelfHealing)
    ward.bench.advance(400)  # the workers are no part of the tree: their incidents end
    ward._node("librarian")["state"] = "restarting"
    ward.hold(cause="the same failure 2 times in 60 s")
    ward.bench.pump()
    assert ward.incident()["state"] == "repairing"
