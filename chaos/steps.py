"""Steps of a card beside its faults: asking kernels, acting, waiting, and demonstration kernels.

For cards and for a stock Chaos Toolkit. Invariant: one function for each step that the runner performs.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import step


@step
def ensure_running(kernel: str) -> Any:
    """Start a kernel that is down; one that was given up gets a new budget."""


@step
def ask(kernel: str, verb: str, args: dict[str, Any] | None = None, times: int = 1, every_s: float = 0.0) -> Any:
    """Ask a kernel so often and wait for each answer; the last one."""


@step
def tell(kernel: str, verb: str, args: dict[str, Any] | None = None, times: int = 1, every_s: float = 0.0) -> Any:
    """Send a kernel so many requests and wait for no answer."""


@step
def act(action: str, params: dict[str, Any] | None = None) -> Any:
    """Perform an action of docs/actions.md."""


@step
def start_dummy(name: str, kind: str) -> Any:
    """Start a demonstration kernel beside the runner."""


@step
def stop_dummy(name: str) -> Any:
    """End a demonstration kernel and take it out of the tree."""


@step
def wait_for_event(type: str, subject: str = "", within_s: float = 30.0) -> Any:
    """Wait for such an event from now on."""
