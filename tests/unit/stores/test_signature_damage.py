"""The knowledge base on disk: bases of an earlier version, broken pages, columns that say nonsense."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels.rows import schema
from grace_actors.stores.signature import SignatureStore
from grace_actors.stores.signature_schema import FIRST_STEP
from grace_actors.stores.sqlite import Store
from tests.harness.kernels import Bench

NAME = "signature"
SIGNATURES = 60


def started(home: Path) -> Bench:
    bench = Bench(home)
    bench.add(NAME, SignatureStore)
    return bench


def stopped(bench: Bench) -> Path:
    """The database of a base that was stopped in order."""
    bench.kernels[NAME].stop("test")
    return bench.home / "data" / NAME / "signatures.db"


# ---- an earlier version ---------------------------------------------------------------------------------------------


def test_a_base_of_the_first_version_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "data" / NAME / "signatures.db"
    old = Store(path, schema("signatures", FIRST_STEP), emit=lambda *_: None, name=NAME, home=tmp_path)
    with old.write() as db:
        db.execute("insert into signatures values ('bus_KeyError_a3f2', 10.0, 30.0, 3)")
        db.execute("insert into aliases values ('v1:abc', 'bus_KeyError_a3f2')")
        db.execute(
            "insert into repairs values (1, 'bus_KeyError_a3f2', 'restart', '{\"n\": 1}', 2, 1, 80, 1, 10.0, 30.0)"
        )
        for run, ok, confidence in (("r1", 1, 80), ("r2", 1, 90), ("r3", 0, 80)):
            row = [1, ok, 1, 10.0, run, "i1", "said", confidence]
            db.execute("insert into history values (null, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    old.close()

    bench = started(tmp_path)
    found = bench.ask(NAME, "get", signature="v1:abc")
    assert (found["signature"], found["seen"], found["kernel"]) == ("bus_KeyError_a3f2", 3, "")
    (repair,) = found["repairs"]
    assert (repair["playbook"], repair["params"], repair["confidence"], repair["auto_apply"]) == (
        "restart", {"n": 1}, 80, True,
    )  # fmt: skip
    assert [(h["run"], h["confidence"]) for h in repair["history"]] == [("r3", 80), ("r2", 90), ("r1", 80)]
    outcome = {"signature": "bus_KeyError_a3f2", "repair": {"playbook": "restart", "params": {"n": 1}}, "ok": True}
    assert bench.ask(NAME, "record_outcome", **outcome, run="r2")["duplicate"] is True
    assert bench.ask(NAME, "record_outcome", **outcome)["confidence"] == 90
    bench.ask(NAME, "record_outcome", **outcome | {"signature": "other"})
    bench.ask(NAME, "merge", **{"from": "other", "into": "bus_KeyError_a3f2"})
    (repair,) = bench.ask(NAME, "get", signature="other")["repairs"]
    assert (repair["successes"], repair["failures"], repair["confidence"]) == (4, 1, 100)


# ---- damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose knowledge base fills dozens of pages and has a snapshot."""
    bench = started(tmp_path_factory.mktemp("learned"))
    outcomes = [
        {"signature": f"kernel_{n}", "repair": f"playbook_{n % 7}", "ok": True, "run": f"{n}.{turn}",
         "aliases": [f"{hash}{n}" * 8 for hash in "sfb"], "detail": "x" * 400,
         "components": [{"name": "call", "value": os.urandom(1000).hex()}]}
        for n in range(SIGNATURES) for turn in range(2)
    ]  # fmt: skip
    bench.ask(NAME, "record_outcomes", outcomes=outcomes)
    stopped(bench)
    return bench.home


