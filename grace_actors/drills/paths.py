"""Which files a fault may touch: regular ones below the home that do not hold the runtime itself together.

Resolves and refuses; changes nothing. Invariant: a path it returned lies below the home with every symbolic link
followed, and is neither of the runtime nor of the program.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from grace_actors.errors import NotFound, Refused

OURS = ("lock", "instance.json", "run", "chaos")
"""The hold on the home, the control socket, the records of faults: without them nothing can be undone."""
PROGRAM = (
    *(Path(__file__).resolve().parents[2] / name for name in ("chaos", "grace_actors", "playbooks", "supervisors")),
    Path(sys.prefix).resolve(),
)
"""What Grace itself is run from. It may lie below the home, as with `--home .` in a checkout."""
MOST_BYTES = 64 * 1024 * 1024
"""Of a file: larger ones would hold up the mailbox while they are copied."""
_SQLITE = b"SQLite format 3\0"
_BESIDE = ("-wal", "-shm", "-journal")


def file_of(home: Path, path: str) -> Path:
    """The regular file that `path` means. Raises Refused, NotFound."""
    found = place_of(home, path)
    try:
        info = found.stat()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path!r:.200} in {home}", hint="paths are relative to the home") from None
    except OSError as error:
        raise Refused(f"{found} cannot be read: {error.strerror}", hint="a regular file below the home") from None
    if not stat.S_ISREG(info.st_mode):
        raise Refused(f"{found} is no regular file", hint="name one file, such as config/settings.yaml")
    if info.st_size > MOST_BYTES:
        raise Refused(f"{found} has {info.st_size} bytes", hint=f"at most {MOST_BYTES}")
    return found


def place_of(home: Path, path: str, *, folder: str = "") -> Path:
    """Where `path` is, whether or not a file is there; below `folder` of the home. Raises Refused."""
    if not path or "\0" in path:
        raise Refused(f"{path!r:.200} is no path", hint="a path relative to the home")
    root = home.resolve()
    try:
        found = (root / folder / path).resolve()
    except (OSError, RuntimeError) as error:
        raise Refused(f"{path!r:.200} cannot be followed: {error}", hint="a path relative to the home") from None
    below = root / folder
    if not is_below(below, found):
        where = f"outside {below}" + ("" if str(found) == str(below / path) else f": it leads to {found}")
        raise Refused(f"{path!r:.200} is {where}", hint="faults reach only files below the home")
    name = found.relative_to(root).parts[0]
    if name in OURS:
        raise Refused(f"{found} belongs to the runtime itself", hint=f"never touched: {', '.join(OURS)}")
    if any(is_below(root, folder) and is_below(folder, found) for folder in PROGRAM):
        raise Refused(f"{found} belongs to the program itself", hint="faults of code are for the folder scratch: patch")
    return found


def is_below(folder: Path, path: Path) -> bool:
    """Whether a path, links followed, is inside a folder."""
    return path != folder and folder in path.parents


def is_database(path: Path) -> bool:
    """Whether a file is a SQLite database or one of the files beside it."""
    if path.name.endswith(_BESIDE):
        return True
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
    return False


def refuse_shared(home: Path, path: Path) -> None:
    """Raises Refused for a file with other names than this and those of good copies: what is written in place shows
    under all of them, wherever they are, and stays there when a repair puts a new file under this one."""
    kept = sum(copy.samefile(path) for copy in (home / "chaos" / "kept").glob("*/original"))
    others = path.stat().st_nlink - 1 - kept
    if others > 0:
        more = "another name" if others == 1 else f"{others} other names"
        raise Refused(f"{path} has {more}, under which it would be written to as well", hint="use delete or change")


def refuse_used_database(path: Path) -> None:
    """Raises Refused for a database whose owner runs: what it holds in memory would contradict the file."""
    users = moving_users(path) if is_database(path) else []
    if users:
        raise Refused(
            f"{path} is a database in use by {users[0]}",
            hint="use the fault corrupt, or let its owner stand still first (hang, terminate)",
        )


def moving_users(path: Path, *, but: int = 0) -> list[str]:
    """The processes that have a file open, or one of its companions, and do not stand still; in words. `but` one."""
    files = {str(path), *(f"{path}{end}" for end in _BESIDE)}
    moving = [(pid, comm) for pid, comm, state in _processes() if pid != but and state not in "TtZX"]
    return [f"{comm} (pid {pid})" for pid, comm in moving if _holds(pid, files)]


def _processes() -> Iterator[tuple[int, str, str]]:
    for entry in os.listdir("/proc"):  # noqa: PTH208 - hot enough: one name for each process
        if entry.isdigit():
            with contextlib.suppress(OSError):
                head, _, rest = Path(f"/proc/{entry}/stat").read_text(errors="replace").rpartition(")")
                yield int(entry), head.partition("(")[2], rest.split()[0]


def _holds(pid: int, files: set[str]) -> bool:
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in files:  # noqa: PTH115
                    return True
    return False
