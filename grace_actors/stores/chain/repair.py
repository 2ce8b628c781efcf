"""Puts right what is found damaged in a chained log: from its copy, else by keeping the valid part.

Decides between copy, cut and gap; must not append records or hold files open. A damaged file goes to quarantine first.
Invariant: no valid record that the file or its copy still has is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grace_actors.stores.chain import segment
from grace_actors.stores.chain.frames import Walk
from grace_actors.stores.chain.segment import Segment
from grace_actors.stores.files import failed, quarantine
from grace_actors.stores.files import replace as replace_file

Note = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Repaired:
    """The segment as it is now. `damaged`: records behind its end are lost, the chain goes on in a new segment.
    `copied` bytes of the copy agree with it."""

    segment: Segment
    notes: list[Note] = field(default_factory=list)
    damaged: bool = False
    copied: int = 0


@dataclass(frozen=True, slots=True)
class Repairer:
    """Works on the files of one log and their copies below `mirror`."""

    directory: Path
    mirror: Path
    home: Path
    name: str
    wall: Callable[[], float]

    def bring_back_missing(self) -> list[Note]:
        """Restore segments of which only the copy is left. Raises OSError, StoreFailed."""
        have = {segment.name_of(path) for path in segment.files(self.directory)}
        notes: list[Note] = []
        for copy in segment.files(self.mirror):
            name = segment.name_of(copy)
            if name in have:
                continue
            seal = copy.with_name(name + segment.SEAL)
            if seal.exists():
                replace_file(self.directory / seal.name, seal.read_bytes())
            replace_file(self.directory / copy.name, copy.read_bytes())
            notes.append(("log.restored", name, {"problem": "the segment was missing", "from": str(copy)}))
        return notes

    def mirror_file(self, path: Path) -> None:
        """Make the copy of a sealed segment and its seal equal to the original, durably. Raises StoreFailed."""
        for file in (path, path.with_name(segment.name_of(path) + segment.SEAL)):
            try:
                self.mirror.mkdir(mode=0o700, parents=True, exist_ok=True)
                data = file.read_bytes()
            except OSError as error:
                raise failed(file, error) from error
            replace_file(self.mirror / file.name, data)

    def active(self, path: Path) -> Repaired:
        """Check the newest segment, to which records are still appended. Raises StoreFailed."""
        data, copy = _bytes(path), _bytes(self.mirror / path.name)
        found, walk = segment.examine(path, data)
        copied, _ = segment.examine(path, copy)
        if copied.size > found.size:
            self._exchange(path, copy[: copied.size])
            gained = {"problem": walk.problem or "records were missing at the end", "records": copied.count}
            notes = [("log.restored", found.name, gained | {"regained": copied.count - found.count})]
            return Repaired(copied, notes, copied=copied.size)
        same = copied.size if data.startswith(copy[: copied.size]) else 0
        if not walk.problem:
            return Repaired(found, copied=same)
        told = self._cut(path, data, found, walk)
        if walk.torn and found.size:
            return Repaired(found, [("log.tail_repaired", found.name, told)], copied=same)
        return Repaired(_with_gap(found, data), [("log.corrupt", found.name, told)], damaged=True, copied=same)

    def sealed(self, path: Path, sealed: Segment | None) -> Repaired:
        """Check a complete segment whose seal is missing or does not match, and seal it anew. Raises StoreFailed."""
        data = _bytes(path)
        found, walk = segment.examine(path, data)
        if not walk.problem and found.count and (sealed is None or segment.matches(sealed, data)):
            return Repaired(segment.seal(found, data))
        copy_path = self.mirror / path.name
        copy = _bytes(copy_path)
        copied, copy_walk = segment.examine(path, copy)
        is_right = sealed is not None and segment.matches(sealed, copy)
        if is_right or (not copy_walk.problem and copied.count > found.count):
            self._exchange(path, copy_path.read_bytes())
            gained = {"problem": walk.problem or "the seal does not match", "from": str(copy_path)}
            note = ("log.restored", found.name, gained | {"regained": copied.count - found.count})
            return Repaired(segment.seal(copied, copy), [note])
        told = self._cut(path, data, found, walk)
        lost = replace(_with_gap(found, data), path=path.with_name(segment.name_of(path) + segment.PLAIN))
        return Repaired(segment.seal(lost, data[: found.size]), [("log.corrupt", found.name, told)])

    def _cut(self, path: Path, data: bytes, found: Segment, walk: Walk) -> dict[str, Any]:
        """Keep the valid part only; what an event says about it."""
        plain = path.with_name(segment.name_of(path) + segment.PLAIN)
        kept = self._exchange(path, data[: found.size], into=plain)
        problem = walk.problem or "the seal does not match and there is no copy"
        lost = len(data) - found.size
        return {"problem": problem, "at_byte": found.size, "bytes": lost, "records": found.count, "quarantine": kept}

    def _exchange(self, path: Path, content: bytes, *, into: Path | None = None) -> str:
        """Put `content` in place of the damaged file, which stays readable in quarantine. Raises StoreFailed."""
        kept = quarantine(self.home, self.name, [path], self.wall(), keep=True)
        target = into or path
        replace_file(target, content)
        if target != path:
            path.unlink(missing_ok=True)
        return str(kept)


def _with_gap(found: Segment, data: bytes) -> Segment:
    lost = len(data) - found.size
    return replace(found, damage=f"{lost} bytes behind record {found.first + found.count - 1} are lost")


def _bytes(path: Path) -> bytes:
    """What can be read of a segment file: nothing when it is gone."""
    try:
        return segment.content(path)
    except OSError:
        return b""
