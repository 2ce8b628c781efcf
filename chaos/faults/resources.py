"""Faults of resources: cores, memory, descriptors, disk. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def leak(kernel: str, mb: int = 50) -> Any:
    """Allocate memory and never give it back."""


@fault
def descriptors(kernel: str, seconds: float = 30.0, leave: int = 3) -> Any:
    """The process may open hardly any more files."""


@fault
def quota(kernel: str, seconds: float = 30.0, mb: int = 1) -> Any:
    """No file of the process may grow: as on a full disk."""


@fault
def burn(cores: int = 2, seconds: float = 60.0) -> Any:
    """Processes that keep cores busy."""


@fault
def ballast(mb: int = 256, seconds: float = 60.0) -> Any:
    """A process that holds memory."""
