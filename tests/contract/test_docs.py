"""Every page is whole: its links lead somewhere, its commands parse, and it speaks of the project alone."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from grace_actors.console.parse import parse, parse_globals
from grace_actors.console.verbs import VERBS, find_verb
from grace_actors.console.words import GLYPHS
from grace_actors.home import DIRECTORIES
from tests.contract.pages import Page, page, pages
from tests.contract.sources import REPOSITORY, sources

FORBIDDEN = ("TODO", "FIXME", "/root/", "/tmp/")
ALL = pages()
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def named(page: Page) -> str:
    return page.name


@pytest.mark.parametrize("page", ALL, ids=named)
def test_every_link_leads_to_something_that_exists(page: Page) -> None:
    lost = []
    for link in page.links():
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = (page.path.parent / target).resolve() if target else page.path
        if not path.exists() or (anchor and anchor not in Page(path).anchors()):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", ALL, ids=named)
def test_a_page_speaks_of_the_project_alone(page: Page) -> None:
    assert [word for word in FORBIDDEN if word.lower() in page.text.lower()] == []


COMMANDS = [
    pytest.param(line, id=f"{page.name}: {line}")
    for page in ALL
    for line in re.findall(
        r"^(?:\$ )?python run\.py(.*)$", "\n".join(re.findall(r"^```.*?^```", page.text, re.M | re.S)), re.M
    )
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_is_one_that_is_understood(line: str) -> None:
    _, words = parse_globals(shlex.split(line, comments=True))
    if words and words[0] != "VERB":
        parse(find_verb(words[0]), words[1:], anywhere=True)


TYPED = [
    pytest.param(line, id=f"{page.name}: {line}")
    for page in ALL
    for line in re.findall(r"^grace> (.+)$", page.text, re.MULTILINE)
]


@pytest.mark.parametrize("line", TYPED)
def test_every_line_typed_at_the_prompt_is_one_that_is_understood(line: str) -> None:
    words = shlex.split(line)
    if words[0] not in ("exit", "quit", "clear"):
        parse(find_verb(words[0]), words[1:])


def test_commands_and_lines_were_found() -> None:
    assert len(COMMANDS) > 10
    assert len(TYPED) > 5


def test_the_changelog_has_the_version_and_a_place_for_what_comes() -> None:
    headings = re.findall(r"^## \[(.+?)\]", page("CHANGELOG.md").text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert VERSION in headings


def test_the_changelog_names_every_verb() -> None:
    text = page("CHANGELOG.md").text
    assert [verb for verb in VERBS if f"`{verb}`" not in text] == []


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len(page("README.md").text.splitlines()) <= 230


def test_the_readme_leads_to_every_page_of_the_documentation() -> None:
    linked = {link.partition("#")[0] for link in page("README.md").links()}
    assert {p.name for p in ALL if p.path.parent == REPOSITORY / "docs"} <= linked


def test_operations_explains_every_variable_the_program_reads() -> None:
    text = page("docs/operations.md").text
    read = {name for source in sources("grace_actors") for name in re.findall(r'"(GRACE_[A-Z]+)"', source.text)}
    assert [name for name in sorted(read) if f"`{name}`" not in text] == []
    assert read >= {"GRACE_HOME", "GRACE_TREE", "GRACE_HEADLESS"}


def test_operations_explains_every_sign_of_a_state() -> None:
    rows = re.findall(r"^\| ([^\w\s]) \| ([\w, ]+) \|", page("docs/operations.md").text, re.MULTILINE)
    told = {state: sign for sign, states in rows for state in states.split(", ")}
    shown = {state: sign for state, (sign, _) in GLYPHS.items() if state != "delayed"}
    assert told == shown


def test_operations_explains_the_directories_of_a_home() -> None:
    text = page("docs/operations.md").text
    assert [name for name in DIRECTORIES if f"`{name}/" not in text and name != "crashes"] == []


def test_the_scenario_of_the_documentation_is_played_as_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from grace_actors.console.dispatch import dispatch
    from grace_actors.home import Home

    assert dispatch(["simulate", str(REPOSITORY / "examples/shop/scenario.json")], Home(tmp_path)) == 0
    told = capsys.readouterr().out.splitlines()
    shown = next(block for block in page("docs/supervision.md").blocks("") if block.startswith("shop: "))
    assert [line for line in shown.splitlines() if line not in told] == []
