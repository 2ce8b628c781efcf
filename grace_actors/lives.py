"""How often the actor system may be started again.

Pure: time comes in as an argument (seconds, monotonic). Invariant: a system that cannot come up is not started for
ever, however long each attempt takes.
"""

from __future__ import annotations

from collections import deque

MOST, WINDOW_S, MOST_IN_VAIN = 60, 60.0, 20
"""Lives within the window (one a second), and attempts one after another that did not come up."""


class Lives:
    """The lives of the actor system under one guard."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque()
        self._in_vain = 0

    def begin(self, now: float) -> None:
        """It is started; in vain until `came_up`."""
        self._begun.append(now)
        self._in_vain += 1

    def came_up(self) -> None:
        """The tree runs."""
        self._in_vain = 0

    def refusal(self, now: float) -> str | None:
        """Why it is not started once more; None when it is."""
        while self._begun and now - self._begun[0] > WINDOW_S:
            self._begun.popleft()
        if len(self._begun) >= MOST:
            return f"the actor system died {MOST} times within {WINDOW_S:g} s"
        if self._in_vain >= MOST_IN_VAIN:
            return f"the actor system was started {MOST_IN_VAIN} times and did not come up again"
        return None
