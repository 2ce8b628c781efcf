"""Jobs under a virtual clock: due times, missed runs, history, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.errors import GraceError, Refused, StoreFailed
from grace_actors.kernel import LATER, Answer, Kernel, Request
from grace_actors.kernels.schedule import BadSchedule, parse
from grace_actors.kernels.scheduler import Scheduler
from tests.harness.kernels import Bench


class Worker(Kernel):
    """Does jobs; `mode` says how."""

    mode = "well"

    def do_work(self, request: Request) -> Any:
        if self.mode == "badly":
            raise Refused("not today")
        return LATER if self.mode == "slowly" else {"done": request.args}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(home=tmp_path)
    made.add("worker", Worker)
    made.add("scheduler", Scheduler, jobs=[])
    yield made
    if "scheduler" in made.kernels:
        made.kernels["scheduler"].stop("over")


def add(bench: Bench, name: str = "j", schedule: str = "10m", **more: Any) -> Any:
    job = {"name": name, "schedule": schedule, "target": "worker", "verb": "work"} | more
    got: list[Answer] = []
    bench.post("test", "scheduler", "add", job, got.append)
    if not got[0].ok:
        raise GraceError(str(got[0].error))
    return got[0].value


def runs(bench: Bench) -> list[str]:
    return [run["state"] for run in bench.ask("scheduler", "history")["runs"]][::-1]


def restart(bench: Bench, *, after_s: float = 0.0, **config: Any) -> None:
    bench.kernels["scheduler"]._store.close()  # type: ignore[attr-defined]  # as the end of the process would
    bench.crash("scheduler")
    bench.advance(after_s)
    bench.add("scheduler", Scheduler, **{"jobs": [], **config})


def test_an_interval_job_runs_at_each_interval_with_its_arguments(bench: Bench) -> None:
    add(bench, args={"depth": 2})
    bench.advance(599)
    assert runs(bench) == []
    bench.advance(1202)
    assert runs(bench) == ["done"] * 3
    assert bench.ask("scheduler", "history")["runs"][0]["detail"] == '{"done": {"depth": 2}}'
    assert bench.types() == ["job.finished"] * 3


def test_a_cron_job_runs_at_its_times_in_utc(bench: Bench) -> None:
    job = add(bench, schedule="30 3 * * *")
    due = datetime.fromtimestamp(job["next_run"], UTC)
    assert (due.hour, due.minute) == (3, 30)
    bench.advance(86_400 * 2)
    assert runs(bench) == ["done", "done"]


def test_one_timer_waits_and_nothing_else(bench: Bench) -> None:
    for n in range(5):
        add(bench, name=f"j{n}", schedule=f"{n + 1}h")
    live = [entry for entry in bench._due if not entry[2].cancelled and entry[2].owner == "scheduler"]  # type: ignore[attr-defined]
    assert len(live) == 1


def test_a_failed_job_is_noted_and_runs_again_at_its_time(bench: Bench) -> None:
    bench.kernels["worker"].mode = "badly"  # type: ignore[attr-defined]
    add(bench)
    bench.advance(1201)
    assert runs(bench) == ["failed", "failed"]
    assert bench.ask("scheduler", "history")["runs"][0]["detail"] == "refused: not today"
    assert bench.ask("scheduler", "list")["jobs"][0]["last_state"] == "failed"


def test_a_job_that_does_not_answer_times_out(bench: Bench) -> None:
    bench.kernels["worker"].mode = "slowly"  # type: ignore[attr-defined]
    add(bench, timeout_s=20)
    bench.advance(621)
    assert runs(bench) == ["failed"]


def test_a_job_is_not_begun_while_its_run_before_is_not_over(bench: Bench) -> None:
    bench.kernels["worker"].mode = "slowly"  # type: ignore[attr-defined]
    add(bench, timeout_s=3000)
    bench.advance(1201)
    assert runs(bench) == ["running", "skipped"]
    with pytest.raises(GraceError, match="is running"):
        bench.ask("scheduler", "run_now", name="j")


def test_jobs_survive_a_crash_and_a_missed_run_is_made_up_for_once(bench: Bench) -> None:
    add(bench)
    restart(bench, after_s=3_000)
    assert [(type, subject) for type, subject, _ in bench.events] == [("job.missed", "j")]
    bench.advance(31)
    assert runs(bench) == ["done"]
    bench.advance(598)
    assert runs(bench) == ["done"]
    bench.advance(2)
    assert runs(bench) == ["done", "done"]


def test_a_missed_run_is_left_out_if_the_job_says_so(bench: Bench) -> None:
    due = add(bench, misfire="skip")["next_run"]
    restart(bench, after_s=1_500)
    assert bench.ask("scheduler", "list")["jobs"][0]["next_run"] == due + 1_200
    bench.advance(301)
    assert runs(bench) == ["done"]


def test_a_run_that_a_crash_interrupted_is_said_to_be(bench: Bench) -> None:
    bench.kernels["worker"].mode = "slowly"  # type: ignore[attr-defined]
    add(bench)
    bench.ask("scheduler", "run_now", name="j")
    restart(bench)
    assert runs(bench) == ["interrupted"]
    assert bench.events[-1][:2] == ("job.failed", "j")


def test_a_paused_job_rests_and_resumes_from_now(bench: Bench) -> None:
    add(bench)
    bench.ask("scheduler", "pause_job", name="j")
    bench.advance(3_000)
    assert runs(bench) == []
    bench.ask("scheduler", "resume_job", name="j")
    bench.advance(601)
    assert runs(bench) == ["done"]


def test_run_now_leaves_the_schedule_as_it_is(bench: Bench) -> None:
    due = add(bench)["next_run"]
    assert bench.ask("scheduler", "run_now", name="j") == {"run": 1}
    assert bench.ask("scheduler", "list")["jobs"][0]["next_run"] == due


def test_a_removed_job_is_gone_with_its_history(bench: Bench) -> None:
    add(bench)
    bench.ask("scheduler", "run_now", name="j")
    bench.ask("scheduler", "remove", name="j")
    bench.advance(3_000)
    assert (runs(bench), bench.ask("scheduler", "list")["jobs"]) == ([], [])


def test_the_history_is_bounded(bench: Bench) -> None:
    add(bench, schedule="10s")
    bench.advance(1_000)
    kept = bench.ask("scheduler", "history", limit=50)["runs"]
    assert (len(kept), kept[0]["number"], kept[-1]["number"]) == (50, 100, 51)


def test_configured_jobs_are_kept_up_to_date_and_are_not_removed(bench: Bench) -> None:
    job = {"name": "c", "schedule": "1h", "target": "worker", "verb": "work"}
    restart(bench, jobs=[job])
    restart(bench, jobs=[job | {"schedule": "2h"}, {"name": "bad"}])
    assert [j["schedule"] for j in bench.ask("scheduler", "list")["jobs"]] == ["2h"]
    assert bench.kernels["scheduler"].degraded[0].startswith("a configured job was left out")
    with pytest.raises(GraceError, match="comes from the tree file"):
        bench.ask("scheduler", "remove", name="c")


def test_without_configuration_logs_and_snapshots_are_verified(bench: Bench) -> None:
    bench.kernels["scheduler"].stop("")
    bench.add("scheduler", Scheduler)
    jobs = {job["name"]: (job["target"], job["verb"]) for job in bench.ask("scheduler", "list")["jobs"]}
    assert jobs["verify_log"] == ("immutable_log", "verify")
    assert jobs["verify_snapshots"] == ("memory_fusion", "verify")
    assert bench.ask("scheduler", "backup")["snapshot"].endswith(".db")
    assert bench.ask("scheduler", "backup") == {"snapshot": None}


def test_a_store_that_refuses_delays_a_job_and_does_not_lose_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    add(bench)
    jobs = bench.kernels["scheduler"]._jobs  # type: ignore[attr-defined]

    def refuse(*args: Any) -> int:
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(jobs, "begin", refuse)
    bench.advance(601)
    assert bench.kernels["scheduler"].degraded == ["jobs wait: the disk is full"]
    monkeypatch.undo()
    bench.advance(31)
    assert runs(bench) == ["done"]
    assert bench.kernels["scheduler"].degraded == []


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("61 * * * *", "is no cron expression"),
        ("* * * *", "has 4 fields"),
        ("0 0 30 2 *", "is never due"),
        ("0.1s", "too short"),
        ("soon", "'soon' is not a duration"),
        ("@sometimes", "is no cron expression"),
        ("R R * * *", "a random time"),
    ],
)
def test_a_bad_schedule_is_refused_with_what_is_allowed(bench: Bench, schedule: str, message: str) -> None:
    with pytest.raises(GraceError, match=message) as caught:
        add(bench, schedule=schedule)
    assert "five cron fields" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"target": 5}, {"args": []}, {"misfire": "maybe"}, {"timeout_s": 0}, {"args": {"x": float("nan")}}],
)
def test_a_bad_job_is_refused(bench: Bench, change: dict[str, Any]) -> None:
    with pytest.raises(GraceError, match="refused"):
        add(bench, **change)


def test_an_unknown_job_is_not_found(bench: Bench) -> None:
    with pytest.raises(GraceError, match="there is no job 'x'"):
        bench.ask("scheduler", "run_now", name="x")


@given(text=st.text(max_size=40) | st.from_regex(r"[0-9*/,\-@a-zA-Z# ]{1,40}", fullmatch=True))
def test_any_text_is_a_schedule_or_refused_with_a_reason(text: str) -> None:
    try:
        schedule = parse(text)
    except BadSchedule as refused:
        assert str(refused)
        return
    assert schedule.after(1.7e9) > 1.7e9


@given(interval=st.integers(1, 10_000), due=st.floats(1e9, 2e9), late=st.floats(0, 1e6))
def test_the_next_time_is_in_the_future_and_at_most_one_interval_away(interval: int, due: float, late: float) -> None:
    now = due + late
    found = parse(f"{interval}s").next_due(due, now)
    assert now < found <= now + interval + 1e-3
