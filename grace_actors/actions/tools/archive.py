"""Compresses log files nobody writes any more. A command: JSON in, JSON out.

A log is first moved into the archive, where no writer finds it, and removed only after its compressed copy was read
back and found equal, while nobody holds it open. Invariant: at every instant its lines are in the log, in the archive,
or in both; what a crash left uncompressed is compressed by the next run.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from grace_actors.stores.files import stamp, sync_directory

ROTATED = re.compile(r"\.log\.\d+$")


def candidates(order: Any) -> list[Path]:
    """Rotated logs, and logs that no process holds open, that are old or large enough."""
    held: set[tuple[int, int]] | None = None
    found = []
    for file in sorted(Path(order["logs"]).iterdir()):
        if file.is_symlink() or not file.is_file() or not (ROTATED.search(file.name) or file.suffix == ".log"):
            continue
        info = file.stat()
        is_large = 0 < order["larger_than_mb"] * 1e6 <= info.st_size
        if not info.st_size or (order["now"] - info.st_mtime < order["older_than_days"] * 86400 and not is_large):
            continue
        if held is None:
            held = held_open()
        if (info.st_dev, info.st_ino) not in held:
            found.append(file)
    return found


def held_open() -> set[tuple[int, int]]:
    """Device and inode of every file that a process holds open, as far as this user may know."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is somebody else's
            for name in os.listdir(process / "fd"):  # noqa: PTH208 - a process may end meanwhile
                with contextlib.suppress(OSError):
                    info = (process / "fd" / name).stat()
                    found.add((info.st_dev, info.st_ino))
    return found


def move(file: Path, archive: Path, now: float) -> None:
    """Take a log out of the way of writers: from here on nobody new can open it. Raises OSError."""
    archive.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # rotated away meanwhile
        file.rename(archive / f"{file.name}-{stamp(now)}")


def waiting(archive: Path) -> list[Path]:
    """What is in the archive and not yet compressed; not what somebody still writes."""
    if not archive.is_dir():
        return []
    plain = [file for file in sorted(archive.iterdir()) if file.is_file() and file.suffix not in (".gz", ".tmp")]
    held = held_open() if plain else set()
    return [file for file in plain if (file.stat().st_dev, file.stat().st_ino) not in held]


def compress(file: Path) -> dict[str, Any]:
    """Replace a file of the archive by its compressed copy. Raises OSError; then the file is still there."""
    target = file.with_name(f"{file.name}.gz")
    draft = file.with_name(f".{target.name}.{os.getpid()}.tmp")
    size = file.stat().st_size
    try:
        with file.open("rb") as source, gzip.open(draft, "wb") as packed:
            shutil.copyfileobj(source, packed)
        with file.open("rb") as source, gzip.open(draft, "rb") as packed:
            if hashlib.file_digest(source, "sha256").digest() != hashlib.file_digest(packed, "sha256").digest():
                raise OSError(f"{file.name} changed while it was compressed")
        draft.chmod(0o600)
        with draft.open("rb") as packed:
            os.fsync(packed.fileno())
        draft.replace(target)
        sync_directory(file.parent)
        file.unlink()
    finally:
        draft.unlink(missing_ok=True)
    return {"log": file.name.rpartition("-")[0], "archive": target.name, "bytes": size, "packed": target.stat().st_size}


def main() -> None:
    """Obey the order on standard input."""
    order = json.load(sys.stdin)
    archive, done, failures = Path(order["logs"]) / "archive", [], {}
    files = candidates(order)
    found = [file.name for file in files]
    if not order["check"]:
        for file in files:
            try:
                move(file, archive, order["now"])
            except OSError as error:
                failures[file.name] = str(error)
        for file in waiting(archive):
            try:
                done.append(compress(file))
            except OSError as error:
                failures[file.name] = str(error)
    print(json.dumps({"found": found, "archived": done, "failures": failures}))


if __name__ == "__main__":
    main()
