"""playbook run and run: what is asked for, what is shown, and with which status it ends."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console import polling
from grace_actors.console.dispatch import dispatch
from tests.unit.console.fake import FakeInstance, RemoteError

STEP = {"kind": "step", "action": "poke", "attempt": 1, "started_at": 1.0, "ended_at": 2.0, "changed": False}
RUN: dict[str, Any] = {
    "id": "run_20261121_0001",
    "playbook": "p",
    "status": "running",
    "check": False,
    "inputs": {},
    "incident": None,
    "requested_by": "console",
    "requested_at": 1.0,
    "started_at": 1.0,
    "ended_at": None,
    "changed": False,
    "message": "",
    "approval": None,
    "steps": [],
}


class Healer:
    """Answers the requests to self_healing from lists; the last answer of a list stays."""

    def __init__(self, root: Path) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, list[Any]] = {}
        self.fake = FakeInstance(root, {"ask": self.answer}, is_held=True)

    def answer(self, args: dict[str, Any]) -> Any:
        self.asked.append((args["verb"], args["args"]))
        found = self.answers[args["verb"]]
        return found.pop(0) if len(found) > 1 else found[0]


@pytest.fixture
def healer() -> Iterator[Healer]:
    directory = Path(tempfile.mkdtemp(prefix="grace-test-", dir="/tmp"))
    healer = Healer(directory / "home")
    with healer.fake:
        yield healer
    shutil.rmtree(directory, ignore_errors=True)


def play(healer: Healer, *words: str) -> int:
    return dispatch(words, healer.fake.home)


GONE = RemoteError(code="died", message="self_healing died", hint="")


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("failed", 1), ("canceled", 1), ("abandoned", 1)])
def test_waiting_ends_with_the_run_over_restarts_of_self_healing(
    healer: Healer, status: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = RUN | {"status": status, "ended_at": 3.0}
    healer.answers = {"run_playbook": [RUN], "run": [RUN, GONE, RUN, ended]}
    assert play(healer, "playbook", "run", "p", "n=3", "kernel=a", "--check", "--wait", "--json") == code
    assert json.loads(capsys.readouterr().out)["status"] == status
    assert healer.asked[0] == ("run_playbook", {"name": "p", "inputs": {"n": 3, "kernel": "a"}, "check": True})


def test_waiting_is_given_up_when_nobody_answers_for_long(
    healer: Healer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(polling, "SILENCE_S", 0.3)
    healer.answers = {"run_playbook": [RUN], "run": [GONE]}
    assert play(healer, "playbook", "run", "p", "--wait") == 1
    assert "nobody knows how run_20261121_0001 goes: self_healing died" in capsys.readouterr().err


def test_without_waiting_a_run_that_was_begun_is_a_success(healer: Healer) -> None:
    healer.answers = {"run_playbook": [RUN]}
    assert play(healer, "playbook", "run", "p") == 0
    assert [verb for verb, _ in healer.asked] == ["run_playbook"]


def test_steps_carry_their_marks(healer: Healer, capsys: pytest.CaptureFixture[str]) -> None:
    statuses = ("succeeded", "retried", "failed", "skipped", "interrupted", "running")
    steps = [STEP | {"id": f"s{n}", "status": status, "message": ""} for n, status in enumerate(statuses)]
    healer.answers = {"run": [RUN | {"steps": steps, "message": "why\x1b[2J"}]}
    assert play(healer, "run", "show", RUN["id"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    dash = "\N{EN DASH}"
    marks = ["  ✓ s0", f"  {dash} s1  retried", "  ✖ s2  failed", f"  {dash} s3  skipped"]
    assert lines[2:] == [*marks, "  ✖ s4  interrupted", "  ● s5  running"]
    assert "\x1b" not in lines[1]


def test_a_run_that_waits_for_people_says_how_to_decide(healer: Healer, capsys: pytest.CaptureFixture[str]) -> None:
    healer.answers = {"run": [RUN | {"status": "paused", "approval": "ap_1"}]}
    play(healer, "run", "show", RUN["id"])
    assert "decide: approval approve ap_1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["run", "lst"], "did you mean: list"),
        (["run", "show"], "run show without an ID"),
        (["run", "list", "x"], "run list with an ID"),
        (["playbook", "show"], "playbook show without a TARGET"),
        (["playbook", "list", "p"], "playbook list with a TARGET"),
        (["playbook", "show", "p", "--wait"], "what is for `run`"),
        (["playbook", "run", "p", "x"], "playbook: 'x' is no argument"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    words: list[str], hint: str, healer: Healer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(healer, *words) == 2
    assert hint in capsys.readouterr().err
    assert healer.asked == []
