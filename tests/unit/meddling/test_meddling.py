"""Faults that last in an actor, on a fake actor with a clock of its own: they begin, they end, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grace_actors import wire
from grace_actors.errors import Refused
from grace_actors.kernel import Answer
from grace_actors.meddling import limits
from grace_actors.meddling.meddling import LASTING, Meddling
from grace_actors.timers import ActorTimer, Timers


@dataclass(eq=False)
class FakeActor:
    """What Meddling needs of an actor; `handled` is what was handed on."""

    home: Path
    name: str = "worker"
    clock: float = 100.0
    wall_offset_s: float = 0.0
    handling: Any = None
    handled: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    timers: Timers = field(default_factory=Timers)
    meddling: Meddling | None = None

    def __post_init__(self) -> None:
        self.birth = SimpleNamespace(home=self.home)
        self.names = SimpleNamespace(events=SimpleNamespace(emit=lambda *event: self.told.append(event)))

    def after(self, delay_s: float, call: Callable[[], None]) -> ActorTimer:
        return self.timers.add(self.clock + delay_s, call)

    def inject(self, fault: str, **params: Any) -> Meddling:
        self.meddling = self.meddling or Meddling(self, self._handle, lambda: self.clock)  # type: ignore[arg-type]
        self.meddling.begin(fault, params)
        return self.meddling

    def get(self, *messages: Any) -> None:
        for message in messages:
            if self.meddling is None:
                self._handle(message, "sender")
            else:
                self.meddling.arrives(message, "sender")
        self.timers.run_due(self.clock)

    def _handle(self, message: Any, sender: Any) -> None:
        assert sender == "sender"
        self.handled.append(message)

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds
        self.timers.run_due(self.clock)


@pytest.fixture
def actor(tmp_path: Path) -> FakeActor:
    return FakeActor(tmp_path)


def ask(number: int, verb: str = "put") -> wire.Ask:
    return wire.Ask(number, verb)


BEAT = wire.Heartbeat(1)
ENDED = "fault.undone"


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_ends_by_itself_and_nothing_of_it_is_left(actor: FakeActor, fault: str) -> None:
    actor.inject(fault, seconds=5)
    actor.pass_time(4.9)
    assert (actor.meddling is not None, actor.told) == (True, [])
    actor.pass_time(0.2)
    assert (actor.meddling, actor.told) == (None, [(ENDED, "worker", {"fault": fault, "by": "its time is over"})])
    assert actor.timers.next_due is None
    assert (actor.wall_offset_s, limits.hidden_at(actor.home, "worker").exists()) == (0.0, False)


def test_a_mute_actor_answers_no_heartbeat_and_everything_else(actor: FakeActor) -> None:
    mute = actor.inject("mute")
    actor.get(BEAT, ask(1))
    mute.pardon("*", "pardon")
    actor.get(BEAT)
    assert actor.handled == [ask(1), BEAT]


def test_control_and_what_steers_is_never_touched(actor: FakeActor) -> None:
    for fault in ("drop", "delay", "slow"):
        actor.inject(fault)
    control = [BEAT, wire.Begin(1), wire.RegistryAt(None), ask(0, "inject"), ask(1, "pause"), ask(2, "resume")]
    actor.get(*control, ask(3))
    assert actor.handled == control


def test_a_pardon_ends_what_it_names_and_lets_go_what_was_held(actor: FakeActor) -> None:
    delay = actor.inject("delay", delay_ms=9000)
    actor.inject("clock", offset_s=-60)
    actor.get(ask(1), ask(2))
    assert (actor.handled, delay.held, actor.wall_offset_s) == ([], 2, -60)
    delay.pardon("del*", "pardon")
    assert (actor.handled, actor.meddling, actor.handling) == ([ask(1), ask(2)], delay, ask(2))
    delay.pardon("*", "pardon")
    assert (actor.meddling, actor.wall_offset_s) == (None, 0.0)
    assert [(event[2]["fault"], event[2]["by"]) for event in actor.told] == [("delay", "pardon"), ("clock", "pardon")]


def test_all_that_a_fault_had_held_was_handled_before_the_next_heartbeat_and_what_came_then_before_it(
    actor: FakeActor,
) -> None:
    actor.inject("delay", delay_ms=20_000, seconds=10)
    actor.get(*map(ask, range(95)))
    actor.pass_time(10.0)
    assert 0 < len(actor.handled) <= 40
    actor.get(wire.Heartbeat(1), ask(95))
    assert actor.handled.index(wire.Heartbeat(1)) <= 40
    for _ in range(10):
        actor.pass_time(0.001)
    asked = [message for message in actor.handled if isinstance(message, wire.Ask)]
    assert asked == [ask(number) for number in range(96)]
    assert actor.meddling is None


def test_what_is_held_is_handled_before_an_orderly_stop(actor: FakeActor) -> None:
    actor.inject("reorder")
    actor.inject("delay")
    actor.get(ask(1), wire.Stop("done"))
    assert actor.handled == [ask(1), wire.Stop("done")]


def test_a_slow_actor_handles_answers_late_too_and_one_after_the_other(actor: FakeActor) -> None:
    reply = wire.Reply(7, Answer(ok=True))
    actor.inject("slow", delay_ms=1000, seconds=60)
    actor.get(ask(1), reply)
    actor.pass_time(1.1)
    assert actor.handled == [ask(1)]
    actor.pass_time(1.0)
    assert actor.handled == [ask(1), reply]


def test_faults_of_messages_add_up_and_others_replace_their_like(actor: FakeActor) -> None:
    actor.inject("drop", verb="put", seconds=5)
    actor.inject("drop", verb="get", seconds=9)
    actor.inject("clock", offset_s=5, seconds=5)
    actor.inject("clock", offset_s=9, seconds=9)
    actor.get(ask(1, "put"), ask(2, "get"), ask(3, "look"))
    actor.pass_time(6)
    assert (actor.handled, actor.wall_offset_s) == ([ask(3, "look")], 9)
    actor.get(ask(4, "put"), ask(5, "get"))
    assert actor.handled[1:] == [ask(4, "put")]
    assert len(actor.told) == 1


def test_parameters_that_make_no_sense_are_refused(actor: FakeActor) -> None:
    with pytest.raises(Refused, match="share is 7"):
        actor.inject("drop", share=7)


def test_a_fault_that_the_world_does_not_allow_is_told(actor: FakeActor) -> None:
    (actor.home / "run").write_text("no directory")
    actor.inject("hide", binary="sh")
    [(type, _, data)] = actor.told
    assert (type, data["fault"], data["by"]) == (ENDED, "hide", "failure")
    assert str(actor.home) in data["problem"]
    assert actor.meddling is None
