"""Who needs whom, as the tree file of this instance says.

Reads names only; whether the tree is sound is judged where it is loaded. It must not know who asks.
Invariant: a file that cannot be read gives None, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import supervisors
from supervisors.yaml_source import FileError, read_yaml, walk


def tree_file(home: Path) -> Path:
    """The tree file the instance in `home` was started with; the built-in one unless it says otherwise."""
    built_in = Path(supervisors.__file__).parent / "grace.yaml"
    for instance in (home / "instance.json", home / "run" / "instance.json"):
        try:
            named = json.loads(instance.read_bytes()).get("tree")
        except (OSError, ValueError, AttributeError):
            continue
        return Path(named) if isinstance(named, str) and named else built_in
    return built_in


def dependencies(path: Path) -> dict[str, tuple[str, ...]] | None:
    """Each name of a tree file with the names it depends on."""
    try:
        root = read_yaml(path)
    except FileError:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for node in walk(root):
        if not isinstance(node.value, Mapping):
            continue
        entry = node.plain()
        name = next((entry[key] for key in ("id", "supervisor", "actor") if isinstance(entry.get(key), str)), None)
        if name is not None:
            wanted = entry.get("depends_on")
            found[name] = tuple(str(item) for item in wanted) if isinstance(wanted, list) else ()
    return found
