"""What the configuration was when each actor last started well, and what differs since.

Keeps a copy of each version of each file once, without what looks like a secret, and for each actor which versions
were there. It judges no difference. Invariant: a copy is whole or absent, and a disk that refuses one costs the diff
of that file, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from grace_actors.clipping import json_bytes, last_lines
from grace_actors.errors import StoreFailed
from grace_actors.healing.diag_config import Content, Marks, content, diff, marks
from grace_actors.healing.diag_files import read_start
from grace_actors.kernel import Data
from grace_actors.stores.files import failed, write_all

MAX_NAMES = 2_000
MAX_SETS = 30
MAX_LINES = 5_000
MAX_CHANGES = 20
CHANGES_BYTES = 9 * 1024
ONE_BYTES = 4 * 1024
LOG_BYTES = 4 * 1024 * 1024
COPY_BYTES = 1024 * 1024
NOTHING = Content(digest="", text="")
NOT_KEPT = "(what was in it is not kept)"
LEFT_OUT = "(left out: there are more differences than fit)"

Files = Mapping[str, str]
"""File -> digest of what was in it."""


class ConfigHistory:
    """What the configuration was when each actor last started well."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._problems: dict[Path, str] = {}
        self._home, self._folder = home, folder
        self._marks: Marks = {}
        self._present = ""
        """The id of the set that belongs to the marks."""
        self._digests: dict[str, str] = {}
        self._sets: OrderedDict[str, Files] = OrderedDict()
        self._good: OrderedDict[str, str] = OrderedDict()
        self._lines = 0
        self._load()

    def started(self, name: str) -> None:
        """The present files are the good ones of `name` from now on. Costs a `stat` for each file while none
        changes."""
        self._look()
        if self._good.get(name) == self._present:
            return
        self._good[name] = self._present
        self._good.move_to_end(name)
        while len(self._good) > MAX_NAMES:
            self._good.popitem(last=False)
        self._write({"name": name, "set": self._present})

    @property
    def problem(self) -> str:
        """Why something is not kept; empty when all is."""
        return next(iter(self._problems.values()), "")

    def knows(self, name: str) -> bool:
        """Whether `name` has ever started well."""
        return name in self._good

    def differences(self, name: str) -> list[Data]:
        """What is changed, added or removed since the last good start of `name`, each with its diff as far as the
        room goes; nothing for one that is not known."""
        if name not in self._good:
            return []
        good = self._sets[self._good[name]]
        found: list[Data] = []
        room = CHANGES_BYTES
        for one in self._compared(good):
            if len(found) >= MAX_CHANGES:
                break
            if json_bytes(one) > room:
                one["diff"] = LEFT_OUT
            room -= json_bytes(one)
            found.append(one)
        return found

    def _compared(self, good: Files) -> Iterator[Data]:
        present = marks(self._home)
        for file in sorted(good.keys() | present.keys()):
            if file not in present:
                yield {"file": file, "change": "removed", "diff": self._since(good[file], NOTHING)}
            elif file not in good:
                yield {"file": file, "change": "added", "diff": _shown("", content(self._home / file))}
            elif self._marks.get(file) != present[file] or self._digests.get(file) != good[file]:
                now = content(self._home / file)
                if now.digest != good[file]:
                    yield {"file": file, "change": "changed", "diff": self._since(good[file], now)}

    # ---- the files as they are ----------------------------------------------------------------------

    def _look(self) -> None:
        """Take in what changed since the last look."""
        found = marks(self._home)
        if found == self._marks and self._present:
            return
        digests, marked = {}, dict(found)
        for file, mark in found.items():
            if self._marks.get(file) == mark:
                digests[file] = self._digests[file]
                continue
            now = content(self._home / file)
            digests[file] = now.digest
            if now.text is not None and not self._keep(now.digest, now.text):
                del marked[file]  # to be tried again with the next look
        self._marks, self._digests = marked, digests
        self._present = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]
        if self._present not in self._sets:
            self._sets[self._present] = digests
            self._write({"set": self._present, "files": digests})
            self._prune()
        self._sets.move_to_end(self._present)

    def _since(self, digest: str, now: Content) -> str:
        try:
            old = read_start(self._copies / digest, COPY_BYTES).data.decode("utf-8", "replace")
        except OSError:
            return NOT_KEPT
        return _shown(old, now)

    def _keep(self, digest: str, text: str) -> bool:
        path = self._copies / digest
        if path.exists():
            return True
        draft = path.with_name(f".{digest}.tmp")
        try:
            self._copies.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                write_all(fd, text.encode("utf-8", "replace"))
            finally:
                os.close(fd)
            draft.replace(path)
        except OSError as error:
            self._refused(self._copies, failed(path, error))
            return False
        self._problems.pop(self._copies, None)
        return True

    def _refused(self, what: Path, error: StoreFailed) -> None:
        self._problems[what] = f"copies of the configuration are not kept: {error.message}; {error.hint}"

    # ---- what was good ------------------------------------------------------------------------------

    @property
    def _copies(self) -> Path:
        return self._folder / "copies"

    @property
    def _log(self) -> Path:
        return self._folder / "good.jsonl"

    def _load(self) -> None:
        try:
            lines = read_start(self._log, LOG_BYTES).data.split(b"\n")
        except OSError:
            return  # the first start of this home
        for line in lines:
            self._take(line)
        self._lines = len(lines)
        self._prune()

    def _take(self, line: bytes) -> None:
        """One line of the log; a torn or foreign one says nothing."""
        try:
            entry = json.loads(line)
            if "files" in entry:
                self._sets[str(entry["set"])] = {str(file): str(digest) for file, digest in entry["files"].items()}
            elif entry["set"] in self._sets:
                self._good[str(entry["name"])] = entry["set"]
                self._good.move_to_end(entry["name"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def _write(self, entry: Data) -> None:
        """One more line. It is not forced to the disk: what a power cut takes away is known again at the next start
        of that actor."""
        self._append([entry], os.O_APPEND)
        if self._lines > MAX_LINES:
            self._rewrite()

    def _append(self, entries: list[Data], flag: int) -> None:
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._log if flag == os.O_APPEND else self._log.with_name(".good.jsonl.tmp")
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600)
            try:
                write_all(fd, data)
            finally:
                os.close(fd)
            if path != self._log:
                path.replace(self._log)
        except OSError as error:
            self._refused(self._log, failed(self._log, error))
            return
        self._lines += len(entries)
        self._problems.pop(self._log, None)

    def _rewrite(self) -> None:
        """The log without what later lines have replaced."""
        self._lines = 0
        sets: list[Data] = [{"set": id, "files": dict(files)} for id, files in self._sets.items()]
        self._append([*sets, *({"name": name, "set": id} for name, id in self._good.items())], os.O_TRUNC)

    def _prune(self) -> None:
        """Forget sets that are nobody's, the oldest of too many with those who started under them, and the copies
        that belong to none."""
        used = set(self._good.values()) | {self._present}
        for id in [id for id in self._sets if id not in used]:
            del self._sets[id]
        while len(self._sets) > MAX_SETS:
            old, _ = self._sets.popitem(last=False)
            for name in [name for name, id in self._good.items() if id == old]:
                del self._good[name]
        wanted = {digest for files in self._sets.values() for digest in files.values()}
        try:
            for path in self._copies.iterdir():
                if path.name not in wanted:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            return  # nothing was kept yet
        except OSError as error:
            self._refused(self._copies, failed(self._copies, error))


def _shown(old: str, now: Content) -> str:
    return f"({now.why})" if now.text is None else _bounded(diff(old, now.text))


def _bounded(text: str) -> str:
    lines = text.split("\n")
    kept = last_lines(lines[::-1], most=len(lines), most_bytes=ONE_BYTES)[::-1]
    gap = len(lines) - len(kept)
    return "\n".join(kept if not gap else [*kept, f"... ({gap} lines are left out)"])
