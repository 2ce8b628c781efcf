"""Puts the built-in actors beside a tree that does not name them.

Decides where they stand and which limits they have. Specs in, specs out.
Invariant: the root given stays as it is declared; it only gets a supervisor above it.
"""

from __future__ import annotations

from collections.abc import Iterator

from supervisors.spec import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    ChildType,
    Heartbeat,
    KernelStart,
    Restart,
    Strategy,
    SupervisorSpec,
)
from supervisors.tree_file.keys import ACTORS, RUNTIME

HEARTBEAT = Heartbeat(interval_s=5.0, misses=3)
PERIOD_S = 60.0
RUNTIME_INTENSITY = 40
ROOT_INTENSITY = 60
"""As generous as Grace's own tree: what a storm of kills does to the runtime must not end the user's system."""


def children_of(spec: SupervisorSpec) -> Iterator[ChildSpec]:
    """Every child of every level, in start order, each supervisor before what it holds."""
    for child in spec.children:
        yield child
        if isinstance(child.start, SupervisorSpec):
            yield from children_of(child.start)


def with_built_in_actors(root: SupervisorSpec) -> tuple[SupervisorSpec, list[str]]:
    """A root that starts the built-in actors `root` lacks and then `root`, and their names; none: `root` itself."""
    named = {child.id for child in children_of(root)}
    missing = [name for name in ACTORS if name not in named]
    if not missing:
        return root, []
    above = SupervisorSpec(
        name=_free_name({root.name, *named}),
        strategy=Strategy.REST_FOR_ONE,
        intensity=ROOT_INTENSITY,
        period_s=PERIOD_S,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        children=(_runtime(missing), _below(root)),
    )
    return above, missing


def _below(root: SupervisorSpec) -> ChildSpec:
    """The user's root as a child: killed it comes back; ended by itself (its limit is reached, its significant
    children are done) it ends the whole, as its own limits say."""
    return ChildSpec(
        id=root.name,
        start=root,
        type=ChildType.SUPERVISOR,
        restart=Restart.TRANSIENT,
        significant=True,
        heartbeat=HEARTBEAT,
    )


def _runtime(names: list[str]) -> ChildSpec:
    spec = SupervisorSpec(
        name=RUNTIME,
        strategy=Strategy.REST_FOR_ONE,
        intensity=RUNTIME_INTENSITY,
        period_s=PERIOD_S,
        children=tuple(_built_in(name) for name in names),
    )
    return ChildSpec(id=RUNTIME, start=spec, type=ChildType.SUPERVISOR, heartbeat=HEARTBEAT, tier="core")


def _built_in(name: str) -> ChildSpec:
    """A built-in actor with the limits it has in Grace's own tree."""
    return ChildSpec(
        id=name,
        start=KernelStart(path=ACTORS[name]),
        start_timeout_s=10.0,
        heartbeat=HEARTBEAT,
        backoff=Backoff(min_s=0.01, max_s=1.0, jitter=0.2),
        tier="core",
    )


def _free_name(taken: set[str]) -> str:
    candidates = ["grace", "root", *(f"root-{number}" for number in range(len(taken) + 1))]
    return next(name for name in candidates if name not in taken)
