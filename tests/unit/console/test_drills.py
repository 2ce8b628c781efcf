"""drill: what is asked for, what a person reads, what a script reads, and with which status it ends."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console import polling
from grace_actors.console.complete import Sources, suggest
from grace_actors.console.dispatch import dispatch
from grace_actors.home import Home
from tests.unit.console.fake import NOT_FOUND, FakeInstance, RemoteError, asked
from tests.unit.console.fake_drills import PASSED, REFUSED, FakeRunner, looks, row

Captured = pytest.CaptureFixture[str]
LISTED = [
    row("KH002", title="KH002 - librarian is killed", last_run=1.0, passed=True, runs=3, heal_s=1.5, due=False),
    row("RE003", last_run=2.0, passed=False, runs=2, deviations=1, weight=1.8),
    row("SEC001", weight=3.0),
]


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.005)


def run(root: Path, line: str, runner: FakeRunner | None = None, **answers: Any) -> tuple[int, FakeInstance]:
    with FakeInstance(root, (runner or FakeRunner(*LISTED, **answers)).script()) as fake:
        return dispatch(shlex.split(line), fake.home), fake


# ---- list and show --------------------------------------------------------------------------------------------------


def test_the_list_has_one_line_a_drill_and_names_the_riskiest_that_is_due(root: Path, capsys: Captured) -> None:
    assert run(root, "drill list")[0] == 0
    title, first, second, third, sum_up = capsys.readouterr().out.splitlines()
    assert title.split()[:4] == ["drill", "last", "when", "weight"]
    assert first.split()[:3] == ["KH002", "✓", "passed"]
    assert first.rstrip().endswith("librarian is killed")
    assert "KH002 -" not in first
    assert (second.split()[:3], "2 (1 deviated)" in second) == (["RE003", "✖", "deviated"], True)
    assert third.split()[:4] == ["SEC001", "○", "never", "due"]
    assert sum_up == "3 drills: 1 passed, 1 deviated, 1 never run, 2 due. Run one: drill run SEC001"


def test_json_of_the_list_is_a_list_of_drills(root: Path, capsys: Captured) -> None:
    assert run(root, "drill list --json")[0] == 0
    found = json.loads(capsys.readouterr().out)
    assert found == LISTED
    assert {"id", "title", "weight", "last_run", "passed"} <= set(found[0])


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("line", ["drill list", "drill coverage", "drill schedule", "drill show KH002"])
def test_nothing_is_wider_than_the_console_and_ids_are_whole(
    root: Path, width: int, line: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    runner = FakeRunner(*LISTED[:1], row("X" * 20, title="y" * 300), coverage=COVERAGE, schedule=SCHEDULE)
    runner.add("drill_20261121_0001", looks("drill_20261121_0001", "KH002", reason="r" * 300)[-1:])
    run(root, line, runner)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    wanted = {"list": "X" * 20, "show": "drill_20261121_0001", "coverage": "drill_7", "schedule": "drill.withheld"}
    assert any(wanted[line.split()[1]] in each for each in lines)


def test_show_tells_what_is_done_what_must_come_of_it_and_how_it_went(root: Path, capsys: Captured) -> None:
    runner = FakeRunner(*LISTED)
    slow = PASSED | {"slo": False, "work_order": False}
    runner.add("drill_0001", looks("drill_0001", "KH002", gates=slow, reason="healed after 70 s")[-1:])
    assert run(root, "drill show KH", runner)[0] == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "KH002 ✓ passed librarian is killed",
        "what A SIGKILL must be healed within a minute.",
        "trigger child.exited of librarian within 5s",
        "playbook the restart by its supervisor",
        "work order none is made",
        "limits healed within 60s",
        "incidents of librarian belong to it",
        "first kernel_state kernel=librarian, wanted: running (librarian-running)",
        "then kill kernel=librarian (kill-librarian)",
        "at the end ensure_running kernel=librarian",
        "drill_0001 ✖ deviated",
        "not work order, slo 0.20s 1.4s healed after 70 s",
    ):
        assert words in told


def test_a_drill_that_is_not_there_ends_with_4_and_an_ambiguous_one_with_2(root: Path, capsys: Captured) -> None:
    assert run(root, "drill show KH003")[0] == 4
    assert "did you mean: KH002" in capsys.readouterr().err
    two = FakeRunner(row("KH001"), row("KH002"))
    assert run(root / "b", "drill show KH", two)[0] == 2


def test_a_card_that_was_just_written_is_read_and_one_with_mistakes_is_told(root: Path, capsys: Captured) -> None:
    wrong = {"cards": 3, "problems": ["mine.yaml:8:17: unknown playbook 'restarts'"]}
    code, fake = run(root, "drill list", read_drills=wrong)
    verbs = [args["verb"] for verb, args in fake.requests if verb == "ask"]
    assert (code, verbs) == (0, ["read_drills", "drills"])
    assert capsys.readouterr().out.splitlines()[-1] == "✖ left out: mine.yaml:8:17: unknown playbook 'restarts'"
    assert run(root / "b", "drill run MINE", read_drills=wrong)[0] == 4
    assert "left out: mine.yaml:8:17: unknown playbook 'restarts'" in capsys.readouterr().err
    assert run(root / "c", "drill list --json", read_drills=wrong)[0] == 0
    told = capsys.readouterr()
    assert (json.loads(told.out), "mine.yaml:8:17" in told.err) == (LISTED, True)


def test_what_a_probe_must_find_is_told_in_words() -> None:
    from grace_actors.console.drill_lists import _wanted

    assert [
        _wanted("running"),
        _wanted([0, 5]),
        _wanted({"type": "range", "range": [8, 8]}),
        _wanted(["up", "degraded", "paused"]),
        _wanted({"type": "regex", "pattern": "^ok"}),
    ] == ["running", "0 to 5", "8", "up or degraded or paused", "a text like ^ok"]


def test_validate_tells_the_mistakes_of_files_and_needs_no_instance(root: Path, capsys: Captured) -> None:
    from chaos.loader import BUILT_IN

    root.mkdir()
    text = (BUILT_IN / "KH002.yaml").read_text(encoding="utf-8")
    card = root / "mine.yaml"
    home = Home(root / "none")
    card.write_text(text.replace("card: KH002", "card: MINE"), encoding="utf-8")
    assert dispatch(["drill", "validate", str(card)], home) == 0
    assert capsys.readouterr().out == f"{card}: valid (cards: MINE)\n"
    wrong = text.replace("card: KH002", "card: MINE").replace("playbook: restart", "playbook: restarts")
    card.write_text(wrong, encoding="utf-8")
    assert dispatch(["drill", "validate", str(root)], home) == 1
    assert "unknown playbook 'restarts'" in capsys.readouterr().err
    card.write_text(text, encoding="utf-8")
    assert dispatch(["drill", "validate", "--json", str(card)], home) == 1
    (fault,) = json.loads(capsys.readouterr().out)["faults"]
    assert "the id KH002 has a card that comes with Grace" in fault["message"]
    assert dispatch(["drill", "validate", str(root / "other.yaml")], home) == 2


def test_an_id_may_be_typed_in_small_letters(root: Path) -> None:
    code, fake = run(root, "drill run kh sec")
    assert (code, [args["id"] for args in asked(fake, "run_drill")]) == (0, ["KH002", "SEC001"])


# ---- run ------------------------------------------------------------------------------------------------------------


def test_run_prints_a_line_for_each_change_and_ends_with_0_when_it_passed(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "drill run KH")
    assert code == 0
    (sent,) = asked(fake, "run_drill")
    assert sent["id"] == "KH002"
    assert sent["by"]
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "KH002 is drilled: drill_0001 started by alice"
    assert [line.split()[1] for line in told if line.startswith("  gate")] == ["trigger", "playbook", "work", "slo"]
    assert [line for line in told if line.startswith("  inject ")] == [
        "  inject kill-librarian ok (0.02s): killed, pid 4711"
    ]
    assert sum(line.startswith("  probe librarian-running ok") for line in told) == 2  # before and after
    assert told[-2:] == [
        "KH002 passed: noticed after 0.20s, healed after 1.4s",
        "  journal /srv/grace/chaos/journals/drill_0001.json",
    ]
    assert [line for line in told if line in ("  checking", "  injecting", "  healing")] == [
        "  checking",
        "  injecting",
        "  healing",
    ]


def test_json_of_run_is_one_object_with_exactly_these_keys(root: Path, capsys: Captured) -> None:
    assert run(root, "drill run KH002 --json")[0] == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "id": "KH002",
        "passed": True,
        "gates": PASSED,
        "detect_s": 0.2,
        "heal_s": 1.4,
        "journal": "/srv/grace/chaos/journals/drill_0001.json",
    }
    assert told.err == ""


@pytest.mark.parametrize("status", ["completed", "aborted", "interrupted", "failed"])
def test_a_run_that_did_not_pass_ends_with_1_whatever_its_status(root: Path, status: str, capsys: Captured) -> None:
    over = looks("drill_1", "KH002")[-1] | {"status": status, "passed": None, "reason": "the bus failed", "gates": {}}
    code, _ = run(root, "drill run KH002 --json", run_drill={"run": "drill_1", "id": "KH002"}, drill_run=over)
    found = json.loads(capsys.readouterr().out)
    assert (code, found["passed"], found["gates"]) == (1, False, dict.fromkeys(PASSED))
    run(root / "b", "drill run KH002", run_drill={"run": "drill_1", "id": "KH002"}, drill_run=over)
    word = "deviated" if status == "completed" else status
    assert f"KH002 {word}: the bus failed" in capsys.readouterr().out


def test_a_refused_drill_ends_with_5_and_prints_no_answer(root: Path, capsys: Captured) -> None:
    assert run(root, "drill run KH002 --json", run_drill=REFUSED)[0] == 5
    told = capsys.readouterr()
    assert told.out == ""
    assert "drill KH001 has been running for 12 s, started by eve" in told.err


def test_several_drills_are_run_one_after_the_other_and_one_refused_does_not_stop_them(
    root: Path, capsys: Captured
) -> None:
    runner = FakeRunner(*LISTED)
    begin = runner._begin
    runner.answers["run_drill"] = lambda args: REFUSED if args["id"] == "RE003" else begin(args)
    code, fake = run(root, "drill run KH RE SEC --json", runner)
    assert code == 5
    assert [args["id"] for args in asked(fake, "run_drill")] == ["KH002", "RE003", "SEC001"]
    first, refused, last = json.loads(capsys.readouterr().out)
    assert (first["passed"], refused["error"]["code"], last["passed"]) == (True, "refused", True)
    assert set(refused) == {"id", "error"}


def test_nothing_is_run_when_one_of_the_names_is_wrong(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "drill run KH002 XX9")
    assert (code, asked(fake, "run_drill")) == (4, [])
    assert "unknown drill 'XX9'" in capsys.readouterr().err


def test_times_repeats(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "drill run KH002 --times 3", FakeRunner(row("KH002")))
    assert (code, len(asked(fake, "run_drill"))) == (0, 3)
    assert capsys.readouterr().out.endswith("3 of 3 passed\n")


def test_those_who_answer_may_be_gone_for_a_while_during_a_drill(root: Path, capsys: Captured) -> None:
    gone = RemoteError(code="timed_out", message="chaos_runner did not answer", hint="")
    answers = [gone, looks("drill_1", "KH002")[0], gone, gone, looks("drill_1", "KH002")[-1]]
    begun = {"run": "drill_1", "id": "KH002"}
    assert run(root, "drill run KH002", run_drill=begun, drill_run=lambda args: answers.pop(0))[0] == 0
    assert answers == []


def test_silence_for_too_long_ends_the_watching_and_says_how_to_go_on(
    root: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "SILENCE_S", 0.0)
    gone = RemoteError(code="timed_out", message="chaos_runner did not answer", hint="")
    assert run(root, "drill run KH002", drill_run=gone)[0] == 1
    assert "later: drill follow drill_0001" in capsys.readouterr().err


def test_watching_ends_at_once_when_the_instance_is_gone(root: Path) -> None:
    with FakeInstance(root, FakeRunner(*LISTED).script()) as fake:
        fake.script["ask"] = lambda args: (
            _leave(fake) if args["verb"] == "drill_run" else {"run": "d", "drills": LISTED}
        )
        assert dispatch(["drill", "run", "KH002"], fake.home) == 3


def _leave(fake: FakeInstance) -> Any:
    from tests.unit.console.fake import HANG_UP

    fake.home.control_socket.unlink(missing_ok=True)
    return HANG_UP


def test_ctrl_c_ends_the_watching_alone_and_says_how_to_halt(
    root: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("grace_actors.console.polling.time.sleep", interrupted)
    code, fake = run(root, "drill run KH002")
    assert (code, asked(fake, "halt")) == (130, [])
    told = "drill_0001 goes on\n  watch it: drill follow drill_0001\n  stop it: drill halt"
    assert told in capsys.readouterr().err


def test_follow_watches_the_newest_run_or_the_one_that_is_named(root: Path, capsys: Captured) -> None:
    runner = FakeRunner(*LISTED)
    runner.add("drill_0001", looks("drill_0001", "KH001", gates=PASSED | {"slo": False}))
    runner.add("drill_0002", looks("drill_0002", "KH002"))
    assert run(root, "drill follow", runner)[0] == 0
    assert run(root / "b", "drill follow drill_0001", runner)[0] == 1
    told = capsys.readouterr().out
    assert "KH002 passed" in told
    assert "KH001 deviated: not slo" in told


def test_follow_takes_a_drill_for_its_newest_run_and_tells_at_once_what_it_does_not_know(
    root: Path, capsys: Captured
) -> None:
    runner = FakeRunner(*LISTED)
    runner.add("drill_0001", looks("drill_0001", "KH002")[-1:])
    assert run(root, "drill follow kh002", runner)[0] == 0
    assert "KH002 passed" in capsys.readouterr().out
    assert run(root / "b", "drill follow zzz", runner)[0] == 4
    assert "there is no run or drill 'zzz'" in capsys.readouterr().err
    assert run(root / "c", "drill follow SEC", runner)[0] == 4
    assert "SEC001 was never run" in capsys.readouterr().err
    assert run(root / "d", "drill follow")[0] == 4
    assert "no drill was run yet" in capsys.readouterr().err


# ---- halt, coverage, schedule ---------------------------------------------------------------------------------------

COVERAGE: dict[str, Any] = {
    "total": 4,
    "drilled_recently": 1,
    "never": ["SEC001"],
    "overdue": [],
    "high_risk_pending": ["SEC001"],
    "by_category": {"kernel_health": {"total": 2, "drilled": 1}},
    "kernels": {
        "librarian": {"cards": ["KH002"], "last": 1.0, "passed": False},
        "governance": {"cards": [], "last": None, "passed": None},
    },
    "no_drill": ["governance"],
    "deviated": [{"id": "KH002", "run": "drill_7", "at": 1.0, "reason": "too slow" * 40}],
}
SCHEDULE: dict[str, Any] = {
    "leashed": True,
    "every_s": 300.0,
    "window": "08:00-18:00",
    "min_gap_s": 3600.0,
    "next_in_s": None,
    "running": None,
    "withheld": "an incident is open" * 10,
    "recent": [{"at": 1.0, "type": "drill.withheld", "data": {"reason": "x" * 200}}],
}


def test_halt_says_what_was_undone_and_ends_with_1_when_something_could_not(root: Path, capsys: Captured) -> None:
    done = {"halted": "drill_0001", "undone": ["rec_1", "rec_2"], "failed": []}
    assert run(root, "drill halt", halt=done)[0] == 0
    assert capsys.readouterr().out.splitlines() == ["✓ halted drill_0001", "✓ undone: rec_1, rec_2"]
    stuck = done | {"undone": [], "failed": [{"record": "rec_3", "problem": "disk is full"}]}
    assert run(root / "b", "drill halt", halt=stuck)[0] == 1
    assert "✖ undo_failed: rec_3: disk is full" in capsys.readouterr().out
    assert run(root / "c", "drill halt", halt={"halted": None, "undone": [], "failed": []})[0] == 0
    assert capsys.readouterr().out.splitlines()[0] == "no drill was running"


def test_coverage_tells_what_is_missing_by_category_and_kernel(root: Path, capsys: Captured) -> None:
    assert run(root, "drill coverage", coverage=COVERAGE)[0] == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "██████░░░░░░░░░░░░░░░░░░ 1 of 4",
        "never run SEC001 overdue none high risk SEC001",
        "kernel_health ████████████░░░░░░░░░░░░ 1 of 2",
        "librarian ✖ deviated",
        "no drill governance",
        "governance \N{EN DASH} no drill - none",
        "KH002 drill_7",
    ):
        assert words in told
    run(root / "b", "drill coverage --json", coverage=COVERAGE)
    assert json.loads(capsys.readouterr().out) == COVERAGE


def test_schedule_tells_the_leash_the_plan_and_what_holds_drills_back(root: Path, capsys: Captured) -> None:
    assert run(root, "drill schedule", schedule=SCHEDULE | {"withheld": "an incident is open"})[0] == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "leash on: no drill starts by itself. Allow them: chaos leash off" in told
    assert "withheld an incident is open plan one every 5m, within 08:00-18:00, at least 1h apart" in told
    free = SCHEDULE | {"leashed": False, "next_in_s": 90.0, "running": "drill_9", "withheld": "", "recent": []}
    run(root / "b", "drill schedule", schedule=free)
    told = " ".join(capsys.readouterr().out.split())
    assert "leash off: drills start by themselves" in told
    assert "running drill_9" in told
    assert "next in 1m" in told
    assert "withheld" not in told


# ---- report ---------------------------------------------------------------------------------------------------------

REPORT = {"made_at": 1.0, "runs": [looks("drill_1", "KH002")[-1]], "coverage": COVERAGE, "kong": []}


def test_report_writes_a_page_and_says_where(root: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    root.mkdir()
    monkeypatch.chdir(root)
    code, fake = run(root / "h", "drill report", report=REPORT)
    assert (code, asked(fake, "report")) == (0, [{"limit": 50}])
    assert capsys.readouterr().out == f"report of 1 run written to {root}/drill-report.html\n"
    page = (root / "drill-report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "KH002" in page
    assert [path.name for path in root.iterdir() if path.is_file()] == ["drill-report.html"]


def test_report_goes_to_a_file_that_is_named_or_to_the_output(root: Path, capsys: Captured) -> None:
    root.mkdir()
    code, fake = run(root / "h", f"drill report --out {root}/r.html --limit 3", report=REPORT)
    assert (code, asked(fake, "report")) == (0, [{"limit": 3}])
    capsys.readouterr()
    assert run(root / "h2", "drill report -o -", report=REPORT)[0] == 0
    assert capsys.readouterr().out == (root / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["/proc/nowhere/r.html", "/", "/tmp"])
def test_report_that_cannot_be_written_ends_with_1(root: Path, place: str, capsys: Captured) -> None:
    assert run(root, f"drill report --out {place}", report=REPORT)[0] == 1
    assert f"grace: {place} " in capsys.readouterr().err


def test_json_of_report_is_the_data_and_writes_nothing_unasked(
    root: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    monkeypatch.chdir(root)
    assert run(root / "h", "drill report --json", report=REPORT)[0] == 0
    assert json.loads(capsys.readouterr().out) == REPORT
    assert not (root / "drill-report.html").exists()
    assert run(root / "h2", "drill report --json --out r.html", report=REPORT)[0] == 0
    assert json.loads(capsys.readouterr().out) == REPORT
    assert (root / "r.html").exists()


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("drill", "missing: ACTION"),
        ("drill lst", "did you mean: list"),
        ("drill run", "drill run without an ID"),
        ("drill show KH002 SEC001", "'SEC001' is one word too many"),
        ("drill list KH002", "drill show KH002"),
        ("drill list --times 2", "that is for: run"),
        ("drill run KH002 --times 0", "whole numbers from 1"),
        ("drill run KH002 --out x", "that is for: report"),
        ("drill follow a b", "'b' is one word too many"),
    ],
)
def test_words_that_mean_nothing_are_told_and_nothing_is_begun(
    root: Path, line: str, message: str, capsys: Captured
) -> None:
    code, fake = run(root, line)
    assert (code, asked(fake, "run_drill")) == (2, [])
    assert message in capsys.readouterr().err


def test_an_instance_without_a_chaos_runner_says_so_with_4(root: Path, capsys: Captured) -> None:
    nowhere = RemoteError(code="not_found", message="nothing in the tree is called 'chaos_runner'", hint="known: till")
    for number, line in enumerate(("drill list", "drill halt", "chaos faults", "kong --yes")):
        with FakeInstance(root / str(number), {"ask": nowhere}) as fake:
            assert dispatch(line.split(), fake.home) == 4
        told = capsys.readouterr().err
        assert "this tree has no chaos_runner" in told
        assert "grace_actors.kernels.chaos_runner:ChaosRunner" in told


def test_ids_of_drills_are_completed_where_one_is_taken() -> None:
    sources = Sources(names=tuple, logs=tuple, drills=lambda: ["KH001", "KH002", "SEC001"])

    def texts(line: str) -> list[str]:
        return [found.text for found in suggest(line, sources)]

    assert texts("drill sh") == ["show"]
    assert texts("drill run K") == ["KH001", "KH002"]
    assert texts("drill run KH001 K") == ["KH002"]
    assert texts("drill show S") == ["SEC001"]
    assert texts("drill list ") == []
    assert texts("chaos leash ") == ["on", "off"]
    assert texts("chaos undo ") == []


def test_the_prompt_asks_for_the_drills_once_in_a_while_and_bears_an_instance_without_any(root: Path) -> None:
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from grace_actors.console.prompt import TreeCompleter

    with FakeInstance(root, FakeRunner(*LISTED).script()) as fake:
        completer = TreeCompleter(fake.home)
        for _ in range(3):
            found = completer.get_completions(Document("drill run KH"), CompleteEvent())
            assert [each.text for each in found] == ["KH002"]
        assert len(asked(fake, "drills")) == 1
        fake.script["ask"] = NOT_FOUND
        assert list(TreeCompleter(fake.home).get_completions(Document("drill run K"), CompleteEvent())) == []
