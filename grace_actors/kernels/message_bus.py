"""The message bus: publish and subscribe by topic, with access control, priorities and durable topics.

Checks who may publish, stores what is durable, and hands messages to one delivery per subscriber. How far those have
come is the shelf's, what is shown the views'. It must not look into payloads. Invariant: a publish to a durable topic
is acknowledged only once it is on the disk, and is then delivered in order to every durable subscription until that
acknowledges it.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from grace_actors.errors import GraceError, Refused, StoreFailed
from grace_actors.home import MARK
from grace_actors.kernel import LATER, Answer, Check, Data, Request, Timer
from grace_actors.kernels.arguments import flag, text, text_or, whole_or
from grace_actors.kernels.bus import probe
from grace_actors.kernels.bus.access import DEFAULT_TABLE, Acl, Bucket
from grace_actors.kernels.bus.delivery import Delivery
from grace_actors.kernels.bus.durable import MIGRATIONS, BusStore, Subscription
from grace_actors.kernels.bus.intake import Intake
from grace_actors.kernels.bus.message import BoundedQueue, Feed, Message
from grace_actors.kernels.bus.router import Router
from grace_actors.kernels.bus.rules import ACL_CHANGED
from grace_actors.kernels.bus.shelf import Shelf
from grace_actors.kernels.bus.topics import checked_pattern
from grace_actors.kernels.bus.views import DEAD_KEPT, BusViews
from grace_actors.stores.sqlite import EVENTS, Store

GROUP_S = 0.002
GROUP_MOST = 256
QUEUE_MOST = 1000
BACKLOG_MOST = 200_000
BOOT_RATE_LIMIT = 50.0
DELIVERY_TIMEOUT_S = 5.0
WINDOW = 8
DURABLE_TOPICS = ("event.incident", "event.emergency", "incident.#", "task.enqueue", "approval.#")


class MessageBus(BusViews):
    """Verbs: publish, subscribe, unsubscribe, declare, topics, stats, acl, dead_letters, open, drain. Config: acl,
    durable, boot_rate_limit (0: none), queue_size, window, durable_window, backlog, delivery_timeout.
    A subscriber is asked `deliver` and must recognise ids: a message may come twice."""

    emits = (
        "message_bus.acl_violation",
        ACL_CHANGED,
        "message_bus.opened",
        "message_bus.message_dropped",
        "message_bus.message_died",
        *EVENTS,
    )

    def setup(self) -> None:
        config = self.ctx.config
        rate = float(config.get("boot_rate_limit", BOOT_RATE_LIMIT))
        is_boot = not self.opened_by or self.opened_by != os.environ.get(MARK)
        boot = Bucket(rate, self.ctx.now()) if rate > 0 and is_boot else None
        self.intake = Intake(Acl(dict(config.get("acl", DEFAULT_TABLE))), boot, self._violated)
        self.apply_rules()
        self._timeout_s = float(config.get("delivery_timeout", DELIVERY_TIMEOUT_S))
        self._window, self._durable_window = int(config.get("window", WINDOW)), int(config.get("durable_window", 1))
        store = Store(self.ctx.data / "bus.db", MIGRATIONS, emit=self.ctx.emit, name=self.ctx.name, home=self.ctx.home)
        self.store = BusStore(store)
        self._durable_patterns = [checked_pattern(one) for one in config.get("durable", DURABLE_TOPICS)]
        self.router = Router()
        most = int(config.get("backlog", BACKLOG_MOST))
        self.shelf = Shelf(self.ctx, self.store, self.router, most, self._note_disk)
        self._waiting: list[tuple[Request, Message]] = []
        self._group_timer: Timer | None = None
        self._dead: deque[Data] = deque(maxlen=DEAD_KEPT)
        self.counts: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._load()

    def _note_disk(self, problem: str) -> None:
        self.degraded = [problem] if problem else []

    def _load(self) -> None:
        self._declared = self.store.declared()
        for wish in self.store.subscriptions():
            self._connect(wish, caught_up=wish.acked >= self.shelf.last)
        for durable in self.router.durable():
            durable.delivery.pump()

    def ready(self) -> list[Check]:
        queue = Check(name="queue_operational", ok=probe.works(), detail=f"{self.router.depth()} messages wait")
        return [queue, self.acl_loaded(), self.store.store.writable()]

    # ---- publishing ---------------------------------------------------------------------------------

    def do_publish(self, request: Request) -> Any:
        """Publish `payload` to `topic`; `id` makes a repeated publish harmless. Answered at once, or for a durable
        topic once it is stored."""
        message = self.intake.message(request, now=self.ctx.now(), wall=self.ctx.wall())
        self._seen[message.topic] += 1
        if not self._is_durable(message.topic):
            return {"id": message.id, "durable": False, "subscribers": self._fan_out(message)}
        self.shelf.check_room(len(self._waiting))
        self._waiting.append((request, message))
        if len(self._waiting) >= GROUP_MOST:
            self._store_group()
        elif self._group_timer is None:
            self._group_timer = self.ctx.after(GROUP_S, self._store_group)
        return LATER

    def _violated(self, sender: str, data: Data) -> None:
        self.did = f"refused {sender} on {data['topic']}"
        self.ctx.emit("message_bus.acl_violation", sender, data)

    def _store_group(self) -> None:
        if self._group_timer is not None:
            self._group_timer.cancel()
            self._group_timer = None
        group, self._waiting = self._waiting, []
        if not group:
            return
        try:
            stored = self.store.add([message for _, message in group])
        except StoreFailed as error:
            self.did = f"refused {len(group)} messages: {error.message}"
            self.counts["store_failed"] += len(group)
            self.degraded = [error.message]
            for request, _ in group:
                self.ctx.answer(request, error=error)
            return
        self.degraded = []
        for (request, _), (message, is_new) in zip(group, stored, strict=True):
            reached = self._accept(message) if is_new else 0
            answer = {"id": message.id, "durable": True, "seq": message.seq, "subscribers": reached}
            self.ctx.answer(request, answer | {"duplicate": not is_new})

    def _accept(self, message: Message) -> int:
        self.shelf.added(message)
        return self._fan_out(message)

    def _fan_out(self, message: Message) -> int:
        """Queue for everyone who subscribed; how many those are."""
        self.counts["messages"] += 1
        self.did = f"published {message.topic} from {message.source}"
        route = self.router.route(message.topic)
        for queue, delivery in route.plain:
            dropped = queue.push(message)
            if dropped is not None:
                self._dropped(delivery, dropped)
            delivery.pump()
        if message.seq:
            for one in self.router.durable():
                one.feed.offer(message)
                one.delivery.pump()
        reached = len(route.plain) + (len(route.durable) if message.seq else 0)
        self.counts["unrouted"] += not reached
        return reached

    def _dropped(self, delivery: Delivery, message: Message) -> None:
        self.counts["dropped"] += 1
        if self.counts[f"dropped for {delivery.subscriber}"] % 1000 == 0:
            data = {"topic": message.topic, "priority": message.priority.name.lower()}
            self.ctx.emit("message_bus.message_dropped", delivery.subscriber, data)
        self.counts[f"dropped for {delivery.subscriber}"] += 1
        self._keep_dead(delivery.subscriber, message, "the queue was full")

    # ---- subscriptions ------------------------------------------------------------------------------

    def do_subscribe(self, request: Request) -> Any:
        """Deliver what matches `topic` (a pattern) to the sender. `durable` also survives crashes and takes durable
        topics only; it starts `from` now, or `start`: with what is still stored."""
        pattern = checked_pattern(text(request, "topic"))
        subscriber = text_or(request, "subscriber", request.sender, max_chars=200)
        if not subscriber:
            raise Refused("subscribe: the sender has no name", hint="give `subscriber`")
        durable, origin = flag(request, "durable", False), text_or(request, "from", "now")
        if origin not in ("now", "start"):
            raise Refused(f"subscribe: from is {origin!r}", hint="now or start")
        capacity = whole_or(
            request, "queue_size", int(self.ctx.config.get("queue_size", QUEUE_MOST)), low=1, high=100_000
        )
        known = self.router.find(subscriber, pattern)
        if known is not None and known.durable == durable:
            return {"topic": pattern, "subscriber": subscriber, "durable": durable, "known": True}
        acked = 0 if durable and origin == "start" else self.shelf.last
        wish = Subscription(subscriber, pattern, durable, acked, capacity)
        try:
            self.store.subscribe(wish)
        except StoreFailed as error:
            if durable:
                raise
            self.degraded = [error.message]  # a plain subscription works; it is only not kept across a crash
        self.router.remove(subscriber, pattern)
        self._connect(wish, caught_up=acked >= self.shelf.last)
        self.did = f"subscribed {subscriber} to {pattern}"
        return {"topic": pattern, "subscriber": subscriber, "durable": durable, "known": False}

    def do_unsubscribe(self, request: Request) -> Any:
        """End the sender's subscription to exactly this pattern; what waits for it is dropped."""
        pattern = checked_pattern(text(request, "topic"))
        subscriber = text_or(request, "subscriber", request.sender, max_chars=200)
        found = self.store.unsubscribe(subscriber, pattern)
        self.router.remove(subscriber, pattern)
        self.did = f"unsubscribed {subscriber} from {pattern}"
        return {"topic": pattern, "subscriber": subscriber, "found": found}

    def _connect(self, wish: Subscription, *, caught_up: bool) -> None:
        if wish.durable:
            feed = Feed(wish.pattern, wish.acked, self.store.after, caught_up=caught_up)
            delivery = Delivery(wish.subscriber, feed, self, window=self._durable_window, patient=True)
            self.router.add_durable(wish, feed, delivery)
            delivery.pump()
            return

        def make() -> tuple[BoundedQueue, Delivery]:
            queue = BoundedQueue(wish.capacity)
            return queue, Delivery(wish.subscriber, queue, self, window=self._window, patient=False)

        self.router.add_plain(wish, make)

    # ---- deliveries (Link) --------------------------------------------------------------------------

    def deliver(self, to: str, data: Data, on_answer: Callable[[Answer], None]) -> None:
        self.ctx.ask(to, "deliver", data, on_answer, timeout_s=self._timeout_s)

    def after(self, delay_s: float, call: Callable[[], None]) -> object:
        return self.ctx.after(delay_s, call)

    def acknowledged(self, delivery: Delivery, message: Message) -> None:
        self.counts["delivered"] += 1
        self.shelf.done_with(delivery, message)

    def died(self, delivery: Delivery, message: Message, reason: str) -> None:
        if message.seq and self.router.wish_of(delivery) is not None:
            self.store.bury(delivery.subscriber, message, reason, self.ctx.wall())
            self.shelf.done_with(delivery, message)
        else:
            self._keep_dead(delivery.subscriber, message, reason)
        self.counts["died"] += 1
        data = {"topic": message.topic, "message": message.id, "reason": reason}
        self.ctx.emit("message_bus.message_died", delivery.subscriber, data)

    def _keep_dead(self, subscriber: str, message: Message, reason: str) -> None:
        letter = {"subscriber": subscriber, "reason": reason, "at": self.ctx.wall(), "durable": False}
        self._dead.append(letter | message.as_data())

    # ---- operation ----------------------------------------------------------------------------------

    def do_declare(self, request: Request) -> Any:
        """Say whether topics that match the pattern are durable; kept across restarts."""
        pattern, durable = checked_pattern(text(request, "topic")), flag(request, "durable", False)
        self.store.declare(pattern, durable=durable)
        self._declared = self.store.declared()
        return {"topic": pattern, "durable": durable}

    def do_open(self, request: Request) -> Any:
        """End the rate limit of the boot."""
        was_limited, self.intake.boot = self.intake.boot is not None, None
        self.opened_by = os.environ.get(MARK, "")
        self.ctx.save()
        if was_limited:
            self.ctx.emit("message_bus.opened", self.ctx.name, {"by": request.sender})
        return {"was_limited": was_limited}

    def stop(self, reason: str) -> None:
        self._store_group()
        try:
            self.store.flush()
            self.store.store.backup_if_changed()
        except GraceError as error:
            self.ctx.emit("message_bus.message_dropped", self.ctx.name, {"problem": error.message})
        self.store.store.close()
