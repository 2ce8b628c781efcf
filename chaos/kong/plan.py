"""What Chaos Kong breaks, and when: waves that come again until the time is over, the first with everything at once.

Pure, and the same for the same seed. It knows no host and carries nothing out. Invariants: every kind of blast is in
every plan, none begins or lasts beyond its end, burners and ballast never overlap themselves, no child is killed more
often than its supervisor bears, and neither the runner nor a demonstration kernel is ever a target.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal, TypeVar

SHORTEST_S = 10
WAVE_S = 20.0
CORES, BALLAST_MB = 2, 256
FLOOD_TOPIC, FLOOD_PER_S = "chaos.flood", 200.0
SPARED = frozenset({"chaos_runner"})
"""The one that does all this."""
DRILLS = "drill_"
"""How the names of demonstration kernels begin."""
HEALERS = ("self_healing", "coding_agent")
BUS, LOG, KEEPER = "message_bus", "immutable_log", "infrastructure_manager"
CORRUPTIBLE = ("scheduler", "meta_loop", "clarity_framework", "memory_fusion")
"""Whose store is put back by itself when it is opened. The bus is not among them: what it has acknowledged since its
last copy would be lost for good, and no drill may do that."""
BRANCHES = ("agentic", "execution", "services")
"""Branches that may be killed beside the critical ones."""
LAST_S = 2.0
"""The last blast comes so long before the end."""

_T = TypeVar("_T")


class Kind(StrEnum):
    """What a blast is."""

    CRITICAL = "critical"
    HEALERS = "healers"
    OTHERS = "others"
    BRANCH = "branch"
    SILENCE = "silence"
    DATA = "data"
    LOG = "log"
    CPU = "cpu"
    MEMORY = "memory"
    FLOOD = "flood"
    SNAPSHOTS = "snapshots"


KINDS = tuple(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blast:
    """One thing done to one target: `fault` is a fault, or with `via` an action of the catalogue or a verb."""

    at_s: float
    kind: Kind
    fault: str
    target: str
    params: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    via: Literal["fault", "act", "ask"] = "fault"


class _Dice:
    """Numbers that look like chance and are the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed, self._drawn = seed, 0

    def number(self, below: int) -> int:
        self._drawn += 1
        digest = sha256(f"kong {self._seed} {self._drawn}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % below

    def some(self, of: Sequence[_T], count: int) -> list[_T]:
        """So many different ones, in any order; all where there are not more."""
        left = list(of)
        return [left.pop(self.number(len(left))) for _ in range(min(count, len(left)))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Who may be hit."""

    names: tuple[str, ...]
    critical: tuple[str, ...]
    others: tuple[str, ...]

    def has(self, *names: str) -> list[str]:
        return [name for name in names if name in self.names]


def plan(seconds: float, seed: int, kernels: Iterable[tuple[str, str, bool]]) -> list[Blast]:
    """The blasts in the order in which they come. `kernels` are `(name, tier, critical)`; branches are told by no tier.
    Raises ValueError for a time that is too short."""
    if not SHORTEST_S <= seconds <= 3600:
        raise ValueError(f"Chaos Kong lasts {seconds:g} s; allowed are {SHORTEST_S} s to an hour")
    stage, dice = _stage(kernels), _Dice(seed)
    count = max(1, int((seconds - LAST_S) // WAVE_S) + 1) if seconds > WAVE_S else 1
    blasts: list[Blast] = []
    for number in range(count):
        begin = number * WAVE_S
        end = min(begin + WAVE_S, seconds)
        blasts += _wave(number, begin, end, stage, dice)
    for name in dice.some(stage.critical, 1):
        why = "the critical tier goes down once more"
        blasts.append(Blast(at_s=seconds - LAST_S, kind=Kind.CRITICAL, fault="kill", target=name, why=why))
    return sorted(blasts, key=lambda blast: (blast.at_s, blast.kind.value, blast.target))


def _stage(kernels: Iterable[tuple[str, str, bool]]) -> _Stage:
    usable = [each for each in kernels if each[0] not in SPARED and not each[0].startswith(DRILLS)]
    critical = tuple(name for name, tier, is_critical in usable if (is_critical or tier == "core"))
    names = tuple(name for name, _, _ in usable)
    critical = tuple(name for name in critical if name not in HEALERS)
    others = tuple(
        name for name, tier, _ in usable if tier and name not in critical and name not in HEALERS and name != KEEPER
    )
    return _Stage(names=names, critical=critical, others=others)


def _wave(number: int, begin: float, end: float, stage: _Stage, dice: _Dice) -> Iterator[Blast]:
    """The first has everything, and at once; later ones have less of it, spread over their time."""
    is_first, room = number == 0, end - begin

    def at() -> float:
        """Also late in the wave, but not so that it could not be noticed before the end."""
        return begin if is_first else round(begin + dice.number(int(max(room - LAST_S, room / 2) * 1000)) / 1000, 3)

    yield from _load(begin, room, stage)
    for name in stage.critical if is_first else dice.some(stage.critical, 1 + number % 2):
        yield Blast(at_s=at(), kind=Kind.CRITICAL, fault="kill", target=name, why="the critical tier goes down")
    for name in stage.has(*HEALERS) if number % 3 == 0 else dice.some(stage.has(*HEALERS), 1):
        yield Blast(at_s=at(), kind=Kind.HEALERS, fault="kill", target=name, why="nobody is there to repair")
    for name in dice.some(stage.others, 2):
        yield Blast(at_s=at(), kind=Kind.OTHERS, fault="kill", target=name, why="more than one thing at a time")
    if is_first or number % 3 == 1:
        for name in dice.some(stage.has(*BRANCHES), 1):
            yield Blast(at_s=at(), kind=Kind.BRANCH, fault="kill", target=name, why="a whole branch goes down")
    if is_first or number % 2 == 1:
        seconds = min(30.0, room / 2)
        for name in dice.some(stage.others, 1):
            why = "it lives and says nothing"
            yield Blast(at_s=begin, kind=Kind.SILENCE, fault="mute", target=name, params={"seconds": seconds}, why=why)
    if is_first or number % 2 == 0:
        for name in dice.some(stage.has(*CORRUPTIBLE), 1):
            yield Blast(at_s=at(), kind=Kind.DATA, fault="corrupt", target=name, why="its store is damaged under load")
    if (is_first or number % 3 == 2) and stage.has(LOG):
        why = "a closed segment of the audit log is damaged"
        yield Blast(at_s=at(), kind=Kind.LOG, fault="corrupt_log_entry", target=LOG, why=why, via="act")
    if stage.has(KEEPER):
        why = "snapshots are rotated under load"
        yield Blast(at_s=at(), kind=Kind.SNAPSHOTS, fault="take_snapshot_set", target=KEEPER, why=why, via="ask")


def _load(begin: float, room: float, stage: _Stage) -> Iterator[Blast]:
    """What lasts nearly as long as the wave, and ends before the next one begins it anew."""
    seconds = round(max(1.0, room - 1.0), 3) if room > 1.0 else room
    burn = {"cores": CORES, "seconds": seconds}
    yield Blast(at_s=begin, kind=Kind.CPU, fault="burn", target="host", params=burn, why="no core is free")
    ballast = {"mb": BALLAST_MB, "seconds": seconds}
    yield Blast(at_s=begin, kind=Kind.MEMORY, fault="ballast", target="host", params=ballast, why="memory is taken")
    if stage.has(BUS):
        args = json.dumps({"topic": FLOOD_TOPIC, "payload": "flood"})
        flood = {"verb": "publish", "args": args, "rate": FLOOD_PER_S, "count": max(1, int(FLOOD_PER_S * seconds))}
        yield Blast(at_s=begin, kind=Kind.FLOOD, fault="flood", target=BUS, params=flood, why="the queue is flooded")
