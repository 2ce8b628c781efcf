"""A till: knows the last price of each item, adds up what was sold, and forgets neither when it crashes.

Takes prices as they come and never asks for them; that is the feed's work.
Invariant: a sale that was answered is in the snapshot.
"""

from __future__ import annotations

from typing import Any

from grace_actors.errors import Refused
from grace_actors.kernel import Context, Data, Kernel, Request, need


class Till(Kernel):
    """Verbs: `price` {item, cents} from the feed, `sell` {item, quantity}, `takings`."""

    emits = ("sale.made",)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.prices: dict[str, int] = {}
        self.sold: dict[str, int] = {}
        self.cents = 0

    def do_price(self, request: Request) -> None:
        """Remember the price of an item."""
        self.prices[need(request, "item", str)] = need(request, "cents", int)

    def do_sell(self, request: Request) -> Data:
        """Sell at the last known price; the sale is on disk before it is answered."""
        item, quantity = need(request, "item", str), need(request, "quantity", int)
        if item not in self.prices:
            raise Refused(
                f"no price is known for {item!r}", hint=f"on sale: {', '.join(sorted(self.prices)) or 'nothing'}"
            )
        if quantity < 1:
            raise Refused(f"quantity must be 1 or more, not {quantity}")
        self.sold[item] = self.sold.get(item, 0) + quantity
        self.cents += quantity * self.prices[item]
        self.ctx.save()
        self.did = f"sold {quantity} x {item}"
        self.ctx.emit("sale.made", item, {"quantity": quantity, "cents": quantity * self.prices[item]})
        return self.do_takings(request)

    def do_takings(self, request: Request) -> Data:
        """What was sold so far, across every crash."""
        return {"cents": self.cents, "sold": dict(self.sold)}

    def metrics(self) -> dict[str, float]:
        """Takings and the number of items with a price."""
        return {"takings_cents": float(self.cents), "prices_count": float(len(self.prices))}

    def snapshot(self) -> Data:
        """All of it; prices too, so that the till can sell at once after a restart."""
        return {"prices": dict(self.prices), "sold": dict(self.sold), "cents": self.cents}

    def restore(self, state: Data) -> None:
        """Take back a snapshot; one that is not ours is discarded by the ValueError."""
        fields: list[Any] = [state.get("prices"), state.get("sold"), state.get("cents")]
        if [type(value) for value in fields] != [dict, dict, int]:
            raise ValueError(f"not the snapshot of a till: {sorted(state)}")
        self.prices, self.sold, self.cents = fields
