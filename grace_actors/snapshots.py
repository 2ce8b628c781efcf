"""Snapshots of kernels on disk: one file per kernel, with the last valid one before it kept beside.

A file is a magic, a format version, the SHA-256 of the body and the body in msgpack. Knows nothing of kernels.
Invariant: at every instant, also inside `save`, the newest snapshot that was completely stored can be loaded;
bad content is an answer, never an exception.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from grace_actors.stores.files import failed, replace

MAGIC = b"GRACESNP"
VERSION = 1
_HEADER_BYTES = len(MAGIC) + 1 + 32
SUFFIX = ".snap"
PREVIOUS = ".prev.snap"

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found. `error` is empty when the newest file was good or there is none at all."""

    state: Data | None
    restored_from_previous: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One snapshot file. `at` is Unix time in seconds; `error` is empty when the file is valid."""

    name: str
    file: Path
    at: float
    size: int
    sha256: str
    error: str

    @property
    def previous(self) -> bool:
        return self.file.name.endswith(PREVIOUS)


def save(directory: Path, name: str, state: Data) -> None:
    """Store `state` durably as the newest snapshot of `name`. Raises StoreFailed (then nothing has changed),
    TypeError when the state is not plain data."""
    content = encode(state)
    current = path_of(directory, name)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep_previous(current, directory / f"{name}{PREVIOUS}")
    except OSError as error:
        raise failed(current, error) from error
    replace(current, content)


def load(directory: Path, name: str) -> Loaded:
    """The newest valid snapshot of `name`: the current one, else the previous one, else none."""
    current, error = read(path_of(directory, name))
    if current is not None:
        return Loaded(current)
    previous, _ = read(directory / f"{name}{PREVIOUS}")
    if previous is not None:
        return Loaded(previous, restored_from_previous=True, error=error or "the newest snapshot is missing")
    return Loaded(None, error=error)


def path_of(directory: Path, name: str) -> Path:
    """Where the newest snapshot of `name` is."""
    return directory / f"{name}{SUFFIX}"


def list_all(directory: Path) -> list[Entry]:
    """Every snapshot file of the directory, verified, ordered by file name."""
    return [inspect(file) for file in sorted(directory.glob(f"*{SUFFIX}")) if not file.name.startswith(".")]


def verify(directory: Path, name: str) -> list[Entry]:
    """The files of one kernel, newest first; empty when it has none."""
    files = (path_of(directory, name), directory / f"{name}{PREVIOUS}")
    return [inspect(file) for file in files if file.exists()]


def inspect(file: Path) -> Entry:
    """What a snapshot file is and whether it is valid."""
    name = file.name.removesuffix(PREVIOUS).removesuffix(SUFFIX)
    _, error = read(file)
    try:
        info, digest = file.stat(), hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as trouble:
        return Entry(name, file, 0.0, 0, "", f"{file.name} cannot be read: {trouble.strerror}")
    return Entry(name, file, info.st_mtime, info.st_size, digest, error)


def read(file: Path) -> tuple[Data | None, str]:
    """The state in a file and an empty text, or None and why not; a missing file is None and an empty text."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"{file.name} cannot be read: {error.strerror}"
    try:
        return decode(content), ""
    except ValueError as error:
        return None, f"{file.name} is damaged: {error}"


def encode(state: Data) -> bytes:
    """The bytes of a snapshot file. Raises TypeError when the state is not plain data."""
    body: bytes = msgpack.packb(state)
    return MAGIC + bytes([VERSION]) + hashlib.sha256(body).digest() + body


def decode(content: bytes) -> Data:
    """The state in the bytes of a snapshot file. Raises ValueError saying what is wrong."""
    if not content.startswith(MAGIC) or len(content) < _HEADER_BYTES:
        raise ValueError(f"no snapshot header in {len(content)} bytes")
    if content[len(MAGIC)] != VERSION:
        raise ValueError(f"format version {content[len(MAGIC)]}, readable is {VERSION}")
    body = content[_HEADER_BYTES:]
    if hashlib.sha256(body).digest() != content[len(MAGIC) + 1 : _HEADER_BYTES]:
        raise ValueError(f"the checksum does not match the {len(body)} bytes of content")
    try:
        state = msgpack.unpackb(body, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"content cannot be unpacked: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(f"content is {type(state).__name__}, not a mapping")
    return state


def _keep_previous(current: Path, previous: Path) -> None:
    """Let `previous` be what `current` is now, unless that is damaged. A hard link keeps `current` in place
    meanwhile, so a crash at any point leaves a loadable file. Raises OSError."""
    if read(current)[0] is None:
        return
    draft = previous.with_name(f".{previous.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    os.link(current, draft)
    draft.replace(previous)
    # rename(2) does nothing when both names are already the same file.
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
