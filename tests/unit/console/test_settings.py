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
