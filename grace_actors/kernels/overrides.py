"""The file `home/config/overrides.yaml`: approved changes of thresholds, relative to the tree file.

It must not decide anything. Invariant: the file is replaced as a whole, keeps every earlier entry, and one that
cannot be read is never overwritten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from grace_actors.errors import Refused
from grace_actors.kernel import Data
from grace_actors.stores.files import failed, replace
from supervisors.yaml_source import FileError, read_yaml

FILE = "config/overrides.yaml"
_HEAD = "# Approved changes of thresholds, newest last. Written by meta_loop; an entry may be deleted by hand.\n"


def read_overrides(path: Path) -> list[Data]:
    """The entries of the file; none if it is absent. Raises Refused when it cannot be read."""
    if not path.exists():
        return []
    try:
        content: Any = read_yaml(path).plain()
    except FileError as error:
        raise Refused(f"{path.name} cannot be read: {error.faults[0]}", hint="repair or move the file") from None
    entries = content.get("overrides") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refused(f"{path.name} holds no list `overrides`", hint="repair or move the file")
    return entries


def add_override(path: Path, entry: Data) -> None:
    """Add an entry; an earlier one of the same proposal is replaced. Raises Refused, StoreFailed."""
    kept = [known for known in read_overrides(path) if known.get("proposal") != entry["proposal"]]
    text = _HEAD + yaml.safe_dump({"version": 1, "overrides": [*kept, entry]}, sort_keys=False, allow_unicode=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failed(path.parent, error) from error
    replace(path, text.encode())
