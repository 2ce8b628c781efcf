"""run.py dies in the middle of a drill, of every one there is: the next start in its home takes back what it broke.

One home for all. Each drill is begun, its instance killed when the fault is there, and the next instance must find
nothing of it; that one is also the next to die.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.card import Card
from chaos.loader import BUILT_IN, load_cards
from grace_actors.drills import marked
from grace_actors.errors import GraceError
from playbooks.tolerance import within
from tests.harness.drills import Theatre
from tests.harness.instance import wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(240)]

CARDS = load_cards(BUILT_IN).cards
QUICKLY = ("CE002", "CF001", "KH001", "RE001")
"""A code fault with a demonstration kernel, a fault of a file, one inside an actor, processes of the runner."""


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    theatre = Theatre(tmp_path_factory.mktemp("interrupted"))
    theatre.begin()
    try:
        yield theatre
    finally:
        theatre.close()


def fatal(card: Card) -> str:
    """The activity at whose end the instance dies: the last fault, or what acts in a card without one."""
    acting = [each.name for each in card.method if each.is_acting and each.func != "tell"]
    faults = [each.name for each in card.method if each.name in acting and each.func != "act"]
    return (faults or acting or [each.name for each in card.method])[-1]


def holds(theatre: Theatre, card: Card) -> bool:
    """Whether every probe of the hypothesis is in tolerance."""
    for probe in card.probes:
        try:
            found = theatre.running.client.call(
                "ask",
                {"name": "chaos_runner", "verb": "probe", "args": {"func": probe.func, "args": dict(probe.arguments)}},
            )
        except GraceError:
            return False
        if probe.tolerance is not None and not within(probe.tolerance, found["value"]):
            return False
    return True


@pytest.mark.parametrize(
    "id", [pytest.param(id, marks=() if id in QUICKLY else pytest.mark.slow) for id in sorted(CARDS)]
)
def test_instance_that_dies_in_a_drill_leaves_nothing_of_the_fault(theatre: Theatre, id: str) -> None:
    card = CARDS[id]
    theatre.settle()
    run = theatre.drill(id)
    theatre.injected(run, fatal(card))
    records = [each["id"] for each in theatre.ask("faults")["records"] if each["by"] == run]
    theatre.kill()
    assert [pid for record in records for pid in marked.find(record)] == []

    theatre.begin()
    known = {each["id"]: each["state"] for each in theatre.ask("faults")["records"]}
    assert {known[record] for record in records} <= {"undone"}, known
    assert theatre.active() == []
    assert theatre.look(run)["status"] == "interrupted"
    assert theatre.ask("drill", id=id)["history"][0]["run"] == run
    assert [name for name in theatre.running.nodes() if name.startswith("drill_")] == []
    limit_s = max(card.expect.heal_within_s, 30.0)
    wait_for(lambda: holds(theatre, card), f"the hypothesis of {id} holds again", limit_s, 0.2)
