"""Measures the knowledge base: lookups and durable outcomes a second, with 100 and 10,000 learned signatures.

The floor of a lookup is one bare query by key, that of an outcome one bare row of the same size, in groups as large and
as durable. Through the actor, a lookup stands beside a bare request and reply. Sides run by turns, and each counts with
its fastest round: whatever else the machine does only adds to it; medians are told, too. File and memory are those of
a process that has learned 10,000 signatures and looked all of them up.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.arena import arena
from grace_actors.stores.signature_answers import Answers
from grace_actors.stores.signature_json import exported
from grace_actors.stores.signature_names import Occurrence
from grace_actors.stores.signature_rows import SignatureRows
from grace_actors.stores.signature_schema import migrations
from grace_actors.stores.signature_writing import Outcome, SignatureWriter
from grace_actors.stores.sqlite import Store
from supervisors.spec import ChildSpec, KernelStart

FEW, MANY = 100, 10_000
GROUP, LOOKUPS, TRIPS = 500, 1_000, 100
ROUNDS = 41
LEAST_LOOKUPS_PER_S, LEAST_OUTCOMES_PER_S = 25_000, 20_000
MOST_TO_FEW, MOST_TO_PING = 1.5, 1.5
MOST_MB = 50.0
SIGNATURE = ChildSpec(id="signature", start=KernelStart(path="grace_actors.stores.signature:SignatureStore"))
COMPONENTS = [
    {"name": "call", "value": f"shop.cart{n}:total", "contributes": True, "into": ["specific", "full"], "hint": "own"}
    for n in range(12)
]


def hashes(number: int) -> list[str]:
    """Specific, full and broad, as recognition makes them."""
    return [sha256(f"{number} {kind}".encode()).hexdigest()[:32] for kind in ("specific", "full", "broad")]


def outcomes(first: int, count: int, signatures: int) -> list[Outcome]:
    """Runs of their own, spread over all signatures."""
    return [
        Outcome(
            occurrence=Occurrence(
                signature=f"kernel{number % 20}_ValueError_{hashes(number % signatures)[0][:8]}",
                hashes=hashes(number % signatures),
                kernel=f"kernel{number % 20}",
                at=1e9 + number,
                incident=f"incident_{number}",
                components=COMPONENTS if number < signatures else (),
            ),
            playbook=f"playbook_{number % 25}",
            params='{"kernel": "librarian"}',
            ok=number % 7 != 0,
            run=f"run_{number}",
            detail="the queue was drained and the kernel started again",
        )
        for number in range(first, first + count)
    ]


class Base:
    """A knowledge base with so many signatures."""

    def __init__(self, directory: Path, signatures: int) -> None:
        self.directory, self.signatures, self.next = directory, signatures, 0
        store = Store(directory / "signatures.db", migrations, emit=lambda *_: None, name="bench")
        self.rows = SignatureRows(store)
        self.writer = SignatureWriter(self.rows)
        while self.next < signatures:
            self.record(min(GROUP, signatures))

    def record(self, count: int) -> float:
        """Seconds for a group of outcomes."""
        group = outcomes(self.next, count, self.signatures)
        self.next += count
        began = time.perf_counter()
        self.writer.record(group)
        return time.perf_counter() - began

    def look_up(self, chance: random.Random) -> float:
        """Seconds for LOOKUPS lookups of known failures."""
        names = [hashes(chance.randrange(self.signatures)) for _ in range(LOOKUPS)]
        lookup = self.rows.lookup
        began = time.perf_counter()
        for name in names:
            assert lookup(name) is not None
        return time.perf_counter() - began

    def size_mb(self) -> float:
        return sum(file.stat().st_size for file in self.directory.iterdir()) / 1e6


class Floor:
    """A table of one key and one text, without anything around it."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")
        self.db.execute("create table rows (key text primary key, text text)")
        self.next = 0

    def record(self, count: int) -> float:
        rows = [(hashes(number)[0], "x" * 200) for number in range(self.next, self.next + count)]
        self.next += count
        began = time.perf_counter()
        self.db.executemany("insert into rows values (?, ?)", rows)
        self.db.commit()
        return time.perf_counter() - began

    def look_up(self, chance: random.Random) -> float:
        names = [hashes(chance.randrange(self.next))[0] for _ in range(LOOKUPS)]
        began = time.perf_counter()
        for name in names:
            assert self.db.execute("select * from rows where key = ?", (name,)).fetchone() is not None
        return time.perf_counter() - began


