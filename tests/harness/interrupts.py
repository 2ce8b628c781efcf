"""Ctrl-C in tests that were started in the background."""

from __future__ import annotations

import signal


def heed_interrupts() -> None:
    """Called in a child before its program: a shell lets what it starts in the background ignore SIGINT, and a test of
    Ctrl-C would test that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
