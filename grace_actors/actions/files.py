"""Actions on files that a manifest names: any artefact that must not change, such as models or reference data.

A manifest is what `sha256sum` writes: a checksum and a path, relative to the manifest, on each line. Files are hashed
in slices, so that large ones do not hold up the mailbox. Invariant: a file is replaced only by a copy whose checksum is
the one of the manifest, in one step, and the damaged one is in quarantine.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, Wait, acts, needed, reads
from grace_actors.errors import NotFound, WorldFailed
from grace_actors.kernel import Data
from grace_actors.stores import manifest as manifests
from grace_actors.stores.files import quarantine, sync_directory
from playbooks.spec import Severity

SLICE_BYTES = 4 << 20
MANIFEST = needed("the file with the checksums, as `sha256sum` writes it; relative to the home")


@reads(manifest=MANIFEST, timeout_s=600.0)
def verify_files(call: Call) -> Steps:
    """Checks the SHA-256 of every file that a manifest names. data names the damaged and the missing."""
    manifest = _manifest(call)
    wanted, damaged, missing = manifests.read(manifest), [], []
    for name, expected in wanted.items():
        file = manifest.parent / name
        if not file.is_file():
            missing.append(name)
        elif (yield from _digest(file)) != expected:
            damaged.append(name)
    data = {"value": len(wanted) - len(damaged) - len(missing), "damaged": damaged, "missing": missing}
    if not damaged and not missing:
        return Result(True, message=f"{len(wanted)} files are as {manifest.name} says", data=data)
    text = "; ".join(
        f"{word}: {', '.join(names)}" for word, names in (("damaged", damaged), ("missing", missing)) if names
    )
    return Result(False, message=f"verify_files: {text}; use restore_file", data=data)


@acts(
    manifest=MANIFEST,
    file=needed("the file, as the manifest names it"),
    copies=needed("the folder where good copies are, under the same names; relative to the home"),
    risk=Severity.MEDIUM,
    timeout_s=600.0,
)
def restore_file(call: Call) -> Steps:
    """Puts a good copy in the place of a file that is missing or not as its manifest says."""
    manifest = _manifest(call)
    expected = manifests.read(manifest).get(call["file"])
    if expected is None:
        raise NotFound(f"{manifest.name} does not name {call['file']}", hint="names are those of the manifest")
    file, copy = manifest.parent / call["file"], call.ctx.home / call["copies"] / call["file"]
    if file.is_file() and (yield from _digest(file)) == expected:
        return Result(True, message=f"{call['file']} is as {manifest.name} says")
    if not copy.is_file():
        raise NotFound(f"there is no copy {copy}", hint="name the folder of the copies")
    if (yield from _digest(copy)) != expected:
        raise WorldFailed(f"the copy {copy} is damaged, too", hint="get a good one; nothing was changed")
    if call.check:
        return Result(True, changed=True, message=f"{file} would be replaced by {copy}")
    kept: Path | None = yield from _replace(call, file, copy, expected)
    if (yield from _digest(file)) != expected:
        raise WorldFailed(f"{file} is not what was written", hint="look at the disk")
    data: Data = {"value": expected, "quarantine": str(kept) if kept else None}
    return Result(
        True,
        changed=True,
        message=f"{call['file']} was restored{f'; the one before is in {kept}' if kept else ''}",
        data=data,
    )


def _replace(call: Call, file: Path, copy: Path, expected: str) -> Steps:
    """Write a checked draft beside the file, keep what is there, and rename; the quarantine, if there was a file."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    file.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with copy.open("rb") as source, draft.open("wb") as target:
            while part := source.read(SLICE_BYTES):
                target.write(part)
                digest.update(part)
                yield Wait()
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != expected:
            raise WorldFailed(f"{copy} changed while it was copied", hint="try again; nothing was changed")
        draft.chmod(copy.stat().st_mode & 0o777)
        kept = quarantine(call.ctx.home, "files", [file], call.ctx.wall(), keep=True) if file.exists() else None
        draft.replace(file)
        call.changed = True
        sync_directory(file.parent)
    finally:
        draft.unlink(missing_ok=True)
    return kept


def _manifest(call: Call) -> Path:
    path: Path = call.ctx.home / call["manifest"]
    if not path.is_file():
        raise NotFound(f"there is no manifest {path}", hint="make one: sha256sum FILES > manifest.sha256")
    return path


def _digest(file: Path) -> Steps:
    """The SHA-256 of a file, a slice at a time."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while part := stream.read(SLICE_BYTES):
            digest.update(part)
            yield Wait()
    return digest.hexdigest()
