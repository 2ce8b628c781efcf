"""What has arrived and waits for the mailbox.

Pure: time comes in as an argument (seconds, monotonic). Control overtakes bulk, but not needlessly: a control
message first waits for the bulk that its own sender sent before it, and overtakes that only when it has waited
for `PATIENCE_S`. So an actor that sends a result and then exits is seen to do it in this order, and one that
is buried under messages can still be stopped.
Invariants: from one sender, each lane keeps its order; bulk is handed out in the order of arrival; nothing is
handed out twice; what was handed out of one sender's bulk before a control message of position p is at least p,
unless that message had to wait for PATIENCE_S.
"""

from __future__ import annotations

from collections import deque
from typing import Any

PATIENCE_S = 0.05
_FRAME_OVERHEAD = 96


class Source:
    """One endpoint as a sender and receiver of messages, seen from another."""

    __slots__ = ("address", "handled", "links", "path", "sent")

    def __init__(self, path: str) -> None:
        self.path = path
        self.address: Any = None  # how the owner of the inbox calls it
        self.links = 0
        self.sent = 0  # bulk frames we sent to it
        self.handled = 0  # bulk frames of it that our mailbox has taken


class Inbox:
    """Bodies of frames, or messages of our own, on their way to the mailbox."""

    __slots__ = ("_bulk", "_control", "bytes")

    def __init__(self) -> None:
        self._bulk: deque[tuple[Source, Any]] = deque()
        self._control: list[tuple[Source, int, float, Any]] = []
        self.bytes = 0  # held in bulk bodies

    def __len__(self) -> int:
        return len(self._bulk) + len(self._control)

    def put(self, source: Source, bodies: list[Any]) -> None:
        """Bulk, in the order of its sending."""
        self._bulk.extend([(source, body) for body in bodies])
        self.bytes += sum([len(body) + _FRAME_OVERHEAD for body in bodies if type(body) is bytes])

    def put_control(self, source: Source, position: int, body: Any, now: float) -> None:
        """Control, sent after `position` bulk messages of the same sender."""
        self._control.append((source, position, now + PATIENCE_S, body))

    def take(self, now: float) -> tuple[Source, Any] | None:
        """The next one for the mailbox; None when nothing may be handed out yet."""
        if self._control and (found := self._control_that_may(now)) is not None:
            return found
        if not self._bulk:
            return None
        source, body = self._bulk.popleft()
        source.handled += 1
        if type(body) is bytes:
            self.bytes -= len(body) + _FRAME_OVERHEAD
        return source, body

    def _control_that_may(self, now: float) -> tuple[Source, Any] | None:
        held: set[str] = set()
        for index, (source, position, due, body) in enumerate(self._control):
            if source.path in held:
                continue
            if source.handled >= position or now >= due:
                del self._control[index]
                return source, body
            held.add(source.path)
        return None

    def next_due(self) -> float | None:
        """When the control message that has waited longest may overtake."""
        return min(due for _, _, due, _ in self._control) if self._control else None

    def take_all_control(self) -> list[tuple[Source, int, float, Any]]:
        """Out of turn, for an actor that cannot return to its mailbox now; see `give_back`."""
        taken, self._control = self._control, []
        return taken

    def give_back(self, items: list[tuple[Source, int, float, Any]]) -> None:
        """Put back what was taken and not used."""
        self._control[:0] = items

    def discard(self, unwanted: Any) -> None:
        """Forget the bulk and control whose body `unwanted(body)` names. Only for messages of our own."""
        self._bulk = deque(item for item in self._bulk if not unwanted(item[1]))
        self._control = [item for item in self._control if not unwanted(item[3])]