def run() -> dict[str, Any]:
    """The fastest of ROUNDS rounds; `ok` when every limit is kept."""
    with tempfile.TemporaryDirectory(prefix="grace-bench-") as directory:
        sizes = _in_a_process(lambda: _sizes(Path(directory) / "sizes"))
        figures = _store(Path(directory)) | sizes
    figures |= _actor()
    limits: dict[str, dict[str, Any]] = {
        "lookups_per_s": {"at_least": LEAST_LOOKUPS_PER_S},
        "outcomes_per_s": {"at_least": LEAST_OUTCOMES_PER_S},
        "many_to_few": {"at_most": MOST_TO_FEW},
        "lookup_to_ping": {"at_most": MOST_TO_PING},
        "file_mb": {"at_most": MOST_MB},
        "memory_growth_mb": {"at_most": MOST_MB},
    }
    for name, limit in limits.items():
        limit["ok"] = limit.get("at_least", 0) <= figures[name] <= limit.get("at_most", float("inf"))
    return {"name": "learning", **figures, "limits": limits, "ok": all(limit["ok"] for limit in limits.values())}


def _store(directory: Path) -> dict[str, Any]:
    few, many, floor = (directory / name for name in ("few", "many", "floor"))
    bases = {"few": Base(few, FEW), "many": Base(many, MANY)}
    floor.mkdir()
    bare = Floor(floor / "floor.db")
    bare.record(MANY)
    chance = random.Random(1)
    took: dict[str, list[float]] = {name: [] for name in ("few", "many", "floor", "outcomes", "rows")}
    for _ in range(ROUNDS):
        for name, base in bases.items():
            took[name].append(base.look_up(chance) / LOOKUPS)
        took["floor"].append(bare.look_up(chance) / LOOKUPS)
        took["outcomes"].append(bases["many"].record(GROUP) / GROUP)
        took["rows"].append(bare.record(GROUP) / GROUP)
    best = {name: min(times) for name, times in took.items()}
    return {
        "signatures": MANY,
        "lookups_per_s": round(1 / best["many"]),
        "lookups_median_per_s": round(1 / statistics.median(took["many"])),
        "lookups_few_per_s": round(1 / best["few"]),
        "floor_lookups_per_s": round(1 / best["floor"]),
        "many_to_few": round(best["many"] / best["few"], 2),
        "outcomes_per_s": round(1 / best["outcomes"]),
        "outcomes_median_per_s": round(1 / statistics.median(took["outcomes"])),
        "floor_rows_per_s": round(1 / best["rows"]),
        "group": GROUP,
        "n": ROUNDS,
    }


def _sizes(directory: Path) -> dict[str, Any]:
    outcomes(0, GROUP, MANY)
    before = _memory_mb()
    base = Base(directory, MANY)
    answers = Answers(base.rows)
    for number in range(MANY):
        assert answers.lookup(tuple(hashes(number)))["known"]
    return {"file_mb": round(base.size_mb(), 1), "memory_growth_mb": round(_memory_mb() - before, 1)}


def _memory_mb() -> float:
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE") / 1e6


def _in_a_process(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a fork measures: memory that nobody else has used before."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps(measure()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    if not text:
        raise RuntimeError("the measuring process ended without an answer")
    found: dict[str, Any] = json.loads(text)
    return found


def _actor() -> dict[str, Any]:
    """Lookups through the actor beside a request to the same actor that does nothing, from one process, by turns: of
    failures that come again, and of ones that come first since the last change."""
    with tempfile.TemporaryDirectory(prefix="grace-bench-") as directory, arena(SIGNATURE) as tree:
        outside = tree.outside()
        for part in _entries(Path(directory)):
            outside.ask("signature", "import", {"signatures": part}, timeout_s=60.0)
        outside.ask("signature", "ping")
        took: dict[str, list[float]] = {name: [] for name in ("first", "again", "ping")}
        for number in range(ROUNDS):
            names = [hashes(number * TRIPS + at) for at in range(TRIPS)]
            for turn in ("first", "again"):
                began = time.perf_counter()
                for name in names:
                    assert outside.ask("signature", "lookup", {"hashes": name})["known"]
                took[turn].append((time.perf_counter() - began) / TRIPS)
            began = time.perf_counter()
            for _ in names:
                outside.ask("signature", "ping")
            took["ping"].append((time.perf_counter() - began) / TRIPS)
        outside.close()
    best = {name: min(times) for name, times in took.items()}
    return {
        **{f"{name}_trip_us": round(seconds * 1e6, 1) for name, seconds in best.items()},
        "lookup_to_ping": round(best["again"] / best["ping"], 2),
        "first_lookup_to_ping": round(best["first"] / best["ping"], 2),
    }


def _entries(directory: Path) -> Iterator[dict[str, Any]]:
    base = Base(directory, MANY)
    found = base.rows.exported("", MANY)
    for at in range(0, len(found), 1000):
        yield {each["signature"]: exported(each) for each in found[at : at + 1000]}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
