"""What the runner cannot do at the moment, in words, as `status` shows it.

Invariant: one text for each matter, the newest; a matter that is settled is gone.
"""

from __future__ import annotations


class Problems:
    """`shown` is the list that is kept up to date."""

    def __init__(self, shown: list[str]) -> None:
        self._shown = shown
        self._by_matter: dict[str, str] = {}

    def say(self, matter: str, text: str) -> None:
        """How it is with a matter; an empty text: it is settled."""
        self._by_matter[matter] = text
        self._shown[:] = filter(None, self._by_matter.values())
