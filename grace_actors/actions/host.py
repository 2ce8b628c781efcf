"""Actions on the host and the home: resources, disk space, left-over temporary files, caches.

Files are looked at a few at a time, so that a large home does not hold up the mailbox; links are never followed.
Invariant: only files that a dead process of Grace left unfinished, and what is in directories that say they are caches,
is removed.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil

from grace_actors.actions.action import Call, Result, Steps, Wait, acts, ask, fields, given, reads
from grace_actors.errors import NotFound, Refused

MEASURES = "infrastructure_manager"
A_SLICE = 200
"""Directory entries between two breaths of the mailbox."""
DRAFT = re.compile(r"^(?:\..+\.(\d+)\.tmp|instance\.(\d+)\.tmp|\.probe\.(\d+)|\.preflight-(\d+)\.db)$")
"""What this program writes before it renames, with the pid of the writer."""
CACHE_TAG = "CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""The mark of a cache directory that backup programs know, https://bford.info/cachedir/."""
RESOURCE = given("", "only this one counts; empty: all", enum=("", "cpu", "memory", "disk"))


@reads(resource=RESOURCE)
def check_resources(call: Call) -> Steps:
    """Measures CPU, memory and disk now; ok if none is above its limit, or the one that is named is not."""
    sample = fields((yield from ask(MEASURES, "sample")), MEASURES, "memory_percent", "disk_percent")
    found = fields((yield from ask(MEASURES, "pressure")), MEASURES, "pressed", "resources")
    only = call["resource"]
    pressed = [one for one in found["resources"] if not only or one.get("resource") == only]
    data = {"value": not pressed, "sample": sample, "pressed": pressed}
    if not pressed:
        return Result(True, message=f"memory {sample['memory_percent']} %, disk {sample['disk_percent']} %", data=data)
    text = ", ".join(f"{one.get('resource')} is at {one.get('value')}, limit {one.get('limit')}" for one in pressed)
    return Result(False, message=f"check_resources: {text}; use shed_load, or end what causes it", data=data)


@reads(
    min_free_mb=given(1000.0, "how much must be free"),
    path=given("", "a path on the disk that is meant; empty: the home"),
)
def check_disk_space(call: Call) -> Steps:
    """Checks how much of a disk is free. `value` is that, in MB."""
    yield Wait()
    path = Path(call["path"] or call.ctx.home)
    if not path.exists():
        raise NotFound(f"{path} does not exist", hint="name a path on the disk that is meant")
    free = round(shutil.disk_usage(path).free / 1e6, 1)
    data, limit = {"value": free}, call["min_free_mb"]
    if free >= limit:
        return Result(True, message=f"{free:g} MB are free at {path}", data=data)
    text = f"{free:g} MB are free at {path}, {limit:g} wanted; use archive_logs, clear_temp_files"
    return Result(False, message=f"check_disk_space: {text}", data=data)


@acts(timeout_s=300.0, older_than_hours=given(24.0, "younger files stay"))
def clear_temp_files(call: Call) -> Steps:
    """Removes unfinished files of processes that have ended, below the home."""
    if call["older_than_hours"] < 0:
        raise Refused(f"older_than_hours is {call['older_than_hours']}", hint="0 or more is allowed")
    newest = call.ctx.wall() - call["older_than_hours"] * 3600
    removed, freed, kept = [], 0, []
    for number, entry in enumerate(_below(call.ctx.home)):
        if number % A_SLICE == A_SLICE - 1:
            yield Wait()
        found = DRAFT.match(entry.name)
        if not found or not entry.is_file(follow_symlinks=False):
            continue
        info = entry.stat(follow_symlinks=False)
        if info.st_mtime > newest or psutil.pid_exists(int(next(filter(None, found.groups())))):
            continue
        problem = "" if call.check else _remove(call, Path(entry.path))
        if problem:
            kept.append(problem)
        else:
            removed.append(entry.path)
            freed += info.st_size
    return _cleared(call, removed, freed, kept)


@acts(timeout_s=300.0)
def clear_caches(call: Call) -> Steps:
    """Empties every directory below the home that is marked as a cache with CACHEDIR.TAG; the mark stays."""
    caches = []
    for number, entry in enumerate(_below(call.ctx.home)):
        if number % A_SLICE == A_SLICE - 1:
            yield Wait()
        if entry.name == CACHE_TAG and entry.is_file(follow_symlinks=False) and _is_tag(Path(entry.path)):
            caches.append(Path(entry.path).parent)
    removed, freed, kept = [], 0, []
    for number, path in enumerate([path for cache in caches for path in _files_of(cache)]):
        if number % A_SLICE == A_SLICE - 1:
            yield Wait()
        size = path.lstat().st_size if os.path.lexists(path) else 0
        problem = "" if call.check else _remove(call, path)
        if problem:
            kept.append(problem)
        else:
            removed.append(str(path))
            freed += size
    return _cleared(call, removed, freed, kept)


def _cleared(call: Call, removed: list[str], freed: int, kept: list[str]) -> Result:
    data = {"value": freed, "removed": removed, "kept": kept}
    if kept:
        text = f"{len(kept)} files could not be removed: {'; '.join(kept[:5])}; give this user write permission"
        return Result(False, changed=bool(removed), message=text, data=data)
    word = "would be removed" if call.check else "were removed"
    return Result(True, changed=bool(removed), message=f"{len(removed)} files, {freed} bytes, {word}", data=data)


def _remove(call: Call, path: Path) -> str:
    """Remove a file; empty, or why it is still there."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return f"{path}: {error.strerror}"
    call.changed = True
    return ""


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder, without following links."""
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = list(entries)
        except (FileNotFoundError, PermissionError):  # removed meanwhile, or not ours
            continue
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            yield entry


def _files_of(cache: Path) -> list[Path]:
    """What a cache holds, without its mark."""
    return [
        Path(entry.path)
        for entry in _below(cache)
        if not stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode) and Path(entry.path) != cache / CACHE_TAG
    ]


def _is_tag(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(CACHE_SIGNATURE)) == CACHE_SIGNATURE
