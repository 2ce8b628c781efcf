"""help: it fits the terminal, its columns stand below each other, and it tells every exit code."""

from __future__ import annotations

import pytest

from grace_actors.console.about import overview, verb_help
from grace_actors.console.errors import ExitCode
from grace_actors.console.verbs import GROUPS, find_verb

NAMES = [verb.name for verbs in GROUPS.values() for verb in verbs]


def test_the_exit_codes_for_what_is_unknown_and_what_is_refused_were_not_told() -> None:
    told = overview().splitlines()[-1]
    assert told == "exit codes: 0 ok, 1 failed, 2 usage, 3 not running, 4 unknown, 5 refused"
    assert all(str(code.value) in told for code in ExitCode)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_second_line_of_an_option_began_at_the_edge_of_the_terminal(width: int) -> None:
    for text in (overview(width), *(verb_help(find_verb(name), width) for name in NAMES)):
        lines = [line for line in text.splitlines() if not line.startswith("example:")]  # that is typed as it stands
        assert [line for line in lines if len(line) > width] == []
    options = verb_help(find_verb("drill"), 60).partition("ACTION           ")[2].splitlines()[1:]
    ragged = [line for line in options if line and not line.startswith(("  ID ", "  -", "  " + " " * 17, "example:"))]
    assert ragged == []


def test_the_summary_of_the_longest_verb_stood_right_against_its_name() -> None:
    assert "  work-order  list " in overview()
    rows = [line for line in overview().splitlines() if line.strip().split(" ")[0] in NAMES]
    assert len(rows) == len(NAMES)
    assert {(line[13], line[14] != " ") for line in rows} == {(" ", True)}
