"""Takes a set: every source is copied, judged, and compared with the copies there are; the set gets its name at the
end.

Works on files, in slices of no interest to anybody: it is a command of its own. A file that is damaged at its source
is replaced in the set by its last good copy, and named. Invariant: a set with a name was read back whole and found
right, and what was interrupted is a draft, which the next run removes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from grace_actors.actions.tools.stores import open_to_read
from grace_actors.errors import WorldFailed
from grace_actors.hygiene import plan, reading, sets, sources
from grace_actors.hygiene.reading import NotRegular
from grace_actors.hygiene.sets import DRAFT, Item, Sets, SnapshotSet
from grace_actors.hygiene.sources import Source
from grace_actors.stores import backups
from grace_actors.stores.backups import digest_of
from grace_actors.stores.files import failed, stamp, sync_directory
from grace_actors.version import __version__

ROUNDS = 3
"""How often the sources are looked for: a segment of a log may get another name meanwhile."""


_NO_WRITING = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE}
)
"""The copy could not be written; only copies are."""


_HEADER = b"SQLite format 3\0"


class Damaged(Exception):
    """A source cannot be copied as something sound; says why."""


@dataclass(slots=True)
class Taker:
    """One run. `earlier` are the sets that can be read, newest first; an item of them is trusted after its checksum was
    compared again."""

    sets: Sets
    earlier: list[SnapshotSet]
    draft: Path
    items: dict[str, Item] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def take(self, id: str, wall: float, reason: str) -> SnapshotSet:
        """The new set, under its name. Raises WorldFailed when the disk refuses; then nothing has changed."""
        try:
            self.draft.mkdir(mode=0o700)
            self._all()
            number = max((one.number for one in self.earlier), default=0) + 1
            ordered = tuple(self.items[path] for path in sorted(self.items))
            record = SnapshotSet(
                id=id,
                number=number,
                at=wall,
                version=__version__,
                reason=reason,
                items=ordered,
                problems=dict(sorted(self.problems.items())),
                skipped=dict(sorted(self.skipped.items())),
            )
            if not any(item.is_here for item in ordered):
                raise WorldFailed(
                    f"{self.sets.home} has nothing sound to copy", hint="see the problems of the last set"
                )
            self._name(record)
        except OSError as error:
            raise failed(self.draft, error) from error
        finally:
            shutil.rmtree(self.draft, ignore_errors=True)
        return record

    def _name(self, record: SnapshotSet) -> None:
        """Read everything back, then let it be a set."""
        sets.write(self.draft, record, self.sets.digests)
        if found := self.sets.problems_of(self.draft, record.id):
            raise WorldFailed(f"the copies are not what was written: {found[0]}", hint="look at the disk")
        self.draft.rename(self.sets.directory / record.id)
        sync_directory(self.sets.directory)

    # ---- all files ----------------------------------------------------------------------------------

    def _all(self) -> None:
        for _ in range(ROUNDS):
            found = sources.find(self.sets.home)
            vanished = [one.path for one in found.sources if one.path not in self.items and not self._took(one)]
            if not vanished:
                break
        for path in vanished:
            self._keep(path, "it is missing")
        for path, problem in found.problems.items():
            self._keep(path, problem)
        before = {item.path for one in self.earlier[:1] for item in one.items if item.how != "lost"}
        folders = {plan.place_of(path).rpartition("/")[0] for path in before if path.partition("/")[0] != "tree"}
        there = [folder for folder in folders if (self.sets.home / folder).is_dir()]
        for path in plan.missing(before, self.items.keys(), there):
            self._keep(path, "it is missing")
        self.problems = {**found.gaps, **self.problems}
        self.skipped |= found.skipped

    def _took(self, source: Source) -> bool:
        """Put one file into the set, or what stands for it; False when it is gone."""
        target = self.draft / source.path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            if source.is_store and source.path.split("/")[1] in sources.OWNERS_KEEP:
                self._refer(source, target)
            else:
                item = self._copied(source, target)
                self.items[source.path] = self._shared(item, target, source.copies)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            if not source.sha256:
                return False
            self._keep(source.path, "it is missing", source.copies)
        except (Damaged, NotRegular) as damage:
            target.unlink(missing_ok=True)
            self._keep(source.path, str(damage), source.copies)
        return True

    # ---- one file -----------------------------------------------------------------------------------

    def _copied(self, source: Source, target: Path) -> Item:
        """A sound copy at `target`. Raises FileNotFoundError, Damaged; OSError when the disk refuses."""
        info = source.origin.lstat()
        self.sets.room(info.st_size)
        if source.is_store:
            self._backup(source.origin, target)
            return self._item(source.path, target, digest_of(target), info.st_mode)
        if source.judge is None:
            return self._item(source.path, target, self._stream(source, target), info.st_mode)
        try:
            data = reading.content(source.origin, most_bytes=source.most_bytes)
        except ValueError as error:
            raise Damaged(str(error)) from error
        except (FileNotFoundError, NotRegular):
            raise
        except OSError as error:
            raise Damaged(f"cannot be read: {error.strerror}") from error
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self._known(source.path):  # else it was found sound before
            verdict = source.judge(data)
            if verdict.problem:
                raise Damaged(verdict.problem)
            data = data[: verdict.length]
            sha256 = hashlib.sha256(data).hexdigest()
        write(target, [data])
        return self._item(source.path, target, sha256, info.st_mode)

    def _stream(self, source: Source, target: Path) -> str:
        """Copy an artefact, which has to have the checksum of its manifest. One that is copied already is only read."""
        if any(self.sets.digests.is_it(copy, source.sha256) for copy in self._candidates(source.path, source.copies)):
            if not self.sets.digests.is_it(source.origin, source.sha256):
                raise Damaged("it is not what its manifest says")
            return source.sha256
        digest = hashlib.sha256()
        write(target, _hashed(source.origin, digest.update))
        if digest.hexdigest() != source.sha256:
            raise Damaged("it is not what its manifest says")
        return source.sha256

    def _backup(self, origin: Path, target: Path) -> None:
        """An online backup that SQLite found sound."""
        connection = None
        with reading.opened(origin) as file:  # SQLite takes a short file for an empty database
            if file.read(len(_HEADER)) != _HEADER:
                raise Damaged("it is no database")
        try:
            connection = open_to_read(origin)
            backups.copy_checked(connection, target)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) in _NO_WRITING:
                raise WorldFailed(f"{origin.name} cannot be copied: {error}", hint="look at the disk") from error
            raise Damaged(str(error)) from error
        finally:
            if connection is not None:
                connection.close()
        with target.open("rb") as file:
            os.fsync(file.fileno())

    def _item(self, path: str, target: Path, sha256: str, mode: int) -> Item:
        if target.exists():
            target.chmod(0o600)
        return Item(path=path, how="copied", sha256=sha256, bytes=_size(target), mode=mode & 0o777)

    def _shared(self, item: Item, target: Path, copies: Iterable[Path]) -> Item:
        """Where an equal copy is on this disk, link to it: a file that does not change costs its space once."""
        for copy in self._candidates(item.path, copies):
            if copy.is_file() and self.sets.digests.is_it(copy, item.sha256) and _link(copy, target):
                return replace(item, how="linked", bytes=_size(target))
        if not target.exists():
            raise WorldFailed(f"no copy of {item.path} can be linked to", hint="the home must be on one disk")
        return item

    def _refer(self, source: Source, target: Path) -> None:
        """Name the newest snapshot its owner keeps, after the store itself was found sound."""
        self._copied(source, target)
        target.unlink()
        if source.copies:
            self.items[source.path] = self._reference(source.path, source.copies[0])
        else:
            self.items[source.path] = Item(path=source.path, how="lost")
            self.skipped[source.path] = "its owner keeps the copies itself, and has none yet"

    def _reference(self, path: str, copy: Path) -> Item:
        where, sha256 = str(copy.relative_to(self.sets.home)), self.sets.digests.of(copy)
        return Item(path=path, how="referenced", sha256=sha256, bytes=_size(copy), copy=where)

    def _keep(self, path: str, problem: str, copies: Iterable[Path] = ()) -> None:
        """The last good copy of what is damaged at its source."""
        self.problems[path] = problem
        self.items[path] = Item(path=path, how="lost")
        target = self.draft / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in self.earlier:
            for item in one.items:
                copy = self.sets.copy_of(one.id, item)
                if item.path != path or not self.sets.digests.is_it(copy, item.sha256):
                    continue
                if item.is_here and _link(copy, target):
                    self.items[path] = replace(item, how="kept")
                    return
                if item.how == "referenced":
                    self.items[path] = item
                    return
        if path.startswith("stores/"):
            self._keep_snapshot(path, target, copies)

    def _keep_snapshot(self, path: str, target: Path, copies: Iterable[Path]) -> None:
        """No set has it: the newest valid snapshot of the store itself."""
        for copy in copies:
            if path.split("/")[1] in sources.OWNERS_KEEP:
                self.items[path] = self._reference(path, copy)
            elif _link(copy, target):
                self.items[path] = Item(path=path, how="kept", sha256=self.sets.digests.of(copy), bytes=_size(copy))

    # ---- what there is already ----------------------------------------------------------------------

    def _candidates(self, path: str, copies: Iterable[Path]) -> Iterator[Path]:
        yield from copies
        for one in self.earlier[:1]:
            yield from (self.sets.copy_of(one.id, item) for item in one.items if item.path == path and item.is_here)

    def _known(self, path: str) -> set[str]:
        return {item.sha256 for one in self.earlier[:1] for item in one.items if item.path == path}


def draft_of(store: Sets, wall: float) -> tuple[str, Path]:
    """A name for a new set that no other has, and where it is built."""
    taken = set(store.ids())
    id = stamp(wall)
    while id in taken:
        wall += 1e-3
        id = stamp(wall)
    return id, store.directory / f"{DRAFT}{id}"


def write(target: Path, pieces: Iterable[bytes]) -> None:
    """A new file, durably. Raises OSError."""
    with target.open("xb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _hashed(path: Path, update: Callable[[bytes], object]) -> Iterator[bytes]:
    """The bytes of a file. Raises FileNotFoundError, NotRegular; Damaged when the disk does not give them."""
    try:
        for piece in reading.pieces(path):
            update(piece)
            yield piece
    except (FileNotFoundError, NotRegular):
        raise
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror}") from error


def _link(copy: Path, target: Path) -> bool:
    """Let `target` be the same file as `copy`; False where the disk has no such links."""
    draft = target.with_name(f"{target.name}.link")
    with contextlib.suppress(OSError):
        os.link(copy, draft, follow_symlinks=False)
        draft.replace(target)
        return True
    draft.unlink(missing_ok=True)
    return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
