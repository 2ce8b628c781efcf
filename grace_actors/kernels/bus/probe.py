"""The self-test of the bus: one message through a router, a queue and a delivery of their own.

Uses the same classes as the traffic and touches none of it, so nobody sees the test. Invariant: it is true only if
the message came out and its acknowledgement went back.
"""

from __future__ import annotations

from collections.abc import Callable

from grace_actors.kernel import Answer, Data
from grace_actors.kernels.bus.delivery import Delivery
from grace_actors.kernels.bus.durable import Subscription
from grace_actors.kernels.bus.message import BoundedQueue, Message
from grace_actors.kernels.bus.router import Router


class _Loop:
    """A link whose subscriber acknowledges at once."""

    def __init__(self) -> None:
        self.arrived: list[Data] = []
        self.acknowledgements = 0

    def deliver(self, to: str, data: Data, on_answer: Callable[[Answer], None]) -> None:
        self.arrived.append(data)
        on_answer(Answer(ok=True))

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        return None

    def acknowledged(self, delivery: Delivery, message: Message) -> None:
        self.acknowledgements += 1

    def died(self, delivery: Delivery, message: Message, reason: str) -> None:
        return None


def works() -> bool:
    """Whether a message that is published reaches the subscriber of a pattern, once."""
    loop, queue, router = _Loop(), BoundedQueue(1), Router()
    wish = Subscription("probe", "probe.#", False, 0, 1)
    router.add_plain(wish, lambda: (queue, Delivery("probe", queue, loop, window=1, patient=False)))
    for one, delivery in router.route("probe.self.test").plain:
        one.push(Message(id="probe", topic="probe.self.test", payload=None))
        delivery.pump()
    return [data["id"] for data in loop.arrived] == ["probe"] and loop.acknowledgements == 1
