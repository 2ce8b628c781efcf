"""The records of faults: what was broken on purpose and how it is taken back, on the disk before anything is broken.

One JSON file for each fault, below `chaos/records` of the home; good copies are below `chaos/kept`. Knows paths and
states; must not know how a fault is carried out or undone. Invariant: a record that `write` returned from survives a
power cut, and is in one state: prepared, then injected, then undone or undo_failed (which may become undone later).
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import uuid
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from grace_actors.stores import files

KEPT_RECORDS = 200
"""Of undone faults; older ones are deleted, with the copies that were kept for them."""
SLACK = 50
"""So many more there may be before they are deleted."""
_ID = re.compile(r"[0-9a-z-]{1,80}")

Step = dict[str, Any]
"""One idempotent step of an undoing, as plain data: `do` names it."""


class State(StrEnum):
    """Where a fault stands."""

    PREPARED = "prepared"
    INJECTED = "injected"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


ACTIVE = tuple(state.value for state in State if state is not State.UNDONE)
"""The states in which something may be broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One fault. Times are Unix seconds; `until` is when it is undone if nobody does so before. `said` is what its
    undoing found, `problem` why it was not possible."""

    id: str
    fault: str
    target: str
    params: dict[str, Any]
    by: str
    at: float
    until: float
    state: State = State.PREPARED
    all_injected: bool = False
    all_recovered: bool = False
    undo: tuple[Step, ...] = ()
    said: tuple[str, ...] = ()
    problem: str = ""
    ended_at: float | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    def as_data(self) -> dict[str, Any]:
        """Plain data, as it stands in the file."""
        return asdict(self) | {"state": self.state.value, "undo": list(self.undo), "said": list(self.said)}


@dataclass(slots=True)
class Records:
    """The records of one home. A file that is no record is told in `unreadable` and left alone."""

    home: Path
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.home / "chaos" / "records"

    def kept(self, id: str) -> Path:
        """Where the good copies of a fault are. It need not exist."""
        return self.home / "chaos" / "kept" / id

    def make_room(self, id: str) -> Path:
        """The directory for the good copies of a fault, made and on the disk. Raises StoreFailed."""
        place = self.kept(id)
        try:
            for directory in (self.home / "chaos", self.folder, self.home / "chaos" / "kept", place):
                if not directory.is_dir():
                    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                    files.sync_directory(directory.parent)
        except OSError as error:
            raise files.failed(place, error) from error
        return place

    def write(self, record: Record) -> Record:
        """Put it on the disk, in the place of an older version. Raises StoreFailed; then that one is as it was."""
        text = json.dumps(record.as_data(), indent=1, ensure_ascii=False)
        files.replace(self.folder / f"{record.id}.json", text.encode() + b"\n")
        return record

    def all(self) -> list[Record]:
        """Every record, the oldest first."""
        found: list[Record] = []
        self.unreadable = {}
        for path in self.folder.glob("*.json"):
            try:
                found.append(read(path))
            except (OSError, ValueError, KeyError, TypeError) as error:
                self.unreadable[path.name] = f"{path} is no record of a fault: {error!r:.200}"
        return sorted(found, key=lambda record: (record.at, record.id))

    def active(self) -> list[Record]:
        """Those of faults that may still break something."""
        return [record for record in self.all() if record.is_active]

    def get(self, id: str) -> Record | None:
        """The record of this id, if there is one that can be read."""
        if _ID.fullmatch(id) is None:
            return None
        try:
            return read(self.folder / f"{id}.json")
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget(self, id: str) -> None:
        """Delete the good copies of a fault that was undone by them, and of nothing else."""
        shutil.rmtree(self.kept(id), ignore_errors=True)

    def tidy(self) -> None:
        """Prune when there are so many that it is worth it: whoever counts or lists them reads every one."""
        if sum(1 for _ in self.folder.glob("*.json")) > KEPT_RECORDS + SLACK:
            self.prune()

    def prune(self) -> None:
        """Keep the newest of those that are over, and no copies without a record: whoever made those died before
        anything was injected."""
        for place in self.kept("").glob("*"):
            if not (self.folder / f"{place.name}.json").exists():
                self.forget(place.name)
        over = [record for record in self.all() if not record.is_active]
        for record in over[:-KEPT_RECORDS]:
            self.forget(record.id)
            with contextlib.suppress(OSError):
                (self.folder / f"{record.id}.json").unlink()


def new_id(fault: str) -> str:
    """An id that no other fault has."""
    return f"{fault.replace('_', '-')}-{uuid.uuid4().hex[:10]}"


def read(path: Path) -> Record:
    """The record in a file. Raises OSError, or ValueError, KeyError, TypeError for what is none."""
    data = json.loads(path.read_bytes())
    if not isinstance(data, dict) or data.get("id") != path.stem or _ID.fullmatch(path.stem) is None:
        raise ValueError("its id is not its name")
    steps, said = data["undo"], data.get("said", [])
    if not all(isinstance(step, dict) and isinstance(step.get("do"), str) for step in steps):
        raise ValueError("a step of `undo` says nothing to do")
    record = Record(**{**data, "state": State(data["state"]), "undo": tuple(steps), "said": tuple(said)})
    return replace(record, at=float(record.at), until=float(record.until))
