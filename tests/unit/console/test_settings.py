"""Settings of one start: flag, then environment, then default."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_actors.errors import Refused
from grace_actors.settings import settings


def test_defaults_are_the_builtin_tree_with_a_console() -> None:
    found = settings(environ={})
    assert (found.tree, found.headless, found.json, found.home.root.name) == (None, False, False, ".grace")


def test_tree_flag_beats_the_environment_and_both_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("flag.yaml", "env.yaml"):
        Path(name).write_text("")
    assert settings(tree="flag.yaml", environ={"GRACE_TREE": "env.yaml"}).tree == tmp_path / "flag.yaml"
    assert settings(environ={"GRACE_TREE": "env.yaml"}).tree == tmp_path / "env.yaml"


def test_missing_tree_file_is_refused_naming_where_it_was_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"GRACE_TREE.*nowhere"):
        settings(environ={"GRACE_TREE": str(tmp_path / "nowhere.yaml")})


@pytest.mark.parametrize(("word", "meant"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False)])
def test_headless_switch_of_the_environment(word: str, *, meant: bool) -> None:
    assert settings(environ={"GRACE_HEADLESS": word}).headless is meant


def test_switch_that_means_nothing_is_refused_with_the_words_that_do() -> None:
    with pytest.raises(Refused) as caught:
        settings(environ={"GRACE_HEADLESS": "maybe"})
    assert "true" in caught.value.hint


def test_actors_use_unix_sockets_unless_tcp_is_asked_for() -> None:
    assert settings(environ={}).bind == ""
    assert settings(transport="tcp", environ={}).bind == "127.0.0.1"
    assert settings(environ={"GRACE_TRANSPORT": "tcp", "GRACE_BIND": "127.0.0.2"}).bind == "127.0.0.2"


def test_what_tcp_lays_open_is_said_with_its_address() -> None:
    assert "TCP at 127.0.0.2" in settings(transport="tcp", bind="127.0.0.2", environ={}).exposed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"transport": "udp"}, "there is no transport 'udp'"),
        ({"bind": "127.0.0.1"}, "Unix sockets are not bound"),
        ({"transport": "tcp", "bind": "localhost"}, "'localhost' is no IP address"),
        ({"transport": "tcp", "bind": "192.0.2.1"}, "this machine cannot listen at 192.0.2.1"),
    ],
)
def test_a_transport_that_cannot_be_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(Refused, match=message):
        settings(**given, environ={})
