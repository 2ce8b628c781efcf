"""Faults of code, in the scratch package. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def patch(path: str, text: str, seconds: float = 300.0) -> Any:
    """Replace a file of the scratch package that demonstration kernels import."""
