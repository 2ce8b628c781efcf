"""playbook validate and playbook test: files in, faults or reasons out, without an instance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.home import Home

Captured = pytest.CaptureFixture[str]
GOOD = """\
schema: grace.playbook/1
name: good
title: Restart a kernel whose heartbeat stopped
inputs:
  kernel: {required: true}
triggers:
  - type: health_signal_gap
    when: [issue.age_s > 30, issue.kind == "heartbeat_gap"]
steps:
  - action: restart_kernel
    with: {kernel: "{{ inputs.kernel }}"}
verify: []
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "packs" / "good.yaml"
    path.parent.mkdir()
    path.write_text(GOOD, encoding="utf-8")
    return path


def event(tmp_path: Path, text: str) -> str:
    path = tmp_path / "event.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_sound_file_is_valid(good: Path, home: Home, capsys: Captured) -> None:
    assert dispatch(["playbook", "validate", str(good)], home) == 0
    assert capsys.readouterr().out == f"{good} is valid (playbooks: good)\n"


def test_every_fault_of_a_folder_is_told_and_the_sound_files_are_counted(
    good: Path, home: Home, capsys: Captured
) -> None:
    bad = good.with_name("bad.yaml")
    bad.write_text(
        GOOD.replace("name: good", "name: bad").replace("restart_kernel", "restart_kernal"), encoding="utf-8"
    )
    assert dispatch(["playbook", "validate", str(good.parent)], home) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "has faults (sound playbooks: 1)" in told.err
    assert f"{bad}:10:13: unknown action 'restart_kernal'" in told.err
    assert "did you mean 'restart_kernel'?" in told.err
    assert dispatch(["playbook", "validate", str(good.parent), "--json"], home) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["playbooks"]) == (False, ["good"])
    assert [(fault["line"], fault["column"], fault["nearest"]) for fault in found["faults"]] == [
        (10, 13, "restart_kernel")
    ]


def test_an_event_that_starts_the_playbook_gives_success_and_the_inputs(
    good: Path, tmp_path: Path, home: Home, capsys: Captured
) -> None:
    file = event(
        tmp_path, '{"type": "health_signal_gap", "issue": {"age_s": 40, "kind": "heartbeat_gap", "kernel": "a"}}'
    )
    assert dispatch(["playbook", "test", str(good), "--event", file], home) == 0
    assert capsys.readouterr().out.startswith("good matches (inputs: kernel='a')\n")
    assert dispatch(["playbook", "test", str(good), "--event", file, "--json"], home) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["matches"], found["inputs"]) == (True, {"kernel": "a"})


def test_an_event_that_does_not_tells_which_condition_failed_and_what_was_seen(
    good: Path, tmp_path: Path, home: Home, capsys: Captured
) -> None:
    file = event(tmp_path, "type: health_signal_gap\nissue: {age_s: 20, kernel: a}\n")
    assert dispatch(["playbook", "test", str(good), "--event", file], home) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith(
        "good does not match trigger health_signal_gap: does not match yes type is health_signal_gap"
    )
    assert f"no issue.age_s > 30 ({good}:8:12): issue.age_s is 20" in told
    assert "issue.kind is missing; there is age_s, kernel" in told
    assert dispatch(["playbook", "test", str(good), "--event", file, "--json"], home) == 1
    criteria = json.loads(capsys.readouterr().out)["triggers"][0]["criteria"]
    assert [each["holds"] for each in criteria] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("issue: {}\n", "event.yaml:1:1: an event without type"),
        ("type: a\nisue: {}\n", "event.yaml:2:1: unknown key 'isue' in an event"),
        ("type: a\nissue: 3\n", "event.yaml:2:8: issue is 3"),
        ("", "event.yaml:1:1: an empty file"),
    ],
)
def test_an_event_file_with_a_mistake_is_refused(
    text: str, fault: str, good: Path, tmp_path: Path, home: Home, capsys: Captured
) -> None:
    assert dispatch(["playbook", "test", str(good), "--event", event(tmp_path, text)], home) == 1
    assert fault in capsys.readouterr().err


def test_what_cannot_be_meant_is_a_usage_error(good: Path, home: Home, capsys: Captured) -> None:
    for words, hint in (
        (["validat", str(good)], "did you mean: validate"),
        (["test", str(good)], "playbook test without --event"),
        (["validate", str(good), "--event", str(good)], "playbook validate with --event"),
        (["validate", str(good.parent / "goood.yaml")], "did you mean: good.yaml"),
    ):
        assert dispatch(["playbook", *words], home) == 2
        assert hint in capsys.readouterr().err
