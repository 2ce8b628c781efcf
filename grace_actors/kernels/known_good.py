"""What configuration and packages were when they were last accepted as good, and what differs now.

Reads files and package records; `differences` is pure. It judges nothing: whether a difference is drift or an
upgrade is said by whoever accepts it. Invariant: a baseline that was written is read back whole or not at all.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grace_actors.kernels.overrides import FILE

OVERRIDES = Path(FILE)
BINARIES = ("git", "python3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Checksums of configuration files by name, versions of packages by name."""

    config: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)


def config_digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every YAML file of a directory, by file name; a file that cannot be read counts as such. The
    overrides are left out: Grace changes them itself, each with an event."""
    files = [path for path in sorted(directory.glob("*.y*ml")) if path.is_file() and path.name != OVERRIDES.name]
    return {path.name: _digest(path) for path in files}


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """The installed version of each package; `missing` for one that is not there."""
    return {name: _version(name) for name in names}


def missing_binaries() -> tuple[str, ...]:
    """The programs Grace needs that are not on the path."""
    return tuple(name for name in BINARIES if shutil.which(name) is None)


def differences(good: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """name -> added, removed, or what it was and is."""
    found = dict.fromkeys(good.keys() - now.keys(), "removed") | dict.fromkeys(now.keys() - good.keys(), "added")
    changed = {
        name: f"{good[name][:12]} -> {now[name][:12]}" for name in good.keys() & now.keys() if good[name] != now[name]
    }
    return dict(sorted({**found, **changed}.items()))


def load(path: Path) -> Baseline | None:
    """The baseline that was saved; None when there is none or it is damaged."""
    try:
        data = json.loads(path.read_text())
        return Baseline(config=dict(data["config"]), packages=dict(data["packages"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(path: Path, baseline: Baseline) -> None:
    """Replace the saved baseline in one step. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(asdict(baseline), indent=1))
    draft.replace(path)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
