"""The cards that come with Grace: each one can be carried out, and three times in a row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from chaoslib.experiment import ensure_experiment_is_valid

from chaos.card import Card, Kind
from chaos.kong.plan import DRILLS
from chaos.loader import Known, load_cards
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.drills.dummies.kinds import FACADE_PORT, KINDS
from playbooks.loader import load_directory
from playbooks.params import bind
from playbooks.spec import ActionKind
from tests.contract.pages import page
from tests.harness.instance import ROOT

FOLDER = ROOT / "chaos" / "cards"
FILES = sorted(FOLDER.glob("*.yaml"))
WEIGHTS = {
    "CE001": 2.0,
    "CE002": 1.5,
    "DEP001": 1.0,
    "KH001": 2.5,
    "KH002": 2.0,
    "SD001": 1.5,
    "MC001": 1.0,
    "RE001": 2.0,
    "RE002": 1.5,
    "RE003": 1.8,
    "CF001": 1.2,
    "NF001": 1.5,
    "SEC001": 3.0,
}
"""The thirteen that Grace has from its beginnings, with what each weighs."""


@cache
def cards() -> dict[str, Card]:
    return dict(load_cards(FOLDER).cards)


@cache
def cooldowns() -> dict[str, float]:
    found = load_directory(ROOT / "playbooks" / "packs", {name: each.spec for name, each in CATALOGUE.items()})
    return {name: playbook.policy.cooldown_s for name, playbook in found.playbooks.items()}


def steps(card: Card, func: str) -> Iterator[dict[str, Any]]:
    for each in card.activities():
        if each.func == func and each.kind is not Kind.FAULT:
            yield dict(each.arguments)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_card_is_an_experiment_of_the_chaos_toolkit(file: Path) -> None:
    ensure_experiment_is_valid(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_every_card_can_be_read_and_is_called_as_its_file() -> None:
    assert load_cards(FOLDER, known=Known(playbooks=cooldowns(), actions=CATALOGUE)).faults == ()
    assert sorted(cards()) == [file.stem for file in FILES]


def test_the_thirteen_are_there_with_their_weights_and_eight_more_at_least() -> None:
    assert {id: cards()[id].weight for id in WEIGHTS} == WEIGHTS
    assert len(cards()) >= len(WEIGHTS) + 8


def test_three_are_micro_drills() -> None:
    assert sorted(id for id, card in cards().items() if card.is_micro) == ["CP001", "LOG001", "MB001"]


@pytest.mark.parametrize("id", [file.stem for file in FILES])
def test_a_card_that_waits_for_a_rest_waits_for_that_of_its_own_trigger_and_playbook(id: str) -> None:
    expect = cards()[id].expect
    for arguments in steps(cards()[id], "wait_until_rested"):
        playbook = arguments.get("playbook")
        if playbook:
            assert arguments["rest_s"] == cooldowns()[playbook]
        if arguments.get("trigger"):
            assert arguments["trigger"] == expect.trigger.where["trigger"]
            assert arguments["subject"] == expect.trigger.subject
    rests = {arguments.get("playbook") for arguments in steps(cards()[id], "wait_until_rested")}
    keyed_by_time = {"repeated_error_pattern"}  # each of its errors says when the file was written: none is the same
    if cooldowns().get(expect.playbook, 0) > 0 and expect.playbook not in keyed_by_time:
        assert expect.playbook in rests, "it would be refused while its playbook rests"


@pytest.mark.parametrize("id", [file.stem for file in FILES])
def test_a_card_whose_repair_is_a_playbook_answers_the_question_that_comes_the_second_time(id: str) -> None:
    if cards()[id].expect.playbook in cooldowns():
        assert cards()[id].approves


@pytest.mark.parametrize("id", [file.stem for file in FILES])
def test_a_demonstration_kernel_is_named_as_one_and_taken_off_again(id: str) -> None:
    started = {each["name"]: each["kind"] for each in steps(cards()[id], "start_dummy")}
    stopped = {each["name"] for each in steps(cards()[id], "stop_dummy")}
    assert set(started) == stopped
    assert set(started.values()) <= set(KINDS)
    assert all(name.startswith(DRILLS) for name in started)


@pytest.mark.parametrize("id", [file.stem for file in FILES])
def test_what_a_card_has_done_is_done_with_parameters_that_fit(id: str) -> None:
    for each in steps(cards()[id], "act"):
        assert each["action"] in CATALOGUE
        assert bind(CATALOGUE[each["action"]].spec.params, each.get("params") or {})[1] == []
    for each in cards()[id].activities():
        if each.kind is Kind.PROBE and each.func != "ask":
            action = CATALOGUE[each.func].spec
            assert action.kind is ActionKind.READS
            assert bind(action.params, dict(each.arguments))[1] == []


@pytest.mark.parametrize("id", [file.stem for file in FILES])
def test_a_card_leaves_room_for_its_rest_and_its_limits(id: str) -> None:
    card = cards()[id]
    rests = sum(each.get("rest_s", 60.0) for each in steps(card, "wait_until_rested"))
    pauses = sum(each.pause_before_s + each.pause_after_s for each in card.method)
    assert card.timeout_s >= rests + pauses + card.expect.heal_within_s


def test_readers_are_led_to_where_the_facade_listens() -> None:
    (fault,) = [each for each in cards()["SD001"].method if each.kind is Kind.FAULT]
    assert f"http://127.0.0.1:{FACADE_PORT}" in fault.arguments["text"]


def test_the_page_has_a_row_for_each_card() -> None:
    rows = [line.split("|")[1].strip() for line in page("docs/cards.md").text.splitlines() if line.startswith("| `")]
    assert [row.strip("`") for row in rows if row.strip("`").isupper()] == [file.stem for file in FILES]
