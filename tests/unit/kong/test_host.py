"""Chaos Kong's hands: blasts that are tried again and counted honestly, a load that is measured and taken off again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.kong import Blast, Kind
from grace_actors.actions.action import Call, Result, Steps, Wait, acts, needed
from grace_actors.drills.dummies.kinds import TOPIC
from grace_actors.drills.dummies.ledger import FILE, Ledger
from grace_actors.drills.dummies.sink import Sink
from grace_actors.drills.dummies.source import Source
from grace_actors.drills.host.kong import KongRun
from grace_actors.drills.host.kong_blasts import AGAIN_FOR_S, Blasts
from grace_actors.drills.host.kong_load import COMPARE_S, SINK, SOURCE, Load, clear_load
from grace_actors.drills.taking_back import Injection
from grace_actors.errors import Refused
from grace_actors.kernel import Kernel
from grace_actors.kernels.message_bus import MessageBus
from tests.harness.kernels import Bench


class Faults:
    """Injects as the test says: `answers` are taken in turn, the last one for ever. None: it comes when told to."""

    def __init__(self, *answers: Injection | Refused | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.undone: list[str] = []
        self.pending: list[Callable[[Injection], None]] = []
        self.is_slow = False
        self.slowly: list[Callable[[list[Any]], None]] = []

    def inject(self, fault: str, target: str, params: dict[str, Any], *, by: str, done: Any) -> None:
        self.asked.append((fault, target, params))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Refused):
            raise answer
        self.pending.append(done)
        if answer is not None:
            done(answer)

    def undo(self, record: str, done: Any) -> None:
        self.undone.append(record)

    def undo_all(self, by: str, done: Any) -> None:
        if self.is_slow:
            self.slowly.append(done)
        else:
            done([])

    def records(self, states: Any) -> list[Any]:
        return []


MADE, NOT_MADE = Injection(ok=True, record="r-1"), Injection(ok=False, message="status did not answer")
KILL = Blast(at_s=1.0, kind=Kind.CRITICAL, fault="kill", target="message_bus", why="it goes down")


def begun(bench: Bench, faults: Faults, *blasts: Blast, seconds: float = 30.0) -> tuple[Blasts, list[str]]:
    marks: list[str] = []
    runner = bench.add("chaos_runner", Kernel)
    made = Blasts(runner.ctx, "run", faults, lambda what, subject, text, at: marks.append(what))  # type: ignore[arg-type]
    made.begin(blasts, seconds)
    return made, marks


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_blast_whose_tools_were_struck_a_moment_ago_is_tried_again_and_made(bench: Bench) -> None:
    faults = Faults(NOT_MADE, Refused("no process now"), MADE)
    blasts, marks = begun(bench, faults, KILL)
    began = bench.kernels["chaos_runner"].ctx.wall()
    bench.advance(5.0)
    found = blasts.figures()
    assert (found["blasts_made"], found["blasts_failed"], found["blasts_again"]) == (1, [], 2)
    assert marks == ["injected"], "what was not made is no injection"
    assert found["last_injection_at"] == pytest.approx(began + 2.0)


def test_a_blast_that_was_never_made_counted_as_the_last_injection(bench: Bench) -> None:
    blasts, marks = begun(bench, Faults(NOT_MADE), KILL)
    bench.advance(1.0 + AGAIN_FOR_S + 1.0)
    found = blasts.figures()
    assert (found["blasts_made"], found["last_injection_at"], marks) == (0, None, [])
    assert found["blasts_failed"] == ["kill message_bus: status did not answer"]


def test_what_is_begun_late_does_not_last_beyond_the_end(bench: Bench) -> None:
    burn = Blast(at_s=20.0, kind=Kind.CPU, fault="burn", target="host", params={"cores": 2, "seconds": 9.0})
    faults = Faults(NOT_MADE, NOT_MADE, NOT_MADE, MADE)
    begun(bench, faults, burn)
    bench.advance(29.0)
    assert [params["seconds"] for _, _, params in faults.asked] == [9.0, 9.0, 9.0, 8.5]


def test_a_blast_under_way_when_it_was_halted_stayed_in_force(bench: Bench) -> None:
    faults = Faults(None)
    blasts, _ = begun(bench, faults, KILL, Blast(at_s=9.0, kind=Kind.OTHERS, fault="kill", target="librarian"))
    bench.advance(2.0)
    blasts.stop()
    faults.pending[0](MADE)
    bench.advance(20.0)
    assert (faults.undone, len(faults.asked)) == (["r-1"], 1)
    assert [line["state"] for line in blasts.lines] == ["failed", "skipped"]


# ---- the load ---------------------------------------------------------------------------------------------------


class Clerk(Kernel):
    """Answers for the source."""

    count, on_way = 0, 0

    def do_figures(self, request: Any) -> Any:
        return {"acknowledged": self.count, "on_way": self.on_way}

    def do_rate(self, request: Any) -> Any:
        return {}


ENTER_S = 0.5


def stage(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever is put on stage needs a while, and is in the list then."""
    there: list[str] = []

    @acts(name=needed("who"), kind=needed("what"), topic=needed("where"))
    def enter(call: Call) -> Steps:
        """Goes on stage."""
        yield Wait(delay_s=ENTER_S)
        there.append(call["name"])
        return Result(True, changed=True)

    monkeypatch.setattr("grace_actors.drills.host.kong_load.start_dummy", enter)
    return there


