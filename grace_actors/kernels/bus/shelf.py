"""What is durable: how far each subscription has come, and when what everyone has is deleted.

It must not know who publishes or delivers. Invariant: a message is deleted only when every durable subscription is done
with it, and an offset never passes a message that is still on its way.
"""

from __future__ import annotations

from collections.abc import Callable

from grace_actors.errors import StoreFailed
from grace_actors.kernel import Context, Timer
from grace_actors.kernels.bus.delivery import Delivery
from grace_actors.kernels.bus.durable import PRUNE_MOST, BusStore
from grace_actors.kernels.bus.message import Message
from grace_actors.kernels.bus.router import Router

OFFSETS_S = 0.02
TIDY_S, PRUNE_AGAIN_S, BACKUP_S = 5.0, 0.1, 300.0
RECOGNISE_IDS_S = 600.0
"""How long a repeated publish with the same id is answered as a duplicate."""


class Shelf:
    """The durable messages. `last` is the highest number given out, `stored` how many there are; `report` is told why
    the disk takes nothing, and with an empty text that it does."""

    def __init__(self, ctx: Context, store: BusStore, router: Router, most: int, report: Callable[[str], None]) -> None:
        self._ctx, self._store, self._router, self._report = ctx, store, router, report
        self._most = most
        self._offsets_timer: Timer | None = None
        self.last, self.stored = store.last(), store.count()
        ctx.every(TIDY_S, self._tidy)
        ctx.every(BACKUP_S, self._back_up)

    def check_room(self, more: int) -> None:
        """Refuse rather than lose: what no subscriber acknowledged must stay on the disk. Raises StoreFailed."""
        unacknowledged = self.last + more - self._done()
        if unacknowledged >= self._most:
            raise StoreFailed(
                f"{unacknowledged} durable messages are not acknowledged by all their subscribers",
                hint="see `stats` for the one that lags; unsubscribe it or let it catch up",
            )

    def added(self, message: Message) -> None:
        """A message was stored."""
        self.last, self.stored = max(self.last, message.seq), self.stored + 1

    def done_with(self, delivery: Delivery, message: Message) -> None:
        """Move a durable subscription's offset; what is still on its way holds it back."""
        one = self._router.wish_of(delivery)
        if one is None:
            return
        before = [waiting.seq for waiting in delivery.on_way]
        one.acked = max(one.acked, min([message.seq, *(seq - 1 for seq in before)]))
        self._store.acknowledge(one.wish.subscriber, one.wish.pattern, one.acked)
        if self._offsets_timer is None:
            self._offsets_timer = self._ctx.after(OFFSETS_S, self._flush_offsets)

    def _flush_offsets(self) -> None:
        self._offsets_timer = None
        try:
            self._store.flush()
        except StoreFailed as error:
            self._report(error.message)
            self._offsets_timer = self._ctx.after(1.0, self._flush_offsets)

    def _tidy(self) -> None:
        """Let offsets pass what does not concern a subscription, and delete what everyone has."""
        for one in self._router.durable():
            if not len(one.delivery) and one.feed.cursor > one.acked:
                one.acked = one.feed.cursor
                self._store.acknowledge(one.wish.subscriber, one.wish.pattern, one.acked)
        try:
            self._store.flush()
            self._prune()
        except StoreFailed as error:
            self._report(error.message)
        else:
            self._report("")

    def _prune(self) -> None:
        """Delete what everyone has, once its id need not be recognised any more; at once when there is too much."""
        if not self.stored:
            return
        kept_s = RECOGNISE_IDS_S if self.stored < self._most else 0.0
        deleted = self._store.prune(self._done(), self._ctx.wall() - kept_s)
        self.stored -= deleted
        if deleted == PRUNE_MOST:
            self._ctx.after(PRUNE_AGAIN_S, self._tidy)

    def _done(self) -> int:
        """Every durable subscription is done with the messages up to this number."""
        return min([self.last, *(one.acked for one in self._router.durable())])

    def _back_up(self) -> None:
        try:
            self._store.store.backup_if_changed()
        except StoreFailed as error:
            self._report(error.message)
