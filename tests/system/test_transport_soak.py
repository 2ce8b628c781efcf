"""While its actors are killed and flooded the transport loses, repeats and keeps nothing; the soak would see it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.soak_ledger import (
    KEEP,
    Fault,
    Incoming,
    Outgoing,
    Report,
    Returned,
    Settled,
    compare,
    faults_of,
    is_settled,
    lost_of,
)
from tests.harness.instance import ROOT, wait_for
from tests.harness.interrupts import heed_interrupts

A, B = (0, 1), (1, 1)
Start = Callable[[float], "subprocess.Popen[str]"]


def below(pid: int) -> list[psutil.Process]:
    """The process and everything it has started."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start soaks; none is left after the test."""
    started: list[subprocess.Popen[str]] = []

    def run(seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks", "soak", "--json", "--seconds", str(seconds)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=ROOT, preexec_fn=heed_interrupts, **pipes))
        return started[-1]

    yield run
    for process in started:
        for each in reversed(below(process.pid)):
            each.kill()
        process.communicate()


def soak(start: Start, seconds: float, deadline_s: float) -> dict[str, Any]:
    out, err = start(seconds).communicate(timeout=deadline_s)
    assert out, err
    result: dict[str, Any] = json.loads(out)
    assert result["ok"] and not result["failed"], json.dumps(result, indent=1)
    assert result["between_the_living"]["pairs"] == 20 * 19
    assert result["between_the_living"]["sent"] == result["between_the_living"]["acknowledged"] > 0
    assert not any(result["never"].values())
    assert result["kills"]["kills"] >= 15 and result["messages"]["dead_letters"] > 0
    assert result["socket_files"]["of_the_dead_at_the_end"] == 0
    return result


@pytest.mark.system
@pytest.mark.timeout(300)
def test_every_message_between_two_that_lived_on_is_acknowledged_once(start: Start) -> None:
    soak(start, 3, 280)


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(420)
def test_after_many_kills_and_floods_nothing_is_lost_repeated_or_kept(start: Start) -> None:
    result = soak(start, 40, 400)
    assert result["kills"]["kills"] > 30 and result["floods"]["messages"] > 100_000
    assert result["memory_mb"] and result["descriptors"]


@pytest.mark.system
def test_an_interrupted_soak_leaves_no_process_behind(start: Start) -> None:
    process = start(600)
    everybody = wait_for(lambda: len(found := below(process.pid)) > 20 and found, "the actors are started")
    sockets = [
        Path(c.laddr) for p in everybody for c in p.net_connections("unix") if str(c.laddr).startswith("/tmp/g-")
    ]
    folder = sockets[0].parent.parent
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    wait_for(lambda: not living(everybody), "all of its processes are gone", 10)
    assert not folder.exists()


# ---- what the soak would say ------------------------------------------------------------------------------


def test_a_number_that_comes_twice_is_a_duplicate() -> None:
    incoming = Incoming()
    assert [incoming.take(A, number) for number in (1, 2, 2)] == [None, None, Fault.DUPLICATE]


def test_an_overtaken_number_is_late_once_and_then_a_duplicate() -> None:
    incoming = Incoming()
    assert [incoming.take(A, number) for number in (1, 3, 2, 2)] == [None, Fault.GAP, Fault.LATE, Fault.DUPLICATE]


def test_the_generations_of_a_place_are_numbered_apart_and_the_oldest_forgotten() -> None:
    incoming = Incoming()
    assert [incoming.take((0, gen), 1) for gen in range(1, KEEP + 3)] == [None] * (KEEP + 2)
    assert len(incoming.streams) == KEEP + 1
    assert incoming.take((0, 1), 2) is Fault.FORGOTTEN


def test_what_is_not_acknowledged_is_outstanding_until_its_receiver_is_dead() -> None:
    outgoing = Outgoing(A)
    assert [outgoing.number(B) for _ in range(3)] == [1, 2, 3]
    assert outgoing.acked(B, 1) is None and outgoing.outstanding == 2
    assert outgoing.acked(B, 1) is Fault.DUPLICATE and outgoing.acked(B, 9) is Fault.NEVER_SENT
    assert outgoing.retire(B) == [] and outgoing.outstanding == 0
    outgoing.number(B)
    assert outgoing.acked(B, 2) is None and outgoing.outstanding == 0
    assert outgoing.settle_all() == [Settled(A, B, sent=4, acked=2, dead_after=3)]


def returned(*numbers: int) -> Returned:
    back = Returned()
    for number in numbers:
        back.add(number)
    return back


def test_messages_to_the_dead_are_acknowledged_or_lost_or_returned() -> None:
    word = Settled(A, B, sent=7, acked=2, dead_after=5)
    back = returned(4, 6, 7)
    assert is_settled(word, back) and faults_of(word, back) == [] and lost_of(word, back) == (2, 1)


@pytest.mark.parametrize(
    ("numbers", "said"), [((6, 6, 7), "1 came back twice"), ((2, 3, 6, 7), "number 2 came back, 2 had been")]
)
def test_what_comes_back_twice_or_had_been_acknowledged_is_a_fault(numbers: tuple[int, ...], said: str) -> None:
    word = Settled(A, B, sent=7, acked=2, dead_after=5)
    assert said in " ".join(faults_of(word, returned(*numbers)))


@pytest.mark.parametrize("numbers", [(5, 6), (7,), (5, 7)])
def test_everything_sent_after_the_death_was_known_must_come_back(numbers: tuple[int, ...]) -> None:
    word = Settled(A, B, sent=7, acked=2, dead_after=5)
    assert not is_settled(word, returned(*numbers))


def test_living_pairs_must_agree_on_sent_delivered_and_acknowledged() -> None:
    whole = [Report(A, {B: (5, 5)}, {B: (0, 0)}), Report(B, {A: (0, 0)}, {A: (5, 0)})]
    assert compare(whole) == ({"pairs": 2, "sent": 5, "delivered": 5, "acknowledged": 5}, [])
    lost_one = [Report(A, {B: (5, 5)}, {}), Report(B, {}, {A: (5, 1)})]
    assert len(compare(lost_one)[1]) == 1
