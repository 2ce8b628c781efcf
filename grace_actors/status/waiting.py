"""Who is to be told of events, and who waits for an answer: two bounded tables.

Pure bookkeeping; times come in. Invariant: a subscriber that does not renew is forgotten after LIFE_S, and
neither table grows beyond its bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from grace_actors.errors import GraceError, Refused
from grace_actors.kernel import Data, Request, Timer
from grace_actors.status.reading import pattern


class Look(Protocol):
    """The answer if its time has come, else None; `is_late` says that there is no more time."""

    def __call__(self, *, is_late: bool) -> Data | GraceError | None: ...


@dataclass(slots=True, eq=False)
class Waiter:
    """One request that is answered later."""

    request: Request
    look: Look
    timer: Timer | None = None


class Waiters:
    """The requests that wait for one kind of thing."""

    MAX: ClassVar[int] = 200

    def __init__(self, what: str) -> None:
        self._what = what
        self._waiters: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._waiters)

    def all(self) -> list[Waiter]:
        return list(self._waiters)

    def add(self, waiter: Waiter) -> None:
        """Raises Refused when there are too many already."""
        if len(self._waiters) >= self.MAX:
            raise Refused(f"there are {self.MAX} {self._what} already", hint="ask again without waiting")
        self._waiters.append(waiter)

    def remove(self, waiter: Waiter) -> bool:
        """False if it was answered before."""
        if waiter not in self._waiters:
            return False
        self._waiters.remove(waiter)
        return True


class Subscribers:
    """name -> the type globs it wants and when it is forgotten."""

    LIFE_S: ClassVar[float] = 120.0
    MAX: ClassVar[int] = 500
    MAX_GLOBS: ClassVar[int] = 50

    def __init__(self) -> None:
        self._wants: dict[str, tuple[list[str], float]] = {}
        self._restored: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._wants) + len(self._restored)

    def add(self, name: str, types: list[str], now: float) -> bool:
        """Begin or renew; True if what is wanted has changed. Raises Refused beyond the bounds."""
        if len(types) > self.MAX_GLOBS:
            raise Refused(f"subscribe: {len(types)} types", hint=f"at most {self.MAX_GLOBS} globs")
        if name not in self._wants and len(self._wants) >= self.MAX:
            raise Refused(f"subscribe: there are {self.MAX} subscribers already", hint="unsubscribe what is not needed")
        known = self._restored.pop(name, None) or self._wants.get(name, ([], 0.0))[0]
        self._wants[name] = (types, now + self.LIFE_S)
        return known != types

    def remove(self, name: str) -> bool:
        self._restored.pop(name, None)
        return self._wants.pop(name, None) is not None

    def interested(self, type: str, now: float) -> list[str]:
        """The names to tell about an event of this type; forgets those whose time is over."""
        for name, types in self._restored.items():
            self._wants.setdefault(name, (types, now + self.LIFE_S))
        self._restored = {}
        late = [name for name, (_, until) in self._wants.items() if until <= now]
        for name in late:
            del self._wants[name]
        return [name for name, (types, _) in self._wants.items() if any(pattern(t).match(type) for t in types)]

    def as_data(self) -> dict[str, list[str]]:
        return {**self._restored, **{name: types for name, (types, _) in self._wants.items()}}

    def restore(self, wants: Mapping[str, Any]) -> None:
        """What `as_data` gave; each begins a new life at the next event. Raises ValueError for anything else."""
        if not isinstance(wants, dict) or not all(isinstance(types, list) for types in wants.values()):
            raise ValueError(f"subscribers must be name -> list of globs, not {wants!r:.200}")
        self._restored = {name: [str(t) for t in types] for name, types in wants.items()}
