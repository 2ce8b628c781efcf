"""The runner and the policy micro_chaos: what it is told, in which order, and what comes of what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from grace_actors.drills.host.schedule import NO_POLICY
from grace_actors.kernel import LATER
from tests.unit.drills_host.rig import BAD, GOOD, Rig, card


def test_policy_is_told_the_clock_the_incidents_and_the_leash_first(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.incidents += [{"id": "inc_1", "kernel": "till", "state": "open"}, {"id": "i", "kernel": "x", "state": "healed"}]
    rig.up()
    (clock, _, told), (leash, _, _) = rig.supervisor.observed()
    assert (clock, leash) == ("clock.told", "chaos.leashed")
    assert (told["incidents"], told["running"]) == (["inc_1"], "")
    assert told["wall_s"] == pytest.approx(1_700_000_000.0 + rig.bench.clock, abs=2)


def test_policy_is_told_nothing_until_the_incidents_are_known(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.healer.answers["incidents"] = LATER
    rig.up()
    rig.happen("incident.opened", "inc_1", {"kernel": "till"})
    rig.bench.advance(30.0)
    assert rig.supervisor.topics() == []
    rig.healer.answers["incidents"] = rig._incidents
    rig.bench.advance(30.0)
    assert rig.supervisor.topics() == ["clock.told", "chaos.leashed", "incident.opened"]


def test_leash_that_is_taken_off_before_the_policy_is_told_is_what_it_is_told(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.healer.answers["incidents"] = LATER
    rig.up()
    assert rig.ask("leash", on=False, by="ann") == {"leashed": False}
    rig.healer.answers["incidents"] = rig._incidents
    rig.bench.advance(30.0)
    assert rig.supervisor.topics() == ["clock.told", "chaos.unleashed"]


def test_leash_is_on_until_somebody_says_otherwise_and_is_kept(rig: Rig) -> None:
    assert rig.ask("schedule")["leashed"] is True
    rig.ask("leash", on=False, by="ann")
    assert (rig.supervisor.topics()[-1], rig.told("chaos.unleashed")) == ("chaos.unleashed", [{"by": "ann"}])
    rig.dies().up()
    assert rig.ask("schedule")["leashed"] is False
    assert rig.supervisor.topics()[-1] == "chaos.unleashed"
    rig.ask("leash", on=True, by="ben")
    assert (rig.supervisor.topics()[-1], rig.told("chaos.leashed")) == ("chaos.leashed", [{"by": "ben"}])


def test_time_is_told_again_and_again_with_what_runs(rig: Rig) -> None:
    rig.bench.advance(3595.0)
    run = rig.run()
    rig.bench.advance(5.0)
    clocks = [data for topic, _, data in rig.supervisor.observed() if topic == "clock.told"]
    assert [each["running"] for each in clocks] == ["", run]
    assert [topic for topic in rig.supervisor.topics() if topic.startswith("chaos.")] == ["chaos.leashed"], "only once"


@pytest.mark.parametrize(
    ("type", "topics"),
    [
        ("incident.opened", ["incident.opened"]),
        ("incident.recurred", ["incident.opened"]),
        ("incident.healed", ["incident.closed"]),
        ("incident.resolved", ["incident.closed"]),
        ("incident.quarantined", ["incident.closed"]),
        ("incident.failed", ["incident.closed", "incident.failed"]),
        ("drill.deviated", ["drill.deviated"]),
    ],
)
def test_what_the_log_says_is_passed_on(rig: Rig, type: str, topics: list[str]) -> None:
    before = len(rig.supervisor.topics())
    rig.happen(type, "inc_1", {"kernel": "till"})
    assert rig.supervisor.topics()[before:] == topics


def test_start_and_end_of_a_drill_are_told(rig: Rig) -> None:
    before = len(rig.supervisor.topics())
    run = rig.run()
    rig.passes()
    found = [(topic, subject) for topic, subject, _ in rig.supervisor.observed()[before:]]
    assert found == [("drill.started", run), ("drill.ended", run)]


# ---- what the policy says -------------------------------------------------------------------------------------------


def due(rig: Rig) -> None:
    rig.happen("drill.due", "drills", {"every_s": 30.0})
    rig.bench.advance(1.0)


def test_drill_that_is_due_is_one_of_the_small_ones_that_the_tree_allows(make: Callable[..., Rig]) -> None:
    rig = make(
        big=card("BIG1", weight=9.0),
        far=card("FAR1", weight=9.0, micro="true", kernel="shop"),
        small=card(micro="true"),
    ).up()
    due(rig)
    found = rig.look()
    assert (found["id"], found["by"], rig.file.read_text()) == ("TILL1", "micro_chaos", BAD)


def test_drill_that_is_due_is_withheld_with_the_reason_when_it_cannot_begin(make: Callable[..., Rig]) -> None:
    rig = make(small=card(micro="true")).up()
    rig.incidents.append({"id": "inc_1", "kernel": "librarian", "state": "open"})
    due(rig)
    assert "the incident inc_1 of librarian is open" in rig.ask("schedule")["withheld"]
    assert rig.file.read_text() == GOOD
    rig.incidents.clear()
    rig.happen("drill.planned", "drills", {"in_s": 30.0})
    assert rig.ask("schedule")["withheld"] == ""


def test_without_a_small_card_that_is_said(rig: Rig) -> None:
    due(rig)
    assert rig.ask("schedule")["withheld"] == "no card with micro: true fits this tree"


def test_schedule_shows_the_plan_of_the_policy_the_next_drill_and_what_was_said(rig: Rig) -> None:
    rig.ask("leash", on=False, by="ann")
    rig.happen("drill.planned", "drills", {"in_s": 30.0})
    rig.bench.advance(10.0)
    found = rig.ask("schedule")
    assert (found["every_s"], found["window"], found["min_gap_s"]) == (30.0, "mon-fri 09:00-15:00 UTC", 60.0)
    assert (found["next_in_s"], found["running"]) == (20.0, None)
    assert [each["type"] for each in found["recent"]] == ["drill.planned", "chaos.unleashed"]
    rig.happen("drill.withheld", "drills", {"reason": "an incident is open"})
    assert rig.ask("schedule")["withheld"] == "an incident is open"
    rig.ask("leash", on=True, by="ann")
    assert rig.ask("schedule")["next_in_s"] is None


def test_runner_that_was_restarted_alone_knows_what_the_policy_said_last(rig: Rig) -> None:
    rig.ask("leash", on=False, by="ann")
    rig.happen("drill.planned", "drills", {"in_s": 30.0})
    rig.happen("drill.withheld", "drills", {"reason": "outside the hours for drills"})
    rig.dies().up()
    found = rig.ask("schedule")
    assert (found["next_in_s"], found["withheld"]) == (29.0, "outside the hours for drills")


def test_what_the_policy_said_before_its_supervisor_was_restarted_counts_no_more(rig: Rig) -> None:
    rig.ask("leash", on=False, by="ann")
    rig.happen("drill.planned", "drills", {"in_s": 30.0})
    rig.happen("drill.withheld", "drills", {"reason": "an incident is open"})
    rig.bench.advance(1.0)
    rig.status.born = rig.bench.clock
    rig.dies().up()
    found = rig.ask("schedule")
    assert (found["next_in_s"], found["withheld"]) == (None, "")


@pytest.mark.parametrize("answer", [LATER, [{"name": "repair", "params": {}}]])
def test_schedule_is_shown_also_without_a_plan(rig: Rig, answer: Any) -> None:
    rig.supervisor.answers["policies"] = answer
    found = rig.ask("schedule", wait_s=3.0)
    assert (found["every_s"], found["window"], found["leashed"]) == (None, None, True)
    assert found["withheld"] == ("" if answer is LATER else NO_POLICY)


def test_schedule_is_shown_before_the_supervisor_is_known(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.bench.kernels.pop("status")
    assert rig.up().ask("schedule")["every_s"] is None
