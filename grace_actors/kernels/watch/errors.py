"""How often the same error ended the same actor lately.

Pure: monotonic times come in. Invariant: a count never includes what is older than the window, and adding costs the
same however many there are.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

MOST_ERRORS = 5_000


@dataclass(slots=True)
class ErrorCounts:
    """`window_s` is how long an error counts."""

    window_s: float
    _errors: deque[tuple[float, str]] = field(default_factory=deque)
    _counts: Counter[str] = field(default_factory=Counter)
    _since: dict[str, float] = field(default_factory=dict)

    def add(self, key: str, now: float) -> int:
        """Count one; how many there are now."""
        self._forget(now)
        self._errors.append((now, key))
        self._counts[key] += 1
        self._since.setdefault(key, now)
        if len(self._errors) > MOST_ERRORS:
            self._drop()
        return self._counts[key]

    def counts(self, now: float) -> dict[str, int]:
        """Every error of the window with its count."""
        self._forget(now)
        return dict(self._counts)

    def age_s(self, key: str, now: float) -> float:
        """How long ago the present series of this error began."""
        return now - self._since.get(key, now)

    def _forget(self, now: float) -> None:
        while self._errors and self._errors[0][0] <= now - self.window_s:
            self._drop()

    def _drop(self) -> None:
        _, key = self._errors.popleft()
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key], self._since[key]

    def as_data(self) -> list[list[Any]]:
        """The errors as plain data, the newest five hundred."""
        return [[at, key] for at, key in list(self._errors)[-500:]]

    def restore(self, data: Any, now: float) -> None:
        """Take back what `as_data` gave, but nothing from the future: such times are those of another boot of the
        host. Raises ValueError for anything else."""
        try:
            known = [(float(at), str(key)) for at, key in data]
        except (TypeError, ValueError) as error:
            raise ValueError(f"errors must be pairs of a time and a text: {error}") from None
        for at, key in known:
            if now - self.window_s < at <= now:
                self.add(key, at)
