"""A set of snapshots on disk: a folder with copies, `manifest.sha256` for `sha256sum --check`, and `set.json` that
says what, when, from which version, and what is wrong with its sources.

Reads, writes and verifies sets; must not know what the copies contain. Invariant: a set is complete from the moment its
folder has its name, and bad content of one is an answer, never an exception.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grace_actors.errors import GraceError, NotFound, Refused, WorldFailed
from grace_actors.hygiene import plan, reading
from grace_actors.hygiene.plan import SetFacts, part_of
from grace_actors.hygiene.reading import Digests
from grace_actors.stores import manifest
from grace_actors.stores.files import failed, sync_directory

SCHEMA = "grace.snapshot_set/1"
RECORD = "set.json"
DRAFT = ".draft-"
_MOST_RECORD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file of a set. `how` it got there: copied, linked (an equal copy was there), kept (the source is damaged,
    this is the last good one), referenced (its owner keeps the copy, at `copy` in the home), or lost (there is
    nothing good)."""

    path: str
    how: str
    sha256: str = ""
    bytes: int = 0
    mode: int = 0o600
    copy: str = ""

    @property
    def is_here(self) -> bool:
        return self.how in ("copied", "linked", "kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSet:
    """What `set.json` says. `problems` and `skipped` are by path, in words."""

    id: str
    number: int
    at: float
    version: str
    reason: str
    items: tuple[Item, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> dict[str, list[Item]]:
        """Part -> its files."""
        found: dict[str, list[Item]] = {}
        for item in self.items:
            found.setdefault(part_of(item.path), []).append(item)
        return dict(sorted(found.items()))


class Sets:
    """The sets of a home."""

    def __init__(self, home: Path, floor_bytes: int = 0) -> None:
        self.home, self.floor_bytes = home, floor_bytes
        self.directory = home / "snapshots" / "sets"
        self.digests = Digests()

    def room(self, size: int = 0) -> None:
        """Raises WorldFailed when this many bytes more would leave less free than the floor."""
        free = shutil.disk_usage(self.directory).free
        if free - size < self.floor_bytes:
            more = f", {size / 1e6:.0f} MB more are needed" if size else ""
            raise WorldFailed(
                f"{self.home} has {free / 1e6:.0f} MB free{more}; {self.floor_bytes / 1e6:.0f} MB must stay free",
                hint="free space, or lower snapshot_min_free_mb of infrastructure_manager",
            )

    def ids(self) -> list[str]:
        """Of everything that is named like a set, by name."""
        if not self.directory.is_dir():
            return []
        paths = [path for path in self.directory.iterdir() if path.is_dir() and not path.is_symlink()]
        return sorted(path.name for path in paths if plan.taken_at(path.name) is not None)

    def folder(self, id: str) -> Path:
        """Where a set is. Raises Refused for what is no id, NotFound when there is none."""
        if plan.taken_at(id) is None:
            raise Refused(f"{id!r} is no set", hint=f"sets: {', '.join(self.ids()) or 'none'}")
        path = self.directory / id
        if path.is_symlink() or not path.is_dir():
            raise NotFound(f"there is no set {id}", hint=f"sets: {', '.join(self.ids()) or 'none'}")
        return path

    def load(self, id: str) -> SnapshotSet:
        """Raises Refused, NotFound; ValueError when what is there cannot be read as a set."""
        return _record(self.folder(id), id)

    def verify(self, id: str) -> list[str]:
        """What is wrong with a set; empty when every byte is as it was taken. Raises Refused, NotFound."""
        return self.problems_of(self.folder(id), id)

    def problems_of(self, folder: Path, id: str) -> list[str]:
        """The same for a folder of another name."""
        try:
            wanted = reading.checksums(folder / manifest.NAME)
            found = [path for path, sha256 in wanted.items() if not self.digests.is_it(folder / path, sha256)]
            if found:
                return [f"{path} is missing or damaged" for path in found]
            record = _record(folder, id)
        except (OSError, ValueError, GraceError) as error:
            return [str(error)]
        here = {item.path: item.sha256 for item in record.items if item.is_here}
        odd = {path for path in here.keys() | wanted.keys() if here.get(path) != wanted.get(path)} - {RECORD}
        rotten = [item.path for item in record.items if item.how == "referenced" and self._is_rotten(item)]
        return [f"{path}: {RECORD} and {manifest.NAME} disagree" for path in sorted(odd)] + [
            f"{path} is damaged where its owner keeps it" for path in rotten
        ]

    def copy_of(self, id: str, item: Item) -> Path:
        """Where the copy of a file is."""
        return self.home / item.copy if item.how == "referenced" else self.directory / id / item.path

    def _is_rotten(self, item: Item) -> bool:
        """Whether a copy that its owner keeps is another one now. It may drop it: that is what it keeps it for."""
        copy = self.home / item.copy
        return copy.exists() and not self.digests.is_it(copy, item.sha256)

    def facts(self) -> tuple[list[SetFacts], dict[str, list[str]], list[SnapshotSet]]:
        """All sets, verified: for the decisions, their problems by id, and those whose record is right, newest
        first."""
        facts, problems, records = [], {}, []
        for id in self.ids():
            problems[id] = self.verify(id)
            number, at = 0, plan.taken_at(id) or 0.0
            if not any(problem.startswith(RECORD) for problem in problems[id]):
                with contextlib.suppress(ValueError):
                    records.append(self.load(id))
                    number, at = records[-1].number, records[-1].at
            own = own_bytes(self.directory / id)
            facts.append(SetFacts(id=id, number=number, at=at, valid=not problems[id], own_bytes=own))
        return facts, problems, sorted(records, key=lambda one: one.number, reverse=True)

    def drop_drafts(self) -> list[str]:
        """Remove what an interrupted run left. Raises StoreFailed."""
        return [self._drop(path) for path in sorted(self.directory.glob(f"{DRAFT}*"))]

    def drop(self, id: str) -> str:
        """Delete a set: first its name, so that no half of one is ever found. Raises StoreFailed."""
        draft = self.directory / f"{DRAFT}{id}"
        try:
            (self.directory / id).rename(draft)
        except OSError as error:
            raise failed(self.directory / id, error) from error
        self._drop(draft)
        return id

    def _drop(self, path: Path) -> str:
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise failed(path, error) from error
        return path.name


def _record(folder: Path, id: str) -> SnapshotSet:
    try:
        found = json.loads(reading.content(folder / RECORD, most_bytes=_MOST_RECORD_BYTES))
        if found["schema"] != SCHEMA or found["id"] != id:
            raise ValueError(f"{RECORD} is {found['schema']!r} of {found['id']!r}")
        items = tuple(Item(**item) for item in found["items"])
        paths = [path for item in items for path in (item.path, item.copy or item.path)]
        if odd := [path for path in paths if not manifest.stays_inside(path)]:
            raise ValueError(f"{RECORD} names {odd[0]!r}")
        return SnapshotSet(
            id=id,
            number=int(found["number"]),
            at=float(found["at"]),
            version=str(found["version"]),
            reason=str(found["reason"]),
            items=items,
            problems=dict(found["problems"]),
            skipped=dict(found["skipped"]),
        )
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{RECORD} cannot be read: {error}") from error


def write(folder: Path, record: SnapshotSet, digests: Digests) -> None:
    """Write `set.json` and the manifest of a draft, durably. Raises OSError."""
    text = json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1)
    _write(folder / RECORD, text)
    wanted = {item.path: item.sha256 for item in record.items if item.is_here}
    _write(folder / manifest.NAME, manifest.text_of({**wanted, RECORD: digests.of(folder / RECORD)}))
    for directory in sorted({folder, *(path for path in folder.rglob("*") if path.is_dir())}):
        sync_directory(directory)


def own_bytes(folder: Path) -> int:
    """What deleting a folder would free: files that nothing else links to."""
    total = 0
    for path in reading.files_below(folder, {}):
        info = path.stat()
        total += info.st_blocks * 512 if info.st_nlink == 1 else 0
    return total


def total_bytes(items: Iterable[Item]) -> int:
    """The size of the copies."""
    return sum(item.bytes for item in items)


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
