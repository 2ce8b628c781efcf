"""The message of the bus and the two queues it waits in: bounded by priority, or fed from the durable log.

Pure; knows neither store nor context. Invariant: what is put back is handed out again before anything that was
behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from grace_actors.errors import Refused
from grace_actors.kernel import Data
from grace_actors.kernels.bus.topics import matches

PAGE = 256


class Priority(IntEnum):
    """Delivered from high to low; within one priority in order of publication."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def of(cls, value: Any) -> Priority:
        """From a name or a number. Raises Refused."""
        if isinstance(value, str) and value.upper() in cls.__members__:
            return cls[value.upper()]
        if isinstance(value, int) and not isinstance(value, bool) and value in tuple(cls):
            return cls(value)
        raise Refused(f"{value!r} is no priority", hint="low, normal, high, critical or 1 to 4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`seq` numbers durable messages; 0 is not durable. `at` is Unix time in seconds."""

    id: str
    topic: str
    payload: Any
    priority: Priority = Priority.NORMAL
    source: str = ""
    at: float = 0.0
    correlation_id: str = ""
    metadata: Data = field(default_factory=dict)
    seq: int = 0

    def as_data(self) -> Data:
        return {
            "id": self.id,
            "topic": self.topic,
            "payload": self.payload,
            "priority": self.priority.name.lower(),
            "source": self.source,
            "timestamp": self.at,
            "correlation_id": self.correlation_id,
            "metadata": self.metadata,
            "seq": self.seq,
        }


class Queue(Protocol):
    """What a delivery takes its messages from."""

    def pop(self) -> Message | None: ...
    def put_back(self, messages: Sequence[Message]) -> None: ...
    def __len__(self) -> int: ...


class BoundedQueue:
    """Priorities first; when it is full, the oldest of the lowest priority goes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._levels: dict[Priority, deque[Message]] = {level: deque() for level in sorted(Priority, reverse=True)}
        self._size = 0

    def push(self, message: Message) -> Message | None:
        """Add; the message that had to go for it, which may be the added one."""
        self._levels[message.priority].append(message)
        self._size += 1
        if self._size <= self.capacity:
            return None
        lowest = next(level for level in sorted(Priority) if self._levels[level])
        self._size -= 1
        return self._levels[lowest].popleft()

    def pop(self) -> Message | None:
        for level in self._levels.values():
            if level:
                self._size -= 1
                return level.popleft()
        return None

    def put_back(self, messages: Sequence[Message]) -> None:
        for message in reversed(messages):
            self._levels[message.priority].appendleft(message)
        self._size += len(messages)

    def __len__(self) -> int:
        return self._size


class Feed:
    """Durable messages of one pattern in order of publication, read from the log page by page. `load(after, limit)`
    gives what is stored behind a number; a caught-up feed takes new messages directly."""

    def __init__(self, pattern: str, acked: int, load: Callable[[int, int], list[Message]], *, caught_up: bool) -> None:
        self.pattern, self._load = pattern, load
        self._ready: deque[Message] = deque()
        self._cursor = acked
        self._caught_up = caught_up

    def offer(self, message: Message) -> None:
        """A message was stored. Too many at once are left to be read from the log."""
        if not self._caught_up or message.seq <= self._cursor:
            return
        if len(self._ready) >= PAGE:
            self._caught_up = False
            return
        self._cursor = message.seq
        if matches(self.pattern, message.topic):
            self._ready.append(message)

    def pop(self) -> Message | None:
        while not self._ready and not self._caught_up:
            page = self._load(self._cursor, PAGE)
            if len(page) < PAGE:
                self._caught_up = True
            if page:
                self._cursor = page[-1].seq
                self._ready.extend(message for message in page if matches(self.pattern, message.topic))
        return self._ready.popleft() if self._ready else None

    def put_back(self, messages: Sequence[Message]) -> None:
        self._ready.extendleft(reversed(messages))

    @property
    def cursor(self) -> int:
        """Everything up to this number was handed out or does not fit the pattern, except what is in memory."""
        return self._cursor

    def __len__(self) -> int:
        """What waits in memory; at least one when more waits in the log."""
        return len(self._ready) or (0 if self._caught_up else 1)
