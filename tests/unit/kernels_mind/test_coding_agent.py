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


@pytest.mark.parametrize("scan", [5, "src", [1]])
def test_a_scan_of_what_are_no_paths_is_refused_at_the_start(tmp_path, scan):
    with pytest.raises(ValueError, match="allowed is a list of paths"):
        Bench(tmp_path).add("coding_agent", CodingAgent, scan=scan)


def ask(bench, verb, **args):
    return bench.ask("coding_agent", verb, **args)


def create(bench, **more):
    return ask(bench, "create", **({"type": "fix_bug", "description": "repair it"} | more))


def notices(bench, id):
    """What was told about an order: type without its first part, and data."""
    return [(type.partition(".")[2], data) for type, subject, data in bench.events if subject == id]


def again(bench):
    """The kernel dies and is started again."""
    bench.crash("coding_agent")
    bench.events.clear()
    return bench.add("coding_agent", CodingAgent)


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
    assert notices(bench, id)[-1][1]["ok"] is False
    assert "coding_agent.tests_passed" not in bench.types()


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


def test_every_move_is_told_with_what_whoever_waits_needs_and_the_update_comes_last(bench):
    id = create(bench, self_healing_run_id="run_1", incident="inc_1")["id"]
    ask(bench, "start", id=id, agent="ada")
    ask(bench, "complete", id=id, tests_passed=True, files_changed=2, diff_url="/d/1.diff", note="a guard", by="ada")
    told = notices(bench, id)
    assert [type for type, _ in told] == [
        "work_order_created",
        "work_order_updated",
        "patch_generated",
        "tests_passed",
        "work_order_updated",
    ]
    assert all((data["run"], data["incident"]) == ("run_1", "inc_1") for _, data in told)
    begun, done = told[1][1], told[-1][1]
    assert (begun["status"], begun["ok"], begun["agent"]) == ("in_progress", None, "ada")
    assert (done["status"], done["ok"], done["message"]) == ("completed", True, "a guard")
    assert (done["files_changed"], done["tests_passed"]) == (2, True)
    assert told[2][1]["diff_url"] == "/d/1.diff"


@pytest.mark.parametrize(
    ("result", "is_patch"), [({}, False), ({"files_changed": 1}, True), ({"diff_url": "/d"}, True)]
)
def test_a_patch_is_told_only_when_something_was_changed(bench, result, is_patch):
    ask(bench, "complete", id=create(bench)["id"], tests_passed=True, **result)
    assert ("coding_agent.patch_generated" in bench.types()) is is_patch


def test_an_order_that_is_given_up_is_told_with_its_reason(bench):
    id = create(bench)["id"]
    ask(bench, "fail", id=id, reason="not ours", by="ada")
    type, data = notices(bench, id)[-1]
    assert (type, data["ok"], data["message"]) == ("work_order_updated", False, "not ours")
    assert ask(bench, "show", id=id)["moves"][-1]["by"] == "ada"


def test_the_same_key_gives_the_same_order_also_after_a_crash(bench):
    first = create(bench, key="run_1/step/1")
    assert (first["repeated"], create(bench, key="run_1/step/2")["repeated"]) == (False, False)
    again(bench)
    repeated = create(bench, key="run_1/step/1", description="said in other words")
    assert (repeated["id"], repeated["repeated"], repeated["description"]) == (first["id"], True, "repair it")
    assert ask(bench, "list")["count"] == 2
    assert bench.types() == []  # it was told already
    assert create(bench)["id"] != create(bench)["id"]  # no key is no key


def test_what_a_crash_kept_from_being_told_is_told_at_the_next_start(bench, monkeypatch):
    kernel = bench.kernels["coding_agent"]
    monkeypatch.setattr(kernel, "_tell", lambda *_: None)  # it dies between the disk and the wire
    new = create(bench, key="k")["id"]
    done = create(bench)["id"]
    ask(bench, "complete", id=done, tests_passed=True, files_changed=1)
    again(bench)
    assert [type for type, _ in notices(bench, new)] == ["work_order_created"]
    assert [type for type, _ in notices(bench, done)] == [
        "work_order_created",
        "patch_generated",
        "tests_passed",
        "work_order_updated",
    ]
    again(bench)
    assert bench.types() == []


