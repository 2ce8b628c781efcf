"""How fast actors talk: our Unix sockets beside Thespian's TCP and UDP bases and a bare socket pair, in one run.

Round trips, floods from one and from ten senders to one, and messages of 1 MiB. The sides take turns batch by batch,
so that a busy machine slows all of them. How many messages a base gets differs: TCP slows down as its queue grows, UDP
loses what the socket's buffer does not hold.
Invariant: the run ends by itself, whatever a base loses.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.talk import TEXT, Seen
from benchmarks.talk_bases import TALKERS, Base
from benchmarks.talk_floor import Floor
from benchmarks.talk_keeper import kept

UNIX, TCP, UDP, FLOOR = "unix", "multiprocTCPBase", "multiprocUDPBase", "floor"
BATCHES, WARM_UP, MIN_BATCHES, ROUNDS, BULK_ROUNDS = 40, 3, 20, 12, 5
TRIPS = {UNIX: 200, TCP: 80, UDP: 150, FLOOR: 500}
MESSAGES = {UNIX: 100_000, TCP: 1_000, UDP: 2_000, FLOOR: 50_000}
EVERY = {UNIX: 1, TCP: 4, UDP: 2}  # TCP floods in every fourth round only: one takes seconds
LOSES = {UDP}  # what does not come at once never comes; elsewhere it is still on its way
PATIENCE_S = {UNIX: 10.0, TCP: 8.0, UDP: 1.0, FLOOR: 5.0}
BULK_COUNT, BULK_BYTES = 32, 1 << 20
TOO_BIG = {UDP: "a datagram holds at most 65507 bytes"}

TIME_S, LIMIT_S = 70.0, 85.0
"""No batch begins after the one; at the other everything is ended."""

ROUND_TRIP_TO_TCP, ROUND_TRIP_TO_FLOOR = 0.35, 4.0
FLOOD_TO_TCP, TEN_TO_ONE = 30.0, 0.8

Figures = dict[str, Any]


def run() -> Figures:
    """All sides in one run, in processes of their own that are gone afterwards."""
    return judged(kept(_measure, LIMIT_S))


def judged(measured: Figures) -> Figures:
    """The figures with their limits; `ok` when all are kept."""
    trip, one, ten = (measured[name] for name in ("round_trip", "one_to_one", "ten_to_one"))
    wrong = sum(flood[UNIX][kind] for flood in (one, ten) for kind in ("lost", "duplicated", "disordered"))
    late, bulk = measured["late"][UNIX], measured["bulk"][UNIX]
    limits = {
        "round_trip_unix_to_tcp": _limit(_ratio(trip, UNIX, TCP, "median_us"), at_most=ROUND_TRIP_TO_TCP),
        "round_trip_unix_to_floor": _limit(_ratio(trip, UNIX, FLOOR, "median_us"), at_most=ROUND_TRIP_TO_FLOOR),
        "one_to_one_unix_to_tcp": _limit(_ratio(one, UNIX, TCP, "median_per_s"), at_least=FLOOD_TO_TCP),
        "ten_to_one_to_one_to_one": _limit(
            _quotient(ten[UNIX]["median_per_s"], one[UNIX]["median_per_s"]), at_least=TEN_TO_ONE
        ),
        "unix_lost_duplicated_disordered": _limit(None if late is None else wrong + late, at_most=0),
        "unix_bulk_unanswered": _limit(bulk["unanswered"] if bulk["n"] else None, at_most=0),
        "round_trip_batches": _limit(min(side["n"] for side in trip.values()), at_least=MIN_BATCHES),
    }
    return {"name": "transport", **measured, "limits": limits, "ok": all(limit["ok"] for limit in limits.values())}


def _limit(value: float | None, *, at_most: float | None = None, at_least: float | None = None) -> Figures:
    """A value that could not be had keeps no limit."""
    kept_high = at_most is None or (value is not None and value <= at_most)
    kept_low = at_least is None or (value is not None and value >= at_least)
    bound = {"at_most": at_most} if at_least is None else {"at_least": at_least}
    return {"value": value, **bound, "ok": kept_high and kept_low}


def _ratio(sides: Figures, one: str, other: str, key: str) -> float | None:
    return _quotient(sides[one][key], sides[other][key])


def _quotient(value: float | None, other: float | None) -> float | None:
    return round(value / other, 3) if value is not None and other else None


@dataclass(slots=True, kw_only=True)
class Sides:
    """What takes turns, and until when."""

    bases: dict[str, Base]
    floor: Floor
    until: float = field(default_factory=lambda: time.monotonic() + TIME_S)

    def rounds(self, count: int) -> Iterator[int]:
        """Numbers below `count` while there is time."""
        for number in range(count):
            if time.monotonic() < self.until:
                yield number


def _measure(directory: Path) -> Figures:
    floor = Floor()
    bases: dict[str, Base] = {}
    try:
        for name in (UNIX, TCP, UDP):
            bases[name] = Base(name, directory)
        sides = Sides(bases=bases, floor=floor)
        return {
            "round_trip": _round_trips(sides),
            **_floods(sides),
            "bulk": _bulk(sides),
            "late": {name: base.late() for name, base in bases.items()},
        }
    finally:
        for base in bases.values():
            base.close()
        floor.close()


def _round_trips(sides: Sides) -> Figures:
    travel: dict[str, Callable[[int, float], float | None]] = {
        FLOOR: sides.floor.travel,
        **{name: base.travel for name, base in sides.bases.items()},
    }
    trips: dict[str, list[float]] = {name: [] for name in travel}
    unanswered: set[str] = set()
    for number in sides.rounds(WARM_UP + BATCHES):
        for name in [name for name in travel if name not in unanswered]:
            seconds = travel[name](TRIPS[name], PATIENCE_S[name])
            if seconds is None:  # asking again would only cost its patience again
                unanswered.add(name)
            elif number >= WARM_UP:
                trips[name].append(seconds / TRIPS[name])
    return {
        name: {"trips_a_batch": TRIPS[name], "unanswered": int(name in unanswered), **_spread_us(trips[name])}
        for name in (UNIX, TCP, UDP, FLOOR)
    }


def _floods(sides: Sides) -> Figures:
    """One sender and ten, by turns: what compares them must be measured side by side, too."""
    seen: dict[tuple[int, str], list[Seen | None]] = {(n, name): [] for n in (1, TALKERS) for name in sides.bases}
    floor_s: list[float | None] = []
    for number in sides.rounds(ROUNDS):
        for (senders, name), found in seen.items():
            if number % EVERY[name] == 0 and not _owes(name, found):
                found.append(sides.bases[name].flood(senders, MESSAGES[name] // senders, PATIENCE_S[name]))
        floor_s.append(sides.floor.flood(MESSAGES[FLOOR], TEXT, PATIENCE_S[FLOOR]))
    one, ten = (
        {name: _flooded(MESSAGES[name], seen[senders, name]) for name in sides.bases} for senders in (1, TALKERS)
    )
    rates = [MESSAGES[FLOOR] / seconds for seconds in floor_s if seconds]
    one[FLOOR] = {"messages": MESSAGES[FLOOR], **_rates(rates, "per_s")}
    return {"one_to_one": one, "ten_to_one": ten}


def _owes(name: str, found: list[Seen | None]) -> bool:
    """Whether notes of the last flood would come in the midst of the next."""
    last = found[-1] if found else None
    return bool(found) and name not in LOSES and (last is None or last.received < last.expected)


def _flooded(messages: int, found: list[Seen | None]) -> Figures:
    told = [seen for seen in found if seen is not None]
    rates = [seen.received / seen.seconds for seen in told if seen.seconds > 0]
    return {
        "messages": messages,
        **_rates(rates, "per_s"),
        "lost": len(found) * messages - sum(seen.received for seen in told),
        "duplicated": sum(seen.duplicated for seen in told),
        "disordered": sum(seen.disordered for seen in told),
    }


def _bulk(sides: Sides) -> Figures:
    found: dict[str, list[float | None]] = {name: [] for name in (*sides.bases, FLOOR) if name not in TOO_BIG}
    text = bytes(BULK_BYTES)
    for _ in sides.rounds(BULK_ROUNDS):
        for name, base in sides.bases.items():
            if name in found and None not in found[name]:
                found[name].append(base.bulk(BULK_COUNT, BULK_BYTES, PATIENCE_S[name]))
        found[FLOOR].append(sides.floor.flood(BULK_COUNT, text, PATIENCE_S[FLOOR]))
    figures = {name: _bulk_figures(seconds) for name, seconds in found.items()}
    return figures | {name: {"n": 0, "too_big": why} for name, why in TOO_BIG.items()}


def _bulk_figures(found: list[float | None]) -> Figures:
    megabytes = BULK_COUNT * BULK_BYTES / 1e6
    return {
        "messages": BULK_COUNT,
        "message_bytes": BULK_BYTES,
        **_rates([megabytes / seconds for seconds in found if seconds], "mb_per_s"),
        "unanswered": found.count(None),
    }


def _rates(rates: list[float], unit: str) -> Figures:
    """n and median; the lowest, because a p99 of a handful says no more."""
    return {
        "n": len(rates),
        f"median_{unit}": round(statistics.median(rates), 1) if rates else None,
        f"lowest_{unit}": round(min(rates), 1) if rates else None,
    }


def _spread_us(seconds: list[float]) -> Figures:
    """n, median and p99 of the batches' means."""
    ordered = sorted(seconds)
    if not ordered:
        return {"n": 0, "median_us": None, "p99_us": None}
    p99 = ordered[round(0.99 * (len(ordered) - 1))]
    return {"n": len(ordered), "median_us": _us(statistics.median(ordered)), "p99_us": _us(p99)}


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)
