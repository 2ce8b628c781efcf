"""The archive of kernel snapshots: dated copies of the valid ones, so that a state can be had from further back.

Copies and deletes files below `snapshots/archive`; must not touch the snapshots kernels write themselves.
Invariant: only a snapshot that was verified is copied, and pruning never deletes the newest valid copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grace_actors import snapshots
from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from grace_actors.snapshots import SUFFIX, Entry
from grace_actors.stores.files import failed, replace, stamp

KEPT = 5


@dataclass(frozen=True, slots=True)
class Archive:
    """`directory` is the one kernels save to."""

    directory: Path

    @property
    def copies(self) -> Path:
        return self.directory / "archive"

    def names(self) -> list[str]:
        """Kernels of which there is any file."""
        current = {entry.name for entry in snapshots.list_all(self.directory)}
        return sorted(current | {path.name for path in self.copies.glob("*") if path.is_dir()})

    def entries(self, name: str) -> list[Entry]:
        """All files of a kernel, newest first: current, previous, then the dated copies."""
        return [*snapshots.verify(self.directory, name), *self.dated(name)]

    def dated(self, name: str) -> list[Entry]:
        """The copies of a kernel's snapshots, newest first."""
        return [snapshots.inspect(file) for file in sorted((self.copies / name).glob(f"*{SUFFIX}"), reverse=True)]

    def capture(self, name: str, wall: float) -> Path | None:
        """Copy the newest snapshot of a kernel when it is valid and not archived yet; None otherwise.
        Raises StoreFailed."""
        current = next((entry for entry in snapshots.verify(self.directory, name) if not entry.error), None)
        if current is None or any(entry.sha256 == current.sha256 for entry in self.dated(name)):
            return None
        target = self.copies / name / f"{stamp(wall)}{SUFFIX}"
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = current.file.read_bytes()
            snapshots.decode(content)
        except OSError as error:
            raise failed(target, error) from error
        except ValueError:
            return None  # written anew between the look and the copy: the next round takes it
        replace(target, content)
        return target

    def newest_valid(self, name: str) -> tuple[Data, Entry]:
        """The newest state that can be loaded, wherever it is. Raises NotFound."""
        for entry in self.entries(name):
            state, _ = snapshots.read(entry.file)
            if state is not None:
                return state, entry
        raise NotFound(f"there is no valid snapshot of {name!r}", hint=f"known: {', '.join(self.names()) or 'none'}")

    def prune(self, keep: int = KEPT) -> Iterator[Path]:
        """Delete the copies beyond the newest `keep` of each kernel, damaged ones first; yields what went."""
        for name in self.names():
            dated = self.dated(name)
            valid = [entry for entry in dated if not entry.error]
            for entry in [*(e for e in dated if e.error), *valid[keep:]]:
                try:
                    entry.file.unlink(missing_ok=True)
                except OSError as error:
                    raise failed(entry.file, error) from error
                yield entry.file
