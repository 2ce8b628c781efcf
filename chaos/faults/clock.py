"""Faults of time. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def clock(kernel: str, seconds: float = 60.0, offset_s: float = 300.0) -> Any:
    """The wall clock that the kernel sees jumps."""
