"""Suggestions for the next word, from the same table that parses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.faults.table import INJECTABLE
from grace_actors.console.complete import Sources, suggest
from grace_actors.console.verbs import VERBS

SOURCES = Sources(names=lambda: ["message_bus", "memory_fusion", "core"], logs=lambda: ["system", "core"])


def texts(line: str) -> list[str]:
    return [found.text for found in suggest(line, SOURCES)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [*VERBS, "clear", "exit", "quit"]),
        ("st", ["status", "start", "stop"]),
        ("  st", ["status", "start", "stop"]),
        ("kill m", ["message_bus", "memory_fusion"]),
        ("kill message_bus m", ["memory_fusion"]),
        ("status ", ["message_bus", "memory_fusion", "core"]),
        ("status core ", []),
        ("tail ", ["system", "core"]),
        ("tail -n 5 s", ["system"]),
        ("help inj", ["inject"]),
        ("inject ", list(INJECTABLE)),
        ("inject hang ", ["message_bus", "memory_fusion", "core"]),
        ("inject hang core ", ["seconds="]),
        ("inject hang core seconds=3 ", []),
        ("inject kill core ", []),
        ("inject burn ", ["host"]),
        ("inject change home ", ["path=", "text=", "seconds="]),
        ("inject pardon ", ["message_bus", "memory_fusion", "core"]),
        ("events --s", ["--since", "--subject"]),
        ("events --subject c", ["core"]),
        ("events --since ", []),
        ("nonsense ", []),
        ("kill core", []),
    ],
)
def test_last_word_is_completed_from_what_the_verb_takes(line: str, expected: list[str]) -> None:
    assert texts(line) == expected


def test_files_are_completed_with_a_slash_behind_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trees").mkdir()
    (tmp_path / "trees" / "a.yaml").write_text("")
    (tmp_path / ".hidden").write_text("")
    monkeypatch.chdir(tmp_path)
    assert texts("validate ") == ["trees/"]
    assert texts("validate trees/") == ["trees/a.yaml"]
    assert texts(f"validate {tmp_path}/tr") == [f"{tmp_path}/trees/"]
    assert texts("validate nowhere/") == []
