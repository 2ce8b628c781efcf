"""When a job is due: a cron expression or an interval, read once and asked for the next time.

Pure: times come in as Unix seconds. Cron expressions are read in UTC, so that no hour comes twice or never.
Invariant: `after(t)` is later than t.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import croniter

from supervisors.durations import DURATION_FORMS, parse_duration

LEAST_S = 1.0
_MOST_CHARS = 200
_RANDOM = re.compile(r"\b[hr]\b", re.IGNORECASE)
_FORMS = (
    f"five cron fields such as `*/15 * * * *` (minute hour day month weekday, UTC), or an interval: {DURATION_FORMS}"
)


class BadSchedule(ValueError):
    """The text is neither a cron expression nor an interval; `hint` says what is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.hint = _FORMS


@dataclass(frozen=True, slots=True)
class Schedule:
    """`interval_s` for an interval, else the cron expression in `text`."""

    text: str
    interval_s: float | None = None

    def after(self, at: float) -> float:
        """The next time after `at`. Raises BadSchedule for a cron expression that has no further one."""
        if self.interval_s is not None:
            return at + self.interval_s
        try:
            return float(croniter(self.text, datetime.fromtimestamp(at, UTC)).get_next(float))
        except (ValueError, KeyError, OverflowError) as error:
            raise BadSchedule(f"{self.text!r} is never due: {error}") from error

    def next_due(self, last_due: float, now: float) -> float:
        """The first time after `now` in step with `last_due`; what lies between is left out."""
        if self.interval_s is None:
            return self.after(now)
        missed = max(0, int((now - last_due) // self.interval_s))
        due = last_due + (missed + 1) * self.interval_s
        return due if due > now else now + self.interval_s


def parse(text: str) -> Schedule:
    """Raises BadSchedule saying what is wrong."""
    text = " ".join(text.split())
    if not text or len(text) > _MOST_CHARS:
        raise BadSchedule(f"a schedule has 1 to {_MOST_CHARS} characters, not {len(text)}")
    if " " in text or text.startswith("@"):
        return _cron(text)
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise BadSchedule(str(error)) from error
    if seconds < LEAST_S:
        raise BadSchedule(f"an interval of {seconds:g} s is too short: at least {LEAST_S:g} s")
    return Schedule(text, seconds)


def _cron(text: str) -> Schedule:
    if not text.startswith("@") and len(text.split()) != 5:
        raise BadSchedule(f"{text!r} has {len(text.split())} fields")
    if _RANDOM.search(text):  # croniter would choose anew each time it is asked
        raise BadSchedule(f"{text!r} asks for a random time (R or H)")
    try:
        croniter(text, datetime.fromtimestamp(0, UTC))
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # what croniter raises for odd texts
        raise BadSchedule(f"{text!r} is no cron expression: {error}") from error
    schedule = Schedule(text)
    schedule.after(0.0)
    return schedule
