"""metrics: whatever figures come are shown, and what nobody has measured is not shown as nought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from tests.unit.console.fake import STATUS, FakeInstance, RemoteError, kernel, kernels

Captured = pytest.CaptureFixture[str]
FIGURES: dict[str, Any] = {
    "incidents": 7,
    "by_state": {"healed": 5, "open": 2},
    "mean_time_to_detect_s": 0.0214,
    "mean_time_to_heal_known_s": 4.5,
    "mean_time_to_heal_new_s": None,
    "zero_touch_rate": 0.714,
    "work": {"average_patch_time_minutes": None, "queue": {"depth": 0, "rss_mb": 1.5}},
    "per_signature": [{"signature_id": "sig_1", "healed": 3, "last_at": 1000.0, "mean_time_to_heal_s": None}],
    "per_playbook": [],
}


def run(root: Path, *words: str, **more: Any) -> int:
    script = kernels({("self_healing", "healing"): more.get("healing", FIGURES)})
    with FakeInstance(root, {**script, **more}) as fake:
        return dispatch(["metrics", *words], fake.home)


def test_every_figure_has_its_unit_and_what_is_not_known_is_no_data(root: Path, capsys: Captured) -> None:
    assert run(root) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for words in (
        "healing",
        "incidents 7",
        "mean time to detect 21.4 ms",
        "mean time to heal known 4.5s",
        "mean time to heal new no data",
        "zero touch rate 71.4%",
        "by state",
        "healed 5",
        "average patch time no data",
        "queue depth 0",
        "queue rss 1.5 MB",
        "healed last at mean time to heal signature id",
    ):
        assert words in lines
    assert lines[-2:] == ["per playbook", "no data"]
    assert any(line.startswith("3 1970-01-01") and line.endswith("no data sig_1") for line in lines)


def test_json_is_the_answer_with_null_for_what_is_not_known(root: Path, capsys: Captured) -> None:
    assert run(root, "--json") == 0
    assert json.loads(capsys.readouterr().out) == FIGURES


def test_all_adds_the_figures_of_every_kernel_and_one_that_is_silent_hides_none(root: Path, capsys: Captured) -> None:
    def status(args: dict[str, Any]) -> Any:
        if not args:
            return STATUS
        if args["name"] == "immutable_log":
            return RemoteError(code="timed_out", message="immutable_log did not answer", hint="")
        return {"node": kernel(args["name"]), "metrics": {"messages": 12} if args["name"] == "message_bus" else None}

    assert run(root, "--all", "--json", status=status) == 0
    found = json.loads(capsys.readouterr().out)["kernels"]
    assert found == {
        "message_bus": {"messages": 12},
        "immutable_log": {"error": "immutable_log did not answer"},
        "infrastructure_manager": {},
        "memory_fusion": {},
    }
    run(root / "b", "--all", status=status)
    told = " ".join(capsys.readouterr().out.split())
    assert "message bus messages 12 immutable log error immutable_log did not answer" in told
    assert "memory fusion no figures" in told


def test_an_answer_without_figures_is_no_error(root: Path, capsys: Captured) -> None:
    assert run(root, healing={}) == 0
    assert capsys.readouterr().out == ""


def test_a_healer_that_does_not_answer_is_a_failure(root: Path, capsys: Captured) -> None:
    silent = RemoteError(code="timed_out", message="self_healing did not answer healing", hint="")
    assert run(root, healing=silent) == 1
    assert "self_healing did not answer" in capsys.readouterr().err


def test_on_a_narrow_terminal_a_list_kept_its_first_and_last_column_and_cut_the_last_to_a_letter(
    root: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    id = f"librarian_DatabaseError_{'0' * 20}"
    row = {"signature_id": id, "healed": 3, "auto_applied": 12, "last_at": 1000.0, "mean_time_to_heal_s": 2.0}
    assert run(root, healing={"per_signature": [row]}) == 0
    head, line = capsys.readouterr().out.splitlines()[-2:]
    assert head.split()[0] == "healed"
    assert line.split()[0] == "3"
    assert line.rstrip().endswith((id, "…"))
    assert id[:20] in line
