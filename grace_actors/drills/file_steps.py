"""Takes back what was done to files: each step looks at what is there now and restores only what still is damaged.

A step is plain data and may be done again at any time. It must not overwrite what a repair or a writer has put there:
that is left as it is and said. Invariant: after a step the file is as it was before the fault, or as somebody made it
since; a step that was cut off is finished by doing it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grace_actors.drills import paths
from grace_actors.drills.records import Step
from grace_actors.stores.files import sync_directory, write_all
from grace_actors.user_code import forget_bytecode

SECRET = re.compile(rb"ghp_[A-Za-z0-9]{36}")
_SLICE = 1 << 20


class NotUndone(Exception):
    """A step that could not be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a step found. `is_left`: somebody has changed the file since, so that it stays, and so does the copy."""

    said: str
    is_left: bool = False


def target(home: Path, step: Step) -> Path:
    """The file of a step. Raises NotUndone when it leads outside the home by now."""
    root = home.resolve()
    path = root / str(step["path"])
    with contextlib.suppress(OSError, RuntimeError):
        if paths.is_below(root, path.parent.resolve() / path.name):
            return path
    raise NotUndone(f"{path} leads outside the home by now")


def put_bytes(home: Path, kept: Path, step: Step) -> Found:
    """Put a part of a file back that was overwritten in place. What was appended since stays."""
    path, at = target(home, step), int(step["at"])
    before, after = (kept / "before").read_bytes(), (kept / "after").read_bytes()
    with _opened(path) as fd:
        if fd is None:
            return Found(f"{path} is gone: somebody has replaced or deleted it", is_left=True)
        now = os.pread(fd, len(before), at)
        if now == before:
            return Found(f"{path} is as it was")
        if not _is_mixed(now, before, after) or _rest(fd, step) != step["rest"]:
            return Found(f"{path} was changed since: it stays as it is", is_left=True)
        if step["database"]:
            if os.fstat(fd).st_size != step["size"] or wal_digest(path) != step["wal"]:
                return Found(f"{path} was written since: it stays as it is", is_left=True)
            _refuse_used(path)
        os.pwrite(fd, before, at)
        os.fsync(fd)
    return Found(f"{path}: {len(before)} bytes are back")


def _is_mixed(now: bytes, before: bytes, after: bytes) -> bool:
    """Whether every byte is the good or the bad one: an injection or undoing may have been cut off."""
    return len(now) == len(before) and all(a in (b, c) for a, b, c in zip(now, before, after, strict=True))


def _rest(fd: int, step: Step) -> str:
    return rest_digest(fd, int(step["at"]), int(step["length"]), int(step["size"]))


def rest_digest(fd: int, at: int, length: int, size: int) -> str:
    """The checksum of a file of `size` bytes without the part that is overwritten."""
    return _digest(fd, [(0, at), (at + length, size)])


def put_end(home: Path, kept: Path, step: Step) -> Found:
    """Give a file that was cut off its end again, unless something else was written there."""
    path, left = target(home, step), int(step["left"])
    end = (kept / "end").read_bytes()
    with _opened(path, os.O_APPEND) as fd:
        if fd is None:
            return Found(f"{path} is gone: somebody has replaced or deleted it", is_left=True)
        if _digest(fd, [(0, left)]) != step["head"] or os.fstat(fd).st_size < left:
            return Found(f"{path} was changed since: it stays as it is", is_left=True)
        now = os.pread(fd, len(end) + 1, left)
        if now[: len(end)] == end:
            return Found(f"{path} is as it was")
        if not end.startswith(now):
            return Found(f"{path} was written since: it stays as it is", is_left=True)
        if step["database"]:
            _refuse_used(path)
        write_all(fd, end[len(now) :])  # at the end, wherever that is: a writer's line is never overwritten
        os.fsync(fd)
    return Found(f"{path}: {len(end) - len(now)} bytes are back")


def put_back(home: Path, kept: Path, step: Step) -> Found:
    """Put a deleted file back, the very same, unless there is another one by now."""
    path, original = target(home, step), kept / "original"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # somebody made one at this moment: theirs stays
            path.hardlink_to(original)
            sync_directory(path.parent)
            return Found(f"{path} is back")
    if path.samefile(original):
        return Found(f"{path} is as it was")
    return Found(f"{path} was made anew: it stays as it is", is_left=True)


def swap_back(home: Path, kept: Path, step: Step) -> Found:
    """Put the file back that another one stood in for, or take away one that had not been there."""
    path, original = target(home, step), kept / "original"
    forget_bytecode(path)
    if step["existed"] and path.exists() and path.samefile(original):
        return Found(f"{path} is as it was")
    if not path.exists():
        _remove_made(home, step)
        return Found(f"{path} is gone", is_left=bool(step["existed"]))
    if digest_of(path) != step["text"]:
        return Found(f"{path} was changed since: it stays as it is", is_left=True)
    if step["existed"]:
        back = kept / "back"
        back.unlink(missing_ok=True)
        back.hardlink_to(original)
        back.replace(path)
    else:
        path.unlink()
        _remove_made(home, step)
    if path.parent.is_dir():
        sync_directory(path.parent)
    return Found(f"{path} is {'back' if step['existed'] else 'gone again'}")


def _remove_made(home: Path, step: Step) -> None:
    """The directories that were made for the file, the innermost first, if nobody uses them."""
    for made in step["made"]:
        for folder in (home / made / "__pycache__", home / made):
            with contextlib.suppress(OSError):
                folder.rmdir()


def mask_secret(home: Path, kept: Path, step: Step) -> Found:
    """Overwrite the made-up secret in the line that was written, as `redact_log` would. The file keeps its size and
    every other byte: whoever writes or follows it goes on."""
    path = target(home, step)
    rotated = (other for other in path.parent.glob("*") if other.name.startswith(f"{path.name}."))
    for log in (path, *sorted(each for each in rotated if each.is_file() and not each.is_symlink())):
        with _opened(log) as fd:
            at = None if fd is None else _line_of(fd, str(step["mark"]).encode())
            if fd is None or at is None:
                continue
            line = os.pread(fd, 400, at)
            if match := SECRET.search(line.partition(b"\n")[0]):
                os.pwrite(fd, b"***".ljust(len(match[0])), at + match.start())
                os.fsync(fd)
                return Found(f"{log}: the made-up secret is gone")
            return Found(f"{log}: somebody has taken the made-up secret out")
    return Found(f"{path}: the line is not there")


def _line_of(fd: int, mark: bytes) -> int | None:
    """Where the line with a mark begins; the mark stands in its first bytes."""
    at, size = 0, os.fstat(fd).st_size
    while at < size:
        part = os.pread(fd, _SLICE + len(mark), at)
        if (found := part.find(mark)) >= 0:
            return at + found
        at += _SLICE
    return None


# ---- shared with the injection ------------------------------------------------------------------------


def digest_of(path: Path) -> str:
    """The checksum of a file; empty for one that is not there or has nothing in it."""
    with _opened(path) as fd:
        size = 0 if fd is None else os.fstat(fd).st_size
        return _digest(fd, [(0, size)]) if fd is not None and size else ""


def _digest(fd: int, spans: list[tuple[int, int]]) -> str:
    found = hashlib.sha256()
    for at, end in spans:
        while at < end and (part := os.pread(fd, min(_SLICE, end - at), at)):
            found.update(part)
            at += len(part)
    return found.hexdigest()


def head_digest(path: Path, size: int) -> str:
    """The checksum of the first bytes of a file."""
    with path.open("rb") as file:
        return _digest(file.fileno(), [(0, size)])


def wal_digest(path: Path) -> str:
    """The checksum of the write-ahead log of a database; empty when it has none."""
    return digest_of(path.with_name(f"{path.name}-wal"))


def _refuse_used(path: Path) -> None:
    if users := paths.moving_users(path, but=os.getpid()):
        raise NotUndone(f"{path} is a database in use by {users[0]}: stop its owner, then undo again")


@contextlib.contextmanager
def _opened(path: Path, more: int = 0) -> Iterator[int | None]:
    """A file for reading and writing, links not followed; None when there is none."""
    try:
        fd = os.open(path, os.O_RDWR | more | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
