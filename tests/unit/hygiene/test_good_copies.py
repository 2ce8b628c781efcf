"""Good copies follow what was accepted, never what drifted; the two packs restore from them without anybody's help."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from grace_actors.actions.catalogue import specs
from grace_actors.errors import Refused
from playbooks.loader import load_directory
from tests.contract.sources import REPOSITORY
from tests.unit.actions.stage import Stage
from tests.unit.hygiene.house import House, rot

PACKS = load_directory(REPOSITORY / "playbooks" / "packs", specs()).playbooks


def _check(folder: Path) -> bytes:
    done = subprocess.run(["sha256sum", "--check", "--quiet", "manifest.sha256"], cwd=folder, capture_output=True)
    return done.stdout


def test_accepted_configuration_is_copied_and_named(house: House) -> None:
    house.do("sync")
    copies = house.home / "snapshots/config"
    assert (copies / "governance.yaml").read_text() == "rules: [a, b]\n"
    assert _check(copies) == b"" == _check(house.home / "config")
    assert not (copies / "limits.json").exists()


def test_a_drifted_file_never_replaces_its_good_copy(house: House) -> None:
    house.do("sync")
    house.file("config/governance.yaml", "rules: [everything]\n")
    house.take()
    assert (house.home / "snapshots/config/governance.yaml").read_text() == "rules: [a, b]\n"
    assert b"governance.yaml: FAILED" in _check(house.home / "config")
    house.accept_config()
    house.do("sync")
    assert (house.home / "snapshots/config/governance.yaml").read_text() == "rules: [everything]\n"
    assert _check(house.home / "config") == b""


def test_a_lost_good_copy_is_made_again_from_a_set_if_the_file_has_drifted(house: House) -> None:
    house.take()
    house.file("config/governance.yaml", "rules: [everything]\n")
    (house.home / "snapshots/config/governance.yaml").unlink()
    assert house.do("sync")["without_copy"] == {}
    assert (house.home / "snapshots/config/governance.yaml").read_text() == "rules: [a, b]\n"


def test_a_file_that_is_nowhere_as_accepted_is_named(house: House) -> None:
    house.file("config/governance.yaml", "rules: [everything]\n")
    assert list(house.do("sync")["without_copy"]) == ["config/governance.yaml"]
    assert not (house.home / "snapshots/config/governance.yaml").exists()


def test_copies_and_lines_of_people_stay_and_copies_of_what_is_not_accepted_any_more_go(house: House) -> None:
    house.do("sync")
    house.file("snapshots/config/limits.json", "{}")
    with (house.home / "config/manifest.sha256").open("a") as file:
        file.write("0" * 64 + "  limits.json\n")
    (house.home / "config/governance.yaml").unlink()
    house.file("config/new.yaml", "a: 1\n")
    house.accept_config()
    house.do("sync")
    lines = (house.home / "config/manifest.sha256").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["limits.json", "new.yaml"]
    copies = {path.name for path in (house.home / "snapshots/config").iterdir()}
    assert copies == {"limits.json", "new.yaml", "manifest.sha256"}


def test_without_a_word_of_what_is_accepted_nothing_is_copied(house: House) -> None:
    for text in (None, "", "[]", '{"config": {"../x.yaml": "0"}, "packages": {}}'):
        known = house.home / "data/trigger_mesh/known_good.json"
        known.unlink() if text is None else known.write_text(text)
        house.do("sync")
        assert not (house.home / "snapshots/config").exists() and not (house.home / "config/manifest.sha256").exists()


def test_artefacts_are_accepted_as_they_are_and_copied_once(house: House) -> None:
    house.file("artefacts/new file.bin", "new")
    assert house.do("accept")["files"] == 3
    assert _check(house.home / "artefacts") == b"" == _check(house.home / "snapshots/artefacts")
    id = house.take()
    copy = house.home / "snapshots/artefacts/new file.bin"
    assert copy.samefile(house.copy(id, "artefacts/new file.bin"))
    assert not copy.samefile(house.home / "artefacts/new file.bin")


def test_a_damaged_artefact_never_replaces_its_good_copy(house: House) -> None:
    rot(house.home / "artefacts/models/small.bin")
    house.take()
    assert _check(house.home / "snapshots/artefacts") == b""
    rot(house.home / "snapshots/artefacts/notes.txt", 0)
    assert house.do("sync")["without_copy"] == {}
    assert _check(house.home / "snapshots/artefacts") == b""


def test_nothing_to_accept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no file"):
        House(tmp_path / "empty").do("accept")


@pytest.mark.parametrize(
    ("pack", "file", "good"),
    [
        ("config_drift_detected", "config/governance.yaml", "rules: [a, b]\n"),
        ("model_corruption_detected", "artefacts/models/small.bin", "weights " * 100),
    ],
)
def test_the_packs_find_good_copies_where_they_look_by_default(stage: Stage, pack: str, file: str, good: str) -> None:
    inputs = PACKS[pack].inputs
    House(stage.home).furnish().do("sync")
    (stage.home / file).write_text("something else")
    name = file.partition("/")[2]
    where = {"manifest": inputs["manifest"].default}
    assert stage.fails("verify_files", **where).data["damaged"] == [name]
    stage.ok("restore_file", **where, copies=inputs["copies"].default, file=name)
    assert (stage.home / file).read_text() == good
    stage.ok("verify_files", **where)
