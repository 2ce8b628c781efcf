"""Checksummed snapshots of a SQLite file: taken by online backup, verified, pruned, put back.

A snapshot is `<stamp>.db` with `<stamp>.db.sha256` beside it; without a matching checksum it does not exist.
Knows nothing of the store that owns it. Invariant: a damaged database never becomes a snapshot and a damaged
snapshot is never restored.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grace_actors.errors import StoreFailed
from grace_actors.stores.files import failed, replace, stamp, sync_directory
from grace_actors.stores.search_index import file_problem

KEPT = 5
SIDECAR = ".sha256"


@dataclass(frozen=True, slots=True)
class Backup:
    """A valid snapshot. `at` is Unix time in seconds of its completion."""

    file: Path
    at: float
    sha256: str


def take(source: sqlite3.Connection, directory: Path, wall: float) -> Path:
    """Copy the database and keep the newest KEPT. Raises StoreFailed when the disk refuses,
    sqlite3.DatabaseError when the source is damaged."""
    file = directory / f"{stamp(wall)}.db"
    draft = directory / f".{file.name}.{os.getpid()}.tmp"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        copy_checked(source, draft)
        digest = _digest_and_sync(draft)
        draft.replace(file)
        replace(file.with_name(file.name + SIDECAR), f"{digest}  {file.name}\n".encode())
    except OSError as error:
        raise failed(directory, error) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    prune(directory, keep=KEPT)
    return file


def valid(directory: Path) -> Iterator[Backup]:
    """The snapshots whose checksum is right, newest first; each is checked when it is asked for."""
    for file in sorted(directory.glob("*.db"), reverse=True):
        with contextlib.suppress(OSError):
            expected = file.with_name(file.name + SIDECAR).read_text("ascii", errors="replace")[:64]
            if digest_of(file) == expected:
                yield Backup(file, file.stat().st_mtime, expected)


def newest(directory: Path) -> Backup | None:
    """The newest valid snapshot."""
    return next(valid(directory), None)


def restore(snapshot: Backup, path: Path) -> None:
    """Put a copy of the snapshot at `path` in one step. Raises StoreFailed."""
    try:
        content = snapshot.file.read_bytes()
    except OSError as error:
        raise failed(snapshot.file, error) from error
    if hashlib.sha256(content).hexdigest() != snapshot.sha256:
        raise StoreFailed(f"{snapshot.file} changed while it was restored", hint="try again")
    replace(path, content)


def copy_checked(source: sqlite3.Connection, draft: Path) -> None:
    """An online backup into a new file, which SQLite found sound. Raises sqlite3.DatabaseError when it did not."""
    copy = sqlite3.connect(draft)
    try:
        # The digest and one fsync at the end decide whether the copy counts: no fsyncs on the way.
        copy.execute("PRAGMA synchronous=OFF")
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        if found := file_problem(copy):
            error = sqlite3.DatabaseError(found)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
    finally:
        copy.close()


def _digest_and_sync(file: Path) -> str:
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_directory(file.parent)
    return digest_of(file)


def digest_of(file: Path) -> str:
    """The SHA-256 of a file's bytes. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def prune(directory: Path, *, keep: int) -> None:
    """Delete all snapshots but the newest `keep`."""
    for old in sorted(directory.glob("*.db"))[:-keep]:
        with contextlib.suppress(OSError):
            old.unlink()
            old.with_name(old.name + SIDECAR).unlink(missing_ok=True)
