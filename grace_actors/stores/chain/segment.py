"""One segment of the chained log: its file, and the seal that says what a complete one contains.

Reads and writes files of one directory; must not know the order of segments or where copies are kept.
Invariant: a seal that does not match the bytes of its segment is as good as no seal.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from grace_actors.errors import StoreFailed
from grace_actors.stores.chain import frames
from grace_actors.stores.files import replace as replace_file

_PIECE_BYTES = 4096
PLAIN, PACKED, SEAL = ".log", ".log.gz", ".seal"


@dataclass(frozen=True, slots=True)
class Segment:
    """What is known of a segment. `first` numbers its first record, `previous` and `last` are the hashes before
    and after its records, `size` and `sha256` are of the unpacked bytes. `damage` says what is missing from it."""

    path: Path
    first: int
    previous: bytes
    count: int
    size: int
    last: bytes
    sha256: str = ""
    damage: str = ""

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def packed(self) -> bool:
        return self.path.name.endswith(PACKED)


def file_name(first: int) -> str:
    """The plain file of the segment that starts with this record."""
    return f"{first:012d}{PLAIN}"


def name_of(path: Path) -> str:
    """The segment's name without the ending of the file."""
    return path.name.split(".", 1)[0]


def files(directory: Path) -> list[Path]:
    """The segment files of a directory in order; a packed one hides a plain one of the same name, whose removal
    was interrupted."""
    found: dict[str, Path] = {}
    for ending in (PLAIN, PACKED):
        found |= {name_of(path): path for path in directory.glob(f"*{ending}") if name_of(path).isdigit()}
    return [found[name] for name in sorted(found)]


def content(path: Path) -> bytes:
    """The unpacked bytes of a segment; of damaged compression those before the damage. Raises OSError."""
    return unpacked(path.read_bytes(), is_packed=path.name.endswith(PACKED))


def unpacked(data: bytes, *, is_packed: bool) -> bytes:
    """The same for bytes that were read already."""
    if not is_packed:
        return data
    unpacker, parts = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), []
    with contextlib.suppress(zlib.error):
        for at in range(0, len(data), _PIECE_BYTES):
            parts.append(unpacker.decompress(data[at : at + _PIECE_BYTES]))  # noqa: PERF401 - the last piece may raise
    return b"".join(parts)


def examine(path: Path, data: bytes) -> tuple[Segment, frames.Walk]:
    """Walk the bytes of a segment file; an unreadable header gives a segment of no records."""
    first = int(name_of(path))
    try:
        head = frames.parse_header(data)
        if head.first != first:
            raise ValueError(f"the header names record {head.first}")
    except ValueError as error:
        torn = len(data) < frames.HEADER_BYTES
        return Segment(path, first, b"", 0, 0, b""), frames.Walk([], 0, b"", str(error), torn=torn)
    found = frames.walk(data, frames.HEADER_BYTES, head.previous)
    return Segment(path, first, head.previous, len(found.spans), found.end, found.last), found


def seal(segment: Segment, data: bytes) -> Segment:
    """Write the seal of a complete segment. Raises StoreFailed."""
    sealed = replace(segment, sha256=hashlib.sha256(data).hexdigest())
    found: dict[str, Any] = asdict(sealed) | {"previous": sealed.previous.hex(), "last": sealed.last.hex()}
    del found["path"]
    replace_file(_seal_of(segment.path), json.dumps(found, indent=1).encode())
    return sealed


def read_seal(path: Path) -> Segment | None:
    """The segment as its seal describes it; None when the seal is missing, damaged or of other bytes (by size)."""
    try:
        found = json.loads(_seal_of(path).read_bytes())
        found["previous"], found["last"] = bytes.fromhex(found["previous"]), bytes.fromhex(found["last"])
        segment = Segment(path=path, **found)
        is_whole = segment.packed or path.stat().st_size == segment.size
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return segment if is_whole and segment.first == int(name_of(path)) else None


def matches(segment: Segment, data: bytes) -> bool:
    """Whether these are the bytes the seal was made for."""
    return hashlib.sha256(data).hexdigest() == segment.sha256


def pack(segment: Segment) -> Segment:
    """Replace a sealed plain segment by its compressed form. Raises StoreFailed when it cannot be read, does not
    match its seal, or the disk refuses; then the plain one stays."""
    try:
        data = segment.path.read_bytes()
    except OSError as error:
        raise StoreFailed(f"{segment.path} cannot be read: {error.strerror}") from error
    if not matches(segment, data):
        raise StoreFailed(f"{segment.path} does not match its seal", hint="run verify; it is restored from its copy")
    packed = segment.path.with_name(segment.name + PACKED)
    replace_file(packed, gzip.compress(data, compresslevel=1, mtime=0))
    segment.path.unlink(missing_ok=True)
    return replace(segment, path=packed)


def _seal_of(path: Path) -> Path:
    return path.with_name(name_of(path) + SEAL)
