"""Faults of messages: lost, late, doubled, out of order, too many. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def drop(kernel: str, verb: str = "*", topic: str = "*", share: float = 1.0, seconds: float = 30.0) -> Any:
    """Requests that arrive are lost: who asked gets no answer in time."""


@fault
def delay(
    kernel: str, delay_ms: float = 500.0, verb: str = "*", topic: str = "*", share: float = 1.0, seconds: float = 30.0
) -> Any:
    """Requests that arrive are handled later, in the order they would have been."""


@fault
def duplicate(kernel: str, verb: str = "*", topic: str = "*", share: float = 1.0, seconds: float = 30.0) -> Any:
    """Requests that arrive are handled twice; the first answer counts."""


@fault
def reorder(kernel: str, verb: str = "*", topic: str = "*", share: float = 1.0, seconds: float = 30.0) -> Any:
    """A request that arrives is handled after the next one."""


@fault
def flood(kernel: str, verb: str, args: str = "{}", count: int = 5000, rate: float = 0.0) -> Any:
    """Requests, more than it can handle."""
