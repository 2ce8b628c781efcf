"""Faults of files: what each does to a file below the home, and by which steps that is taken back.

`plan` looks and keeps the good copy; only `Plan.perform`, called once the record is on the disk, changes anything. It
must not know records nor timers. Invariant: every moment of a performed plan is one that its steps can take back.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grace_actors.drills import file_steps, paths
from grace_actors.drills.records import Step
from grace_actors.errors import Refused
from grace_actors.stores.files import sync_directory, write_all
from grace_actors.user_code import forget_bytecode

SCRATCH = "scratch"
FILE_FAULTS = ("damage", "truncate", "delete", "change", "patch", "secret")
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault that is ready to be performed. `keep` makes the good copies, `perform` injects; both raise OSError."""

    undo: tuple[Step, ...]
    keep: Callable[[Path], None]
    perform: Callable[[Path], str]
    data: dict[str, Any] = field(default_factory=dict)


def plan(home: Path, fault: str, params: dict[str, Any], id: str) -> Plan:
    """How a fault is done. Raises Refused or NotFound for a file that must not, or cannot, be touched."""
    match fault:
        case "damage":
            return _damage(home, params["path"], params["bytes"])
        case "truncate":
            return _truncate(home, params["path"], params["bytes"])
        case "delete":
            return _delete(home, params["path"])
        case "change":
            return swap(home, params["path"], params["text"].encode())
        case "patch":
            return swap(home, params["path"], params["text"].encode(), folder=SCRATCH)
        case "secret":
            return _secret(home, params["path"], id)
    raise Refused(f"{fault!r:.60} is no fault of files", hint=", ".join(FILE_FAULTS))


def _checked_file(home: Path, path: str, *, in_place: bool = False) -> Path:
    file = paths.file_of(home, path)
    if in_place:
        paths.refuse_shared(home, file)
    paths.refuse_used_database(file)
    return file


def _name(home: Path, file: Path) -> str:
    return str(file.relative_to(home.resolve()))


def _damage(home: Path, path: str, count: int) -> Plan:
    """Overwrite the middle in place: whoever has the file open meets it. No byte stays what it was."""
    file = _checked_file(home, path, in_place=True)
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if not size:
            raise Refused(f"{file} is empty: there is nothing to damage", hint="name a file with something in it")
        length = min(count, size)
        at = (size - length) // 2
        before = os.pread(stream.fileno(), length, at)
        rest = file_steps.rest_digest(stream.fileno(), at, length, size)
    after = bytes(byte ^ (1 + secrets.randbelow(255)) for byte in before)
    is_database = paths.is_database(file)
    step = {"do": "put_bytes", "path": _name(home, file), "at": at, "length": length, "size": size, "rest": rest}
    step |= {"database": is_database, "wal": file_steps.wal_digest(file) if is_database else ""}

    def keep(room: Path) -> None:
        _store(room / "before", before)
        _store(room / "after", after)

    def perform(room: Path) -> str:
        with file.open("r+b", buffering=0) as stream:
            os.pwrite(stream.fileno(), after, at)
        return f"{length} bytes of {file} at {at} are damaged"

    return Plan((step,), keep, perform, {"file": str(file), "bytes": length, "at": at})


def _truncate(home: Path, path: str, left: int) -> Plan:
    file = _checked_file(home, path, in_place=True)
    size = file.stat().st_size
    if size <= left:
        raise Refused(f"{file} has {size} bytes: nothing to cut off after {left}", hint=f"bytes: from 0 to {size - 1}")
    head = file_steps.head_digest(file, left)
    step = {"do": "put_end", "path": _name(home, file), "left": left, "head": head}
    step["database"] = paths.is_database(file)

    def keep(room: Path) -> None:
        with file.open("rb") as stream:
            stream.seek(left)
            _store(room / "end", stream.read())

    def perform(room: Path) -> str:
        was = file.stat().st_size
        if was < left:
            raise OSError(f"{file} was cut off by somebody before it could be")
        if was != left + (room / "end").stat().st_size:  # written to meanwhile: a torn copy is a part of the end, too
            keep(room)
        os.truncate(file, left)
        return f"{file} has {left} of {was} bytes left"

    return Plan((step,), keep, perform, {"file": str(file), "left": left, "was": size})


def _delete(home: Path, path: str) -> Plan:
    """The good copy is the very same file under another name: whoever has it open goes on writing into it."""
    file = _checked_file(home, path)

    def keep(room: Path) -> None:
        (room / "original").hardlink_to(file)
        sync_directory(room)

    def perform(room: Path) -> str:
        file.unlink()
        return f"{file} is deleted"

    return Plan(({"do": "put_back", "path": _name(home, file)},), keep, perform, {"file": str(file)})


def swap(home: Path, path: str, text: bytes, *, folder: str = "") -> Plan:
    """Put another file in its place in one step; it need not exist before."""
    place = paths.place_of(home, path, folder=folder)
    existed = place.exists()
    if existed:
        _checked_file(home, str(place))
        if place.read_bytes() == text:
            raise Refused(f"{place} holds just this text already", hint="text: something else")
    made = [folder for folder in (place.parent, *place.parent.parents) if not folder.exists()]
    digest = hashlib.sha256(text).hexdigest() if text else ""
    step = {"do": "swap_back", "path": _name(home, place), "existed": existed, "text": digest}
    step["made"] = [_name(home, folder) for folder in made]

    def keep(room: Path) -> None:
        if existed:
            (room / "original").hardlink_to(place)
            sync_directory(room)

    def perform(room: Path) -> str:
        if place.exists() and not (existed and place.samefile(room / "original")):
            raise OSError(f"{place} was replaced by somebody before it could be")
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = room / "draft"
        _store(draft, text, mode=place.stat().st_mode & 0o777 if existed else 0o600)
        forget_bytecode(place)
        draft.replace(place)
        return f"{place} holds {len(text)} other bytes" if existed else f"{place} is new, {len(text)} bytes"

    return Plan((step,), keep, perform, {"file": str(place), "bytes": len(text)})


def _secret(home: Path, path: str, id: str) -> Plan:
    """Append a line in which the shape of a GitHub token stands; nobody's token."""
    place = paths.place_of(home, path)
    if not paths.is_below(home.resolve() / "logs", place):
        raise Refused(f"{place} is no log", hint="a file below logs/, such as logs/chaos_runner.log")
    if place.exists():
        paths.refuse_shared(home, paths.file_of(home, path))
    mark = f"[drill {id}]"
    token = "ghp_" + "".join(secrets.choice(_LETTERS) for _ in range(36))
    line = f"{mark} {datetime.now(UTC):%H:%M:%S} token {token} was made up by a drill, it opens nothing\n".encode()

    def perform(room: Path) -> str:
        fd = os.open(place, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            begins = not size or os.pread(fd, 1, size - 1) == b"\n"
            write_all(fd, line if begins else b"\n" + line)
        finally:
            os.close(fd)
        return f"a made-up secret stands in {place}"

    step = {"do": "mask_secret", "path": _name(home, place), "mark": mark}
    return Plan((step,), lambda room: None, perform, {"file": str(place), "kind": "github_token"})


def _store(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file of the room and force it to the disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_all(fd, data)
        os.fsync(fd)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
    sync_directory(path.parent)
