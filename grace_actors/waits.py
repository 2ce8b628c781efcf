"""Circles in who waits for whom.

Pure: a graph in, circles out. Invariant: a name is in at most one circle, and who only waits for a circle is in none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


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
