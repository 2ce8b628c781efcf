"""The sliding window that limits restarts: at most `intensity` within `period_s`.

It counts stamps of a monotonic clock handed in by the caller and never asks for the time itself.
As in OTP (`supervisor:add_restart/1`) a stamp exactly `period_s` old still counts; unlike OTP the window is
not rounded to whole seconds. Invariant: it never holds more than `intensity + 1` stamps.
"""

from __future__ import annotations

from collections import deque


class RestartWindow:
    """Counts restarts. `add` answers whether the limit still holds after this one."""

    __slots__ = ("_stamps", "intensity", "period_s")

    def __init__(self, intensity: int, period_s: float) -> None:
        self.intensity = intensity
        self.period_s = period_s
        self._stamps: deque[float] = deque()

    def add(self, now: float) -> bool:
        """Count one restart at `now` (monotonic seconds); False when that makes more than `intensity`."""
        self._forget(now)
        self._stamps.append(now)
        if len(self._stamps) <= self.intensity:
            return True
        while len(self._stamps) > self.intensity + 1:  # the limit may have been lowered by a reload
            self._stamps.popleft()
        return False

    def used(self, now: float) -> int:
        """Restarts that count now."""
        self._forget(now)
        return len(self._stamps)

    def left(self, now: float) -> int:
        """Restarts that are possible now before the limit is exceeded."""
        return max(0, self.intensity - self.used(now))

    def next_free_in_s(self, now: float) -> float | None:
        """Seconds until the oldest stamp stops counting; None when there is none."""
        self._forget(now)
        return max(0.0, self._stamps[0] + self.period_s - now) if self._stamps else None

    def limit(self, intensity: int, period_s: float) -> None:
        """Change the limit; stamps are kept, as OTP keeps them over a code change."""
        self.intensity, self.period_s = intensity, period_s

    def clear(self) -> None:
        """Forget every stamp."""
        self._stamps.clear()

    @property
    def stamps(self) -> int:
        """How many stamps are held, those that stopped counting since the last look included."""
        return len(self._stamps)

    def _forget(self, now: float) -> None:
        oldest = now - self.period_s
        stamps = self._stamps
        while stamps and stamps[0] < oldest:
            stamps.popleft()