def test_the_source_of_a_halted_load_went_on_stage_after_it_was_swept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = stage(monkeypatch)
    load = Load(bench.add("chaos_runner", Kernel).ctx, 500, "run_1")
    problems: list[str] = []
    load.begin(problems.append)
    bench.advance(ENTER_S / 2)
    load.leave()
    bench.advance(60.0)
    assert there == [SINK]
    assert problems == ["left: the drill is over"]


def test_a_load_that_stood_still_half_of_the_time_shows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(monkeypatch)
    source, runner = bench.add(SOURCE, Clerk), bench.add("chaos_runner", Kernel)
    load = Load(runner.ctx, 500, "run_1")
    problems: list[str] = []
    load.begin(problems.append)
    bench.advance(2.0 * ENTER_S)
    for second in range(10):
        bench.advance(1.0)
        source.count += 500 if second < 5 else 0  # type: ignore[attr-defined]
        load.look(is_up=second < 5)
    rested: list[bool] = []
    source.on_way = 3  # type: ignore[attr-defined]
    load.rest(lambda: rested.append(True))
    bench.advance(1.0)
    assert rested == [], "three are on their way"
    source.on_way = 0  # type: ignore[attr-defined]
    bench.advance(1.0)
    with_numbers(bench, 2500, 2500)
    found = compared(bench, load)
    assert (problems, rested) == ([""], [True])
    assert (found["load_per_s"], found["load_per_s_while_up"], found["load_stood_still_s"]) == (250.0, 500.0, 5.0)


def with_numbers(bench: Bench, acknowledged: int, delivered: int) -> None:
    """Ledgers as a source and a sink leave them."""
    written = Ledger(bench.home / "data" / SOURCE / FILE)
    written.add(range(acknowledged))
    Ledger(bench.home / "data" / SINK / f"{FILE}-{written.session}", session=written.session).add(range(delivered))


def compared(bench: Bench, load: Load) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    load.compare(found.append)
    bench.advance(COMPARE_S + 1.0)
    return found[0]


def test_what_is_lost_is_read_from_the_disk_though_neither_kernel_answers(bench: Bench) -> None:
    with_numbers(bench, 100, 97)
    found = compared(bench, Load(bench.add("chaos_runner", Kernel).ctx, 500, "run_1"))
    assert (found["acknowledged"], found["lost"], found["missing"]) == (100, 3, [97, 98, 99])


