"""A kernel as an actor, without a process: what is held back, and how it is let through again."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

from grace_actors import wire
from grace_actors.errors import Refused
from grace_actors.kernel import Request
from grace_actors.kernel_actor import AT_ONCE, KernelActor
from grace_actors.timers import Timers
from tests.unit.actors.test_names import At

CLIENT = At("client")


class Shell(KernelActor):
    """Hosts a kernel that notes what it is asked and refuses odd requests of `debit`."""

    def __init__(self) -> None:
        self.name, self.gen = "anna", 1
        self.timers = Timers()
        self.handled: list[int] = []
        self.answers: list[tuple[int, bool]] = []
        self.kernel: Any = SimpleNamespace(handle=self._work, degraded=[], gauges=dict, does=lambda: "")
        self._paused: deque[Any] | None = None
        self._released: deque[Any] = deque()
        self._owed: dict[int, Any] = {}
        self._request_number = 0

    def _work(self, request: Request) -> Any:
        self.handled.append(request.args["n"])
        if request.args["n"] % 2:
            raise Refused("odd")
        return {}

    def after(self, delay_s: float, call: Any) -> Any:
        return self.timers.add(delay_s, call)

    def send(self, to: Any, message: Any) -> None:
        assert to is CLIENT
        self.answers.append((message.id, message.answer.ok))

    def waiting(self) -> int:
        return 0

    def asked(self, *numbers: int) -> None:
        for n in numbers:
            self._dispatch(wire.Ask(n + 1, "debit", {"n": n}, "client"), CLIENT)

    def told(self, verb: str) -> None:
        self._dispatch(wire.Ask(0, verb, {}, "top"), None)

    def turn(self) -> None:
        """The mailbox has handled one message; the timers have theirs."""
        self.timers.run_due(0.0)


def test_kernel_that_was_resumed_is_no_longer_deaf_to_heartbeats_until_all_that_waited_is_done() -> None:
    shell = Shell()
    shell.told("pause")
    shell.asked(*range(2 * AT_ONCE + 1))
    assert shell.handled == []
    shell.told("resume")
    assert shell.handled == list(range(AT_ONCE))
    assert shell.pulse().mailbox == AT_ONCE + 1
    shell.turn()
    shell.turn()
    assert shell.handled == list(range(2 * AT_ONCE + 1))
    assert shell.timers.next_due is None
    assert shell.answers == [(n + 1, n % 2 == 0) for n in range(2 * AT_ONCE + 1)], "each answered once, in order"


def test_what_comes_while_the_held_requests_are_let_through_is_handled_after_them() -> None:
    shell = Shell()
    shell.told("pause")
    shell.asked(*range(AT_ONCE + 2))
    shell.told("resume")
    shell.told("resume")
    shell.asked(AT_ONCE + 2)
    assert len(shell.handled) == AT_ONCE
    shell.turn()
    assert shell.handled == list(range(AT_ONCE + 3))
    shell.asked(AT_ONCE + 3)
    assert shell.handled[-1] == AT_ONCE + 3, "from now on at once again"


def test_pause_in_the_middle_of_it_holds_the_rest_back_again_in_its_order() -> None:
    shell = Shell()
    shell.told("pause")
    shell.asked(*range(AT_ONCE + 2))
    shell.told("resume")
    shell.told("pause")
    shell.asked(AT_ONCE + 2)
    shell.turn()
    assert len(shell.handled) == AT_ONCE
    shell.told("resume")
    assert shell.handled == list(range(AT_ONCE + 3))
