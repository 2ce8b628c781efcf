"""coding_agent: work orders and the syntax scan."""

from __future__ import annotations

import itertools

import pytest

from grace_actors.errors import GraceError, Refused
from grace_actors.kernels.coding_agent import FIRST_SCAN_S, CodingAgent
from grace_actors.kernels.syntax_scan import check_file, python_files
from grace_actors.kernels.work_orders import MOVES, OrderState, check_move, path_to
from tests.harness.kernels import Bench


@pytest.fixture
def bench(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "good.py").write_text("x = 1\n")
    bench = Bench(tmp_path / "home")
    bench.add("coding_agent", CodingAgent, scan=[str(source)])
    return bench


def ask(bench, verb, **args):
    return bench.ask("coding_agent", verb, **args)


def create(bench, **more):
    return ask(bench, "create", **({"type": "fix_bug", "description": "repair it"} | more))


def scan(bench):
    """The result of the next scan that is due."""
    bench.advance(4200)
    return ask(bench, "stats")["last_scan"]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(OrderState, OrderState)))
def test_only_the_moves_of_the_table_are_legal(before, after):
    if after in MOVES[before]:
        check_move(before, after)
        return
    with pytest.raises(Refused, match="cannot go"):
        check_move(before, after)


def test_only_testing_leads_to_completed_and_final_states_have_no_way_out():
    assert [state for state in OrderState if OrderState.COMPLETED in MOVES[state]] == [OrderState.TESTING]
    assert path_to(OrderState.QUEUED, OrderState.TESTING) == [
        OrderState.ASSIGNED,
        OrderState.IN_PROGRESS,
        OrderState.TESTING,
    ]
    with pytest.raises(Refused):
        path_to(OrderState.FAILED, OrderState.TESTING)


def test_ids_carry_the_day_and_count_up(bench):
    assert [create(bench)["id"] for _ in range(2)] == ["wo_20231114_0001", "wo_20231114_0002"]


def test_the_queue_gives_the_highest_priority_then_the_oldest(bench):
    low, first, second = (create(bench, priority=p)["id"] for p in ("low", "critical", "critical"))
    taken = [ask(bench, "start", agent="model")["id"] for _ in range(3)]
    assert taken == [first, second, low]


def test_at_most_five_orders_are_active_at_once(bench):
    for _ in range(6):
        create(bench)
    for _ in range(5):
        ask(bench, "start", agent="model")
    with pytest.raises(GraceError, match="5 work orders are active"):
        ask(bench, "start", agent="model")
    assert ask(bench, "stats")["queued"] == 1


def test_passed_tests_complete_an_order_through_every_state(bench):
    id = create(bench, self_healing_run_id="run_20231114_120000")["id"]
    answer = ask(bench, "complete", id=id, tests_passed=True, files_changed=2, diff_url="/patches/diffs/1.diff")
    assert (answer["success"], answer["work_order"]["status"]) == (True, "completed")
    shown = ask(bench, "show", id=id)
    assert [move["after"] for move in shown["moves"]] == ["queued", "assigned", "in_progress", "testing", "completed"]
    assert shown["patch_result"] == {"tests_passed": True, "files_changed": 2, "diff_url": "/patches/diffs/1.diff"}
    assert ask(bench, "list", self_healing_run_id="run_20231114_120000")["count"] == 1


def test_tests_that_did_not_pass_fail_the_order(bench):
    id = create(bench)["id"]
    answer = ask(bench, "complete", id=id, tests_passed=False)
    assert (answer["success"], answer["work_order"]["status"]) == (False, "failed")
    assert "work_order.failed" in bench.types()


def test_a_finished_order_cannot_be_finished_again(bench):
    id = create(bench)["id"]
    ask(bench, "fail", id=id, reason="nobody can do it")
    for verb, args in (("complete", {"tests_passed": True}), ("fail", {"reason": "x"}), ("start", {})):
        with pytest.raises(GraceError, match="final"):
            ask(bench, verb, id=id, **args)
    assert ask(bench, "show", id=id)["status"] == "failed"


def test_complexity_is_guessed_from_the_error(bench):
    guessed = {
        word: create(bench, context={"error_type": word})["estimated_complexity"]
        for word in ("schema_mismatch", "validation_error", "timeout")
    }
    assert guessed == {"schema_mismatch": "low", "validation_error": "high", "timeout": "medium"}


