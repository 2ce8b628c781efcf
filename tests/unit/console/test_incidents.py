"""incident and why: what is asked for, what a person reads, and with which status it ends."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.console.incident_view import SCREEN_LINES
from tests.unit.console.fake import NOT_FOUND, FakeInstance, RemoteError, asked, by_id, kernels

Captured = pytest.CaptureFixture[str]
ID = "inc_20261121_0007"
LISTED: dict[str, Any] = {
    "id": ID,
    "kernel": "librarian",
    "signature_id": "sig_ab12",
    "state": "healed",
    "opened_at": 1000.0,
    "detected_s": 0.2,
    "healed_at": 1004.5,
    "heal_s": 4.5,
    "repair": "search_index_repair",
    "auto": True,
    "kind": "crash",
    "reason": "ValueError: bad index",
    "count": 3,
    "last_at": 1002.0,
    "run": "run_20261121_0002",
    "approval": None,
    "work_order": None,
    "cause": "the index is damaged",
    "next_step": "nothing: it runs again",
}
WAITING = LISTED | {"id": "inc_20261121_0008", "state": "awaiting_approval", "heal_s": None, "repair": None, "count": 1}
SHOWN: dict[str, Any] = LISTED | {
    "signature": {
        "id": "sig_ab12",
        "specific": "abc",
        "full": "def",
        "broad": "fed",
        "components": [
            {"name": "error", "value": "ValueError", "contributes": True, "into": ["specific"], "hint": "its type"},
            {"name": "line", "value": "12", "contributes": False, "into": [], "hint": "lines move"},
        ],
    },
    "diagnostics": {
        "log": ["first line", "second line", "last line"],
        "heartbeat": {"missed": 2, "interval_s": 1.0},
        "config": [{"file": "tree.yaml", "change": "changed", "diff": "--- a\n+++ b\n-beat: 1s\n+beat: 2s\n same"}],
        "resources": {"cpu_percent": 12.5, "memory_percent": None},
        "traceback": {
            "text": "Traceback:\n  File x\n  File y\nValueError: bad index",
            "chain": [{"type": "ValueError", "message": "bad index", "where": "index.py:12 in look"}],
        },
        "handling": {"verb": "search", "from": "console"},
        "tree": {"services": "running"},
        "missing": ["no core file"],
    },
    "attempts": [
        {
            "playbook": "search_index_repair",
            "params": {"kernel": "librarian"},
            "run": "run_20261121_0002",
            "how": "auto",
            "status": "healed",
            "message": "rebuilt",
            "at": 1001.0,
        }
    ],
    "decision": {
        "evidence": ["it worked 4 times"],
        "alternatives": ["held_kernel_recovery"],
        "choice": "run search_index_repair",
        "result": "healed",
    },
    "timeline": [{"at": 1000.0, "what": "it failed"}, {"at": 1004.5, "what": "it is healed"}],
}


def script(**more: Any) -> Any:
    found = {
        "incidents": {"incidents": [WAITING, LISTED], "count": 2},
        "incident": by_id({ID: SHOWN}),
        "resolve": by_id({ID: LISTED | {"state": "healed"}}),
        "why": lambda args: WHY if args["subject"] in ("librarian", ID) else NOT_FOUND,
    }
    names = {"names": ["librarian", "library_cat", "scheduler", "self_healing"]}
    return names | dict(kernels({("self_healing", verb): value for verb, value in (found | more).items()}))


def run(root: Path, line: str, **more: Any) -> tuple[int, FakeInstance]:
    with FakeInstance(root, script(**more)) as fake:
        return dispatch(shlex.split(line), fake.home), fake


def test_the_list_has_one_line_an_incident_and_says_what_waits_for_people(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "incident list --state healed --kernel librarian")
    assert code == 0
    assert asked(fake, "incidents") == [{"state": "healed", "kernel": "librarian", "limit": 500}]
    title, first, second, hint = capsys.readouterr().out.splitlines()
    assert title.split() == ["incident", "kernel", "state", "opened", "healed", "in", "repair", "what"]
    assert first.split()[:4] == [WAITING["id"], "librarian", "‖", "awaiting_approval"]
    assert "4.5s search_index_repair by itself crash (3 times): ValueError: bad index" in " ".join(second.split())
    assert hint == "1 awaiting approval: approval list"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_line_of_the_list_is_never_wider_than_the_console_and_its_id_is_whole(
    root: Path, width: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = LISTED | {"reason": "x" * 500}
    run(root, "incident list", incidents={"incidents": [long], "count": 1})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[1].startswith(f"{ID} librarian ✓ healed")


def test_json_of_the_list_is_the_answer_with_its_keys(root: Path, capsys: Captured) -> None:
    run(root, "incident list --json")
    found = json.loads(capsys.readouterr().out)
    keys = {"id", "kernel", "signature_id", "state", "opened_at", "detected_s", "healed_at", "heal_s", "repair", "auto"}
    assert found == {"incidents": [WAITING, LISTED], "count": 2}
    assert keys <= set(found["incidents"][0])


def test_an_empty_list_says_what_was_looked_for(root: Path, capsys: Captured) -> None:
    run(root, "incident list --state failed --kernel lib", incidents={"incidents": [], "count": 0})
    assert run(root / "b", "incident list", incidents={"incidents": [], "count": 0})[0] == 0
    told = capsys.readouterr()
    assert "ambiguous" in told.err  # library_cat, librarian
    assert told.out == "no incident is known\n"


def test_show_tells_what_happened_why_what_was_tried_decided_and_when(root: Path, capsys: Captured) -> None:
    assert run(root, f"incident show {ID}")[0] == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        f"{ID} librarian ✓ healed crash, 3 times",
        "what ValueError: bad index",
        "cause the index is damaged",
        "noticed after 0.2s",
        "after 4.5s by search_index_repair, by itself",
        "next nothing: it runs again",
        "look run show run_20261121_0002",
        "raised ValueError: bad index at index.py:12 in look",
        "handling verb search, from console",
        "log second line last line",
        "config tree.yaml: changed -beat: 1s",
        "resources cpu_percent 12.5 heartbeat missed 2, interval_s 1",
        "not found no core file",
        "signature sig_ab12 specific abc full def broad fed",
        "error ValueError [specific]: its type",
        "✓ search_index_repair kernel=librarian (by itself) run_20261121_0002 healed: rebuilt",
        "choice run search_index_repair; it healed",
        "because it worked 4 times",
        "instead of held_kernel_recovery",
        "+0.0s it failed +4.5s it is healed",
        f"lines more: incident show {ID} --full",
    ):
        assert words in told
    assert "first line" not in told
    assert "lines move" not in told


def test_full_shows_all_of_it(root: Path, capsys: Captured) -> None:
    run(root, f"incident show {ID} --full")
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "first line",
        "line 12 [left out]: lines move",
        "tree services running",
        "--- a +++ b -beat: 1s",
        "resources cpu_percent 12.5, memory_percent no data",
    ):
        assert words in told
    assert "--full" not in told


def test_json_of_show_is_exactly_the_answer(root: Path, capsys: Captured) -> None:
    run(root, f"incident show {ID} --json")
    assert json.loads(capsys.readouterr().out) == SHOWN


@pytest.mark.parametrize("width", [70, 160])
def test_an_incident_fits_a_screen_whatever_is_in_it(
    root: Path, width: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = "x y" * 200 + "\x1b[2J\nmore"
    change = {"file": long, "change": long, "diff": "\n".join(f"+{n}" for n in range(50))}
    huge = SHOWN | {
        **dict.fromkeys(("reason", "cause", "next_step", "kind"), long),
        **dict.fromkeys(("run", "approval", "work_order"), "x_1"),
        "attempts": SHOWN["attempts"] * 20,
        "timeline": SHOWN["timeline"] * 20,
        "decision": dict.fromkeys(("evidence", "alternatives"), [long] * 9) | {"choice": long, "result": long},
        "signature": SHOWN["signature"] | {"components": SHOWN["signature"]["components"] * 20},
        "diagnostics": {
            "log": [long] * 100,
            "config": [change] * 9,
            "traceback": {"text": "\n".join([long] * 99), "chain": SHOWN["diagnostics"]["traceback"]["chain"] * 9},
            **{key: {long: long} for key in ("heartbeat", "resources", "handling", "tree")},
            "missing": [long] * 9,
        },
    }
    run(root, f"incident show {ID}", incident=by_id({ID: huge}))
    told = capsys.readouterr().out
    assert len(told.splitlines()) <= SCREEN_LINES
    assert max(map(len, told.splitlines())) <= width
    assert "\x1b" not in told


def test_an_incident_of_which_little_is_known_is_shown_without_invention(root: Path, capsys: Captured) -> None:
    bare = {"id": ID, "kernel": "librarian", "state": "open", "diagnostics": None, "decision": None, "attempts": []}
    assert run(root, f"incident show {ID}", incident=by_id({ID: bare}))[0] == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in ("none was gathered", "it has no signature", "tried nothing yet", "decided nothing yet"):
        assert words in told
    assert "healed" not in told


def test_a_restart_that_healed_it_is_what_was_tried_and_nothing_had_to_be_decided(root: Path, capsys: Captured) -> None:
    restarted = SHOWN | {"repair": "restart", "attempts": [], "decision": None}
    run(root, f"incident show {ID}", incident=by_id({ID: restarted}))
    told = " ".join(capsys.readouterr().out.split())
    assert "tried the restart by its supervisor decided nothing had to be timeline" in told


def test_a_unique_prefix_of_an_id_will_do_and_costs_nothing_for_a_whole_one(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "incident show inc_20261121_0007")
    assert (code, asked(fake, "incidents")) == (0, [])
    others = {"incidents": [LISTED, LISTED | {"id": "inc_20261120_0001"}], "count": 2}
    code, fake = run(root / "b", "incident show inc_20261121", incidents=others)
    assert (code, asked(fake, "incident")) == (0, [{"id": "inc_20261121"}, {"id": ID}])
    assert run(root / "c", "incident show inc_2026", incidents=others)[0] == 2
    assert "'inc_2026' is ambiguous" in capsys.readouterr().err


def test_an_id_that_nobody_has_ends_with_4_and_the_nearest(root: Path, capsys: Captured) -> None:
    assert run(root, "incident show inc_20261121_0070")[0] == 4
    told = capsys.readouterr().err
    assert "there is no incident 'inc_20261121_0070'" in told
    assert ID in told.split("did you mean:")[1]


def test_resolve_says_who_and_why(root: Path, capsys: Captured) -> None:
    code, fake = run(root, f"incident resolve {ID} --note 'disk replaced' --by ada")
    assert code == 0
    assert asked(fake, "resolve") == [{"id": ID, "by": "ada", "note": "disk replaced"}]
    assert capsys.readouterr().out == f"✓ healed  {ID}, by ada\n"


def test_what_the_kernel_refuses_ends_with_5(root: Path, capsys: Captured) -> None:
    refused = RemoteError(code="refused", message="incidents: state is 'opn'", hint="allowed: open, healed")
    assert run(root, "incident list --state opn", incidents=refused)[0] == 5
    assert "allowed: open, healed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("incident shw x", "did you mean: show"),
        ("incident show", "incident show without an ID"),
        ("incident list x", "incident list with an ID"),
        ("incident list --full", "incident list with --full"),
        ("incident show x --note y", "that is for: resolve"),
        ("incident", "missing: ACTION"),
        ("why", "missing: SUBJECT"),
    ],
)
def test_words_that_do_not_belong_together_are_told_and_nothing_is_asked(
    root: Path, line: str, message: str, capsys: Captured
) -> None:
    code, fake = run(root, line)
    assert (code, fake.requests) == (2, [])
    assert message in capsys.readouterr().err


WHY: dict[str, Any] = {
    "subject": "librarian",
    "sentences": ["librarian failed 3 times.", "It is recognised as sig_ab12.\x1b[2J"],
    "incident": ID,
    "next_step": "nothing",
}


def test_why_tells_a_story_and_where_to_look(root: Path, capsys: Captured) -> None:
    assert run(root, "why librarian")[0] == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "librarian failed 3 times."
    assert lines[2:] == ["Next: nothing", f"Look: incident show {ID}"]
    assert "\x1b" not in lines[1]
    run(root / "b", f"why {ID} --json")
    assert json.loads(capsys.readouterr().out) == WHY


def test_why_takes_the_prefix_of_a_name_or_an_incident(root: Path) -> None:
    code, fake = run(root, "why librar")
    assert code == 2  # librarian, library_cat
    code, fake = run(root / "b", "why libraria")
    assert (code, asked(fake, "why")[-1]) == (0, {"subject": "librarian"})
    code, fake = run(root / "c", "why inc_20261121_0007")
    assert (code, asked(fake, "why")) == (0, [{"subject": ID}])


def test_why_of_something_unknown_ends_with_4(root: Path, capsys: Captured) -> None:
    assert run(root, "why libarian")[0] == 4
    told = capsys.readouterr().err
    assert "there is no name or incident 'libarian'" in told
    assert "did you mean: librarian" in told


def test_why_of_a_known_name_that_has_no_story_ends_with_4_and_what_the_kernel_said(
    root: Path, capsys: Captured
) -> None:
    assert run(root, "why scheduler")[0] == 4
    assert "there is no such thing" in capsys.readouterr().err
