"""The rows of drills and their journals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grace_actors.drills.host import rows
from grace_actors.errors import NotFound, StoreFailed
from grace_actors.stores.sqlite import Store

VERDICT = {"status": "completed", "passed": True, "gates": {"slo": True}, "said": {"slo": "well"}, "reason": ""}
VERDICT |= {"detect_s": 0.5, "heal_s": 1.5, "timeline": [{"at_s": 0.0, "what": "injected"}]}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[rows.Runs]:
    store = Store(tmp_path / "drills.db", rows.migrations, emit=lambda *told: None, name="chaos_runner")
    yield rows.Runs(store, tmp_path / "journals")
    store.close()


def test_run_is_there_as_soon_as_it_begins_and_its_id_carries_the_day(runs: rows.Runs) -> None:
    ids = [runs.begin("KH002", "t", "ann", 1_700_000_000.0 + second) for second in range(2)]
    assert ids == ["drill_20231114_0001", "drill_20231114_0002"]
    found = runs.get(ids[0])
    assert (found["card"], found["status"], found["passed"], found["by"]) == ("KH002", "running", None, "ann")
    assert (runs.newest() or {})["id"] == ids[1]


def test_what_came_of_a_run_is_read_as_it_was_written(runs: rows.Runs) -> None:
    id = runs.begin("KH002", "t", "ann", 1.0)
    runs.end(id, 9.0, VERDICT)
    found = runs.get(id)
    assert {key: found[key] for key in VERDICT} == VERDICT
    assert found["ended_at"] == 9.0


def test_only_runs_that_had_not_ended_are_interrupted(runs: rows.Runs) -> None:
    over, left = runs.begin("A1", "t", "ann", 1.0), runs.begin("B1", "t", "ann", 2.0)
    runs.end(over, 3.0, VERDICT)
    assert runs.interrupt_left(4.0) == [left]
    assert (runs.get(left)["status"], runs.get(left)["ended_at"]) == ("interrupted", 4.0)
    assert runs.get(over)["status"] == "completed"
    assert runs.interrupt_left(5.0) == []


def test_runs_of_a_card_come_newest_first(runs: rows.Runs) -> None:
    ids = [runs.begin(card, "t", "ann", float(at)) for at, card in enumerate(("A1", "B1", "A1"))]
    assert [run["id"] for run in runs.of("A1")] == [ids[2], ids[0]]
    assert [run["id"] for run in runs.of()] == ids[::-1]
    assert [run["id"] for run in runs.of(None, 1)] == [ids[2]]


@pytest.mark.parametrize("in_the_way", [False, True])
def test_old_runs_go_with_their_journals(runs: rows.Runs, monkeypatch: pytest.MonkeyPatch, *, in_the_way: bool) -> None:
    monkeypatch.setattr(rows, "KEPT_RUNS", 2)
    ids = [runs.begin("A1", "t", "ann", float(at)) for at in range(2)]
    path = runs.write_journal(ids[0], {"status": "completed"})
    if in_the_way:
        path.unlink()
        path.parent.rmdir()
        path.parent.write_text("a file")
    ids.append(runs.begin("A1", "t", "ann", 9.0))
    assert [run["id"] for run in runs.of()] == ids[:0:-1]
    assert not path.exists()
    with pytest.raises(NotFound):
        runs.get(ids[0])


def test_journal_is_read_back_and_a_broken_one_is_none(runs: rows.Runs) -> None:
    path = runs.write_journal("drill_1", {"activities": [{"name": "a"}]})
    assert (runs.journal("drill_1")["activities"], runs.journal_path("drill_1")) == ([{"name": "a"}], str(path))
    path.write_text("{")
    assert runs.activities("drill_1") == []
    with pytest.raises(NotFound):
        runs.journal("drill_1")


def test_journal_is_refused_where_a_file_is_in_the_way(runs: rows.Runs, tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file")
    with pytest.raises(StoreFailed, match="journals"):
        runs.write_journal("drill_1", {})
    assert (runs.journal_path("drill_1"), runs.activities("drill_1")) == ("", [])


def test_leash_is_on_until_somebody_says_otherwise(runs: rows.Runs) -> None:
    assert runs.leash() is True
    for held in (False, True, False):
        runs.set_leash(held, "ann", 1.0)
        assert runs.leash() is held
