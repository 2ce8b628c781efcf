"""Who waits for whom, and the circles in it.

Pure: what actors tell goes in, circles come out. Whoever waits for an answer tells it after a while, and with it whose
requests it has itself not answered. A wait counts only when its receiver says that it has the request and still owes
the answer: that leaves out who has answered already, what has not arrived, and what waits at a paused actor (which
does not owe what it has not begun). An actor whose OS command still runs is not stuck. Invariant: a name is in at most
one circle, and who only waits for a circle is in none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TINY_S = 1e-6
"""What rounding may do to a time."""


@dataclass(frozen=True, slots=True)
class Wait:
    """`who` has waited for the answer of `to` since then."""

    who: str
    to: str
    verb: str
    since: float

    def as_data(self, now: float) -> dict[str, Any]:
        """For a report; `since_s` is how long it has lasted."""
        return {"who": self.who, "for": self.to, "verb": self.verb, "since_s": self._age_s(now)}

    def text(self, now: float) -> str:
        return f"{self.who} waits for {self.to} ({self.verb}, {self._age_s(now):.1f} s)"

    def _age_s(self, now: float) -> float:
        return round(now - self.since, 3)


@dataclass(slots=True)
class _Told:
    """What one actor has told: its waits by receiver and number, and what it owes. It is below the children `above`."""

    child: str
    above: frozenset[str]
    waits: dict[tuple[str, Any], Wait]
    owes: frozenset[tuple[str, Any]]
    is_busy: bool


class WaitGraph:
    """What the actors below one supervisor have told. `child` is the supervisor's own child that an actor is, or is
    below of."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def told(self, who: str, data: Mapping[str, Any], now: float) -> None:
        """The data of `wait.reported`: {child, above, waits: [{to, verb, id, for_s}], owes: [{to, id}], is_busy}. No
        waits: it is over."""
        entries = [(entry["to"], entry.get("id"), entry) for entry in data.get("waits", ())]
        if not entries:
            self._told.pop(who, None)
            return
        child = data.get("child", who)
        self._told[who] = _Told(
            child=child,
            above=frozenset((child, *data.get("above", ()))),
            waits={(to, id): Wait(who, to, entry.get("verb", ""), now - entry["for_s"]) for to, id, entry in entries},
            owes=frozenset((entry["to"], entry.get("id")) for entry in data.get("owes", ())),
            is_busy=bool(data.get("is_busy", False)),
        )

    def forget(self, who: str) -> None:
        """It ended, and with it all that was below."""
        self._told = {name: told for name, told in self._told.items() if name != who and who not in told.above}

    def child_of(self, who: str) -> str:
        """For a member of a circle."""
        return self._told[who].child

    def find(self, who: str) -> str | None:
        """The child that it is, or is below of; None for one that does not wait."""
        told = self._told.get(who)
        return None if told is None else told.child

    def circles(self, now: float, after_s: float) -> list[list[Wait]]:
        """Each circle as its waits, all as old as `after_s`, each one's receiver being the next one's waiter."""
        edges = {who: self._edges(who, now - after_s + TINY_S) for who in self._told}
        found = cycles({who: set(waits) for who, waits in edges.items()})
        return [[edges[who][to] for who, to in zip(circle, [*circle[1:], circle[0]], strict=True)] for circle in found]

    def next_due_s(self, now: float, after_s: float) -> float | None:
        """Seconds until a wait that is too young now counts; None when there is none."""
        ages = [now - wait.since for told in self._told.values() for wait in told.waits.values()]
        return min((after_s - age for age in ages if age < after_s - TINY_S), default=None)

    def _edges(self, who: str, until: float) -> dict[str, Wait]:
        """The oldest wait for each receiver that owes the answer, of those begun by then."""
        told, found = self._told[who], dict[str, Wait]()
        if told.is_busy:
            return found
        for (to, id), wait in told.waits.items():
            receiver = self._told.get(to)
            is_owed = receiver is not None and (who, id) in receiver.owes
            if is_owed and wait.since <= until and (to not in found or wait.since < found[to].since):
                found[to] = wait
        return found


def breaking_order(circle: Iterable[Wait]) -> list[str]:
    """The members in an order that opens the circle at the wait that closed it: each comes after the one it waits for,
    but for the one whose wait is the youngest."""
    waits = list(circle)
    youngest = max(range(len(waits)), key=lambda n: (waits[n].since, n))
    return [wait.who for wait in reversed(waits[youngest + 1 :] + waits[: youngest + 1])]


def cycles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The circles of a graph (name -> those it waits for), each beginning with its smallest name, in order of these
    names. Names that wait for each other in several ways are one circle."""
    found: list[list[str]] = []
    done: set[str] = set()
    for name in sorted(graph):
        if name in done:
            continue
        path = _way_back(graph, name, done)
        if path:
            done |= set(path)
            found.append(path)
    return found


def _way_back(graph: Mapping[str, Collection[str]], start: str, without: Collection[str]) -> list[str]:
    """The shortest way from `start` to itself that avoids `without`; empty when there is none."""
    came_from: dict[str, str] = {}
    edge = [start]
    while edge:
        following: list[str] = []
        for name in edge:
            for to in sorted(graph.get(name, ())):
                if to == start:
                    return list(reversed(list(_steps(came_from, name, start))))
                if to not in came_from and to not in without:
                    came_from[to] = name
                    following.append(to)
        edge = following
    return []


def _steps(came_from: Mapping[str, str], name: str, start: str) -> Iterator[str]:
    while name != start:
        yield name
        name = came_from[name]
    yield start
