"""chaos and kong: the leash, what is injected, undoing it, and Chaos Kong only after a yes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console import polling
from grace_actors.console.dispatch import dispatch
from tests.unit.console.fake import NOT_FOUND, FakeInstance, RemoteError, asked
from tests.unit.console.fake_drills import PASSED, REFUSED, FakeRunner, looks

Captured = pytest.CaptureFixture[str]


def record(id: str, state: str, **more: Any) -> dict[str, Any]:
    found = {"id": id, "fault": "burn", "target": "host", "params": {"cores": 2}, "by": "drill_1", "at": 1.0}
    return found | {"until": 61.0, "state": state, "problem": ""} | more


RECORDS = [
    record("rec_1", "injected"),
    record("rec_2", "undone", fault="kill"),
    record("rec_3", "undo_failed", fault="damage", problem="no space left on device"),
]
PLAN = {"leashed": True, "running": None, "withheld": "", "every_s": 300.0, "recent": []}


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.005)


def run(root: Path, line: str, **answers: Any) -> tuple[int, FakeInstance]:
    usual = {"faults": {"records": RECORDS}, "schedule": PLAN, "leash": lambda args: {"leashed": args["on"]}}
    with FakeInstance(root, FakeRunner(**(usual | answers)).script()) as fake:
        return dispatch(shlex.split(line), fake.home), fake


@pytest.mark.parametrize(("word", "told"), [("on", "on: no drill starts"), ("off", "off: drills start")])
def test_the_leash_is_put_on_and_taken_off_in_the_name_of_the_user(
    root: Path, word: str, told: str, capsys: Captured
) -> None:
    code, fake = run(root, f"chaos leash {word}")
    (sent,) = asked(fake, "leash")
    assert (code, sent["on"], bool(sent["by"])) == (0, word == "on", True)
    assert told in capsys.readouterr().out
    run(root / "b", f"chaos leash {word} --json")
    assert json.loads(capsys.readouterr().out) == {"leashed": word == "on"}


def test_the_leash_alone_is_told_and_changes_nothing(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "chaos leash")
    assert (code, asked(fake, "leash")) == (0, [])
    assert "leash       on: no drill starts by itself" in capsys.readouterr().out
    run(root / "b", "chaos leash --json")
    assert json.loads(capsys.readouterr().out) == {"leashed": True}


def test_a_leash_that_holds_is_not_told_twice(root: Path, capsys: Captured) -> None:
    run(root, "chaos status", schedule=PLAN | {"withheld": "leashed"})
    assert "withheld" not in capsys.readouterr().out
    run(root / "b", "chaos status", schedule=PLAN | {"withheld": "an incident is open"})
    assert "an incident is open" in capsys.readouterr().out


def test_status_tells_the_leash_and_what_is_there_now(root: Path, capsys: Captured) -> None:
    assert run(root, "chaos status")[0] == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "leash on: no drill starts by itself" in told
    assert "rec_1 ◌ injected burn host" in told
    assert "✖ rec_3: no space left on device" in told
    assert "rec_2" not in told
    assert "drill halt; one of it: chaos undo RECORD" in told
    run(root / "b", "chaos status --json")
    found = json.loads(capsys.readouterr().out)
    assert found == {"leashed": True, "running": None, "withheld": "", "records": [RECORDS[0], RECORDS[2]]}


def test_faults_are_those_that_are_there_and_with_all_those_that_were(root: Path, capsys: Captured) -> None:
    run(root, "chaos faults --json")
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["records"]] == ["rec_1", "rec_3"]
    run(root / "b", "chaos faults --all --json")
    assert json.loads(capsys.readouterr().out) == {"records": RECORDS}
    run(root / "c", "chaos faults", faults={"records": []})
    assert capsys.readouterr().out == "  nothing is injected\n"


def test_undo_takes_a_prefix_and_ends_with_1_when_it_could_not(root: Path, capsys: Captured) -> None:
    def undo(args: dict[str, Any]) -> Any:
        known: dict[str, Any] = {"rec_1": {"record": "rec_1", "message": "the burners are gone"}}
        known["rec_3"] = RemoteError(code="world_failed", message="no space left on device", hint="see: chaos faults")
        return known.get(args["record"], NOT_FOUND)

    assert run(root, "chaos undo rec_1", undo=undo)[0] == 0
    assert capsys.readouterr().out == "✓ undone  rec_1: the burners are gone\n"
    assert run(root / "b", "chaos undo rec_3", undo=undo)[0] == 1
    captured = capsys.readouterr()
    assert (captured.out, "no space left on device" in captured.err) == ("", True)
    assert run(root / "c", "chaos undo rec_", undo=undo)[0] == 2
    assert run(root / "d", "chaos undo nothing", undo=undo)[0] == 4
    assert "chaos faults --all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chaos leash of", "did you mean: off"),
        ("chaos undo", "chaos faults shows them"),
        ("chaos status x", "chaos status with an ID"),
        ("chaos leash on --all", "that is for: faults"),
        ("chaos monkey", "unknown action 'monkey'"),
        ("kong --seconds 9", "whole seconds from 10"),
        ("kong --seconds long", "is no count"),
    ],
)
def test_words_that_mean_nothing_are_told_and_change_nothing(
    root: Path, line: str, message: str, capsys: Captured
) -> None:
    code, fake = run(root, line)
    assert (code, asked(fake, "leash"), asked(fake, "kong")) == (2, [], [])
    assert message in capsys.readouterr().err


# ---- kong -----------------------------------------------------------------------------------------------------------


def test_kong_never_begins_where_nobody_can_be_asked(root: Path, capsys: Captured) -> None:
    for number, line in enumerate(("kong", "kong --seconds 15 --json")):
        code, fake = run(root / str(number), line)
        assert (code, asked(fake, "kong")) == (2, [])
        assert "say so with --yes" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code", "times"), [("y", 0, 1), ("n", 2, 0), ("", 2, 0)])
def test_kong_asks_at_a_terminal_and_begins_only_after_a_yes(
    root: Path, answer: str, code: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[str] = []
    monkeypatch.setattr("grace_actors.console.confirm.can_ask", lambda out: True)
    monkeypatch.setattr("builtins.input", lambda question: asked_for.append(question) or answer)
    ended, fake = run(root, "kong")
    assert (ended, len(asked(fake, "kong"))) == (code, times)
    assert asked_for[0].startswith("For 300 s Chaos Kong kills critical kernels")


def test_kong_with_yes_is_watched_like_a_drill(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "kong --seconds 60 --seed 7 --load 500 --yes")
    (sent,) = asked(fake, "kong")
    assert sent == {"seconds": 60, "seed": 7, "load": 500, "by": sent["by"]}
    assert code == 0
    assert "KONG passed" in capsys.readouterr().out


def test_kong_ends_with_1_when_it_did_not_pass_and_json_is_all_that_is_known(root: Path, capsys: Captured) -> None:
    over = looks("kong_1", "KONG", gates=PASSED | {"slo": False})[-1] | {"figures": {"lost": 1}}
    assert run(root, "kong --yes --json", kong={"run": "kong_1"}, drill_run=over)[0] == 1
    assert json.loads(capsys.readouterr().out) == over
    assert run(root / "b", "kong --yes", kong=REFUSED)[0] == 5


def test_kong_that_is_refused_says_why(root: Path, capsys: Captured) -> None:
    refused = RemoteError(code="refused", message="the incident inc_1 of librarian is open", hint="see: incident list")
    assert run(root, "kong --yes", kong=refused)[0] == 5
    assert "inc_1 of librarian is open" in capsys.readouterr().err
