"""The demonstration kernels there are: which class each is, and what it is configured with.

Pure data, so that cards can be checked without importing a kernel. Invariant: every kind here can be started with its
own configuration and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_HERE = "grace_actors.drills.dummies"
TOPIC = "drill.load"
"""Where a source publishes and a sink listens."""
FACADE_PORT = 48421
"""Fixed, because a card that points readers to a facade is a file and cannot ask for its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: `path` is module:Class as in a tree file, `config` what stands below `with:`."""

    path: str
    does: str
    config: Mapping[str, Any] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "importer": Kind(
            path=f"{_HERE}.importer:Importer",
            does="imports a module of the folder scratch afresh for each request, and crashes when that fails",
        ),
        "locker": Kind(
            path=f"{_HERE}.locker:Locker",
            does="locks itself while it serves a transfer, for which it asks another one",
        ),
        "clerk": Kind(path=f"{_HERE}.clerk:Clerk", does="works for a while on each request"),
        "source": Kind(
            path=f"{_HERE}.source:Source",
            does="publishes durable messages at a rate, and keeps a ledger of those that were acknowledged",
            config=MappingProxyType({"topic": TOPIC, "rate": 50.0}),
        ),
        "sink": Kind(
            path=f"{_HERE}.sink:Sink",
            does="takes durable messages, and keeps a ledger of those that were delivered",
            config=MappingProxyType({"topic": TOPIC}),
        ),
        "exhibit": Kind(
            path=f"{_HERE}.exhibit:Exhibit",
            does="lays out an artefact and a configuration file to be damaged, and has them accepted as good",
        ),
        "facade": Kind(
            path=f"{_HERE}.facade:Facade",
            does="answers like the HTTP API, but without a field",
            config=MappingProxyType({"port": FACADE_PORT}),
        ),
    }
)
"""By name."""
