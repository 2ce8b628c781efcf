"""Playbooks of an instance: where they come from, and what is wrong with those that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_actors.errors import GraceError
from grace_actors.healing.library import PACKS, Library, Origin
from tests.unit.healing.stage import SPECS, Stage

ONE = "steps: [{id: one, action: poke}]\n"


def test_a_bad_file_costs_its_own_playbook_only_and_is_told(stage: Stage) -> None:
    stage.write("good", ONE)
    stage.write("bad", ONE.replace("poke", "pokke"))
    (stage.home / "playbooks" / "worse.yaml").write_bytes(b"\xff\xfe: [")
    found = stage.up().ask("playbooks")
    assert [each["name"] for each in found["playbooks"]] == ["good"]
    assert {Path(fault["file"]).name for fault in found["faults"]} == {"bad.yaml", "worse.yaml"}
    assert any(fault["nearest"] == "poke" and fault["line"] == 4 for fault in found["faults"])
    assert "2 playbook files have mistakes" in stage.kernel.degraded[0]
    with pytest.raises(GraceError, match="the playbook 'bad' has mistakes"):
        stage.begin("bad")


def test_a_corrected_file_is_there_after_a_reload(stage: Stage) -> None:
    stage.write("p", ONE.replace("poke", "pokke"))
    stage.up()
    stage.write("p", ONE)
    assert stage.ask("reload_playbooks") == {"count": 1, "replaced": [], "faults": []}
    stage.begin()
    stage.bench.advance(30.0)
    assert stage.kernel.degraded == []


def test_a_playbook_that_is_not_there_is_refused_with_the_nearest(stage: Stage) -> None:
    stage.write("restart", ONE)
    stage.up()
    with pytest.raises(GraceError, match="there is no playbook 'restrat'") as caught:
        stage.begin("restrat")
    assert "did you mean restart?" in str(caught.value)
    with pytest.raises(GraceError, match="there is no playbook"):
        stage.ask("playbook", name="other")


def test_wrong_inputs_are_refused_before_anything_begins(stage: Stage) -> None:
    stage.write("p", "inputs: {kernel: {required: true}}\n" + ONE)
    stage.up()
    for inputs, words in (
        ({}, "kernel is missing"),
        ({"kernel": 3}, "kernel is 3"),
        ({"a": 1}, "unknown parameter 'a'"),
    ):
        with pytest.raises(GraceError, match=words):
            stage.begin(inputs=inputs)
    assert (stage.ask("runs")["count"], stage.events("run.requested")) == (0, [])
    assert stage.run(stage.begin(inputs={"kernel": "a"}))["inputs"] == {"kernel": "a"}


def test_a_run_can_be_about_an_incident_which_the_playbook_sees(stage: Stage) -> None:
    stage.write("p", "steps: [{id: one, action: set_flag, with: {to: '{{ issue.kernel }}'}, when: issue.count > 0}]\n")
    incident = stage.up().ask("report", kernel="librarian", kind="crash", reason="x")["id"]
    id = stage.begin(incident=incident)
    assert (stage.run(id)["incident"], stage.called()) == (incident, ["set_flag"])
    with pytest.raises(GraceError, match="no incident"):
        stage.begin(incident="inc_1")


def test_a_users_playbook_replaces_that_of_the_pack_and_says_so(tmp_path: Path) -> None:
    packs, home = tmp_path / "packs", tmp_path / "home"
    for folder, title in ((packs, "theirs"), (home / "playbooks", "mine")):
        folder.mkdir(parents=True)
        for name in ("p", "q") if folder == packs else ("p",):
            text = f"schema: grace.playbook/1\nname: {name}\ntitle: {title}\n{ONE}verify: []\n"
            (folder / f"{name}.yaml").write_text(text)
    library = Library(home, SPECS, packs=packs)
    library.load()
    mine, theirs = library.get("p"), library.get("q")
    assert (mine.playbook.title, mine.origin, mine.replaces) == ("mine", Origin.USER, packs / "p.yaml")
    assert (theirs.playbook.title, theirs.origin, theirs.replaces) == ("theirs", Origin.PACK, None)
    (home / "playbooks" / "p.yaml").write_text("schema: 3")
    library.load()
    assert (library.get("p").playbook.title, library.get("p").is_last_good) == ("mine", True)
    assert [(broken.file.name, broken.in_use) for broken in library.broken] == [("p.yaml", "last_good")]
    afterwards = Library(home, SPECS, packs=packs)  # it never read the good version
    afterwards.load()
    assert (afterwards.get("p").playbook.title, bool(afterwards.problem)) == ("theirs", True)
    assert [broken.in_use for broken in afterwards.broken] == ["pack"]
    (home / "playbooks" / "p.yaml").unlink()
    library.load()
    assert (library.get("p").playbook.title, library.broken) == ("theirs", ())


def test_what_a_playbook_takes_and_does_is_told(stage: Stage) -> None:
    stage.write("p", "inputs: {kernel: {required: true}}\n" + ONE)
    found = stage.up().ask("playbook", name="p")
    assert found["inputs"]["kernel"]["required"] is True
    assert (found["steps"], found["origin"]) == ([{"id": "one", "action": "poke"}], "user")


def test_a_folder_that_is_missing_is_no_mistake_and_a_file_in_its_place_is(tmp_path: Path) -> None:
    library = Library(tmp_path, SPECS, packs=tmp_path / "none")
    library.load()
    assert (library.entries, library.problem) == ({}, "")
    (tmp_path / "playbooks").write_text("x")
    library.load()
    assert "not a folder" in library.problem


def test_the_packs_lie_beside_the_engine() -> None:
    assert PACKS.parent.name == "playbooks"
