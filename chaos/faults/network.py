"""Faults of the network, by a proxy in front of a kernel's port. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def toxic(
    kernel: str,
    toxic: str = "latency",
    stream: str = "downstream",
    toxicity: float = 1.0,
    latency: int = 1000,
    jitter: int = 0,
    rate: int = 0,
    delay: int = 0,
    timeout: int = 0,
    average_size: int = 0,
    size_variation: int = 0,
    bytes: int = 0,
    seconds: float = 60.0,
) -> Any:
    """Connections to a kernel's port pass a proxy that spoils them, in the words of Toxiproxy."""
