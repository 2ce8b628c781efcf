"""How much may wait, and where: the numbers and decisions of back-pressure.

Pure. A sender is slowed (its send waits) when OUT_HIGH bytes wait for one receiver; a receiver stops reading when
its inbox holds its limit. Two that flood each other would wait for each other for ever: so an endpoint whose send
waits without any progress reads on, twice as much each time, up to INBOX_MOST.
"""

from __future__ import annotations

OUT_HIGH = 128 * 1024
OUT_LOW = 32 * 1024
INBOX_HIGH = 1024 * 1024
INBOX_LOW = 256 * 1024
INBOX_MOST = 64 * 1024 * 1024
STEP_S = 0.02
"""How long a send waits without progress before the inbox limit is raised."""
GIVE_UP_S = 300.0
"""A receiver that took no byte for so long, while we wait for it, counts as gone (Thespian's transmit timeout)."""


class Flow:
    """When one endpoint reads bulk."""

    __slots__ = ("_limit", "paused")

    def __init__(self) -> None:
        self._limit = INBOX_HIGH
        self.paused = False

    def update(self, inbox_bytes: int) -> bool:
        """True when `paused` changed."""
        if self.paused:
            if inbox_bytes > max(INBOX_LOW, self._limit - INBOX_HIGH + INBOX_LOW):
                return False
            self.paused = False
            return True
        if inbox_bytes <= self._limit:
            return False
        self.paused = True
        return True

    def stalled(self, inbox_bytes: int) -> None:
        """A send has waited for STEP_S without progress, and we do not read: perhaps we wait for each other."""
        if self.paused:
            self._limit = min(INBOX_MOST, max(self._limit, inbox_bytes) * 2)

    def calm(self, inbox_bytes: int) -> None:
        """The mailbox is served again."""
        if self._limit != INBOX_HIGH and inbox_bytes < INBOX_LOW:
            self._limit = INBOX_HIGH
