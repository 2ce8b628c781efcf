"""What one `events` call returns: a filter, applied to the log from a position, as a page of bounded size.

Pure on top of the log's iterators. Invariant: `last` of a page is never beyond an event that matched and was
not returned, so a reader that continues there misses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import translate
from functools import lru_cache
from itertools import islice
from typing import Any

from grace_actors.errors import Refused
from grace_actors.kernel import Request
from grace_actors.status.eventlog import EventLog
from grace_actors.status.records import Record

MAX_EVENTS = 1_000
_MAX_PAGE_BYTES = 4 * 1024 * 1024
_MAX_LOOKED_AT = 20_000  # of one call: about 20 ms


@lru_cache(maxsize=512)
def pattern(glob: str) -> re.Pattern[str]:
    """A shell pattern, matched against a whole name, case and all."""
    return re.compile(translate(glob))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are wanted. `since` is exclusive; None means the newest."""

    since: int | None
    type: str | None = None
    subject: str | None = None
    limit: int = 100

    @classmethod
    def of(cls, request: Request) -> Filter:
        """From the arguments of an `events` call. Raises Refused."""
        args = request.args
        since, limit = args.get("since"), args.get("limit", 100)
        for key in ("type", "subject"):
            if not isinstance(args.get(key), str | None) or len(args.get(key) or "") > 500:
                raise Refused(f"events: {key} must be a text of up to 500 characters, not {args[key]!r:.80}")
        for key, value, least in (("since", 0 if since is None else since, 0), ("limit", limit, 1)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise Refused(f"events: {key} must be a whole number from {least}, not {value!r:.80}")
        return cls(since=since, type=args.get("type"), subject=args.get("subject"), limit=min(limit, MAX_EVENTS))

    def starting_at(self, since: int) -> Filter:
        return replace(self, since=since)

    def takes(self, record: Record) -> bool:
        if self.subject is not None and record.subject != self.subject:
            return False
        return self.type is None or pattern(self.type).match(record.type) is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order, where to go on, and the oldest number there is."""

    events: list[dict[str, Any]]
    last: int
    oldest: int

    def answer(self) -> dict[str, Any]:
        return {"events": self.events, "last": self.last, "oldest": self.oldest}


def newest(log: EventLog, wanted: Filter) -> Page:
    """The newest events that match, oldest of them first."""
    matching = islice((record for record in log.newest_first() if wanted.takes(record)), wanted.limit)
    records: list[Record] = []
    size = 0
    for record in matching:
        size += len(record.line)
        if records and size > _MAX_PAGE_BYTES:
            break
        records.append(record)
    return Page([record.event() for record in reversed(records)], log.last, log.oldest)


def read(log: EventLog, wanted: Filter) -> Page:
    """The events after `since` that match, as far as one page goes."""
    since = wanted.since or 0
    events: list[dict[str, Any]] = []
    size = 0
    last = since
    for looked_at, record in enumerate(log.after(since)):
        is_wanted = wanted.takes(record)
        size += len(record.line) if is_wanted else 0
        if looked_at >= _MAX_LOOKED_AT or (is_wanted and _is_full(events, wanted.limit, size)):
            return Page(events, last, log.oldest)
        if is_wanted:
            events.append(record.event())
        last = record.seq
    return Page(events, log.last, log.oldest)


def _is_full(events: list[dict[str, Any]], limit: int, size: int) -> bool:
    return len(events) >= limit or (bool(events) and size > _MAX_PAGE_BYTES)
