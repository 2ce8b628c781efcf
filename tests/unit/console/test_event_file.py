"""An event in a file: its own short form, and the records that `events --json` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.console.event_file import read_event_file
from grace_actors.home import Home
from supervisors.yaml_source import FileError

Captured = pytest.CaptureFixture[str]
EXIT = {"gen": 7, "kind": "crash", "reason": "ValueError: bad", "supervisor": "repair"}
RECORD: dict[str, Any] = {"seq": 12, "at": "2026-11-21T10:00:00Z", "type": "child.awaiting_repair", "data": EXIT}


def written(tmp_path: Path, found: Any) -> Path:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_a_record_is_seen_as_playbooks_see_it(tmp_path: Path) -> None:
    event = read_event_file(written(tmp_path, RECORD | {"subject": "grace/repair/coding_agent"}))
    assert (event.type, dict(event.issue)) == ("child.awaiting_repair", {"subject": "coding_agent", **EXIT})


def test_a_trigger_that_fired_goes_by_its_own_name(tmp_path: Path) -> None:
    data = {"trigger": "health_signal_gap", "issue": "heartbeat_gap", "severity": "high", "action": "restart"}
    data |= {"target": "self_healing", "detail": "no answer for 42 s"}
    event = read_event_file(written(tmp_path, {"type": "trigger.fired", "subject": "librarian", "data": data}))
    del data["trigger"]
    assert (event.type, dict(event.issue)) == ("health_signal_gap", {"subject": "librarian", **data})


def test_the_short_form_is_taken_as_it_is(tmp_path: Path) -> None:
    event = read_event_file(written(tmp_path, {"type": "gap", "issue": {"age_s": 4}}))
    assert (event.type, dict(event.issue)) == ("gap", {"age_s": 4})


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (RECORD | {"subjekt": "a"}, "unknown key 'subjekt'"),
        (RECORD | {"data": 3}, "data is 3"),
        (RECORD | {"subject": ["a"]}, "subject"),
        ({"type": "a", "issue": {}, "data": {}}, "unknown key 'data'"),
        ({"subject": "a", "data": {}}, "an event without type"),
    ],
)
def test_a_file_that_is_neither_is_refused_with_its_place(tmp_path: Path, found: Any, fault: str) -> None:
    with pytest.raises(FileError) as told:
        read_event_file(written(tmp_path, found))
    assert fault in str(told.value)
    assert "event.json:1:" in str(told.value)


def test_playbook_test_says_which_condition_failed_and_what_was_seen(tmp_path: Path, capsys: Captured) -> None:
    import playbooks

    pack = Path(playbooks.__file__).parent / "packs" / "coding_agent_bootstrap.yaml"
    file = written(tmp_path, RECORD | {"subject": "grace/repair/coding_agent"})
    assert dispatch(["playbook", "test", str(pack), "--event", str(file)], Home(tmp_path)) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert 'yes issue.subject == "coding_agent"' in told
    assert "issue.kind is 'crash'" in told
    started = RECORD | {"subject": "coding_agent", "data": EXIT | {"kind": "start_failed"}}
    file = written(tmp_path, started)
    assert dispatch(["playbook", "test", str(pack), "--event", str(file)], Home(tmp_path)) == 0
