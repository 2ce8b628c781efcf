"""Faults of files below the home. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def corrupt(kernel: str, bytes: int = 4096) -> Any:
    """Damage the kernel's store (its search index, if it has one) and kill it: its next start meets it."""


@fault
def damage(path: str, bytes: int = 1024, seconds: float = 300.0) -> Any:
    """Overwrite a part of a file."""


@fault
def truncate(path: str, bytes: int = 0, seconds: float = 300.0) -> Any:
    """Cut off the end of a file."""


@fault
def delete(path: str, seconds: float = 300.0) -> Any:
    """Delete a file."""


@fault
def change(path: str, text: str, seconds: float = 300.0) -> Any:
    """Replace what is in a file, such as a configuration."""
