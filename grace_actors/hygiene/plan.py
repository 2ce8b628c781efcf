"""Decides when a set of snapshots is due, which sets go, and whose copies they are. Pure.

Numbers and names in, names out: files, clocks and processes are elsewhere. Sets are ordered by the number they were
given, never by a clock, which may be set back. Invariant: the newest valid set is never among those that go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
LOGS = ("audit", "events")
"""Parts that grow: what is sound in them is newer than any copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many sets are kept, for how long, and how much of the disk stays free."""

    keep: int = 5
    max_age_s: float = 86_400.0
    floor_bytes: int = 256_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFacts:
    """What the decisions need of a set. `number` counts sets for ever, `at` is the wall clock when it was taken,
    `own_bytes` is what deleting it would free."""

    id: str
    number: int
    at: float
    valid: bool
    own_bytes: int = 0


def newest_valid(sets: Iterable[SetFacts]) -> SetFacts | None:
    """The set that restores would be made from."""
    return max((one for one in sets if one.valid), key=_order, default=None)


def surplus(sets: Sequence[SetFacts], now: float, limits: Limits) -> tuple[str, ...]:
    """The sets to delete, oldest first: beyond the number, or too old. While none is valid age counts for nothing: a
    damaged set may still hold the last good copy of something."""
    newest = newest_valid(sets)
    kept = {newest.id} if newest else set()
    for one in sorted(sets, key=_order, reverse=True):
        if len(kept) < limits.keep and (newest is None or now - one.at <= limits.max_age_s):
            kept.add(one.id)
    return tuple(one.id for one in sorted(sets, key=_order) if one.id not in kept)


def to_free(sets: Sequence[SetFacts], shortfall_bytes: int) -> tuple[str, ...]:
    """The oldest sets whose end makes up for the shortfall; none when not even all of them would: copies are not given
    up for nothing."""
    newest = newest_valid(sets)
    chosen: list[str] = []
    for one in sorted(sets, key=_order):
        if shortfall_bytes <= 0:
            break
        if newest is None or one.id == newest.id:
            continue
        chosen.append(one.id)
        shortfall_bytes -= one.own_bytes
    return tuple(chosen) if shortfall_bytes <= 0 else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Seconds since things happened, by a clock that is never set, but for `newest_age_s`: the age of the newest set on
    the disk by the wall clock. None: it never happened; for `failed_s`: or not since the last set."""

    start_s: float
    taken_s: float | None = None
    failed_s: float | None = None
    newest_age_s: float | None = None


def is_due(since: Since, *, interval_s: float, settle_s: float, retry_s: float) -> bool:
    """Whether a set is to be taken now. Before the first one of this life the sets of earlier lives count, unless the
    clock says that they come from the future; and whoever has just started is left in peace for `settle_s`."""
    if since.failed_s is not None:
        return since.failed_s >= min(retry_s, interval_s)
    if since.taken_s is not None:
        return since.taken_s >= interval_s
    age = since.newest_age_s
    return since.start_s >= settle_s and (age is None or not 0 <= age < interval_s)


def taken_at(id: str) -> float | None:
    """When a set was taken, as its name says, in Unix time; None for what is not the name of a set."""
    try:
        at = datetime.strptime(id, "%Y%m%dT%H%M%S.%fZ") if _ID.fullmatch(id) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC).timestamp() if at else None


# ---- parts ----------------------------------------------------------------------------------------------------------


def part_of(path: str) -> str:
    """The part a file of a set belongs to: what is restored together."""
    first, *rest = PurePosixPath(path).parts
    if first == "stores":
        return f"stores/{rest[0]}"
    return f"kernels/{rest[0].removesuffix('.snap')}" if first == "kernels" else first


def owner_of(part: str) -> str:
    """The kernel or actor that writes the files of a part while it runs; empty for those of people."""
    first, _, rest = part.partition("/")
    return {"stores": rest, "kernels": rest, "events": "status", "audit": "immutable_log"}.get(first, "")


def place_of(path: str) -> str:
    """Where a file of a set lives in the home. Raises ValueError for one that has no place there."""
    first, *rest = PurePosixPath(path).parts
    places = {
        "stores": "data",
        "kernels": "snapshots",
        "events": "data/status/events",
        "audit": "data/immutable_log",
        "config": "config",
        "playbooks": "playbooks",
        "artefacts": "artefacts",
    }
    if first not in places or not rest:
        raise ValueError(f"{path} has no place in a home")
    return str(PurePosixPath(places[first], *rest))


def missing(before: Collection[str], now: Collection[str], folders: Collection[str]) -> list[str]:
    """Files of the last set that should still be there and are not. `folders` are the places of files that exist: with
    a whole folder somebody took it away on purpose. Snapshots of kernels and the files of people come and go."""
    gone = [path for path in before if path not in now]
    segments = [path for path in now if not path.endswith(".seal")]
    names = {part: {stem_of(path) for path in segments if part_of(path) == part} for part in LOGS}
    found = []
    for path in gone:
        part = part_of(path)
        is_retired = part == "events" and names[part] and stem_of(path) < min(names[part])
        is_packed = part == "audit" and not path.endswith(".seal") and stem_of(path) in names[part]
        in_log = part in LOGS and not is_retired and not is_packed
        in_folder = part.startswith("stores/") or path == "artefacts/manifest.sha256"
        if in_log or (in_folder and str(PurePosixPath(place_of(path)).parent) in folders):
            found.append(path)
    return sorted(found)


def new_problems(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The problems to tell of: those the last set did not have."""
    return {path: problem for path, problem in now.items() if before.get(path) != problem}


def stem_of(path: str) -> str:
    """The name of a segment, whichever way it is stored."""
    return PurePosixPath(path).name.split(".", 1)[0]


def _order(one: SetFacts) -> tuple[int, str]:
    return one.number, one.id
