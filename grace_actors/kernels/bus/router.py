"""Which deliveries a topic goes to: subscriptions, looked up by topic with a cache.

Keeps the deliveries of all subscribers; must not send, store or judge. Invariant: a subscriber has one queue for
all its plain subscriptions, so a message that fits several comes once, and one delivery for each durable one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from grace_actors.kernel import Data
from grace_actors.kernels.bus.delivery import Delivery
from grace_actors.kernels.bus.durable import Subscription
from grace_actors.kernels.bus.message import BoundedQueue, Feed
from grace_actors.kernels.bus.topics import matches

_CACHED = 4096


@dataclass(slots=True)
class Durable:
    """A durable subscription at work; `acked` is its offset."""

    wish: Subscription
    feed: Feed
    delivery: Delivery
    acked: int


@dataclass(slots=True)
class _Plain:
    queue: BoundedQueue
    delivery: Delivery
    wishes: dict[str, Subscription] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a topic goes."""

    plain: list[tuple[BoundedQueue, Delivery]]
    durable: list[Durable]


class Router:
    """Subscriptions and their deliveries."""

    def __init__(self) -> None:
        self._plain: dict[str, _Plain] = {}
        self._durable: dict[tuple[str, str], Durable] = {}
        self._by_delivery: dict[int, Durable] = {}
        self._routes: dict[str, Route] = {}

    def add_plain(self, wish: Subscription, make: Callable[[], tuple[BoundedQueue, Delivery]]) -> None:
        """Add a pattern to the subscriber's queue, which `make` provides for the first one."""
        if wish.subscriber not in self._plain:
            self._plain[wish.subscriber] = _Plain(*make())
        self._plain[wish.subscriber].wishes[wish.pattern] = wish
        self._routes.clear()

    def add_durable(self, wish: Subscription, feed: Feed, delivery: Delivery) -> None:
        one = Durable(wish, feed, delivery, wish.acked)
        self._durable[(wish.subscriber, wish.pattern)] = one
        self._by_delivery[id(delivery)] = one
        self._routes.clear()

    def remove(self, subscriber: str, pattern: str) -> None:
        """End one subscription; one that does not exist is no mistake."""
        self._routes.clear()
        one = self._durable.pop((subscriber, pattern), None)
        if one is not None:
            one.delivery.close()
            del self._by_delivery[id(one.delivery)]
        plain = self._plain.get(subscriber)
        if plain is None:
            return
        plain.wishes.pop(pattern, None)
        if not plain.wishes:
            plain.delivery.close()
            del self._plain[subscriber]

    def find(self, subscriber: str, pattern: str) -> Subscription | None:
        one = self._durable.get((subscriber, pattern))
        if one is not None:
            return one.wish
        plain = self._plain.get(subscriber)
        return plain.wishes.get(pattern) if plain is not None else None

    def route(self, topic: str) -> Route:
        """Everyone whose pattern matches."""
        found = self._routes.get(topic)
        if found is None:
            if len(self._routes) >= _CACHED:
                self._routes.clear()
            found = self._routes[topic] = Route(
                [(p.queue, p.delivery) for p in self._plain.values() if any(matches(w, topic) for w in p.wishes)],
                [one for one in self._durable.values() if matches(one.wish.pattern, topic)],
            )
        return found

    def durable(self) -> list[Durable]:
        return list(self._durable.values())

    def wish_of(self, delivery: Delivery) -> Durable | None:
        """The durable subscription a delivery serves."""
        return self._by_delivery.get(id(delivery))

    def depth(self) -> int:
        """Messages that wait or are on their way."""
        plain = sum(len(one.delivery) for one in self._plain.values())
        return plain + sum(len(one.delivery) for one in self._durable.values())

    def as_data(self, last: int) -> list[Data]:
        """One row a queue, for `stats`."""
        rows: list[Data] = [
            {
                "subscriber": name,
                "topics": sorted(one.wishes),
                "durable": False,
                "waiting": len(one.delivery),
                "failures": one.delivery.failures,
            }
            for name, one in self._plain.items()
        ]
        for one in self._durable.values():
            lag = last - one.acked if len(one.delivery) else 0
            row = {"subscriber": one.wish.subscriber, "topics": [one.wish.pattern], "durable": True, "waiting": lag}
            rows.append(row | {"acked": one.acked, "failures": one.delivery.failures})
        return rows
