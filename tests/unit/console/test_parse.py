"""Words to arguments: the same for the command line and the prompt, with errors that help."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.console.errors import UsageError
from grace_actors.console.parse import parse, parse_globals
from grace_actors.console.verbs import VERBS, find_verb

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("status", {"name": None, "json": False}),
    ("status message_bus --json", {"name": "message_bus", "json": True}),
    ("status --json message_bus", {"name": "message_bus", "json": True}),
    ("kill a b", {"name": ["a", "b"]}),
    ("kill a --json b", {"name": ["a", "b"], "json": True}),
    ("inject crash librarian", {"fault": "crash", "target": "librarian", "parameter": []}),
    ("inject hang librarian seconds=3", {"parameter": ["seconds=3"]}),
    ("events", {"follow": False, "since": None, "type": None, "limit": None}),
    ("events -f --since 12 --type child.* -n 5", {"follow": True, "since": 12, "type": "child.*", "limit": 5}),
    ("events --since=12", {"since": 12}),
    ("tail message_bus", {"name": "message_bus", "lines": 20, "follow": False}),
    ("tail message_bus -n 3 -f", {"lines": 3, "follow": True}),
    ("help", {"verb": None}),
]
BAD: list[tuple[str, str]] = [
    ("kill", "missing: NAME"),
    ("inject", "missing: FAULT"),
    ("status a b", "'b' is one word too many"),
    ("events --since", "--since: expected one argument"),
    ("events --since x", "'x' is no count"),
    ("events --since -1", "--since"),
    ("tail x -n 1.5", "'1.5' is no count"),
]


@pytest.mark.parametrize(("line", "expected"), GOOD)
def test_words_become_arguments(line: str, expected: dict[str, Any]) -> None:
    name, *words = line.split()
    found = parse(VERBS[name], words)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(("line", "message"), BAD)
def test_wrong_words_are_told_with_verb_problem_and_usage(line: str, message: str) -> None:
    name, *words = line.split()
    with pytest.raises(UsageError) as caught:
        parse(VERBS[name], words)
    assert caught.value.message.startswith(f"{name}: ")
    assert message in caught.value.message
    assert caught.value.hint.startswith(f"usage: {name}")


def test_mistyped_option_names_the_nearest_and_all_allowed_ones() -> None:
    with pytest.raises(UsageError) as caught:
        parse(VERBS["events"], ["--folow"])
    assert caught.value.near == ("--follow",)
    assert {"--since", "--json"} <= set(caught.value.allowed)


def test_mistyped_verb_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        find_verb("evnts")
    assert caught.value.near == ("events",)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_takes_json(verb: str) -> None:
    needed = [arg.name for arg in VERBS[verb].args if arg.many.value in ("one", "some")]
    assert parse(VERBS[verb], [*needed, "--json"])["json"] is True


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_a_summary_help_and_an_example_that_parses(verb: str) -> None:
    import shlex

    found = VERBS[verb]
    assert found.summary
    assert not found.summary.endswith(".")
    assert found.help
    name, *words = shlex.split(found.example)
    assert name == verb
    parse(found, words)


def test_global_options_stand_before_the_verb() -> None:
    given, words = parse_globals(["--home", "/h", "--json", "status", "--json"])
    assert (given["home"], given["json"], words) == ("/h", True, ["status", "--json"])


def test_home_may_stand_behind_the_verb_on_the_command_line_but_not_at_the_prompt() -> None:
    assert parse(VERBS["status"], ["--home", "/h"], anywhere=True)["home"] == "/h"
    with pytest.raises(UsageError):
        parse(VERBS["status"], ["--home", "/h"])


@pytest.mark.parametrize("words", [["--hom"], ["--home"], ["--headles", "status"]])
def test_wrong_global_option_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_globals(words)
