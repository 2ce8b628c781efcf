"""Files that are whole or absent: durable replacement, quarantine, and what an OS error means for a store.

Knows paths and bytes; must not know what a file contains or who owns it.
Invariant: a reader of a path written by `replace` sees the old bytes or the new ones, also after a power cut,
and nothing is ever deleted because it is damaged: it is moved aside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

from grace_actors.errors import StoreFailed

KEPT_IN_QUARANTINE = 10
"""Per store, so that a disk that damages files again and again is not filled by the evidence."""

_HINTS = {
    errno.ENOSPC: "the disk is full: free space; nothing stored before is lost and writing goes on by itself",
    errno.EDQUOT: "the disk quota is used up: free space; nothing stored before is lost and writing goes on by itself",
    errno.EFBIG: "the file size limit of this process is reached: raise `ulimit -f`",
    errno.EROFS: "the file system is read-only: remount it writable",
    errno.EACCES: "give this user write permission on the directory",
    errno.EPERM: "give this user write permission on the directory",
}


def failed(path: Path, error: OSError) -> StoreFailed:
    """The StoreFailed that says what the OS refused for `path`, and what to do."""
    hint = _HINTS.get(error.errno or 0, "look at the disk and the permissions of the home")
    return StoreFailed(f"{path} cannot be written: {error.strerror or error}", hint=hint)


def stamp(wall: float) -> str:
    """A file name part that sorts by time, in UTC with microseconds."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def sync_directory(directory: Path) -> None:
    """Make renames and new names in `directory` survive a power cut. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; a short write is continued. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def replace(path: Path, data: bytes, *, mode: int = 0o600, like: os.stat_result | None = None) -> None:
    """Put `data` at `path` in one step, durably. With `like` it has those permissions and, where we are root, that
    owner. Raises StoreFailed; then `path` is as it was."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            write_all(fd, data)
            if like is not None:
                if os.geteuid() == 0:
                    os.fchown(fd, like.st_uid, like.st_gid)
                os.fchmod(fd, stat.S_IMODE(like.st_mode))
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise failed(path, error) from error


def quarantine(
    home: Path, name: str, paths: list[Path], wall: float, *, keep: bool = False, below: Path | None = None
) -> Path:
    """Move the files that exist to `home/quarantine/<name>-<stamp>/` and answer that directory. With `keep` they
    stay where they are as well, until the caller replaces them. With `below` each keeps its path below that folder.
    Raises StoreFailed when the disk refuses."""
    target = home / "quarantine" / f"{name}-{stamp(wall)}"
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in paths:
            kept = target / (path.relative_to(below) if below else path.name)
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists() and keep:
                _copy(path, kept)
            elif path.exists():
                path.replace(kept)
    except OSError as error:
        with contextlib.suppress(OSError):
            target.rmdir()  # an empty one is no evidence, and whoever tries again makes another
        raise failed(target, error) from error
    _prune(target.parent, name)
    return target


def _copy(path: Path, kept: Path) -> None:
    """A second name is enough, but not for a file of another user, nor on another disk. Raises OSError."""
    try:
        kept.hardlink_to(path)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(path, kept)


def _prune(directory: Path, name: str) -> None:
    prefix_length = len(name) + 1
    mine = sorted(d for d in directory.glob(f"{name}-*") if d.name[prefix_length:][:1].isdigit())
    for old in mine[:-KEPT_IN_QUARANTINE]:
        shutil.rmtree(old, ignore_errors=True)
