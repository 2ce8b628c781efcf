"""approval: what waits for a person, what each answer leads to, and how an answer is sent."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.approvals import outcomes
from grace_actors.console.dispatch import dispatch
from grace_actors.console.records import user
from tests.unit.console.fake import NOT_FOUND, FakeInstance, RemoteError, asked, by_id, kernels

Captured = pytest.CaptureFixture[str]
ID = "ap_20261121_0003"
RUN = "run_20261121_0002"
APPROVAL: dict[str, Any] = {
    "id": ID,
    "action": "playbook.search_index_repair",
    "actor": "self_healing",
    "subject": "inc_20261121_0007",
    "risk": "red",
    "requested_at": time.time() - 7200,
    "expires_at": time.time() + 7200,
    "context": {"run": RUN, "inputs": {"kernel": "librarian"}, "severity": "high", "check": False},
    "reason": "search_index_repair: Rebuild the index",
    "state": "pending",
    "version": 1,
    "decided_by": "",
    "decided_at": None,
    "note": "",
}
OTHER = APPROVAL | {
    "id": "ap_20261120_0001",
    "action": "config.change",
    "subject": "config.change",
    "actor": "meta_loop",
    "context": {},
    "state": "timed_out",
    "note": "nobody responded in time",
}


def script(**more: Any) -> Any:
    found = {
        "approvals": {"approvals": [APPROVAL, OTHER], "count": 2, "pending": 1},
        "approval": by_id({ID: APPROVAL, OTHER["id"]: OTHER}),
        "respond": lambda args: (
            APPROVAL | {"state": f"{args['response']}ed".replace("ee", "e"), "decided_by": args["by"]}
            if args["id"] == ID
            else NOT_FOUND
        ),
    }
    return kernels({("governance", verb): value for verb, value in (found | more).items()})


def run(root: Path, line: str, **more: Any) -> tuple[int, FakeInstance]:
    with FakeInstance(root, script(**more)) as fake:
        return dispatch(shlex.split(line), fake.home), fake


def test_the_list_says_until_when_and_how_to_answer(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "approval list --state pending")
    assert (code, asked(fake, "approvals")) == (0, [{"state": "pending", "limit": 500}])
    _, first, second, hint = capsys.readouterr().out.splitlines()
    assert first.split()[:7] == [ID, "inc_20261121_0007", "‖", "pending", "red", "in", "1h"]
    assert second.split()[:6] == [OTHER["id"], "config.change", "✖", "timed_out", "red", "-"]
    assert hint == f"answer: approval show {ID}, then approve or reject it"


def test_json_of_the_list_is_the_answer_with_its_keys(root: Path, capsys: Captured) -> None:
    run(root, "approval list --json")
    found = json.loads(capsys.readouterr().out)
    assert found["approvals"] == [APPROVAL, OTHER]
    assert {"id", "subject", "risk", "reason", "expires_at", "state"} <= set(found["approvals"][0])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("approval list", "nobody has asked for an approval yet\n"),
        ("approval list --state used", "no approval is used\n"),
    ],
)
def test_an_empty_list_says_so(root: Path, line: str, told: str, capsys: Captured) -> None:
    assert run(root, line, approvals={"approvals": [], "count": 0, "pending": 0})[0] == 0
    assert capsys.readouterr().out == told


def test_show_says_what_follows_when_it_is_approved_rejected_or_left(root: Path, capsys: Captured) -> None:
    assert run(root, f"approval show {ID}")[0] == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        f"{ID} ‖ pending risk red",
        "subject inc_20261121_0007",
        "asked by self_healing, 2h ago",
        "reason search_index_repair: Rebuild the index",
        "(look: incident show inc_20261121_0007)",
        f"(look: run show {RUN})",
        "context severity high, check no",
        f"approved the playbook search_index_repair begins, as {RUN}, with kernel=librarian",
        f"rejected nothing is done: {RUN} is canceled",
        f"no answer nothing is done: {RUN} ends as timed_out",
        f"answer: approval approve {ID}, or approval reject {ID} --reason WHY",
    ):
        assert words in told


def test_json_of_show_is_the_answer_and_its_outcomes(root: Path, capsys: Captured) -> None:
    run(root, f"approval show {ID} --json")
    found = json.loads(capsys.readouterr().out)
    assert found == APPROVAL | {"outcomes": outcomes(APPROVAL)}
    assert set(found["outcomes"]) == {"approve", "reject", "timeout"}


def test_what_is_no_playbook_is_explained_too_and_who_asks_may_say_it_better() -> None:
    found = outcomes(OTHER)
    assert found["approve"].startswith("meta_loop may do config.change once, until ")
    assert found["reject"] == "config.change is not done, and meta_loop is told your reason"
    assert found["timeout"] == "config.change is not done; meta_loop would have to ask again"
    own = OTHER | {"context": {"on_yes": "misses become 5", "on_timeout": "misses stay 3"}}
    assert [outcomes(own)[key] for key in ("approve", "timeout")] == ["misses become 5", "misses stay 3"]


def test_one_that_has_ended_says_how_instead(root: Path, capsys: Captured) -> None:
    run(root, f"approval show {OTHER['id']}")
    told = " ".join(capsys.readouterr().out.split())
    assert "answered by nobody note nobody responded in time" in told
    assert "approval approve" not in told


def test_approve_sends_the_user_of_the_os_unless_somebody_is_named(root: Path, capsys: Captured) -> None:
    code, fake = run(root, f"approval approve {ID}")
    assert (code, asked(fake, "respond")) == (0, [{"id": ID, "response": "approve", "by": user(), "reason": ""}])
    assert f"inc_20261121_0007 ({ID}) by {user()}\nlook: run show {RUN}" in capsys.readouterr().out
    code, fake = run(root / "b", f"approval approve {ID} --by ada --reason 'go on' --json")
    assert asked(fake, "respond") == [{"id": ID, "response": "approve", "by": "ada", "reason": "go on"}]
    assert json.loads(capsys.readouterr().out)["decided_by"] == "ada"


def test_reject_needs_a_reason_and_nothing_is_sent_without(root: Path, capsys: Captured) -> None:
    for reason in ("", " --reason ''", " --reason '  '"):
        code, fake = run(root / f"r{len(reason)}", f"approval reject {ID}{reason}")
        assert (code, asked(fake, "respond")) == (2, [])
    assert "approval reject without --reason" in capsys.readouterr().err
    code, fake = run(root, f"approval reject {ID} --reason 'not today'")
    assert (code, asked(fake, "respond")[0]["reason"]) == (0, "not today")
    assert capsys.readouterr().out.startswith("✖ rejected  inc_20261121_0007")


def test_a_prefix_is_answered_only_when_one_approval_has_it(root: Path, capsys: Captured) -> None:
    code, fake = run(root, "approval approve ap_20261121")
    assert (code, [args["id"] for args in asked(fake, "respond")]) == (0, ["ap_20261121", ID])
    code, fake = run(root / "b", "approval approve ap_2026")
    assert (code, len(asked(fake, "respond"))) == (2, 1)  # the word itself, which is nobody's
    assert "ambiguous" in capsys.readouterr().err


def test_unknown_ends_with_4_and_refused_with_5(root: Path, capsys: Captured) -> None:
    assert run(root, "approval approve ap_20261121_9999")[0] == 4
    assert "there is no approval 'ap_20261121_9999'" in capsys.readouterr().err
    again = RemoteError(code="refused", message=f"{ID} is approved by ada already", hint="ask for the action again")
    assert run(root / "b", f"approval approve {ID}", respond=again)[0] == 5
    assert "is approved by ada already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("approval aprove x", "did you mean: approve"),
        ("approval approve", "approval approve without an ID"),
        ("approval list --by ada", "that is for: approve, reject"),
        ("approval show x --reason y", "approval show with --reason"),
    ],
)
def test_words_that_do_not_belong_together_are_told_and_nothing_is_asked(
    root: Path, line: str, message: str, capsys: Captured
) -> None:
    code, fake = run(root, line)
    assert (code, fake.requests) == (2, [])
    assert message in capsys.readouterr().err
