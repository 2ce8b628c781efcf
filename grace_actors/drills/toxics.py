"""What can be done to a connection, in the words of Toxiproxy, and the sums that belong to it.

Pure: knows no socket and no clock; chance comes as an argument. Invariant: a Toxic that `toxic` made has exactly the
attributes of its type, all of them numbers from 0 up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "latency": ("latency", "jitter"),
    "bandwidth": ("rate",),
    "slow_close": ("delay",),
    "timeout": ("timeout",),
    "reset_peer": ("timeout",),
    "slicer": ("average_size", "size_variation", "delay"),
    "limit_data": ("bytes",),
    "down": (),
}
"""Milliseconds; `rate` is in KB a second, sizes and `bytes` are bytes, `delay` of a slicer is in microseconds."""
STREAMS = ("downstream", "upstream")
_MOST_SLICES_PER_CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One way in which connections are spoiled. `toxicity` is the share of connections that it hits."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, float]


def toxic(data: Mapping[str, Any]) -> Toxic:
    """A toxic from plain data {name, type, stream, toxicity, attributes}. Raises ValueError saying what is allowed."""
    kind, stream, toxicity = data.get("type"), data.get("stream", "downstream"), data.get("toxicity", 1.0)
    if not isinstance(kind, str) or kind not in ATTRIBUTES:
        raise ValueError(f"type is {kind!r:.60}; allowed: {', '.join(ATTRIBUTES)}")
    if stream not in STREAMS:
        raise ValueError(f"stream is {stream!r:.60}; allowed: {', '.join(STREAMS)}")
    if not _is_number(toxicity) or not 0.0 <= toxicity <= 1.0:
        raise ValueError(f"toxicity is {toxicity!r:.60}; allowed: a number from 0 to 1")
    given = data.get("attributes") or {}
    if not isinstance(given, Mapping) or not set(given) <= set(ATTRIBUTES[kind]):
        raise ValueError(f"attributes of {kind} are {given!r:.80}; allowed: {', '.join(ATTRIBUTES[kind]) or 'none'}")
    for key, value in given.items():
        if not _is_number(value) or not 0 <= value <= 1e9:
            raise ValueError(f"{kind}: {key} is {value!r:.60}; allowed: a number from 0 to 1e9")
    attributes = {key: float(given.get(key, 0)) for key in ATTRIBUTES[kind]}
    name = str(data.get("name") or f"{kind}_{stream}")
    return Toxic(name=name, type=kind, stream=str(stream), toxicity=float(toxicity), attributes=attributes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def latency_s(toxic: Toxic, chance: Random) -> float:
    """How much later data comes."""
    jitter = toxic.attributes["jitter"]
    return max(0.0, toxic.attributes["latency"] + (chance.uniform(-jitter, jitter) if jitter else 0.0)) / 1000


def slices(data: bytes, toxic: Toxic, chance: Random) -> Iterator[bytes]:
    """The data in pieces of about the average size."""
    average, variation = int(toxic.attributes["average_size"]), int(toxic.attributes["size_variation"])
    if average < 1:
        yield data
        return
    at, least = 0, max(1, len(data) // _MOST_SLICES_PER_CHUNK)
    while at < len(data):
        size = max(least, average + (chance.randint(-variation, variation) if variation else 0))
        yield data[at : at + size]
        at += size


def portions(data: bytes, rate_kb: float) -> Iterator[tuple[bytes, float]]:
    """The data in pieces with the seconds that each takes at a rate; a rate of 0 limits nothing."""
    if rate_kb <= 0:
        yield data, 0.0
        return
    size = max(1, int(rate_kb * 100))  # a tenth of a second's worth
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        yield piece, len(piece) / (rate_kb * 1000)
