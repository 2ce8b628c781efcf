"""The user's playbook files: which are sound, their good copies, and a faulty one in its place mended.

A good copy is kept of every file that validated, in `snapshots/playbooks`; the snapshot sets hold older ones. It must
not know who asks, nor what a playbook does. Invariant: a file is replaced only by one that the loader accepts under
that name, in one step, after the faulty one is in quarantine; a file that cannot be mended is not touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from grace_actors.errors import Refused, StoreFailed
from grace_actors.healing.library import FOLDER
from grace_actors.kernel import Data
from grace_actors.mending.mechanical import Faulty, Sound, mend
from grace_actors.stores.files import failed, quarantine, replace
from playbooks.loader import SUFFIXES, PlaybookFileError, load_playbook, read_playbook
from playbooks.spec import Actions
from supervisors.yaml_source import parse_yaml

COPIES = Path("snapshots", FOLDER)
MOST_FILES = 500


class How(StrEnum):
    """What became of a file."""

    SOUND = "sound"  # nothing was wrong with it any more, or it is gone
    MENDED = "mended"  # its mistake was one of spelling
    RESTORED = "restored"  # from its last good copy
    LEFT = "left"  # nobody but a person can tell what was meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was seen of a faulty file and done about it. `edits` are told with their lines."""

    file: Path
    how: How
    fault: str = ""
    edits: tuple[str, ...] = ()
    copy: str = ""
    quarantine: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file can be read now."""
        return self.how is not How.LEFT

    def as_data(self) -> Data:
        """For an event."""
        return {
            "file": str(self.file),
            "how": self.how.value,
            "fault": self.fault,
            "edits": list(self.edits),
            "copy": self.copy,
            "quarantine": self.quarantine,
        }


class PlaybookFiles:
    """The playbooks of one home. Methods may raise StoreFailed."""

    def __init__(self, home: Path, actions: Actions, wall: Callable[[], float]) -> None:
        self.home, self.folder, self._actions, self._wall = home, home / FOLDER, actions, wall
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}
        """What each file was when it was read last, and its fault."""

    def look(self) -> dict[Path, str]:
        """Every faulty file with its first fault. A good copy of the others is kept. What has not changed since the
        last time is not read again."""
        found: dict[Path, str] = {}
        for path in self._files():
            fault = self._fault_of(path)
            if fault:
                found[path] = fault
        self._known = {path: known for path, known in self._known.items() if path.exists()}
        return found

    def repair(self, path: Path) -> Outcome:
        """Mend one file, or put its last good copy in its place; leave it if neither can be done. Raises Refused for
        a path that is no playbook file of this home; a link is none: it would be replaced, and not what it leads to."""
        is_below = path.is_relative_to(self.folder) and path.resolve().is_relative_to(self.folder.resolve())
        if path.suffix not in SUFFIXES or not is_below or path.is_symlink():
            raise Refused(f"{path} is no playbook file below {self.folder}", hint="the packs are never changed")
        try:
            load_playbook(path, self._actions)
            return Outcome(file=path, how=How.SOUND)
        except PlaybookFileError as error:
            fault = str(error.faults[0])
        try:
            raw = path.read_bytes()
        except FileNotFoundError:  # somebody has removed it, who may
            return Outcome(file=path, how=How.SOUND)
        except OSError:  # whose it is, only a person can say
            return Outcome(file=path, how=How.LEFT, fault=fault)
        mended = mend(raw, lambda text: self._judged(text, path))
        if mended is not None:
            kept = self._put(path, raw, mended.text.encode())
            edits = tuple(str(edit) for edit in mended.edits)
            return Outcome(file=path, how=How.MENDED, fault=fault, edits=edits, quarantine=kept)
        for copy in self._copies(path):
            text = self._sound_text(copy, path)
            if text is not None:
                kept = self._put(path, raw, text.encode())
                name = str(copy.relative_to(self.home))
                return Outcome(file=path, how=How.RESTORED, fault=fault, copy=name, quarantine=kept)
        return Outcome(file=path, how=How.LEFT, fault=fault)

    # ---- reading ------------------------------------------------------------------------------------------

    def _files(self) -> Iterator[Path]:
        found = (path for path in sorted(self.folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file())
        for number, path in enumerate(found):
            if number >= MOST_FILES:
                return
            yield path

    def _fault_of(self, path: Path) -> str:
        try:
            stat = path.stat()
        except OSError:
            return ""  # it has just gone
        stamp = (stat.st_ctime_ns, stat.st_size, stat.st_ino)  # a change of permissions counts
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        fault = ""
        try:
            load_playbook(path, self._actions)
        except PlaybookFileError as error:
            fault = str(error.faults[0])
        else:
            self._keep(path)
        self._known[path] = (stamp, fault)
        return fault

    def _judged(self, text: str, path: Path) -> Sound | Faulty:
        node, _ = parse_yaml(text, str(path))
        try:
            read_playbook(text, path, self._actions)
        except PlaybookFileError as error:
            return Faulty(error.faults[0].place.line, len(error.faults), node is not None)
        return Sound(node.plain() if node is not None else None)

    def _sound_text(self, copy: Path, path: Path) -> str | None:
        """The text of a copy if the loader takes it in the place of `path`."""
        try:
            text = copy.read_text(encoding="utf-8-sig")
            read_playbook(text, path, self._actions)
        except (OSError, UnicodeDecodeError, PlaybookFileError):
            return None
        return text

    def _copies(self, path: Path) -> Iterator[Path]:
        """Good copies of a file, the newest first."""
        name = path.relative_to(self.folder)
        yield self.home / COPIES / name
        sets = self.home / "snapshots" / "sets"
        yield from sorted((one / FOLDER / name for one in sets.glob("*") if not one.name.startswith(".")), reverse=True)

    # ---- writing ------------------------------------------------------------------------------------------

    def _keep(self, path: Path) -> None:
        """Keep a good copy of what has just validated."""
        copy = self.home / COPIES / path.relative_to(self.folder)
        try:
            raw = path.read_bytes()
            if copy.is_file() and copy.read_bytes() == raw:
                return
            read_playbook(raw.decode("utf-8-sig"), path, self._actions)  # it may have changed since it was looked at
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (UnicodeDecodeError, PlaybookFileError):
            return
        except OSError as error:
            raise failed(copy, error) from error
        replace(copy, raw)

    def _put(self, path: Path, faulty: bytes, content: bytes) -> str:
        """Put the faulty file into quarantine and this in its place, which every reader sees as one or the other."""
        kept = quarantine(self.home, "playbooks", [path], self._wall(), keep=True)
        try:
            self._replace(path, faulty, content)
        except StoreFailed:
            shutil.rmtree(kept, ignore_errors=True)  # else each attempt would push an older file out of quarantine
            raise
        self._known.pop(path, None)
        return str((kept / path.name).relative_to(self.home))

    def _replace(self, path: Path, faulty: bytes, content: bytes) -> None:
        """What somebody has written since it was judged stays, and is looked at again."""
        try:
            before, is_same = path.stat(), path.read_bytes() == faulty
        except OSError as error:
            raise failed(path, error) from error
        if not is_same:
            raise StoreFailed(f"{path} was written while it was mended", hint="it is looked at again by itself")
        replace(path, content, like=before)
