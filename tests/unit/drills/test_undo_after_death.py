"""Whatever moment the process dies in: the next boot puts back what was there, and never what somebody stored since."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from grace_actors.drills.undoing import undo_left
from grace_actors.errors import Refused
from tests.harness.examples import examples
from tests.unit.drills.mortal import Dead, Stage, mortal

TEXT = b"".join(b"line %d of what was stored\n" % number for number in range(40))
FAULTS = {
    "damage": {"path": "config/a.yaml", "bytes": 64},
    "truncate": {"path": "config/a.yaml", "bytes": 100},
    "delete": {"path": "config/a.yaml"},
    "change": {"path": "config/a.yaml", "text": "approval_required: false\n"},
    "patch": {"path": "shop/till.py", "text": "def broken(:\n"},
    "new": {"path": "config/new/b.yaml", "text": "x"},
}


def whole(home: Path) -> dict[str, bytes]:
    """Every file but the records."""
    files = (path for path in home.rglob("*") if path.is_file())
    return {str(path.relative_to(home)): path.read_bytes() for path in files if "chaos/" not in str(path)}


def furnished(home: Path) -> Stage:
    stage = Stage(home)
    (home / "config" / "a.yaml").write_bytes(TEXT)
    (home / "scratch" / "shop").mkdir(parents=True)
    (home / "scratch" / "shop" / "till.py").write_text("def good(): return 1\n")
    return stage


def inject(stage: Stage, fault: str) -> None:
    stage.begin("change" if fault == "new" else fault, **FAULTS[fault])


@pytest.mark.parametrize("fault", FAULTS)
def test_dying_at_any_change_of_an_injection_leaves_what_the_next_boot_puts_right(tmp_path: Path, fault: str) -> None:
    """And so does dying at any change of that boot."""
    moments = 0
    for dies_at in range(100):
        home = tmp_path / f"{dies_at}"
        home.mkdir()
        stage = furnished(home)
        before = whole(home)
        try:
            with mortal(dies_at):
                inject(stage, fault)
            is_over = True
            assert whole(home) != before
        except Dead:
            is_over = False
        copies = tmp_path / "copies"
        for boot_dies_at in range(100):
            shutil.copytree(home, copies, copy_function=shutil.copy2)
            relink(home, copies)
            try:
                with mortal(boot_dies_at):
                    undo_left(copies)
                    is_done = True
            except Dead:
                is_done = False
            with mortal(None):
                undo_left(copies)
                assert whole(copies) == before, (dies_at, boot_dies_at)
                assert not [record for record in Stage(copies).faults.records() if record["state"] != "undone"]
                assert undo_left(copies) == []
            shutil.rmtree(copies)
            moments += 1
            if is_done:
                break
        if is_over:
            break
    assert is_over
    assert moments > 20


def relink(home: Path, copy: Path) -> None:
    """A copied tree has lost which names are the same file."""
    seen: dict[int, Path] = {}
    for path in sorted(home.rglob("*")):
        if path.is_file():
            first = seen.setdefault(path.stat().st_ino, path)
            if first != path:
                twin = copy / path.relative_to(home)
                twin.unlink()
                twin.hardlink_to(copy / first.relative_to(home))


def plain(most: int) -> st.SearchStrategy[bytes]:
    """What no damage looks like: that has the upper bit set."""
    return st.lists(st.integers(0, 127), min_size=1, max_size=most).map(bytes)


class Lives(RuleBasedStateMachine):
    """One file, its owner, faults, deaths and boots. `stored` is what must be there once nothing is active. Damage
    is no chance here: what somebody stores by chance as the damage would be is taken for it."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.file = self.home / "config" / "a.yaml"
        self.stored: bytes | None = TEXT
        self.fault = ""
        self.chance = mock.patch("secrets.randbelow", return_value=127)
        self.chance.start()

    @initialize()
    def furnish(self) -> None:
        self.stage = furnished(self.home)

    def teardown(self) -> None:
        self.chance.stop()
        shutil.rmtree(self.home)

    def now(self) -> bytes | None:
        return self.file.read_bytes() if self.file.exists() else None

    @rule(fault=st.sampled_from(["damage", "truncate", "delete", "change"]), dies_at=st.none() | st.integers(0, 25))
    def break_it(self, fault: str, dies_at: int | None) -> None:
        if self.fault:
            return
        try:
            with mortal(dies_at):
                inject(self.stage, fault)
        except Dead:
            self.stage = Stage(self.home)
        except Refused:  # too short to be cut, empty, or gone
            return
        self.fault = fault if [r for r in self.stage.faults.records() if r["state"] != "undone"] else ""

    @rule(data=plain(200))
    def somebody_repairs_it(self, data: bytes) -> None:
        """By a whole new file, as Grace's own repairs do."""
        new = self.file.with_name("new")
        new.write_bytes(data)
        new.replace(self.file)
        self.stored = data

    @rule(line=plain(20))
    def its_owner_appends(self, line: bytes) -> None:
        was_hit = self.now() != self.stored
        with self.file.open("ab") as file:
            file.write(line)
        if self.fault == "damage" and was_hit and self.stored is not None:
            self.stored += line  # the damage is taken back below what was added
        else:
            self.stored = self.now()

    @rule(dies_at=st.none() | st.integers(0, 12))
    def boot(self, dies_at: int | None) -> None:
        try:
            with mortal(dies_at):
                undo_left(self.home)
        except Dead:
            return
        self.stage, self.fault = Stage(self.home), ""

    @rule()
    def undo(self) -> None:
        with mortal(None):
            undone = self.stage.undo_all()
        assert all(each.ok for each in undone), undone
        self.fault = ""

    @invariant()
    def what_was_stored_is_there_once_nothing_is_active(self) -> None:
        if not self.fault:
            assert self.now() == self.stored


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=examples(60), stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


