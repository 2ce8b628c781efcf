"""Loads playbook files: YAML in, playbooks out, or every mistake of a file at once.

The format is described in docs/playbook-file.md and listed in `playbooks.file.keys`. The actions there are come as a
parameter: this package knows none. Invariant: for any bytes `load_playbook` returns a Playbook or raises
PlaybookFileError, and one bad file never keeps the others of a folder from loading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from playbooks.file.build import build
from playbooks.file.keys import SCHEMA
from playbooks.spec import Actions, Playbook
from supervisors.tree_file.fields import Faults
from supervisors.yaml_source import FileError, FileFault, Place, parse_yaml, read_text

SUFFIXES = (".yaml", ".yml")


class PlaybookFileError(FileError):
    """A playbook file that cannot be used; `faults` holds every mistake with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The playbooks of a folder by name, the file of each, and what is wrong with the files that are left out."""

    playbooks: Mapping[str, Playbook]
    files: Mapping[str, Path]
    faults: tuple[FileFault, ...] = ()


def load_playbook(path: Path | str, actions: Actions) -> Playbook:
    """The playbook of one file. Raises PlaybookFileError with all faults."""
    source = Path(path)
    text, unreadable = read_text(source)
    if text is None:
        raise PlaybookFileError(unreadable)
    return read_playbook(text, source, actions)


def read_playbook(text: str, source: Path, actions: Actions) -> Playbook:
    """The playbook in a text that stands, or stood, in the file `source`. Raises PlaybookFileError."""
    node, found = parse_yaml(text, str(source))
    faults = Faults(found)
    if node is None and not found:
        faults.add(Place(str(source), 1, 1), "an empty file", f"schema: {SCHEMA} and a playbook")
    if node is not None and not isinstance(node.value, Mapping):
        faults.wrong(node, "the file", f"a mapping that begins with schema: {SCHEMA}")
    if node is None or not isinstance(node.value, Mapping):
        raise PlaybookFileError(list(faults.found))
    digest = hashlib.sha256(text.encode()).hexdigest()
    playbook = build(node, text, digest, actions, faults)
    if playbook.name and playbook.name != source.stem:
        place = node.value["name"].place
        faults.add(place, f"the name {playbook.name!r} in a file called {source.name}", source.stem)
    if faults.found:
        raise PlaybookFileError(list(faults.found))
    return playbook


def load_directory(folder: Path | str, actions: Actions) -> Pack:
    """Every playbook below a folder. Of two files with one name the first in order counts, the other is a fault."""
    playbooks: dict[str, Playbook] = {}
    files: dict[str, Path] = {}
    faults: list[FileFault] = []
    start = Path(folder)
    if not start.is_dir():
        faults.append(FileFault(place=Place(str(start), 1, 1), message="not a folder"))
    for path in sorted(path for path in start.rglob("*") if path.suffix in SUFFIXES):
        try:
            playbook = load_playbook(path, actions)
        except PlaybookFileError as error:
            faults += error.faults
            continue
        if playbook.name in playbooks:
            message = f"the playbook {playbook.name!r} for the second time, first in {files[playbook.name]}"
            faults.append(FileFault(place=Place(str(path), 1, 1), message=message, allowed="each name once"))
            continue
        playbooks[playbook.name], files[playbook.name] = playbook, path
    return Pack(playbooks=playbooks, files=files, faults=tuple(faults))
