"""The inbox directory: which files are ready, what is acceptable, and where they go afterwards.

Looks at and moves files; must not know the index. A file is ready when its size and time stayed the same between two
looks. Invariant: a file leaves the inbox only by being moved, whole, to `done` or to `rejected` beside a reason.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from grace_actors.errors import Refused
from grace_actors.stores.files import failed, stamp

EXTENSIONS = frozenset({".txt", ".md", ".py", ".json", ".yaml", ".yml", ".csv"})
MAX_BYTES = 5 * 1024 * 1024
_UNFINISHED = (".tmp", ".part", ".crdownload", ".swp")

_State = tuple[int, int, int]


@dataclass(slots=True)
class Inbox:
    """`busy` names the files somebody works on; they are not reported again."""

    directory: Path
    busy: set[str] = field(default_factory=set)
    _seen_at: int = -1
    _unsettled: dict[str, _State] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Nothing changed since the last look: one stat instead of a walk. Raises OSError."""
        return not self._unsettled and self.directory.stat().st_mtime_ns == self._seen_at

    def ready(self) -> list[Path]:
        """Files that stayed the same since the last look. Raises OSError."""
        self._seen_at = self.directory.stat().st_mtime_ns
        states = {name: state for name, state in _states(self.directory).items() if name not in self.busy}
        settled = [name for name, state in states.items() if self._unsettled.get(name) == state]
        self._unsettled = {name: state for name, state in states.items() if name not in settled}
        return [self.directory / name for name in sorted(settled)]

    def look_again(self) -> None:
        """Report everything anew at the next look."""
        self._seen_at = -1

    def done(self, path: Path, wall: float) -> Path:
        """Put a file that was indexed aside. Raises StoreFailed."""
        return _move(path, self.directory / "done", wall)

    def reject(self, path: Path, reason: str, wall: float) -> Path:
        """Put a file aside with the reason in `<name>.reason.txt`. Raises StoreFailed."""
        target = _move(path, self.directory / "rejected", wall)
        note = target.with_name(target.name + ".reason.txt")
        try:
            note.write_text(reason + "\n", encoding="utf-8")
        except OSError as error:
            raise failed(note, error) from error
        return target


def check(path: Path, max_bytes: int) -> int:
    """The size of an acceptable file. Raises Refused for one that is not, OSError when it cannot be looked at."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"{path.name} is no regular file", hint="put the file itself there, no link or device")
    if path.suffix.lower() not in EXTENSIONS:
        raise Refused(f"{path.name}: {path.suffix or 'no'} extension", hint=f"allowed: {', '.join(sorted(EXTENSIONS))}")
    if not found.st_size:
        raise Refused(f"{path.name} is empty", hint="put a file with content there")
    if found.st_size > max_bytes:
        raise Refused(f"{path.name} has {found.st_size} bytes", hint=f"at most {max_bytes}; split it")
    return found.st_size


def decode(name: str, content: bytes) -> str:
    """The text of a file. Raises Refused when it is not UTF-8 text."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(
            f"{name} is not UTF-8: byte {error.start} is {content[error.start]:#04x}", hint="convert it to UTF-8"
        ) from None
    if "\0" in text:
        raise Refused(f"{name} holds a NUL character at {text.index(chr(0))}", hint="it is no text file")
    if not text.strip():
        raise Refused(f"{name} holds nothing but white space", hint="put a file with content there")
    return text.replace("\r\n", "\n")


def _states(directory: Path) -> dict[str, _State]:
    states: dict[str, _State] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED) or entry.is_dir(follow_symlinks=False):
                continue
            info = entry.stat(follow_symlinks=False)
            states[entry.name] = (info.st_ino, info.st_size, info.st_mtime_ns)
    return states


def _move(path: Path, directory: Path, wall: float) -> Path:
    target = directory / path.name
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        if target.exists():
            target = directory / f"{path.stem}-{stamp(wall)}{path.suffix}"
        path.replace(target)
    except OSError as error:
        raise failed(target, error) from error
    return target
