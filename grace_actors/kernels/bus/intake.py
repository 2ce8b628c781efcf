"""The door of the bus: turns a publish request into a message, or refuses it.

Checks name, access, rate, content and size; must not queue or store. Invariant: what it lets through can be packed,
comes from a sender that may publish there, and has an id that is the sender's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from grace_actors.errors import Refused
from grace_actors.kernel import Data, Request, need
from grace_actors.kernels.arguments import mapping_or_empty, text, text_or
from grace_actors.kernels.bus.access import Acl, Alarm, Bucket, Watch
from grace_actors.kernels.bus.durable import pack
from grace_actors.kernels.bus.message import Message, Priority
from grace_actors.kernels.bus.topics import checked_topic

MAX_BYTES = 1 << 20
_PLAIN = (dict, list, tuple, str, int, float, bool, bytes, type(None))


class Intake:
    """`alarm(sender, data)` is told about violations worth an event. `boot` limits the rate until it is None."""

    def __init__(self, acl: Acl, boot: Bucket | None, alarm: Callable[[str, Data], None]) -> None:
        self.acl, self.boot, self._alarm = acl, boot, alarm
        self.watch = Watch()
        self.rate_limited = 0

    def message(self, request: Request, *, now: float, wall: float) -> Message:
        """The message to publish. Raises Refused."""
        topic = checked_topic(text(request, "topic"))
        self._admit(topic, request.sender, now)
        given = text_or(request, "id", max_chars=200)
        message = Message(
            id=f"{request.sender}:{given}" if given else uuid.uuid4().hex,
            topic=topic,
            payload=need(request, "payload", _PLAIN),
            priority=Priority.of(request.args.get("priority", "normal")),
            source=request.sender,
            at=wall,
            correlation_id=text_or(request, "correlation_id", max_chars=200),
            metadata=mapping_or_empty(request, "metadata"),
        )
        _check_size(message)
        return message

    def _admit(self, topic: str, sender: str, now: float) -> None:
        if self.watch.blacklisted(sender, now):
            hint = "it kept publishing where it has no access, or was blocked; see: ask message_bus acl"
            raise Refused(f"{sender} may not publish for now", hint=hint)
        if not self.acl.allows(topic, sender):
            self._violated(topic, sender, self.watch.violated(sender, topic, now))
        if self.boot is not None and not self.boot.take(now):
            self.rate_limited += 1
            limit = f"{self.boot.per_s:g} messages a second"
            raise Refused(f"during boot {limit} are taken", hint="publish again later; `open` ends the limit")

    def _violated(self, topic: str, sender: str, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            self._alarm(sender, {"topic": topic, "alarm": alarm.value, "total": self.watch.total})
        allowed = ", ".join(self.acl.allowed(topic)) or "nobody"
        raise Refused(f"{sender or 'an unnamed sender'} may not publish to {topic}", hint=f"allowed: {allowed}")


def _check_size(message: Message) -> None:
    try:
        size = len(pack(message))
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(f"publish: payload is not plain data: {error}", hint="texts, numbers, lists, maps") from None
    if size > MAX_BYTES:
        raise Refused(f"publish: the message has {size} bytes", hint=f"at most {MAX_BYTES}; send a file path")
