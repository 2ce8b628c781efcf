"""Whether the artefacts of the home (models, reference data) are as their manifest says.

The manifest is `artefacts/manifest.sha256` as `sha256sum` writes it, the same that the actions verify_files and
restore_file take. A file is hashed again only when its size, times or inode changed, a slice at a time. Invariant: a
verdict is of a file that did not change while it was hashed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from grace_actors.errors import GraceError
from grace_actors.stores import manifest

FOLDER = "artefacts"
SLICE_BYTES = 4 << 20
FILES_A_SLICE = 200
_ATTEMPTS = 3

Stamp = tuple[int, int, int, int]


@dataclass(slots=True)
class Artefacts:
    """`faults` is what is wrong with each file; None, with the reason in `problem`, until it is known."""

    folder: Path
    faults: dict[str, str] | None = None
    problem: str = "the artefacts are being hashed for the first time"
    changed_at: dict[str, float] = field(default_factory=dict)
    """File -> Unix time of its last change, of those with a fault."""
    _manifest: tuple[Stamp, dict[str, str]] | None = None
    _digests: dict[str, tuple[Stamp, str]] = field(default_factory=dict)

    def check(self) -> Generator[None, None, None]:
        """Bring `faults` up to date; pauses after each slice of work."""
        try:
            wanted = self._wanted()
        except GraceError as error:
            self.faults, self.problem = None, f"{error.message}; {error.hint}"
            return
        except OSError as error:
            self.faults, self.problem = None, f"{self.folder / manifest.NAME} cannot be read: {error.strerror}"
            return
        found: dict[str, str] = {}
        for number, (name, expected) in enumerate(wanted.items(), 1):
            fault = yield from self._fault(name, expected)
            if fault:
                found[name] = fault
            if number % FILES_A_SLICE == 0:
                yield
        self._digests = {name: known for name, known in self._digests.items() if name in wanted}
        self.changed_at = {name: at for name, at in self.changed_at.items() if name in found}
        self.faults, self.problem = found, ""

    def _wanted(self) -> dict[str, str]:
        """File -> checksum; empty without a manifest, for then nothing is promised."""
        path = self.folder / manifest.NAME
        try:
            stamp = _stamp(path.stat())
        except FileNotFoundError:
            self._manifest = None
            return {}
        if self._manifest is None or self._manifest[0] != stamp:
            self._manifest = (stamp, manifest.read(path))
        return self._manifest[1]

    def _fault(self, name: str, expected: str) -> Generator[None, None, str]:
        """What is wrong with one file; empty when nothing is."""
        path = self.folder / name
        try:
            info = path.stat()
            known = self._digests.get(name)
            if known is None or known[0] != _stamp(info):
                known = yield from _hashed(path)
                self._digests[name] = known
        except FileNotFoundError:
            return "it is missing"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        if known[1] == expected:
            return ""
        self.changed_at[name] = info.st_mtime
        return f"its SHA-256 begins with {known[1][:12]}, the manifest says {expected[:12]}"


def _hashed(path: Path) -> Generator[None, None, tuple[Stamp, str]]:
    """Stamp and SHA-256 of a file; pauses after each slice. One that keeps changing is an OSError."""
    for _ in range(_ATTEMPTS):
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            before = _stamp(os.fstat(stream.fileno()))
            while part := stream.read(SLICE_BYTES):
                digest.update(part)
                yield
        if _stamp(path.stat()) == before:
            return before, digest.hexdigest()
    raise OSError(0, "it is being written")


def _stamp(info: os.stat_result) -> Stamp:
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
