"""Peers that were lost a moment ago.

The kernel ends a killed process's connections first and lets others knock at its door for a while, where nobody
will ever open: what is sent there would be lost without a word. So a peer whose link broke counts as gone for
some seconds; addresses are not used again so soon. Pure: time comes in as an argument.
"""

from __future__ import annotations

REMEMBER_S = 2.0
MOST = 256


class Departed:
    """Who is gone, by address."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, path: str, now: float) -> None:
        """This one was lost now."""
        if len(self._until) >= MOST:
            del self._until[next(iter(self._until))]
        self._until[path] = now + REMEMBER_S

    def __contains__(self, path: str) -> bool:
        return path in self._until

    def forget_old(self, now: float) -> None:
        """Those whose time is over may be called again."""
        self._until = {path: until for path, until in self._until.items() if until > now}
