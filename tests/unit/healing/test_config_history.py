"""What was configured when an actor last started well, and what differs since."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grace_actors.healing import config_history
from grace_actors.healing.config_history import ConfigHistory
from grace_actors.healing.diag_config import COMPARED_LINES
from grace_actors.home import Home, Instance


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "config").mkdir(parents=True)
    return tmp_path / "home"


def history(home: Path) -> ConfigHistory:
    return ConfigHistory(home, home / "data" / "self_healing" / "config")


def write(home: Path, file: str, text: str | bytes) -> Path:
    path = home / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def kept(home: Path) -> bytes:
    """Everything the history has on the disk."""
    files = [path for path in (home / "data").rglob("*") if path.is_file()]
    return b"\n".join(path.read_bytes() for path in files)


def test_nothing_differs_right_after_a_good_start(home: Path) -> None:
    write(home, "config/a.yaml", "one: 1\n")
    past = history(home)
    past.started("shop")
    assert past.differences("shop") == []
    assert past.knows("shop") and not past.knows("till")
    assert past.differences("till") == []


def test_changed_added_and_removed_files_are_told_with_their_lines(home: Path) -> None:
    write(home, "config/changed.yaml", "one: 1\ntwo: 2\nthree: 3\n")
    write(home, "config/removed.yaml", "gone: true\n")
    past = history(home)
    past.started("shop")
    write(home, "config/changed.yaml", "one: 1\ntwo: II\nthree: 3\n")
    write(home, "config/sub/added.yaml", "new: true\n")
    (home / "config" / "removed.yaml").unlink()
    found = {each["file"]: (each["change"], each["diff"]) for each in past.differences("shop")}
    assert found == {
        "config/changed.yaml": ("changed", "@@ -1,4 +1,4 @@\n one: 1\n-two: 2\n+two: II\n three: 3\n "),
        "config/removed.yaml": ("removed", "@@ -1,2 +1,1 @@\n-gone: true\n "),
        "config/sub/added.yaml": ("added", "@@ -1,1 +1,2 @@\n+new: true\n "),
    }


def test_line_numbers_are_those_of_the_whole_file(home: Path) -> None:
    lines = [f"key_{n}: {n}" for n in range(100)]
    write(home, "config/a.yaml", "\n".join(lines))
    past = history(home)
    past.started("shop")
    lines[50] = "other: 1"
    write(home, "config/a.yaml", "\n".join(lines))
    (change,) = past.differences("shop")
    assert change["diff"].split("\n")[0] == "@@ -49,5 +49,5 @@"


def test_each_actor_is_compared_with_its_own_last_good_start(home: Path) -> None:
    write(home, "config/a.yaml", "v: 1\n")
    past = history(home)
    past.started("early")
    write(home, "config/a.yaml", "v: two\n")
    past.started("late")
    assert past.differences("late") == []
    assert [each["file"] for each in past.differences("early")] == ["config/a.yaml"]


def test_a_change_that_was_taken_back_is_none(home: Path) -> None:
    write(home, "config/a.yaml", "v: 1\n")
    past = history(home)
    past.started("shop")
    write(home, "config/a.yaml", "v: 2\n")
    assert past.differences("shop")
    write(home, "config/a.yaml", "v: 1\n")
    assert past.differences("shop") == []


def test_it_is_known_after_a_restart_also_with_a_torn_last_line(home: Path) -> None:
    write(home, "config/a.yaml", "v: 1\n")
    past = history(home)
    past.started("shop")
    past.started("till")
    write(home, "config/a.yaml", "v: 2\n")
    with (home / "data/self_healing/config/good.jsonl").open("ab") as log:
        log.write(b'{"name": "shop", "se')
    again = history(home)
    assert "-v: 1\n+v: 2" in again.differences("shop")[0]["diff"]
    assert again.knows("till")


def test_the_tree_file_belongs_to_the_configuration(home: Path, tmp_path: Path) -> None:
    tree = write(tmp_path, "tree.yaml", "name: mine\n")
    Home(home).write_instance(Instance(pid=1, started_at=1.0, version="0", home=str(home), tree=str(tree)))
    past = history(home)
    past.started("shop")
    write(tmp_path, "tree.yaml", "name: yours\n")
    (change,) = past.differences("shop")
    assert (change["file"], change["change"]) == (str(tree), "changed")
    assert "-name: mine\n+name: yours" in change["diff"]


KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nSECONDLINE0123456789\n-----END PRIVATE KEY-----\n"


def test_no_secret_is_in_a_diff_nor_in_a_copy(home: Path) -> None:
    write(home, "config/a.yaml", f"port: 1\npassword: hunter22\n{KEY}token: |\n  blocksecret\n  more\nend: 1\n")
    past = history(home)
    past.started("shop")
    write(home, "config/a.yaml", "port: 2\npassword: hunter33\napi_key: 'swordfish'\nend: 1\n")
    (change,) = past.differences("shop")
    assert "-port: 1" in change["diff"] and "+port: 2" in change["diff"]
    for secret in ("hunter22", "hunter33", "swordfish", "MIIE", "SECONDLINE", "blocksecret"):
        assert secret not in change["diff"]
        assert secret.encode() not in kept(home)


def test_a_secret_that_alone_changed_is_a_change_without_a_diff(home: Path) -> None:
    write(home, "config/a.yaml", "password: hunter22\n")
    past = history(home)
    past.started("shop")
    write(home, "config/a.yaml", "password: hunter33\n")
    (change,) = past.differences("shop")
    assert (change["change"], change["diff"][:15]) == ("changed", "(nothing differ")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\0\1\2", "no text"), (b"x" * 100_000, "too large"), (b"y\n" * 2_000_000, "too large")],
    ids=["binary", "large", "huge"],
)
def test_what_cannot_be_compared_is_told_without_a_diff(home: Path, content: bytes, why: str) -> None:
    write(home, "config/a.bin", b"before")
    past = history(home)
    past.started("shop")
    write(home, "config/a.bin", content)
    (change,) = past.differences("shop")
    assert why in change["diff"]


def test_many_changed_lines_are_counted(home: Path) -> None:
    write(home, "config/a.yaml", "".join(f"a{n}\n" for n in range(COMPARED_LINES + 1)))
    past = history(home)
    past.started("shop")
    write(home, "config/a.yaml", "".join(f"b{n}\n" for n in range(7)))
    (change,) = past.differences("shop")
    assert change["diff"] == f"(lines 1 to {COMPARED_LINES + 1} were replaced by 7 lines)"


def test_fifos_devices_and_drafts_are_no_configuration(home: Path) -> None:
    os.mkfifo(home / "config" / "pipe.yaml")
    (home / "config" / "null").symlink_to("/dev/zero")
    write(home, "config/.hidden", "x")
    write(home, "config/a.yaml~", "x")
    past = history(home)
    past.started("shop")
    assert past.differences("shop") == []
    (home / "config" / "pipe.yaml").unlink()
    assert past.differences("shop") == []


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    seen: list[Path] = []
    real = config_history.content

    def counting(path: Path) -> config_history.Content:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(config_history, "content", counting)
    yield seen


def test_a_file_is_read_once_until_it_changes(home: Path, reads: list[Path]) -> None:
    path = write(home, "config/a.yaml", "v: 1\n")
    write(home, "config/b.yaml", "v: 1\n")
    past = history(home)
    for _ in range(100):
        past.started("shop")
    assert len(reads) == 2
    write(home, "config/a.yaml", "v: 2\n")
    past.started("shop")
    assert reads[2:] == [path]


def test_a_version_is_kept_once_and_only_while_somebody_started_under_it(home: Path) -> None:
    past = history(home)
    for n in range(50):
        write(home, "config/a.yaml", f"v: {n}\n")
        write(home, "config/same.yaml", "always: true\n")
        past.started("shop")
    assert len(list((home / "data/self_healing/config/copies").iterdir())) <= 4


def test_many_actors_under_as_many_configurations_are_bounded(home: Path) -> None:
    past = history(home)
    for n in range(config_history.MAX_SETS * 2):
        write(home, "config/a.yaml", f"v: {n}\n")
        past.started(f"kernel_{n}")
    assert not past.knows("kernel_0")
    assert past.knows(f"kernel_{config_history.MAX_SETS * 2 - 1}")
    assert len(list((home / "data/self_healing/config/copies").iterdir())) <= config_history.MAX_SETS


def test_a_configuration_that_came_back_is_not_the_oldest_any_more(home: Path) -> None:
    past = history(home)
    for n in [*range(config_history.MAX_SETS), 0]:
        write(home, "config/a.yaml", f"v: {n}\n")
        past.started(f"kernel_{n}")
    past.started("fresh")
    for n in range(100, 105):
        write(home, "config/a.yaml", f"v: {n}\n")
        past.started(f"kernel_{n}")
    assert past.knows("fresh") and not past.knows("kernel_1")


def test_the_log_does_not_grow_for_ever(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_history, "MAX_LINES", 50)
    past = history(home)
    for n in range(200):
        write(home, "config/a.yaml", f"v: {n % 3}\n")
        past.started("shop")
        past.started("till")
    assert len((home / "data/self_healing/config/good.jsonl").read_bytes().splitlines()) <= 60
    assert history(home).knows("shop")


def test_a_disk_that_takes_nothing_costs_the_diff_alone_and_is_tried_again(home: Path) -> None:
    write(home, "config/a.yaml", "v: 1\n")
    write(home, "config/stays.yaml", "s: 1\n")
    write(home, "data/self_healing/config", "a file where the folder should be")
    past = history(home)
    past.started("shop")
    assert "copies of the configuration are not kept" in past.problem
    write(home, "config/b.yaml", "new\n")
    (home / "config/a.yaml").unlink()
    assert [(each["file"], each["diff"][:14]) for each in past.differences("shop")] == [
        ("config/a.yaml", "(what was in i"),
        ("config/b.yaml", "@@ -1,1 +1,2 @"),
    ]
    (home / "data/self_healing/config").unlink()
    past.started("shop")
    assert past.problem == ""
    write(home, "config/stays.yaml", "s: 2\n")
    assert "-s: 1\n+s: 2" in past.differences("shop")[0]["diff"]


def test_a_hundred_changes_are_bounded(home: Path) -> None:
    past = history(home)
    past.started("shop")
    for n in range(100):
        write(home, f"config/{n}.yaml", "line of text\n" * 150)
    found = past.differences("shop")
    assert len(found) == config_history.MAX_CHANGES
    assert sum(len(each["diff"]) for each in found) < 12_000
