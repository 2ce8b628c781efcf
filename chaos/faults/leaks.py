"""Faults of secrecy. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def secret(path: str = "logs/chaos_runner.log", seconds: float = 60.0) -> Any:
    """Write a made-up secret into a log."""
