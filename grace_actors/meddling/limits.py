"""Takes from this process what it may have: descriptors, room in files, a program in its PATH.

Each function does it and returns how it is taken back. It must not know actors or time. Invariant: what was taken back
leaves the process as it was, with no file and no descriptor of ours.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

Undo = Callable[[], None]
MB = 1_000_000


def few_descriptors(leave: int) -> Undo:
    """The process may open `leave` more. The limit is one of numbers, so free numbers below the highest are taken."""
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
    taken = []
    while (number := os.open(os.devnull, os.O_RDONLY)) < highest:
        taken.append(number)
    os.close(number)
    undo_limit = _lower(resource.RLIMIT_NOFILE, highest + 1 + leave)

    def undo() -> None:
        undo_limit()
        for number in taken:
            os.close(number)

    return undo


def small_files(mb: int) -> Undo:
    """No file can be written beyond so many MB; Python ignores the signal, so that a write fails with EFBIG."""
    return _lower(resource.RLIMIT_FSIZE, mb * MB)


def _lower(which: int, limit: int) -> Undo:
    soft, hard = resource.getrlimit(which)
    if resource.RLIM_INFINITY not in (soft, hard):
        limit = min(limit, soft)
    elif hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(which, (limit, hard))
    return lambda: resource.setrlimit(which, (soft, hard))


def without_program(binary: str, folder: Path) -> Undo:
    """PATH leads past this program. A directory that holds it is replaced by one of links to all else in it."""
    before = os.environ.get("PATH", os.defpath)
    forget(folder)
    try:
        places = _without(before.split(os.pathsep), binary, folder)
    except OSError:
        forget(folder)
        raise
    os.environ["PATH"] = os.pathsep.join(places)

    def undo() -> None:
        os.environ["PATH"] = before
        forget(folder)

    return undo


def _without(places: list[str], binary: str, folder: Path) -> list[str]:
    """These directories without the program. Each is stood in for once: /bin often is /usr/bin, and they are large."""
    kept = []
    for place in dict.fromkeys(Path(place).resolve() for place in places):
        if not os.path.lexists(place / binary):
            kept.append(str(place))
            continue
        stand_in = folder / str(len(kept))
        stand_in.mkdir(parents=True)
        for entry in os.scandir(place):
            if entry.name != binary:
                (stand_in / entry.name).symlink_to(entry.path)
        kept.append(str(stand_in))
    return kept


def hidden_at(home: Path, name: str) -> Path:
    """Where the stand-ins of one actor are."""
    return home / "run" / "without" / name


def forget(folder: Path) -> None:
    """Remove the stand-ins, such as those of a process that was killed."""
    if folder.is_dir():
        shutil.rmtree(folder)
