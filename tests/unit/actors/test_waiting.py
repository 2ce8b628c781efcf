"""An actor tells whom it waits for only when that takes long, and tells when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from grace_actors import waiting, wire
from grace_actors.kernel import Answer
from grace_actors.names import Names
from grace_actors.timers import Timers
from tests.unit.actors.test_names import At, FakeActor


@dataclass
class Waiter(FakeActor):
    """Has a parent, owes what the test says, and lives on a clock of its own."""

    owes: list[tuple[str, int]] = field(default_factory=list)
    is_busy: bool = False
    parent: At = field(default_factory=lambda: At("parent"))
    clock: float = 1000.0

    def owed(self) -> Iterator[tuple[str, int]]:
        return iter(self.owes)

    def after(self, delay_s: float, call: Any) -> Any:
        return self.timers.add(self.clock + delay_s, call)

    def told(self) -> list[wire.Waits]:
        return [message for message in self.to("parent") if isinstance(message, wire.Waits)]


@pytest.fixture
def actor(monkeypatch: pytest.MonkeyPatch) -> Waiter:
    found = Waiter(timers=Timers())
    monkeypatch.setattr(waiting.time, "monotonic", lambda: found.clock)
    return found


def pass_time(actor: Waiter, seconds: float) -> None:
    until = actor.clock + seconds
    while (due := actor.timers.next_due) is not None and due <= until:
        actor.clock = max(actor.clock, due)
        actor.timers.run_due(actor.clock)
    actor.clock = until


def ask(names: Names, to: str) -> None:
    names.ask(to, "debit", {}, lambda answer: None, 60.0)


def names_of(actor: Waiter) -> Names:
    return Names(actor)  # type: ignore[arg-type]


def test_an_answer_that_comes_soon_is_not_told_and_no_timer_stays(actor: Waiter) -> None:
    names = names_of(actor)
    ask(names, "ben")
    names.answered(1, Answer(ok=True))
    pass_time(actor, 5.0)
    assert (actor.told(), actor.timers.next_due) == ([], None)


def test_a_long_wait_is_told_with_what_is_owed_and_again_when_it_is_over(actor: Waiter) -> None:
    names = names_of(actor)
    actor.owes = [("ben", 7)]
    ask(names, "ben")
    pass_time(actor, 1.0)
    assert actor.told() == [wire.Waits("me", 1, (wire.Wait(1, "ben", "debit", 1000.0),), (("ben", 7),))]
    names.answered(1, Answer(ok=True))
    pass_time(actor, 0.0)
    assert actor.told()[1:] == [wire.Waits("me", 1)]


def test_a_change_of_what_is_owed_is_told_while_it_waits_and_only_then(actor: Waiter) -> None:
    names = names_of(actor)
    names.waiting.changed()
    pass_time(actor, 1.0)
    assert actor.told() == []
    ask(names, "ben")
    pass_time(actor, 1.0)
    actor.owes = [("carl", 1), ("dora", 2)]
    for _ in range(5):
        names.waiting.changed()
    pass_time(actor, 1.0)
    assert [told.owes for told in actor.told()] == [(), (("carl", 1), ("dora", 2))]


def test_a_second_wait_is_told_when_it_is_as_old(actor: Waiter) -> None:
    names = names_of(actor)
    ask(names, "ben")
    pass_time(actor, 0.5)
    ask(names, "carl")
    pass_time(actor, 3.0)
    assert [[wait.to for wait in told.waits] for told in actor.told()] == [["ben"], ["ben", "carl"]]


def test_each_answer_to_one_of_many_slow_requests_was_a_look_at_all_of_them_and_a_notice(actor: Waiter) -> None:
    names = names_of(actor)
    for _ in range(500):
        ask(names, "ben")
        pass_time(actor, 0.004)
    before = len(actor.told())
    assert before <= 2.0 / waiting.SETTLE_S
    for number in range(1, 501):
        ask(names, "ben")
        names.answered(number, Answer(ok=True))
        pass_time(actor, 0.002)
    assert len(actor.told()) - before <= 1.0 / waiting.SETTLE_S + 1
    for number in range(501, 1001):
        names.answered(number, Answer(ok=True))
    pass_time(actor, waiting.SETTLE_S)
    assert actor.told()[-1] == wire.Waits("me", 1), "and in the end that nobody is waited for"


def test_registry_and_status_do_not_count(actor: Waiter) -> None:
    names = names_of(actor)
    ask(names, "status")
    ask(names, "registry")
    pass_time(actor, 3.0)
    assert actor.told() == []


def test_a_request_that_is_kept_survives_the_death_of_who_had_it(actor: Waiter) -> None:
    names = names_of(actor)
    answers: list[Answer] = []
    names.resolved("ben", At("ben-1"))
    names.ask("ben", "debit", {}, answers.append, 60.0)
    names.ask("ben", "debit", {}, answers.append, 60.0)
    names.kept(1)
    names.kept(99)
    names.peer_lost("ben-1")
    assert [answer.ok for answer in answers] == [False], "the one that is not kept has failed"
    names.answered(1, Answer(ok=True))
    assert [answer.ok for answer in answers] == [False, True]