def pages(path: Path) -> list[int]:
    return list(range(1, path.stat().st_size // 4096))


def spoil(path: Path, page: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(content)


def assert_all_is_there(bench: Bench) -> None:
    for n in range(SIGNATURES):
        found = bench.ask(NAME, "lookup", hashes=[f"s{n}" * 8])
        assert (found["best"]["playbook"], found["best"]["confidence"]) == (f"playbook_{n % 7}", 90)


@pytest.mark.parametrize("content", [os.urandom(4096), bytes(4096)], ids=["random", "zeros"])
def test_one_broken_page_in_the_middle_is_seen_and_the_snapshot_put_back(
    learned: Path, tmp_path: Path, content: bytes
) -> None:
    count = len(pages(learned / "data" / NAME / "signatures.db"))
    assert count > 40
    for page in range(count // 2 - 3, count // 2 + 3):
        home = tmp_path / str(page)
        shutil.copytree(learned, home)
        spoil(home / "data" / NAME / "signatures.db", page, content)
        bench = started(home)
        assert bench.types() == ["store.restored"], page
        assert_all_is_there(bench)
        stopped(bench)


def test_whatever_page_is_broken_what_was_learned_is_found(learned: Path, tmp_path: Path) -> None:
    """Pages that only continue a long row are in order for SQLite's check, whatever they say: reading finds that."""
    home = tmp_path / "home"
    shutil.copytree(learned, home)
    bench = started(home)
    for n in range(5):
        long = [{"name": "call", "value": os.urandom(8000).hex()}]
        bench.ask(NAME, "seen", signature=f"long_{n}", components=long)
    path = stopped(bench)
    sound = path.read_bytes()
    seen = 0
    for page in pages(path)[::2]:
        path.write_bytes(sound)
        spoil(path, page, os.urandom(4096))
        bench = started(home)
        assert_all_is_there(bench)
        for n in range(5):
            try:
                bench.ask(NAME, "get", signature=f"long_{n}")
            except GraceError as error:
                assert "has been replaced" in str(error)
                assert len(bench.ask(NAME, "get", signature=f"long_{n}")["components"][0]["value"]) == 16000
        seen += "store.restored" in bench.types()
        stopped(bench)
    assert seen > 10


def test_a_page_that_breaks_while_the_base_is_in_use_costs_one_request(learned: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(learned, home)
    bench = started(home)
    kernel: Any = bench.kernels[NAME]
    with kernel.store.write() as db:
        db.execute("update components set packed = substr(packed, 1, 50)")
    with pytest.raises(GraceError, match=r"components cannot be read.*has been replaced"):
        bench.ask(NAME, "get", signature="kernel_5")
    assert len(bench.ask(NAME, "get", signature="kernel_5")["components"][0]["value"]) == 2000
    assert_all_is_there(bench)
    assert bench.types() == ["store.restored"]


def test_the_file_itself_may_be_lost(learned: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(learned, home)
    (home / "data" / NAME / "signatures.db").unlink()
    bench = started(home)
    assert bench.types() == ["store.restored"]
    assert_all_is_there(bench)


def test_a_snapshot_that_is_damaged_too_is_passed_over_for_an_older_one(learned: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(learned, home)
    bench = started(home)
    bench.ask(NAME, "seen", signature="later")
    path = stopped(bench)
    *older, newest = sorted((home / "snapshots" / "stores" / NAME).glob("*.db"))
    assert older
    newest.write_bytes(os.urandom(5000))
    path.write_bytes(b"")
    bench = started(home)
    assert_all_is_there(bench)
    assert bench.ask(NAME, "lookup", signature="later")["known"] is False


def test_rows_of_a_broken_parameter_text_are_damage_not_a_crash(tmp_path: Path) -> None:
    bench = started(tmp_path)
    bench.ask(NAME, "record_outcome", signature="a", repair={"playbook": "p", "params": {"n": 1}}, ok=True)
    bench.advance(3.0)
    path = stopped(bench)
    with sqlite3.connect(path) as connection:
        connection.execute("update repairs set params = '{\"n'")
    connection.close()
    bench = started(tmp_path)
    with pytest.raises(GraceError, match="parameters cannot be read"):
        bench.ask(NAME, "lookup", signature="a")
    assert bench.ask(NAME, "lookup", signature="a")["best"]["params"] == {"n": 1}


def test_no_answer_outlives_the_file_it_came_from(learned: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(learned, home)
    bench = started(home)
    bench.ask(NAME, "record_outcome", signature="later", repair="p", ok=True)
    assert bench.ask(NAME, "lookup", signature="later")["known"] is True
    kernel: Any = bench.kernels[NAME]
    with kernel.store.write() as db:
        db.execute("update components set packed = x'00'")
    with pytest.raises(GraceError, match="has been replaced"):
        bench.ask(NAME, "get", signature="kernel_5")
    assert bench.ask(NAME, "lookup", signature="later")["known"] is False