def changed_in_place(file: Path, at: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(at)
        stream.write(b"NEW")


def appended(file: Path, at: int) -> None:
    with file.open("ab") as stream:
        stream.write(b"NEW")


@pytest.mark.parametrize(
    ("fault", "write", "at"),
    [
        ("damage", changed_in_place, 0),
        ("damage", changed_in_place, len(TEXT) - 3),
        ("damage", changed_in_place, len(TEXT) // 2),
        ("truncate", changed_in_place, 0),
        ("truncate", appended, 0),
        ("change", changed_in_place, 0),
        ("change", appended, 0),
    ],
)
def test_what_somebody_wrote_into_a_broken_file_stays(
    tmp_path: Path, fault: str, write: Callable[[Path, int], None], at: int
) -> None:
    stage = furnished(tmp_path)
    file = tmp_path / "config" / "a.yaml"
    done = stage.inject(fault, **FAULTS[fault])
    write(file, at)
    written = file.read_bytes()
    undone = stage.undo(done.record)
    assert (undone.ok, file.read_bytes()) == (True, written)
    assert "since: it stays as it is" in undone.message
    assert any((tmp_path / "chaos" / "kept" / done.record).iterdir())


def test_a_file_that_was_made_anew_stays_and_so_does_the_deleted_one(tmp_path: Path) -> None:
    stage = furnished(tmp_path)
    file = tmp_path / "config" / "a.yaml"
    done = stage.inject("delete", path="config/a.yaml")
    file.write_bytes(b"anew")
    assert "made anew" in stage.undo(done.record).message
    assert file.read_bytes() == b"anew"
    assert (tmp_path / "chaos" / "kept" / done.record / "original").read_bytes() == TEXT


def test_no_damaged_byte_is_what_it_was(tmp_path: Path) -> None:
    stage = furnished(tmp_path)
    done = stage.inject("damage", path="config/a.yaml", bytes=len(TEXT))
    now = (tmp_path / "config" / "a.yaml").read_bytes()
    assert (done.data["at"], len(now)) == (0, len(TEXT))
    assert not [at for at, (good, bad) in enumerate(zip(TEXT, now, strict=True)) if good == bad]


def test_copies_that_were_kept_for_nothing_go_at_the_next_boot(tmp_path: Path) -> None:
    """Whoever made them died before there was a record."""
    stage = furnished(tmp_path)
    done = stage.inject("delete", path="config/a.yaml")
    orphan = tmp_path / "chaos" / "kept" / "delete-0123456789"
    orphan.mkdir()
    (orphan / "original").write_bytes(b"x")
    undo_left(tmp_path)
    assert not orphan.exists()
    assert (tmp_path / "config" / "a.yaml").read_bytes() == TEXT
    assert Stage(tmp_path).state(done.record) == "undone"


def test_what_was_appended_to_a_damaged_file_stays_below_the_good_bytes(tmp_path: Path) -> None:
    stage = furnished(tmp_path)
    file = tmp_path / "config" / "a.yaml"
    done = stage.inject("damage", **FAULTS["damage"])
    appended(file, 0)
    assert stage.undo(done.record).ok
    assert file.read_bytes() == TEXT + b"NEW"


def test_a_database_that_was_healed_is_not_overwritten_by_its_old_copy(tmp_path: Path) -> None:
    stage = furnished(tmp_path)
    file = tmp_path / "data" / "shop.db"
    with sqlite3.connect(file) as db:
        db.execute("create table notes (text)")
    db.close()
    done = stage.inject("damage", path="data/shop.db", bytes=2000)
    assert done.ok
    file.unlink()
    with sqlite3.connect(file) as db:
        db.execute("create table notes (text)")
        db.execute("insert into notes values ('new')")
    db.close()
    healed = file.read_bytes()
    undone = stage.undo(done.record)
    assert (undone.ok, file.read_bytes()) == (True, healed)
    assert "changed since" in undone.message
    assert (tmp_path / "chaos" / "kept" / done.record / "before").is_file()


def test_a_database_that_was_written_since_its_damage_is_left_alone(tmp_path: Path) -> None:
    stage = furnished(tmp_path)
    file = tmp_path / "data" / "shop.db"
    with sqlite3.connect(file) as db:
        db.execute("create table notes (text)")
        db.executemany("insert into notes values (?)", [("x" * 500,)] * 200)
    db.close()
    done = stage.inject("damage", path="data/shop.db", bytes=10)
    file.with_name("shop.db-wal").write_bytes(b"frames")
    damaged = file.read_bytes()
    assert stage.undo(done.record).ok
    assert file.read_bytes() == damaged
