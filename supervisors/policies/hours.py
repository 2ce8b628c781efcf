"""Hours of the week, as people write them: `mon-fri 09:00-15:00`, in UTC.

Pure arithmetic on seconds; it has no clock. Invariant: a text is either read as hours of the week or refused with a
word about its form; hours that end before they begin end on the next day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FORM = "mon-fri 09:00-15:00, sat,sun 00:00-24:00, or 22:00-04:00 for every day, in UTC"
DAY_S, WEEK_S = 86_400, 7 * 86_400
_EPOCH_S = 3 * DAY_S
"""1 January 1970 was a Thursday."""
_DAYS = r"(?:mon|tue|wed|thu|fri|sat|sun)"
_CLOCK = r"(?:[01][0-9]|2[0-4]):[0-5][0-9]"
_TEXT = re.compile(rf"(?:(?P<days>{_DAYS}(?:[-,]{_DAYS})*) )?(?P<begin>{_CLOCK})-(?P<end>{_CLOCK})")


@dataclass(frozen=True, slots=True)
class Hours:
    """Some hours of some days. `days` are numbers from Monday, 0; `begin_s` and `end_s` count from midnight."""

    days: frozenset[int]
    begin_s: int
    end_s: int

    def hold(self, wall_s: float) -> bool:
        """Whether this moment is within them."""
        in_week = (wall_s + _EPOCH_S) % WEEK_S
        return any((in_week - day * DAY_S - self.begin_s) % WEEK_S < self._length_s for day in self.days)

    @property
    def _length_s(self) -> int:
        length = self.end_s - self.begin_s
        return length if length > 0 else length + DAY_S


def parse_hours(text: object) -> Hours:
    """Hours from their text. Raises ValueError that says what was seen and what is allowed."""
    match = _TEXT.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    begin_s, end_s = (_seconds(match["begin"]), _seconds(match["end"])) if match else (0, 0)
    if match is None or begin_s >= DAY_S or end_s > DAY_S or begin_s == end_s:
        raise ValueError(f"{text!r:.60} are no hours; allowed: {FORM}")
    return Hours(frozenset(_days(match["days"])), begin_s, end_s)


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _days(text: str | None) -> set[int]:
    """The days of `mon-fri` or `sat,sun`; a range may run over the end of the week."""
    if text is None:
        return set(range(7))
    found: set[int] = set()
    for part in text.split(","):
        ends = [DAYS.index(day) for day in part.split("-")]
        first, last = ends[0], ends[-1]
        found |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return found
