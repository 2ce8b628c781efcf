"""The playbooks there are: those that come with Grace and the user's, with what is wrong in the files left out.

Files are read when it is told to, never by itself. It runs nothing. Invariant: a bad file costs its own playbook only,
and not even that where a good version of it was read before: the last one goes on being used; a user's playbook of the
same name stands in the place of the one that came along, and its entry says so.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import playbooks
from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from playbooks.loader import Pack, load_directory
from playbooks.spec import Actions, Playbook
from supervisors.yaml_source import FileFault

PACKS = Path(playbooks.__file__).parent / "packs"
FOLDER = "playbooks"
"""The user's own, below the home."""


class Origin(StrEnum):
    """Whose playbook it is."""

    PACK = "pack"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One playbook that can run. `replaces` is the file of the pack that it stands for; `is_last_good` that the file
    has mistakes now and this is what it said before."""

    playbook: Playbook
    file: Path
    origin: Origin
    replaces: Path | None = None
    is_last_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A user's file with mistakes: the first, how many there are, and what is used instead (`last_good`, `pack` or
    `none`)."""

    file: Path
    fault: FileFault
    count: int
    in_use: str


class Library:
    """Playbooks by name. Empty until `load`."""

    def __init__(self, home: Path, actions: Actions, *, packs: Path | None = None) -> None:
        self._packs, self._own, self._actions = packs or PACKS, home / FOLDER, actions
        self.entries: dict[str, Entry] = {}
        self.faults: tuple[FileFault, ...] = ()
        self.broken: tuple[Broken, ...] = ()

    def load(self) -> None:
        """Read every file again."""
        packs, own = self._read(self._packs), self._read(self._own)
        found = {
            name: Entry(playbook=playbook, file=packs.files[name], origin=Origin.PACK)
            for name, playbook in packs.playbooks.items()
        }
        for name, playbook in own.playbooks.items():
            replaces = packs.files.get(name)
            found[name] = Entry(playbook=playbook, file=own.files[name], origin=Origin.USER, replaces=replaces)
        found |= self._last_good(own)
        self.entries = dict(sorted(found.items()))
        self.faults = (*packs.faults, *own.faults)
        self.broken = tuple(self._broken(own))

    def _last_good(self, own: Pack) -> dict[str, Entry]:
        """What the user's files with mistakes said when they were read last; a file that was removed says nothing."""
        faulty = {fault.place.file for fault in own.faults}
        sound = {str(file) for file in own.files.values()}
        return {
            name: replace(entry, is_last_good=True)
            for name, entry in self.entries.items()
            if entry.origin is Origin.USER and str(entry.file) in faulty - sound and name not in own.playbooks
        }

    def _broken(self, own: Pack) -> Iterator[Broken]:
        counts = Counter(fault.place.file for fault in own.faults)
        first: dict[str, FileFault] = {}
        for fault in own.faults:
            first.setdefault(fault.place.file, fault)
        for file, fault in first.items():
            entry = self.entries.get(Path(file).stem)
            in_use = "none" if entry is None else "last_good" if entry.is_last_good else entry.origin.value
            yield Broken(file=Path(file), fault=fault, count=counts[file], in_use=in_use)

    def _read(self, folder: Path) -> Pack:
        return load_directory(folder, self._actions) if folder.exists() else Pack(playbooks={}, files={})

    def get(self, name: str) -> Entry:
        """The entry of that name. Raises NotFound with what is wrong with its file, or what is near."""
        if name in self.entries:
            return self.entries[name]
        wrong = [fault for fault in self.faults if Path(fault.place.file).stem == name]
        if wrong:
            raise NotFound(f"the playbook {name!r} has mistakes: {wrong[0]}", hint="correct it, then reload_playbooks")
        near = difflib.get_close_matches(name, self.entries, n=1)
        hint = f"did you mean {near[0]}?" if near else f"they are files below {self._own}; see: playbook list"
        raise NotFound(f"there is no playbook {name!r:.80}", hint=hint)

    @property
    def problem(self) -> str:
        """What it cannot offer, in words; empty when every file is sound."""
        files = sorted({fault.place.file for fault in self.faults})
        return f"{len(files)} playbook files have mistakes, first: {self.faults[0]}" if files else ""


def fault_data(fault: FileFault) -> Data:
    """A mistake as an answer."""
    place = fault.place
    told = {"message": fault.message, "allowed": fault.allowed, "nearest": fault.nearest}
    return {"file": place.file, "line": place.line, "column": place.column, **told, "text": str(fault)}


def summary(entry: Entry) -> Data:
    """An entry as a line of a list."""
    playbook = entry.playbook
    return {
        "name": playbook.name,
        "title": playbook.title,
        "severity": playbook.severity.value,
        "enabled": playbook.enabled,
        "tags": list(playbook.tags),
        "origin": entry.origin.value,
        "file": str(entry.file),
        "replaces": str(entry.replaces) if entry.replaces else None,
        "last_good": entry.is_last_good,
    }


def description(entry: Entry) -> Data:
    """Everything about an entry that a person decides by."""
    playbook = entry.playbook
    blocks = {"steps": playbook.steps, "rescue": playbook.rescue, "always": playbook.always}
    inputs = {
        name: {
            "type": param.type.value,
            "required": param.required,
            "default": param.default,
            "enum": list(param.enum),
            "description": param.description,
        }
        for name, param in playbook.inputs.items()
    }
    return summary(entry) | {
        "description": playbook.description,
        "inputs": inputs,
        "triggers": [trigger.type for trigger in playbook.triggers],
        "approval": playbook.approval.required,
        **{name: [{"id": step.id, "action": step.action} for step in steps] for name, steps in blocks.items()},
        "verify": [{"id": check.id, "action": check.action} for check in playbook.verify],
    }
