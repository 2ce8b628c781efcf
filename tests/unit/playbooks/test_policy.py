"""Which runs may start: how many at once, after which rest, and in which order those that wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playbooks.messages import CancelTimer, SetTimer, TimerFired
from playbooks.policy import MAX_WAITING, Admission, Admit, Command, Delay, Event, Rearmed, Refuse, Requested, RunEnded
from playbooks.spec import Playbook
from tests.unit.playbooks.driver import playbook

STEPS = "steps: [{action: poke}]\n"
INPUTS = "inputs: {kernel: {default: a}}\n"
ONE = playbook(f"{INPUTS}policy: {{concurrency: {{key: inputs.kernel, max: 1}}}}\n{STEPS}")
CANCELS = playbook(f"{INPUTS}policy: {{concurrency: {{key: inputs.kernel, on_limit: cancel}}}}\n{STEPS}")
RESTS = playbook(f"policy: {{concurrency: {{max: 2}}, cooldown: 30s}}\n{STEPS}")
ONLY_RESTS = playbook(f"policy: {{cooldown: 30s}}\n{STEPS}")


class Door:
    """An Admission with a clock."""

    def __init__(self) -> None:
        self.admission = Admission()
        self.now = 50.0

    def send(self, event: Event) -> list[Command]:
        return self.admission.handle(event, self.now)

    def ask(self, run: str, playbook: Playbook, **inputs: Any) -> list[Command]:
        return self.send(Requested(run, playbook, inputs))


def test_a_playbook_without_policy_starts_as_often_as_it_is_asked() -> None:
    door = Door()
    free = playbook(STEPS)
    assert [door.ask(f"r{n}", free) for n in range(3)] == [[Admit("r0")], [Admit("r1")], [Admit("r2")]]


def test_one_too_many_waits_until_one_has_ended_in_the_order_they_came() -> None:
    door = Door()
    assert door.ask("r1", ONE, kernel="a") == [Admit("r1")]
    assert door.ask("r2", ONE, kernel="a") == [Delay("r2", "running: r1 (at most 1)")]
    assert door.ask("r3", ONE, kernel="a") == [Delay("r3", "running: r1 (at most 1)")]
    assert door.send(RunEnded("r1")) == [Admit("r2")]
    assert door.send(RunEnded("r2")) == [Admit("r3")]


def test_runs_of_another_key_or_playbook_do_not_count() -> None:
    door = Door()
    other = playbook(f"{INPUTS}policy: {{concurrency: {{key: inputs.kernel}}}}\n{STEPS}".replace("poke", "look"))
    assert door.ask("r1", ONE, kernel="a") == [Admit("r1")]
    assert door.ask("r2", ONE, kernel="b") == [Admit("r2")]
    assert other.name == ONE.name
    assert door.ask("r3", other, kernel="a") == [Delay("r3", "running: r1 (at most 1)")]


def test_one_too_many_is_refused_if_the_playbook_says_so() -> None:
    door = Door()
    door.ask("r1", CANCELS, kernel="a")
    assert door.ask("r2", CANCELS, kernel="a") == [Refuse("r2", "running: r1 (at most 1)")]
    door.send(RunEnded("r1"))
    assert door.ask("r3", CANCELS, kernel="a") == [Admit("r3")]


def test_a_run_that_no_longer_waits_is_passed_over() -> None:
    door = Door()
    for run in ("r1", "r2", "r3"):
        door.ask(run, ONE, kernel="a")
    assert door.send(RunEnded("r2")) == []
    assert door.send(RunEnded("r1")) == [Admit("r3")]


def test_after_a_run_comes_the_rest() -> None:
    door = Door()
    door.ask("r1", RESTS)
    door.send(RunEnded("r1"))
    door.now += 10
    assert door.ask("r2", RESTS) == [
        Delay("r2", "it rests for 20 s more after the last run"),
        SetTimer(1, 80.0),
    ]
    assert door.ask("r3", RESTS) == [Delay("r3", "it rests for 20 s more after the last run")]
    assert door.send(TimerFired(7)) == []
    door.now = 80.0
    assert door.send(TimerFired(1)) == [Admit("r2"), Admit("r3")]


def test_a_longer_rest_is_waited_for_to_its_end() -> None:
    door = Door()
    for run in ("r1", "r2", "r3"):
        door.ask(run, RESTS)
    assert door.send(RunEnded("r1")) == [SetTimer(1, 80.0)]
    door.now += 10
    assert door.send(RunEnded("r2")) == [CancelTimer(1), SetTimer(2, 90.0)]
    assert door.send(RunEnded("r3")) == [CancelTimer(2)]


def test_who_rests_without_a_limit_refuses() -> None:
    door = Door()
    door.ask("r1", ONLY_RESTS)
    assert door.ask("r2", ONLY_RESTS) == [Admit("r2")]
    door.send(RunEnded("r1"))
    assert door.ask("r3", ONLY_RESTS) == [Refuse("r3", "it rests for 30 s more after the last run")]
    door.now += 30
    assert door.ask("r4", ONLY_RESTS) == [Admit("r4")]


def test_a_storm_is_refused_rather_than_queued() -> None:
    door = Door()
    for number in range(MAX_WAITING + 1):
        door.ask(f"r{number}", ONE, kernel="a")
    assert door.ask("last", ONE, kernel="a") == [Refuse("last", f"{MAX_WAITING} runs wait already")]


def test_a_key_without_a_value_refuses_the_run() -> None:
    told = Door().ask("r1", ONE)
    assert told == [Refuse("r1", "concurrency.key: inputs.kernel is missing; there is nothing")]


def test_the_same_request_twice_is_one() -> None:
    door = Door()
    assert door.ask("r1", ONE, kernel="a") == [Admit("r1")]
    assert door.ask("r1", ONE, kernel="a") == []


def test_the_door_survives_a_restart_of_everything() -> None:
    door = Door()
    door.ask("r1", RESTS)
    door.send(RunEnded("r1"))
    door.ask("r2", RESTS)
    data = json.loads(json.dumps(door.admission.to_data()))
    door.admission = Admission.from_data(data)
    timer = [each for each in door.send(Rearmed()) if isinstance(each, SetTimer)]
    assert [each.at for each in timer] == [80.0]
    door.now = 81.0
    assert door.send(TimerFired(timer[0].token)) == [Admit("r2")]
    with pytest.raises(ValueError, match="schema"):
        Admission.from_data({})


def test_what_is_over_is_forgotten() -> None:
    door = Door()
    for number in range(50):
        door.ask(f"r{number}", ONE, kernel=str(number))
        door.send(RunEnded(f"r{number}"))
    assert door.admission.to_data()["groups"] == {}
