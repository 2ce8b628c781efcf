"""Faults of a process: it ends, stands still, is slow or lost. For cards and for a stock Chaos Toolkit.

Invariant: one function for each fault of the family in `chaos.faults.table`, with its parameters.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import fault


@fault
def kill(kernel: str) -> Any:
    """SIGKILL: the process is gone without a word."""


@fault
def term(kernel: str) -> Any:
    """SIGTERM: the process is asked to end by somebody else."""


@fault
def crash(kernel: str, message: str = "injected") -> Any:
    """Raise an exception in the kernel's own process."""


@fault
def hang(kernel: str, seconds: float = 60.0) -> Any:
    """SIGSTOP: the process stands still, then goes on."""


@fault
def block(kernel: str, seconds: float = 5.0) -> Any:
    """Keep the kernel busy: it handles no message and answers no heartbeat."""


@fault
def exit(kernel: str) -> Any:
    """End normally, though nobody asked for it."""


@fault
def slow(kernel: str, seconds: float = 60.0, delay_ms: float = 200.0) -> Any:
    """Every message is handled later."""


@fault
def mute(kernel: str, seconds: float = 40.0) -> Any:
    """No heartbeat is answered, everything else works."""


@fault
def hide(kernel: str, seconds: float = 60.0, binary: str = "git") -> Any:
    """The process does not find a program any more."""
