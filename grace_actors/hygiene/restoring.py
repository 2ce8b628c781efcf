"""Puts a part of a set back where it belongs; what is replaced goes to quarantine.

Works on files; whether the owner of the part stands still is for the caller to see to. Of a log only what is damaged
or missing is put back: what is sound in it is newer than the copy. Invariant: nothing is touched before every copy of
the part was found right, and a file is replaced in one step.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from grace_actors.actions.tools.archive import held_open
from grace_actors.actions.tools.stores import SIDES
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.hygiene import plan, reading, sources
from grace_actors.hygiene.plan import LOGS, part_of, place_of
from grace_actors.hygiene.sets import RECORD, Item, Sets
from grace_actors.hygiene.sources import Source
from grace_actors.hygiene.taking import write
from grace_actors.stores.chain.segment import PACKED, PLAIN
from grace_actors.stores.files import failed, quarantine, sync_directory


def restore(store: Sets, id: str, part: str, wall: float, *, force: bool) -> dict[str, Any]:
    """What was put back, what was there already, what could not be, and where the old files are. Raises Refused,
    NotFound; WorldFailed when the disk refuses or a copy is damaged."""
    items = _items(store, id, part)
    places = {item.path: _place(store.home, item.path) for item in items}
    wanted = _needed(store, part, items, places, force=force)
    restorable = [item for item in wanted if item.how != "lost"]
    targets = [places[item.path] for item in restorable]
    beside = [other for target in targets for other in _beside(part, target)]
    if part.startswith("stores/"):
        _refuse_open([*targets, *beside])
    drafts: list[Path] = []
    try:
        for item, target in zip(restorable, targets, strict=True):
            drafts.append(_staged(store, id, item, target))
        aside = [path for path in [*targets, *beside] if os.path.lexists(path)]
        kept = _set_aside(store.home, part, targets, beside, wall) if aside else None
        for draft, target in zip(drafts, targets, strict=True):
            draft.replace(target)
            sync_directory(target.parent)
    except OSError as error:
        raise failed(store.home / place_of(items[0].path), error) from error
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return {
        "set": id,
        "part": part,
        "restored": [item.path for item in restorable],
        "unchanged": len(items) - len(wanted),
        "without_copy": [item.path for item in wanted if item.how == "lost"],
        "quarantine": str(kept) if kept else None,
    }


def _items(store: Sets, id: str, part: str) -> list[Item]:
    folder = store.folder(id)
    try:
        record = store.load(id)
        if not store.digests.is_it(folder / RECORD, reading.checksums(folder / "manifest.sha256").get(RECORD, "")):
            raise ValueError(f"{RECORD} is damaged")
    except (OSError, ValueError) as error:
        raise WorldFailed(f"set {id}: {error}; nothing was changed", hint="choose another set") from error
    parts = record.parts()
    if part not in parts:
        raise NotFound(f"set {id} has no part {part!r}", hint=f"parts: {', '.join(parts)}")
    if part == "tree":
        where = store.copy_of(id, parts[part][0])
        raise Refused("the tree file is not part of the home", hint=f"its copy is {where}")
    return parts[part]


def _place(home: Path, path: str) -> Path:
    """Where a file goes, which must not be behind a link. Raises Refused."""
    target = home / place_of(path)
    if home.resolve() not in target.parent.resolve().parents:  # resolves what exists of it
        raise Refused(f"{target.parent} leads out of the home", hint="replace the link by a folder")
    return target


def _needed(store: Sets, part: str, items: list[Item], places: dict[str, Path], *, force: bool) -> list[Item]:
    different = [item for item in items if not store.digests.is_it(places[item.path], item.sha256)]
    if part not in LOGS or force:
        return different
    now = {one.path: one for one in sources.find(store.home).sources if part_of(one.path) == part}
    bad = {path for path, source in now.items() if _is_damaged(source)}
    bad |= {*plan.missing([item.path for item in items], now.keys(), [])}
    stems = {plan.stem_of(path) for path in bad}
    return [item for item in different if plan.stem_of(item.path) in stems]


def _is_damaged(source: Source) -> bool:
    if source.judge is None:
        return False
    try:
        return bool(source.judge(reading.content(source.origin, most_bytes=source.most_bytes)).problem)
    except (OSError, ValueError):
        return True


def _beside(part: str, target: Path) -> list[Path]:
    """Files that belong to the old one and would change what the new one means."""
    if part.startswith("stores/"):
        return [target.with_name(f"{target.name}{side}") for side in SIDES]
    if part == "audit" and not target.name.endswith(".seal"):
        stem = plan.stem_of(target.name)
        return [target.with_name(stem + ending) for ending in (PLAIN, PACKED) if stem + ending != target.name]
    return []


def _refuse_open(files: list[Path]) -> None:
    held = held_open()
    for file in files:
        if file.exists() and (file.stat().st_dev, file.stat().st_ino) in held:
            raise Refused(f"{file} is in use", hint="stop its kernel first, or use the action restore_from_snapshot")


def _staged(store: Sets, id: str, item: Item, target: Path) -> Path:
    """A copy beside the target, read back. Raises OSError; WorldFailed when it is not what the set promises."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        write(draft, reading.pieces(store.copy_of(id, item)))
        draft.chmod(item.mode)
        if not store.digests.is_it(draft, item.sha256):
            raise WorldFailed(f"{item.path} of {id} is damaged; nothing was changed", hint="choose another set")
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _set_aside(home: Path, part: str, targets: list[Path], beside: list[Path], wall: float) -> Path:
    """The old files stay where they are until they are replaced; what lies beside them goes. Raises StoreFailed."""
    name = part.replace("/", "-")
    kept = quarantine(home, name, targets, wall, keep=True, below=home)
    quarantine(home, name, beside, wall, below=home)
    return kept
