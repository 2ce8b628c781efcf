"""What a person finds of a kernel that was quarantined."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grace_actors.healing import dossier
from grace_actors.healing.dossier import KEPT_OF_ONE
from grace_actors.kernels.tree_events import TreeEvent
from grace_actors.stores.files import stamp
from tests.unit.healing.ward import Ward
from tests.unit.kernels_mind.stubs import Fixed

SECRET = "correct-horse-battery"


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ward:
    ward = Ward(tmp_path, monkeypatch).up()
    logs = tmp_path / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "librarian.log").write_text("".join(f"line {number}\n" for number in range(300)) + f"uses {SECRET}\n")
    return ward


def folders(home: Path) -> list[Path]:
    return sorted((home / dossier.FOLDER).glob("*"))


def test_a_quarantined_kernel_leaves_its_last_lines_its_error_and_the_state_of_the_system(ward: Ward) -> None:
    clean = lambda request: {  # noqa: E731
        "texts": [text.replace(SECRET, "***") for text in request.args["texts"]],
        "complete": True,
    }
    ward.bench.kernels["secret_manager"].answers["redact"] = clean  # type: ignore[attr-defined]
    ward.hold(state="quarantined", cause="too many failures")
    ward.settle(2.0)
    (folder,) = folders(ward.home)
    assert sorted(path.name for path in folder.iterdir()) == ["error.json", "kernel.log", "system_state.json"]
    lines = (folder / "kernel.log").read_text().splitlines()
    assert (len(lines), lines[0], lines[-1]) == (100, "line 201", "uses ***")
    error = json.loads((folder / "error.json").read_text())
    assert (error["kernel"], error["kind"], error["quarantine"]["cause"]) == (
        "librarian",
        "start_failed",
        "too many failures",
    )
    assert json.loads((folder / "system_state.json").read_text())["tree"]


def test_the_next_step_of_its_incident_names_it(ward: Ward) -> None:
    ward.hold(state="quarantined", cause="too many failures")
    ward.settle(2.0)
    (folder,) = folders(ward.home)
    where = f"look into {dossier.FOLDER / folder.name}"
    (incident,) = ward.ask("incidents")["incidents"]
    assert incident["next_step"] == f"{where}; work-order show {incident['work_order']}"
    assert dossier.named(ward.home, incident | {"state": "healed", "next_step": ""})["next_step"] == ""
    assert dossier.newest(ward.home, "librarian", 2e9) == "", "that of an earlier quarantine is not of this one"


def test_nothing_is_written_that_nobody_could_look_through(ward: Ward) -> None:
    ward.bench.kernels.pop("secret_manager")
    ward.hold(state="quarantined", cause="too many failures")
    ward.settle(10.0)
    assert folders(ward.home) == []
    clean: Callable[[Any], dict[str, Any]] = lambda request: {"texts": request.args["texts"], "complete": True}  # noqa: E731
    ward.bench.add("secret_manager", Fixed, redact=clean)
    ward.settle(40.0)
    assert len(folders(ward.home)) == 1


def test_only_the_newest_are_kept_and_what_is_not_ours_stays(ward: Ward) -> None:
    (ward.home / dossier.FOLDER / "mine").mkdir(parents=True)
    kernel: Any = ward.kernel
    for number in range(KEPT_OF_ONE + 3):
        kernel.dossiers.take(TreeEvent(type="child.quarantined", subject="librarian", at=1.7e9 + number))
        ward.settle(2.0)
    kept = [path.name for path in folders(ward.home) if path.name != "mine"]
    assert kept == [f"librarian_{stamp(1.7e9 + number)}" for number in range(3, KEPT_OF_ONE + 3)]
    assert (ward.home / dossier.FOLDER / "mine").is_dir()


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 200])
def test_a_name_that_is_no_file_name_has_no_dossier(ward: Ward, name: str) -> None:
    kernel: Any = ward.kernel
    kernel.dossiers.take(TreeEvent(type="child.quarantined", subject=name, at=1.7e9))
    ward.settle(2.0)
    assert folders(ward.home) == []
