"""Floods, and faults that supervisors and actors carry out: asked for and taken back, and the mailbox stays free."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from grace_actors.drills.faults import Faults
from grace_actors.drills.undoing import undo_left
from grace_actors.errors import Refused
from grace_actors.kernel import LATER, Kernel, Request
from tests.unit.drills.mortal import Stage

# ---- floods -------------------------------------------------------------------------------------------


class Sink(Kernel):
    """Counts what it is asked."""

    def setup(self) -> None:
        self.asked = 0

    def do_count(self, request: Request) -> int:
        self.asked += request.args["n"]
        return self.asked

    def do_never(self, request: Request) -> Any:
        raise Refused("no")


def test_a_flood_asks_as_often_as_it_says_and_then_is_over(stage: Stage) -> None:
    sink = stage.bench.add("sink", Sink)
    done = stage.inject("flood", "sink", verb="count", args='{"n": 2}', count=1200)
    stage.bench.advance(1.0)
    assert (sink.asked, stage.state(done.record)) == (2400, "undone")
    assert "1200 of 1200 requests sent: 1200 answered" in stage.bench.events[-1][2]["said"][0]


def test_a_flood_with_a_rate_takes_its_time(stage: Stage) -> None:
    sink = stage.bench.add("sink", Sink)
    stage.inject("flood", "sink", verb="count", args='{"n": 1}', count=1000, rate=100)
    stage.bench.advance(2.0)
    assert 195 <= sink.asked <= 205
    assert [undone.ok for undone in stage.undo_all()] == [True]
    stage.bench.advance(20.0)
    assert sink.asked <= 310


def test_a_flood_of_one_who_does_not_answer_never_has_too_much_under_way(stage: Stage) -> None:
    stage.inject("flood", "nobody", verb="count", args=json.dumps({"n": "x" * 1000}), count=5000)
    stage.bench.advance(5.0)
    assert 50 < sum(1 for sent in stage.bench.sent if sent[1] == "nobody") * 1000 <= 96 * 1024


def test_a_refused_request_counts_as_such(stage: Stage) -> None:
    stage.bench.add("sink", Sink)
    done = stage.inject("flood", "sink", verb="never", count=3)
    stage.bench.advance(0.5)
    assert stage.undo(done.record).message == "3 of 3 requests sent: 3 refused"


# ---- faults of the tree -----------------------------------------------------------------------------------


class Tree(Kernel):
    """Plays status and the supervisor at once."""

    def setup(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.error: Refused | None = None
        self.is_slow = False
        self.waiting: list[Request] = []

    def do_status(self, request: Request) -> Any:
        worker = {"name": "worker", "gen": 3, "kind": "kernel", "children": []}
        return {"tree": {"name": "top", "children": [worker]}}

    def do_inject(self, request: Request) -> Any:
        self.asked.append((request.args["fault"], request.args["child"], request.args["params"]))
        if self.error is not None:
            raise self.error
        if self.is_slow:
            self.waiting.append(request)
            return LATER
        return None


def is_damaged(file: Path) -> bool:
    with contextlib.closing(sqlite3.connect(file)) as db:
        try:
            return bool(db.execute("pragma integrity_check").fetchone() != ("ok",))
        except sqlite3.DatabaseError:
            return True


@pytest.fixture
def tree(stage: Stage) -> Any:
    tree = stage.bench.add("top", Tree)
    stage.bench.kernels["status"] = tree
    return tree


def test_a_fault_of_an_actor_is_asked_of_its_supervisor_and_pardoned(stage: Stage, tree: Any) -> None:
    done = stage.inject("mute", "worker", seconds=30)
    assert tree.asked == [("mute", "worker", {"seconds": 30})]
    assert done.data == {"gen": 3}
    assert stage.undo(done.record).ok
    assert tree.asked[1:] == [("pardon", "worker", {"fault": "mute"})]


def test_one_that_stands_still_is_released(stage: Stage, tree: Any) -> None:
    done = stage.inject("hang", "worker")
    stage.undo(done.record)
    assert tree.asked[-1] == ("release", "worker", {})


def test_an_orderly_end_has_actors_let_go_and_waits_for_nobody(stage: Stage, tree: Any) -> None:
    mute, hung = stage.inject("mute", "worker", seconds=30), stage.inject("hang", "worker")
    tree.is_slow = True
    del tree.asked[:]
    stage.faults.end()
    assert sorted(tree.asked, key=str) == [("pardon", "worker", {"fault": "mute"}), ("release", "worker", {})]
    assert [stage.state(each.record) for each in (mute, hung)] == ["injected", "injected"], "until it is known"


def test_a_kill_is_over_at_once(stage: Stage, tree: Any) -> None:
    done = stage.inject("kill", "worker")
    assert (done.ok, stage.state(done.record)) == (True, "undone")
    assert stage.undo(done.record).message == "it struck once and is over"


def test_a_target_that_is_not_in_the_tree_is_an_outcome(stage: Stage, tree: Any) -> None:
    assert "no 'nobody' in the tree" in stage.inject("kill", "nobody").message
    assert "root" in stage.inject("kill", "top").message
    assert stage.faults.records() == []


def test_what_the_supervisor_refuses_is_an_outcome_and_leaves_nothing_active(stage: Stage, tree: Any) -> None:
    tree.error = Refused("worker has no process now")
    done = stage.inject("slow", "worker")
    assert not done.ok
    assert "no process now" in done.message
    assert stage.faults.records(["prepared", "injected", "undo_failed"]) == []


def test_a_pardon_that_nobody_answers_fails_until_the_fault_is_over_by_itself(stage: Stage, tree: Any) -> None:
    done = stage.inject("mute", "worker", seconds=30)
    del stage.bench.kernels["top"]
    undone = stage.undo_all()
    assert [each.ok for each in undone] == [False]
    assert "did not answer" in undone[0].message
    stage.bench.advance(31.0)
    assert stage.state(done.record) == "undone"
    assert stage.undo(done.record).ok


def test_a_new_life_pardons_what_the_former_one_asked_for(stage: Stage, tree: Any) -> None:
    stage.inject("mute", "worker", seconds=30)
    life = Faults(stage.ctx)
    life.recover()
    stage.bench.advance(0.1)
    assert tree.asked[-1][0] == "pardon"
    assert life.records(["injected"]) == []


def test_before_a_boot_nothing_of_an_actor_is_left_to_pardon(stage: Stage, tree: Any) -> None:
    stage.inject("mute", "worker", seconds=30)
    assert [told["said"] for told in undo_left(stage.home)] == [["worker: its process ended with its instance"]]


def test_who_asks_while_it_is_being_undone_is_told_its_outcome_too(stage: Stage, tree: Any) -> None:
    done = stage.inject("mute", "worker")
    tree.is_slow = True
    told: list[Any] = []
    for _ in range(3):
        stage.faults.undo(done.record, told.append)
    stage.bench.advance(0.1)
    assert (len(tree.asked), told) == (2, [])
    tree.ctx.answer(tree.waiting[0], None)
    stage.bench.advance(0.1)
    assert [each.ok for each in told] == [True] * 3
    assert stage.bench.types() == ["fault.undone"]


def test_what_is_undone_while_its_supervisor_is_still_asked_does_not_come_back(stage: Stage, tree: Any) -> None:
    tree.is_slow = True
    found = stage.begin("mute", "worker")
    assert found == []
    told = []
    stage.faults.undo_all(None, told.append)
    stage.bench.advance(0.1)
    for request in reversed(tree.waiting):
        tree.ctx.answer(request, None)
    stage.bench.advance(0.1)
    assert [fault for fault, _, _ in tree.asked] == ["mute", "pardon"]
    assert [each.ok for each in told[0]] == [True]
    assert (len(found), found[0].ok) == (1, False)
    assert [record["state"] for record in stage.faults.records()] == ["undone"]


def test_a_store_is_damaged_while_its_owner_stands_still_and_what_it_was_is_kept(stage: Stage, tree: Any) -> None:
    file = stage.home / "data" / "worker" / "notes.db"
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("create table notes (text)")
        db.executemany("insert into notes values (?)", [("x" * 500,)] * 200)
        db.commit()
    done = stage.inject("corrupt", "worker")
    assert [fault for fault, _, _ in tree.asked] == ["hold", "corrupt"]
    assert tree.asked[1][2]["file"] == str(file)
    assert is_damaged(file)
    with contextlib.closing(sqlite3.connect(stage.home / "chaos" / "kept" / done.record / "notes.db")) as db:
        assert db.execute("select count(*) from notes").fetchone() == (200,)
    assert stage.state(done.record) == "undone"


def test_a_kernel_without_a_store_goes_on_and_that_is_said(stage: Stage, tree: Any) -> None:
    done = stage.inject("corrupt", "worker")
    assert (done.ok, "has no store" in done.message) == (False, True)
    assert [fault for fault, _, _ in tree.asked][:2] == ["hold", "release"]
    assert stage.faults.records(["prepared", "injected", "undo_failed"]) == []