def test_a_full_disk_changes_nothing_and_the_same_request_counts_once_it_takes_writes(bench):
    id = create(bench)["id"]
    store = bench.kernels["coding_agent"].store
    store.db.execute("PRAGMA max_page_count = 1")
    long = "x" * 20_000
    for verb, args in (
        ("create", {"description": long, "key": "k"}),
        ("complete", {"id": id, "tests_passed": True, "note": "x" * 2000, "diff_url": "y" * 2000}),
    ):
        bench.events.clear()
        while True:  # what is left of the last page may still take a small row
            try:
                create(bench, description=long)
            except GraceError:
                break
        bench.events.clear()
        with pytest.raises(GraceError, match="store_failed"):
            ask(bench, verb, **args)
        assert bench.types() == []
    assert ask(bench, "show", id=id)["status"] == "queued"
    store.db.execute("PRAGMA max_page_count = 100000")
    assert create(bench, description=long, key="k")["repeated"] is False
    assert ask(bench, "complete", id=id, tests_passed=True)["success"] is True


def test_of_two_who_complete_an_order_the_second_is_told_by_whom_and_how_it_is(bench):
    id = create(bench)["id"]
    ask(bench, "complete", id=id, tests_passed=True, note="a guard", by="ada")
    with pytest.raises(GraceError) as told:
        ask(bench, "complete", id=id, tests_passed=False, by="bob")
    assert f"{id} is completed already, by ada at 2023-11-14T" in str(told.value)
    assert "a guard" in str(told.value)
    assert ask(bench, "show", id=id)["patch_result"]["tests_passed"] is True


def test_an_order_that_somebody_has_is_not_given_to_another(bench):
    id = create(bench)["id"]
    ask(bench, "start", id=id, agent="ada")
    with pytest.raises(GraceError, match=f"{id} is in_progress by ada"):
        ask(bench, "start", id=id, agent="bob")
    assert ask(bench, "show", id=id)["assigned_agent"] == "ada"


def test_orders_are_found_by_their_incident_and_by_their_run(bench):
    wanted = create(bench, incident="inc_1", self_healing_run_id="run_1")["id"]
    create(bench, incident="inc_2", self_healing_run_id="run_2")
    for narrowed in ({"incident": "inc_1"}, {"self_healing_run_id": "run_1"}):
        assert [order["id"] for order in ask(bench, "list", **narrowed)["work_orders"]] == [wanted]
    assert ask(bench, "list", incident="inc_1", self_healing_run_id="run_2")["count"] == 0


def test_scans_are_neither_listed_nor_counted_among_the_orders(bench):
    scan(bench)
    assert ask(bench, "list")["count"] == 0
    assert ask(bench, "list", type="syntax_scan")["count"] == 2
    stats = ask(bench, "stats")
    assert (stats["total_work_orders"], stats["completed"]) == (0, 0)


def test_orders_of_before_keys_and_notices_are_taken_over_and_not_told_again(bench, tmp_path):
    import sqlite3

    from grace_actors.kernels.order_store import migrations

    home = tmp_path / "old"
    (home / "data" / "coding_agent").mkdir(parents=True)
    id = create(bench)["id"]
    old = sqlite3.connect(home / "data" / "coding_agent" / "work_orders.db")
    bench.kernels["coding_agent"].store.db.conn.backup(old)
    for sql in (
        *(f"drop index {index}" for index in ("orders_by_key", "orders_by_incident", "moves_untold")),
        "alter table orders drop column key",
        "alter table moves drop column told",
        "delete from _sqlite_migrations where name = 'keys_and_notices'",
    ):
        old.execute(sql)
    old.commit()
    old.close()
    assert migrations.name == "work_orders"
    later = Bench(home)
    later.add("coding_agent", CodingAgent)
    assert ask(later, "show", id=id)["key"] == ""
    assert later.types() == []
    assert create(later, key="k")["repeated"] is False
