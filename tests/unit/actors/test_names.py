"""Names instead of addresses, on a fake actor: requests survive restarts, nobody waits on the dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grace_actors import wire
from grace_actors.kernel import Answer
from grace_actors.names import MAX_WAITING, Names
from grace_actors.timers import Timers


@dataclass(eq=False)
class At:
    """An address: what Thespian's addresses offer to us."""

    path: str

    @property
    def addressDetails(self) -> str:
        return self.path


@dataclass
class FakeActor:
    """Records what is sent; addresses in `dead` refuse."""

    name: str = "me"
    gen: int = 1
    sent: list[tuple[str, Any]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    timers: Timers = field(default_factory=Timers)

    def send(self, to: Any, message: Any) -> None:
        self.sent.append((to.path, message))

    def send_or(self, to: Any, message: Any, on_dead: Callable[[], None]) -> None:
        if to.path in self.dead:
            on_dead()
        else:
            self.send(to, message)

    def after(self, delay_s: float, call: Callable[[], None]) -> Any:
        return self.timers.add(delay_s, call)

    def to(self, path: str) -> list[Any]:
        return [message for at, message in self.sent if at == path]


def names_with_registry() -> tuple[FakeActor, Names]:
    actor = FakeActor()
    names = Names(actor)  # type: ignore[arg-type]
    names.registry_at(At("registry"))
    return actor, names


def test_a_request_waits_until_its_name_is_known() -> None:
    actor, names = names_with_registry()
    got: list[Answer] = []
    names.ask("bus", "publish", {"x": 1}, got.append, 5.0)
    assert actor.to("registry") == [wire.Resolve("bus", "")]
    names.resolved("bus", At("bus.1"))
    (ask,) = actor.to("bus.1")
    assert (ask.verb, ask.args, ask.sender) == ("publish", {"x": 1}, "me")
    names.answered(ask.id, Answer(ok=True, value=7))
    assert got == [Answer(ok=True, value=7)]


def test_a_request_for_a_dead_address_goes_to_the_next_incarnation() -> None:
    actor, names = names_with_registry()
    names.resolved("bus", At("bus.1"))
    actor.dead.add("bus.1")
    names.tell("bus", "publish")
    assert actor.to("registry")[-1] == wire.Resolve("bus", "bus.1")
    names.resolved("bus", At("bus.2"))
    assert [message.verb for message in actor.to("bus.2")] == ["publish"]


def test_what_a_dying_actor_did_not_answer_fails_at_once_and_is_not_sent_again() -> None:
    actor, names = names_with_registry()
    got: list[Answer] = []
    names.resolved("bus", At("bus.1"))
    names.ask("bus", "publish", None, got.append, 60.0)
    names.peer_lost("bus.1")
    assert [answer.error and answer.error["code"] for answer in got] == ["died"]
    names.resolved("bus", At("bus.2"))
    assert actor.to("bus.2") == []


def test_the_loss_of_one_peer_touches_no_request_to_another() -> None:
    _, names = names_with_registry()
    got: list[Answer] = []
    names.resolved("bus", At("bus.1"))
    names.ask("bus", "publish", None, got.append, 60.0)
    names.peer_lost("log.1")
    assert got == []


def test_a_request_is_answered_once_by_its_deadline_and_a_late_answer_changes_nothing() -> None:
    actor, names = names_with_registry()
    got: list[Answer] = []
    names.resolved("bus", At("bus.1"))
    names.ask("bus", "publish", None, got.append, 2.0)
    actor.timers.run_due(3.0)
    names.answered(actor.to("bus.1")[0].id, Answer(ok=True))
    assert [answer.error and answer.error["code"] for answer in got] == ["timed_out"]


def test_everybody_registers_again_with_a_new_registry() -> None:
    actor, names = names_with_registry()
    names.register()
    names.registry_at(At("registry.2"))
    assert actor.to("registry.2") == [wire.Register("me", 1)]


def test_waiting_messages_are_bounded_and_the_dropped_are_counted() -> None:
    _, names = names_with_registry()
    for _ in range(MAX_WAITING + 5):
        names.tell("nobody", "hello")
    assert names.lost == 5


def test_events_are_sent_again_until_they_are_acknowledged() -> None:
    actor, names = names_with_registry()
    names.resolved("status", At("status.1"))
    names.events.emit("thing.happened", "me", {"n": 1})
    first = actor.to("status.1")[0]
    names.peer_lost("status.1")  # it died with the event unacknowledged
    names.resolved("status", At("status.2"))
    again = actor.to("status.2")[0]
    assert again.args["events"] == first.args["events"]
    names.answered(again.id, Answer(ok=True, value={"acked": 1}))
    names.events.resend()
    assert len(actor.to("status.2")) == 1


def test_all_events_of_an_orderly_end_but_the_first_were_never_sent() -> None:
    actor, names = names_with_registry()
    names.resolved("status", At("status.1"))
    for n in range(3):
        names.events.emit("thing.happened", "me", {"n": n})
    names.events.flush()
    last = [ask for ask in actor.to("status.1") if ask.verb == "record_many"][-1]
    assert [event["data"]["n"] for event in last.args["events"]] == [0, 1, 2]