def test_a_kong_that_was_halted_early_told_that_nothing_was_lost_and_no_core_was_busy(bench: Bench) -> None:
    judged: list[KongRun] = []
    ctx = bench.add("chaos_runner", Kernel).ctx
    kong = KongRun(ctx, "run", "me", Faults(MADE), judged.append, seconds=30.0, seed=0, load=500)  # type: ignore[arg-type]
    kong.halt("somebody")
    facts = judged[0].shown()["facts"]
    for unknown in ("acknowledged", "delivered", "lost", "duplicates", "cpu_max", "queue_depth_max"):
        assert facts[unknown] is None, unknown
    assert (facts["blasts_made"], kong.journal()["facts"]["lost"]) == (0, None)


def test_a_kong_that_was_halted_while_it_verified_ended_as_completed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[KongRun] = []
    faults = Faults(MADE)
    ctx = bench.add("chaos_runner", Kernel).ctx
    kong = KongRun(ctx, "run", "me", faults, judged.append, seconds=30.0, seed=0, load=0)  # type: ignore[arg-type]
    kong.phase = "verifying"
    kong._compared(True, {})
    faults.is_slow = True
    kong.halt("ann")
    bench.advance(5.0)
    assert judged == [], "what it was about to say is not said any more"
    faults.slowly[0]([])
    bench.advance(5.0)
    assert [(each.shown()["status"], each.passed, each.reason) for each in judged] == [
        ("interrupted", None, "halted by ann")
    ]


def test_the_sink_of_the_next_kong_was_sent_what_the_bus_still_kept_of_the_one_before(bench: Bench) -> None:
    bench.add("message_bus", MessageBus, boot_rate_limit=0)
    runner = bench.add("chaos_runner", Kernel)
    delivered: list[int] = []
    for run in ("drill_1", "drill_2"):
        topic = Load(runner.ctx, 100, run).topic
        sink = bench.add(SINK, Sink, topic=topic)
        bench.add(SOURCE, Source, topic=topic, rate=100.0)
        bench.advance(2.0)
        delivered.append(bench.ask(SINK, "figures")["delivered"])
        assert len(sink._ledgers) == 1  # type: ignore[attr-defined]
        bench.crash(SINK)
        bench.crash(SOURCE)
        clear_load(runner.ctx, lambda problem: None)
        bench.advance(1.0)
        topics = bench.ask("message_bus", "topics")["topics"]
        assert [each["topic"] for each in topics if each["durable"] and each["topic"].startswith(TOPIC)] == []
    assert 0 < delivered[1] < 1.5 * delivered[0]


def test_without_a_ledger_nothing_is_known(bench: Bench) -> None:
    assert compared(bench, Load(bench.add("chaos_runner", Kernel).ctx, 500, "run_1")) == {
        "acknowledged": None,
        "lost": None,
    }


def test_a_load_whose_runner_was_killed_stayed_on_the_bus_and_on_the_disk(bench: Bench) -> None:
    bench.add("message_bus", MessageBus, boot_rate_limit=0)
    bench.add(SINK, Sink)
    bench.add(SOURCE, Source, rate=100.0)
    bench.advance(2.0)
    assert bench.ask("message_bus", "stats")["subscribers"]
    bench.crash(SINK)
    bench.crash(SOURCE)
    said: list[str] = []
    clear_load(bench.add("chaos_runner", Kernel).ctx, said.append)
    bench.advance(1.0)
    assert said == [""]
    assert bench.ask("message_bus", "stats")["subscribers"] == []
    assert [each["durable"] for each in bench.ask("message_bus", "topics")["topics"] if each["topic"] == TOPIC] == [
        False
    ]
    assert list((bench.home / "data").glob(f"drill_*/{FILE}*")) == []


def test_a_load_that_cannot_be_taken_off_now_is_found_the_next_time(bench: Bench) -> None:
    with_numbers(bench, 1, 1)
    said: list[str] = []
    clear_load(bench.add("chaos_runner", Kernel).ctx, said.append)
    bench.advance(60.0)
    assert "was not taken off message_bus" in said[0]
    assert len(list((bench.home / "data").glob(f"drill_*/{FILE}*"))) == 2
