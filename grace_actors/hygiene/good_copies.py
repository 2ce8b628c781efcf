"""Keeps good copies of configuration and artefacts where playbooks look for them, in step with what was accepted as
good.

What is good is said by others: trigger_mesh keeps the checksums of the accepted configuration,
`artefacts/manifest.sha256` those of artefacts. Invariant: a copy is replaced only by a file with the accepted
checksum; what has drifted never is one.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from grace_actors.errors import GraceError, Refused
from grace_actors.hygiene import reading, sources
from grace_actors.hygiene.reading import Digests
from grace_actors.hygiene.sets import Sets
from grace_actors.hygiene.taking import write
from grace_actors.kernels import known_good
from grace_actors.stores import manifest
from grace_actors.stores.files import failed, replace, sync_directory

ACCEPTED = "data/trigger_mesh/known_good.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def sync(store: Sets) -> dict[str, str]:
    """Bring all good copies up to date; what has none, by path. Raises StoreFailed when the disk refuses."""
    return {**_sync_config(store), **_sync_artefacts(store)}


def accept_artefacts(home: Path, digests: Digests) -> dict[str, str]:
    """Write the manifest of what is in `artefacts` now. Raises Refused when there is nothing, StoreFailed."""
    folder = home / "artefacts"
    found: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for file in reading.files_below(folder, skipped):
        if file != folder / manifest.NAME and not file.name.endswith(".tmp"):
            found[str(file.relative_to(folder))] = digests.of(file)
    if not found:
        left_out = "".join(f"; {path} is {why}" for path, why in list(skipped.items())[:3])
        raise Refused(f"there is no file in {folder}{left_out}", hint="put the files there first")
    replace(folder / manifest.NAME, manifest.text_of(found).encode())
    return found


def _sync_config(store: Sets) -> dict[str, str]:
    """`snapshots/config`, and `config/manifest.sha256`, which names every accepted file. Lines for files that
    trigger_mesh does not watch stay in it."""
    baseline = known_good.load(store.home / ACCEPTED)
    folder, copies = store.home / "config", store.home / "snapshots" / "config"
    if baseline is None or folder.is_symlink():
        return {}
    accepted = {
        name: sha256
        for name, sha256 in baseline.config.items()
        if "/" not in name and manifest.stays_inside(name) and _SHA256.fullmatch(sha256)
    }
    if not accepted and not (copies / manifest.NAME).exists():
        return {}
    without = _sync(store, "config", accepted, folder, copies)
    foreign = {name: sha256 for name, sha256 in _lines(folder / manifest.NAME).items() if not _is_watched(name)}
    _put(folder / manifest.NAME, {**foreign, **accepted})
    return without


def _sync_artefacts(store: Sets) -> dict[str, str]:
    """`snapshots/artefacts`, with the manifest that people or `accept_artefacts` wrote."""
    folder = store.home / "artefacts"
    wanted = _lines(folder / manifest.NAME)
    if folder.is_symlink() or not wanted:
        return {}
    return _sync(store, "artefacts", wanted, folder, store.home / "snapshots" / "artefacts")


def _sync(store: Sets, part: str, wanted: Mapping[str, str], folder: Path, copies: Path) -> dict[str, str]:
    without: dict[str, str] = {}
    try:
        for name, sha256 in wanted.items():
            if not store.digests.is_it(copies / name, sha256) and not _copy(store, part, name, sha256, folder, copies):
                without[f"{part}/{name}"] = "nowhere is a file with the accepted checksum"
        for stale in list(reading.files_below(copies, {})):
            name = str(stale.relative_to(copies))
            if name not in {*wanted, manifest.NAME} and (part == "artefacts" or _is_watched(name)):
                stale.unlink(missing_ok=True)
    except OSError as error:
        raise failed(copies, error) from error
    good = {name: sha256 for name, sha256 in wanted.items() if f"{part}/{name}" not in without}
    _put(copies / manifest.NAME, good)
    return without


def _copy(store: Sets, part: str, name: str, sha256: str, folder: Path, copies: Path) -> bool:
    """Make the copy from the file itself, or from a set; False when none has that checksum. Raises OSError."""
    for source in (folder / name, *_in_sets(store, f"{part}/{name}")):
        if sources.leaves(folder, folder / name) or not store.digests.is_it(source, sha256):
            continue
        target = copies / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        store.room(source.stat().st_size)
        try:
            draft.unlink(missing_ok=True)
            write(draft, reading.pieces(source))
            if not store.digests.is_it(draft, sha256):
                continue  # it changed meanwhile
            draft.chmod(source.stat().st_mode & 0o777)
            draft.replace(target)
            sync_directory(target.parent)
        finally:
            draft.unlink(missing_ok=True)
        return True
    return False


def _in_sets(store: Sets, path: str) -> Iterator[Path]:
    for id in reversed(store.ids()):
        yield store.directory / id / path


def _lines(path: Path) -> dict[str, str]:
    """What a manifest says; nothing when there is none, or a damaged one."""
    with contextlib.suppress(OSError, ValueError, GraceError):
        return reading.checksums(path)
    return {}


def _put(path: Path, wanted: Mapping[str, str]) -> None:
    """Write a manifest if it says something else now; none at all where nothing is named."""
    if not wanted:
        path.unlink(missing_ok=True)
    elif _lines(path) != wanted:
        replace(path, manifest.text_of(wanted).encode())


def _is_watched(name: str) -> bool:
    return "/" not in name and name.endswith((".yaml", ".yml"))
