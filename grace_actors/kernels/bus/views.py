"""The verbs by which the bus shows itself: topics, counters, what could not be delivered, whether anything waits.

Must not publish, subscribe or store. Invariant: showing changes nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from grace_actors.kernel import LATER, Data, Request
from grace_actors.kernels.arguments import number_or, whole_or
from grace_actors.kernels.bus.durable import BusStore
from grace_actors.kernels.bus.message import Message
from grace_actors.kernels.bus.router import Router
from grace_actors.kernels.bus.rules import AclVerbs
from grace_actors.kernels.bus.shelf import Shelf
from grace_actors.kernels.bus.topics import matches

DEAD_KEPT = 1000


class BusViews(AclVerbs):
    """What the message bus shows; it keeps what is shown."""

    store: BusStore
    router: Router
    shelf: Shelf
    counts: Counter[str]
    _seen: Counter[str]
    _dead: deque[Data]
    _declared: dict[str, bool]
    _durable_patterns: list[str]
    _waiting: list[tuple[Request, Message]]

    def _is_durable(self, topic: str) -> bool:
        declared = [durable for pattern, durable in self._declared.items() if matches(pattern, topic)]
        return any(declared) or any(matches(pattern, topic) for pattern in self._durable_patterns)

    def do_topics(self, request: Request) -> Any:
        """Topics published to in this life or declared, with counts, subscribers and who may publish."""
        names = sorted(set(self._seen) | set(self._declared))
        return {"topics": [self._describe(name) for name in names]}

    def _describe(self, name: str) -> Data:
        route = self.router.route(name)
        subscribers = {one.subscriber for _, one in route.plain} | {one.delivery.subscriber for one in route.durable}
        return {
            "topic": name,
            "durable": self._is_durable(name),
            "published": self._seen[name],
            "subscribers": sorted(subscribers),
            "publishers": self.intake.acl.allowed(name) or ["*"],
        }

    def do_stats(self, request: Request) -> Any:
        """Counters, queues by subscriber, and who violated access."""
        return {
            "counts": {name: count for name, count in self.counts.items() if " " not in name},
            "boot_limited": self.intake.boot is not None,
            "rate_limited": self.intake.rate_limited,
            "durable_stored": self.shelf.stored,
            "durable_last": self.shelf.last,
            "subscribers": self.router.as_data(self.shelf.last),
            "violations": self.intake.watch.as_data(self.ctx.now()),
        }

    def do_dead_letters(self, request: Request) -> Any:
        """Messages that could not be delivered, newest first: those in memory, then the durable ones on disk."""
        limit = whole_or(request, "limit", 50, low=1, high=DEAD_KEPT)
        letters = [*reversed(self._dead), *self.store.dead(limit)]
        return {"count": len(letters), "dead_letters": letters[:limit]}

    def do_drain(self, request: Request) -> Any:
        """Answer when nothing waits any more, or after `timeout_s` (5)."""
        until = self.ctx.now() + number_or(request, "timeout_s", 5.0, low=0.0, high=600.0)

        def look() -> None:
            waiting = self.router.depth() + len(self._waiting)
            if waiting and self.ctx.now() < until:
                self.ctx.after(0.02, look)
            else:
                self.ctx.answer(request, {"drained": not waiting, "waiting": waiting})

        self.ctx.after(0.0, look)
        return LATER

    def metrics(self) -> dict[str, float]:
        return {
            "message_count": float(self.counts["messages"]),
            "topic_count": float(len(self._seen)),
            "acl_violations": float(self.intake.watch.total),
            "delivered_count": float(self.counts["delivered"]),
            "dropped_count": float(self.counts["dropped"]),
            "dead_letter_count": float(self.counts["died"] + self.counts["dropped"]),
            "waiting_count": float(self.router.depth()),
            "durable_stored_count": float(self.shelf.stored),
        }
