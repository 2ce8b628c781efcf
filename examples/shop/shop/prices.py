"""A price feed: tells the till the price of every item, again and again, each time a little different.

Prices go up and down on a fixed path, so that the example needs no network and a test knows what comes.
Invariant: every price told is positive.
"""

from __future__ import annotations

from grace_actors.kernel import Check, Data, Kernel, Request

SWING = (0, 2, 5, 2, 0, -2, -5, -2)
"""Percent by which prices differ from their base, one step a round."""


class Prices(Kernel):
    """`with: {every: seconds, items: {name: cents}, to: name of the till}`. Verb: `list`."""

    def setup(self) -> None:
        """Tell the prices now, and then at every interval."""
        self.items: dict[str, int] = dict(self.ctx.config.get("items", {}))
        self.till = str(self.ctx.config.get("to", "till"))
        self.round = 0
        self.tell_prices()
        self.ctx.every(float(self.ctx.config.get("every", 1.0)), self.tell_prices)

    def ready(self) -> list[Check]:
        """A feed without prices is not worth starting."""
        good = bool(self.items) and all(isinstance(cents, int) and cents > 0 for cents in self.items.values())
        return [Check(name="items", ok=good, detail=f"{len(self.items)} items with a positive price in cents")]

    def price(self, item: str) -> int:
        """The price of an item in this round, in cents."""
        return max(1, self.items[item] * (100 + SWING[self.round % len(SWING)]) // 100)

    def tell_prices(self) -> None:
        """One round: every price to the till."""
        self.round += 1
        for item in self.items:
            self.ctx.tell(self.till, "price", {"item": item, "cents": self.price(item)})
        self.did = f"told {len(self.items)} prices, round {self.round}"

    def do_list(self, request: Request) -> Data:
        """The prices of this round."""
        return {item: self.price(item) for item in self.items}
