"""Users' code as it stands on the disk when a kernel starts.

Modules are imported once, before the first fork, so that a start is cheap. A child that starts after a file of theirs
changed (edited, patched, taken back) imports them anew, so that a restart runs what the files say. Left alone are
Grace's own packages, the standard library and installed packages: a change of those wants a new start of the program.
Invariant: all modules of users are those imported before the fork, or all of them are as on the disk now.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

_GRACE = frozenset({"grace_actors", "supervisors", "playbooks", "chaos", "run", "__main__", "__mp_main__"})
_INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_PACKAGES = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of a file, `None` if it is gone: when it was changed (nanoseconds), its bytes, its inode."""

    file: Path
    stamp: tuple[int, int, int] | None

    @classmethod
    def of(cls, file: Path) -> _Version:
        try:
            found = file.stat()
        except OSError:
            return cls(file, None)
        return cls(file, (found.st_mtime_ns, found.st_size, found.st_ino))


_imported: dict[str, _Version | None] = {}
"""Modules of users by name; a namespace package has no file."""


def remember() -> None:
    """Note what users' modules were imported from. Children inherit it."""
    for name, module in list(sys.modules.items()):
        if name not in _imported and name.partition(".")[0] not in _GRACE:
            if file := _source(module):
                _imported[name] = _Version.of(file)
            elif _is_namespace(module):
                _imported[name] = None


def forget_changed() -> list[Path]:
    """The files of users' modules that are no longer what was imported; if there are any, the next import of each
    module of a user reads its file. Objects of the old modules must not be in use."""
    versions = [version for version in _imported.values() if version is not None]
    changed = [version.file for version in versions if _Version.of(version.file) != version]
    if changed:
        for name in _imported:
            sys.modules.pop(name, None)
        _imported.clear()
        for file in changed:
            forget_bytecode(file)
        importlib.invalidate_caches()
    return changed


def forget_bytecode(file: Path) -> None:
    """Python would run what it compiled of a file that has the same size and second of change."""
    if file.suffix == ".py":
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def _source(module: ModuleType) -> Path | None:
    """The Python file of a user's module."""
    named = getattr(module, "__file__", None)
    if not isinstance(named, str) or not named.endswith(".py"):
        return None
    file = Path(named)
    return None if _is_installed(file) else file


def _is_namespace(module: ModuleType) -> bool:
    folders = list(getattr(module, "__path__", ()))
    is_without_file = getattr(module, "__file__", None) is None
    return is_without_file and bool(folders) and not any(_is_installed(Path(folder)) for folder in folders)


def _is_installed(path: Path) -> bool:
    return not _PACKAGES.isdisjoint(path.parts) or any(path.is_relative_to(folder) for folder in _INSTALLED)
