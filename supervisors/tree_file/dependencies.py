"""Turns `depends_on` between any two children of a tree into `depends_on` between siblings.

A supervisor starts its own children only, so a dependency across branches is lifted to the two sibling branches
that hold both ends, under the lowest supervisor they share. Plain specs in, plain specs out.
Invariant: in the result every dependency names a sibling and the siblings have an order that satisfies them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from supervisors.durations import nearest_match
from supervisors.spec import Startup, SupervisorSpec
from supervisors.tree_file.fields import Faults
from supervisors.tree_file.runtime import children_of
from supervisors.yaml_source import Place

Path = tuple[str, ...]  # names from the root down

MAX_NAMES_SHOWN = 40
"""A longer list of what is allowed hides the message."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`child` waits for `needs`, its sibling, because `cause` depends on `target` somewhere below them."""

    child: str
    needs: str
    cause: str
    target: str

    @property
    def is_lifted(self) -> bool:
        return (self.child, self.needs) != (self.cause, self.target)

    def __str__(self) -> str:
        why = f" ({self.cause} needs {self.target})" if self.is_lifted else ""
        return f"{self.child} -> {self.needs}{why}"


def lift(
    root: SupervisorSpec, places: Mapping[tuple[str, ...], Place], faults: Faults
) -> tuple[SupervisorSpec, list[Edge]]:
    """The tree with sibling dependencies only, and the edges that were lifted."""
    paths = {root.name: (root.name,)} | dict(_paths(root, (root.name,)))
    edges: dict[Path, list[Edge]] = defaultdict(list)
    for child in children_of(root):
        for target in child.depends_on:
            place = places[(child.id, "depends_on", target)]
            problem = _problem(child.id, target, paths)
            if problem:
                faults.add(place, problem, *_allowed(target, paths))
                continue
            home, edge = _edge(paths[child.id], paths[target])
            edges[home].append(edge)
    lifted = _rebuilt(root, (root.name,), edges)
    _judge(lifted, (root.name,), edges, places, faults)
    return lifted, [edge for siblings in edges.values() for edge in siblings if edge.is_lifted]


def _problem(name: str, target: str, paths: Mapping[str, Path]) -> str:
    if target not in paths:
        return f"{name!r} depends on {target[:60]!r}, which is not in this tree"
    if target == name:
        return f"{name!r} depends on itself"
    if target in paths[name]:
        return f"{name!r} depends on {target!r}, the supervisor it is in"
    if name in paths[target]:
        return f"the supervisor {name!r} depends on {target!r}, which it starts itself"
    return ""


def _allowed(target: str, paths: Mapping[str, Path]) -> tuple[str, str | None]:
    if target in paths:
        return "a child outside its own branch", None
    names = list(paths)[1:] if len(paths) <= MAX_NAMES_SHOWN else ["a name of this tree"]
    return ", ".join(names), nearest_match(target, paths)


def _edge(child: Path, target: Path) -> tuple[Path, Edge]:
    """The lowest shared supervisor and the edge between its two children on the way down."""
    depth = next(i for i, (a, b) in enumerate(zip(child, target, strict=False)) if a != b)
    return child[:depth], Edge(child[depth], target[depth], child[-1], target[-1])


def _place(edge: Edge, places: Mapping[tuple[str, ...], Place]) -> Place:
    return places[(edge.cause, "depends_on", edge.target)]


def _paths(spec: SupervisorSpec, above: Path) -> Iterator[tuple[str, Path]]:
    for child in spec.children:
        yield child.id, (*above, child.id)
        if isinstance(child.start, SupervisorSpec):
            yield from _paths(child.start, (*above, child.id))


def _rebuilt(spec: SupervisorSpec, path: Path, edges: Mapping[Path, list[Edge]]) -> SupervisorSpec:
    """The same tree with `depends_on` taken from the edges of each supervisor, in the order of its children."""
    children = []
    for child in spec.children:
        needs = {edge.needs for edge in edges.get(path, []) if edge.child == child.id}
        start = child.start
        if isinstance(start, SupervisorSpec):
            start = _rebuilt(start, (*path, child.id), edges)
        ordered = tuple(sibling.id for sibling in spec.children if sibling.id in needs)
        children.append(replace(child, start=start, depends_on=ordered))
    return replace(spec, children=tuple(children))


def _judge(
    spec: SupervisorSpec,
    path: Path,
    edges: Mapping[Path, list[Edge]],
    places: Mapping[tuple[str, ...], Place],
    faults: Faults,
) -> None:
    own = edges.get(path, [])
    cycle = _cycle(spec, own)
    if cycle:
        chain = ", ".join(str(edge) for edge in cycle)
        faults.add(_place(cycle[0], places), f"a cycle in depends_on: {chain}", "an order without a cycle")
    elif spec.startup is Startup.ORDERED:
        _judge_order(spec, own, places, faults)
    for child in spec.children:
        if isinstance(child.start, SupervisorSpec):
            _judge(child.start, (*path, child.id), edges, places, faults)


def _cycle(spec: SupervisorSpec, edges: list[Edge]) -> list[Edge]:
    """The edges of one cycle among the children, each child once; empty if there is none."""
    sorter = TopologicalSorter({child.id: child.depends_on for child in spec.children})
    try:
        sorter.prepare()
    except CycleError as error:
        chain: list[str] = error.args[1][::-1]
        return [next(e for e in edges if (e.child, e.needs) == pair) for pair in pairwise(chain)]
    return []


def _judge_order(
    spec: SupervisorSpec, edges: list[Edge], places: Mapping[tuple[str, ...], Place], faults: Faults
) -> None:
    position = {child.id: number for number, child in enumerate(spec.children)}
    for edge in edges:
        if position[edge.needs] > position[edge.child]:
            message = f"{edge}, but {edge.needs!r} starts later: the startup of {spec.name!r} is ordered"
            allowed = f"{edge.needs!r} before {edge.child!r}, or startup: parallel"
            faults.add(_place(edge, places), message, allowed)