def test_the_mean_patch_time_is_none_before_the_first_patch_and_measured_after(bench):
    id = create(bench)["id"]
    assert ask(bench, "stats")["average_patch_time_minutes"] is None
    bench.advance(120)
    ask(bench, "complete", id=id, tests_passed=True)
    assert ask(bench, "stats")["average_patch_time_minutes"] == 2.0


def test_orders_survive_a_crash(bench):
    id = create(bench)["id"]
    bench.crash("coding_agent")
    bench.add("coding_agent", CodingAgent)
    assert ask(bench, "show", id=id)["status"] == "queued"


def test_the_program_is_scanned_after_the_start_and_a_broken_file_becomes_an_order(bench):
    broken = bench.home.parent / "source" / "broken.py"
    broken.write_text("def f(:\n    pass\n")
    last = scan(bench)
    assert (last["files"], last["errors"]) == (2, 1)
    orders = ask(bench, "list", type="fix_bug")["work_orders"]
    assert [(o["priority"], o["context"]["file"], o["context"]["line"]) for o in orders] == [
        ("critical", str(broken), 1)
    ]


def test_a_broken_file_has_one_open_order_however_often_it_is_scanned(bench):
    (bench.home.parent / "source" / "broken.py").write_text("(\n")
    scan(bench)
    scan(bench)
    assert ask(bench, "list", type="fix_bug")["count"] == 1
    assert ask(bench, "list", type="syntax_scan", status="completed")["count"] == 2


def test_a_restart_within_the_hour_does_not_scan_again(bench):
    bench.advance(FIRST_SCAN_S + 40)
    bench.crash("coding_agent")
    bench.add("coding_agent", CodingAgent)
    bench.advance(600)
    assert ask(bench, "list", type="syntax_scan")["count"] == 1


def test_a_scan_cut_off_by_a_crash_is_queued_and_done_again(bench):
    bench.advance(FIRST_SCAN_S + 1)
    bench.crash("coding_agent")
    bench.add("coding_agent", CodingAgent, scan=[str(bench.home.parent / "source")])
    assert [o["status"] for o in ask(bench, "list", type="syntax_scan")["work_orders"]] == ["queued"]
    bench.advance(FIRST_SCAN_S + 40)
    assert ask(bench, "stats")["last_scan"]["files"] == 1
    assert ask(bench, "list", type="syntax_scan")["count"] == 1


def test_a_scan_waits_while_five_orders_are_active(bench):
    for _ in range(5):
        create(bench)
        ask(bench, "start", agent="model")
    bench.advance(FIRST_SCAN_S + 40)
    assert ask(bench, "stats")["last_scan"] is None
    assert "did not scan" in bench.kernels["coding_agent"].did
    bench.advance(3600)
    assert ask(bench, "list", type="syntax_scan")["count"] == 1


@pytest.mark.parametrize(
    ("content", "severity"),
    [
        (b"x = 1\n", None),
        (b"def f(:\n", "error"),
        (b"x = '\x00'\n", "error"),
        (b"\xff\xfe", "error"),
        (b"(" * 5000, "error"),
        (b"x = 1 is 1\n", "warning"),
        (b"#" * 200_000, "warning"),
    ],
)
def test_any_file_gives_findings_and_never_an_exception(tmp_path, content, severity):
    path = tmp_path / "a.py"
    path.write_bytes(content)
    assert {finding.severity for finding in check_file(path)} == ({severity} if severity else set())


def test_caches_environments_and_links_are_not_scanned(tmp_path):
    for name in ("pkg", ".venv", "__pycache__"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in python_files([tmp_path])] == ["pkg/a.py"]


def test_bad_input_is_refused(bench):
    for verb, args in (
        ("create", {"type": "magic", "description": "x"}),
        ("create", {"type": "syntax_scan", "description": "x"}),
        ("create", {"type": "fix_bug"}),
        ("complete", {"id": "wo_1", "tests_passed": True}),
        ("complete", {"id": "wo_1", "tests_passed": "yes"}),
        ("list", {"status": "done"}),
        ("scan", {"paths": ["/no/such/path"]}),
        ("start", {}),
    ):
        with pytest.raises(GraceError):
            ask(bench, verb, **args)
