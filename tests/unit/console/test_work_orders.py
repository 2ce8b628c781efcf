"""work-order: orders listed and shown, taken, completed and given up."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.console.records import user
from tests.unit.console.fake import NOT_FOUND, FakeInstance, RemoteError, asked, by_id, kernels

Captured = pytest.CaptureFixture[str]
ID = "wo_20261121_0001"
RUN = {"id": "run_20261121_0002", "playbook": "verification_fix", "status": "paused", "message": "waits for the patch"}
ORDER: dict[str, Any] = {
    "id": ID,
    "type": "self_healing_patch",
    "description": "librarian: KeyError in look",
    "status": "queued",
    "priority": "high",
    "estimated_complexity": "medium",
    "self_healing_run_id": RUN["id"],
    "playbook_id": "verification_fix",
    "incident": "inc_20261121_0007",
    "assigned_agent": "",
    "created_at": time.time() - 7200,
    "started_at": None,
    "completed_at": None,
    "created_by": "self_healing",
    "context": {"error_type": "KeyError", "traceback": "Traceback\n  File x\x1b[2J"},
    "patch_result": None,
    "error": "",
}
MOVES = [{"at": time.time() - 120, "before": "", "after": "queued", "by": "self_healing", "note": "created"}]
STATS = {"total_work_orders": 1, "queued": 1, "in_progress": 0, "completed": 2, "average_patch_time_minutes": 8.5}


def ended(args: dict[str, Any]) -> Any:
    if args["id"] != ID:
        return NOT_FOUND
    state = "completed" if args.get("tests_passed") else "failed"
    return {"success": state == "completed", "message": "", "work_order": ORDER | {"status": state}}


def script(**more: Any) -> Any:
    found = {
        "list": {"work_orders": [ORDER], "count": 1, "stats": STATS},
        "show": by_id({ID: ORDER | {"moves": MOVES}}),
        "start": lambda args: ORDER | {"status": "in_progress"} if args.get("id") in (None, ID) else NOT_FOUND,
        "complete": ended,
        "fail": ended,
    }
    healer = {("self_healing", "run"): more.pop("run", RUN)}
    return kernels({("coding_agent", verb): value for verb, value in (found | more).items()} | healer)


def run(root: Path, line: str, **more: Any) -> tuple[int, FakeInstance]:
    with FakeInstance(root, script(**more)) as fake:
        return dispatch(shlex.split(line), fake.home), fake


def test_the_list_shows_orders_and_how_they_stand(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "work-order list --status queued --incident inc_20261121_0007")
    assert asked(fake, "list") == [{"status": "queued", "incident": "inc_20261121_0007", "limit": 200}]
    _, line, stats = capsys.readouterr().out.splitlines()
    assert code == 0
    assert line.split()[:7] == [ID, "◌", "queued", "high", "2h", "ago", "inc_20261121_0007"]
    assert stats == "1 queued, 2 completed; a patch takes 8.5 minutes on average"


def test_an_empty_list_says_so_and_json_is_the_answer(root: Path, capsys: Captured) -> None:
    empty = {"work_orders": [], "count": 0, "stats": STATS | {"average_patch_time_minutes": None}}
    run(root, "work-order list --status failed", list=empty)
    assert capsys.readouterr().out == "no work order is failed\n1 queued, 2 completed\n"
    run(root / "b", "work-order list --json", list=empty)
    assert json.loads(capsys.readouterr().out) == empty


def test_show_tells_where_it_comes_from_and_what_to_do(root: Path, capsys: Captured) -> None:
    code, fake = run(root, f"work-order show {ID}")
    told = capsys.readouterr().out
    flat = " ".join(told.split())
    assert code == 0
    assert asked(fake, "run") == [{"id": RUN["id"]}]
    for words in (
        f"{ID} ◌ queued self_healing_patch",
        "wanted librarian: KeyError in look",
        "priority high, looks medium to do",
        "(look: incident show inc_20261121_0007)",
        f"run {RUN['id']} verification_fix is paused: waits for the patch",
        "error_type KeyError",
        "traceback Traceback File x",
        "by self_healing: created",
        f"work-order start {ID}; done: work-order complete {ID} --files N",
    ):
        assert words in flat
    assert "\x1b" not in told


def test_json_of_show_holds_the_order_and_its_run(root: Path, capsys: Captured) -> None:
    run(root, f"work-order show {ID} --json")
    assert json.loads(capsys.readouterr().out) == ORDER | {"moves": MOVES, "run": RUN}


def test_an_order_is_shown_also_when_its_run_cannot_be_had(root: Path, capsys: Captured) -> None:
    silent = RemoteError(code="timed_out", message="self_healing did not answer run", hint="")
    assert run(root, f"work-order show {ID} --json", run=silent)[0] == 0
    found = json.loads(capsys.readouterr().out)["run"]
    assert found == {"id": RUN["id"], "status": "unknown", "message": "self_healing did not answer run"}
    alone = by_id({ID: ORDER | {"self_healing_run_id": "", "moves": []}})
    _code, fake = run(root / "b", f"work-order show {ID} --json", show=alone)
    assert (json.loads(capsys.readouterr().out)["run"], asked(fake, "run")) == (None, [])


def test_start_takes_the_named_order_or_the_first(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "work-order start --by ada")
    assert (code, asked(fake, "start")) == (0, [{"agent": "ada"}])
    code, fake = run(root / "b", f"work-order start {ID}")
    assert (code, asked(fake, "start")) == (0, [{"id": ID, "agent": user()}])
    assert f"then: work-order complete {ID} when it is done" in capsys.readouterr().out


def test_complete_says_what_was_changed_and_that_the_tests_passed(root: Path, capsys: Captured) -> None:
    code, fake = run(root, f"work-order complete {ID} --files 2 --diff /d/1.diff --note 'a guard' --by ada")
    sent = {"tests_passed": True, "files_changed": 2, "diff_url": "/d/1.diff", "note": "a guard", "by": "ada"}
    assert (code, asked(fake, "complete")) == (0, [{"id": ID, **sent}])
    assert "✓ completed" in capsys.readouterr().out
    code, fake = run(root / "b", f"work_order complete {ID} --tests-failed --json")
    assert (code, asked(fake, "complete")[0]["tests_passed"]) == (0, False)
    assert json.loads(capsys.readouterr().out)["work_order"]["status"] == "failed"


def test_fail_needs_a_reason(root: Path, capsys: Captured) -> None:
    code, fake = run(root, f"work-order fail {ID}")
    assert (code, fake.requests) == (2, [])
    assert "work-order fail without --reason" in capsys.readouterr().err
    code, fake = run(root / "b", f"work-order fail {ID} --reason 'not ours' --by ada")
    assert (code, asked(fake, "fail")) == (0, [{"id": ID, "reason": "not ours", "by": "ada"}])
    assert f"then: run show {RUN['id']} goes on" in capsys.readouterr().out


def test_an_order_that_is_final_is_refused_with_5_and_an_unknown_one_ends_with_4(root: Path, capsys: Captured) -> None:
    final = RemoteError(code="refused", message=f"{ID} is completed already, by ada", hint="that is final")
    assert run(root, f"work-order complete {ID}", complete=final)[0] == 5
    assert "is completed already, by ada" in capsys.readouterr().err
    assert run(root / "b", "work-order show wo_20261121_0011")[0] == 4
    assert f"did you mean: {ID}" in capsys.readouterr().err
    code, fake = run(root / "c", "work-order complete wo_2026")
    assert (code, [args["id"] for args in asked(fake, "complete")]) == (0, ["wo_2026", ID])


def test_an_empty_queue_is_told_as_the_kernel_says_it(root: Path, capsys: Captured) -> None:
    none = RemoteError(code="not_found", message="start: no order is queued", hint="`create` makes one")
    assert run(root, "work-order start", start=none)[0] == 4
    assert "no order is queued" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("work-order compleet x", "did you mean: complete"),
        ("work-oder list", "did you mean: work-order"),
        ("work-order complete", "work-order complete without an ID"),
        ("work-order complete x --files two", "'two' is no count"),
        ("work-order show x --tests-failed", "work-order show with --tests-failed"),
        ("work-order list --reason x", "that is for: fail"),
    ],
)
def test_words_that_do_not_belong_together_are_told_and_nothing_is_asked(
    root: Path, line: str, message: str, capsys: Captured
) -> None:
    code, fake = run(root, line)
    assert (code, fake.requests) == (2, [])
    assert message in capsys.readouterr().err
