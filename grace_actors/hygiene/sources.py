"""What an instance has that belongs into a set, and how each kind of file is told from a damaged one.

Lists files and judges bytes; must not write. A judgement is the length of the sound part and what is wrong behind it:
the newest file of a log may end in the midst of a write. Invariant: every file is found under one path, whoever
looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from grace_actors import snapshots
from grace_actors.errors import GraceError
from grace_actors.home import Home
from grace_actors.hygiene import reading
from grace_actors.status.records import decode_segment
from grace_actors.stores import backups, manifest
from grace_actors.stores.chain import segment

OWNERS_KEEP = frozenset({"secret_manager"})
"""Kernels that must be able to withdraw copies of their store: after a change of keys older ones must not come back.
A set names their newest snapshot, and does not hold it."""

MOST_LOG_BYTES = 256 << 20
MOST_CONFIG_BYTES = 16 << 20
CONFIG_ENDINGS = (".yaml", ".yml", ".json")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`length` bytes of the content are sound. A `problem` says that it is damaged."""

    length: int
    problem: str = ""


Judge = Callable[[bytes], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file: `path` in the set, `origin` in the home. `copies` are files that never change in place and may be
    equal to it. `judge` is None for what is no plain file to be read whole: a store, or an artefact, which has to
    have the checksum `sha256`."""

    path: str
    origin: Path
    judge: Judge | None = None
    sha256: str = ""
    is_store: bool = False
    most_bytes: int = MOST_LOG_BYTES
    copies: tuple[Path, ...] = ()


@dataclass(slots=True)
class Found:
    """All sources; by path: what was left out, what is wrong with files that cannot be had, and with sound ones that do
    not go on where the one before ended."""

    sources: list[Source] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)


def find(home: Path) -> Found:
    """Everything that belongs into a set. Raises OSError when a folder cannot be read."""
    found = Found()
    for part in (_stores, _kernels, _events, _audit, _people, _tree, _artefacts):
        found.sources += part(home, found)
    found.skipped = {path.removeprefix(f"{home}/"): why for path, why in found.skipped.items()}
    return found


# ---- where they are -------------------------------------------------------------------------------------------------


def _stores(home: Path, found: Found) -> Iterator[Source]:
    for file in _flat(home / "data", "*/*.db", found):
        owner = file.parent.name
        kept = tuple(one.file for one in [backups.newest(home / "snapshots" / "stores" / owner)] if one)
        yield Source(path=f"stores/{owner}/{file.name}", origin=file, is_store=True, copies=kept)


def _kernels(home: Path, found: Found) -> Iterator[Source]:
    folder = home / "snapshots"
    for file in _flat(folder, f"*{snapshots.SUFFIX}", found):
        if not file.name.endswith(snapshots.PREVIOUS):
            archived = sorted((folder / "archive" / file.stem).glob(f"*{snapshots.SUFFIX}"), reverse=True)[:1]
            yield Source(path=f"kernels/{file.name}", origin=file, judge=kernel_snapshot, copies=tuple(archived))


def _events(home: Path, found: Found) -> Iterator[Source]:
    files = _flat(home / "data" / "status" / "events", "events-*.jsonl", found)
    for file in files:
        yield Source(path=f"events/{file.name}", origin=file, judge=_event_segment(file, is_open=file == files[-1]))


def _audit(home: Path, found: Found) -> Iterator[Source]:
    folder, mirror = home / "data" / "immutable_log", home / "snapshots" / "immutable_log"
    if folder.is_symlink():
        found.skipped[str(folder)] = "a link"
        return
    files = segment.files(folder)
    before: segment.Segment | None = None
    for file in files:
        side = file.with_name(segment.name_of(file) + segment.SEAL)
        seal, is_open = segment.read_seal(file), file == files[-1] and not side.exists()
        copies = () if is_open else (mirror / file.name,)
        judge = _audit_segment(file, seal, is_open=is_open)
        yield Source(path=f"audit/{file.name}", origin=file, judge=judge, copies=copies)
        if seal and before and (seal.first, seal.previous) != (before.first + before.count, before.last):
            found.gaps[f"audit/{file.name}"] = f"it does not continue {before.name}"
        before = seal
    for side in _flat(folder, f"*{segment.SEAL}", found):
        yield Source(path=f"audit/{side.name}", origin=side, judge=_json, copies=(mirror / side.name,))


def _people(home: Path, found: Found) -> Iterator[Source]:
    """What people write: configuration, playbooks."""
    for file in _flat(home / "config", "*", found):
        if file.suffix in CONFIG_ENDINGS:
            copies = (home / "snapshots" / "config" / file.name,)
            yield _text(f"config/{file.name}", file, copies)
    folder = home / "playbooks"
    for file in reading.files_below(folder, found.skipped):
        yield _text(f"playbooks/{file.relative_to(folder)}", file)


def _tree(home: Path, _: Found) -> Iterator[Source]:
    instance = Home(home).read_instance()
    if instance and instance.tree:
        file = Path(instance.tree).resolve()
        yield _text(f"tree/{file.name}", file)


def _artefacts(home: Path, found: Found) -> Iterator[Source]:
    """The files that a manifest names; others are nobody's."""
    folder, copies = home / "artefacts", home / "snapshots" / "artefacts"
    list_file = folder / manifest.NAME
    if folder.is_symlink() or not list_file.exists():
        return
    yield Source(path=f"artefacts/{manifest.NAME}", origin=list_file, judge=_manifest, most_bytes=MOST_CONFIG_BYTES)
    try:
        wanted = reading.checksums(list_file)
    except (OSError, ValueError, GraceError):
        return  # the judge of the manifest says so
    for name, sha256 in wanted.items():
        if problem := leaves(folder, folder / name):
            found.problems[f"artefacts/{name}"] = problem
        else:
            yield Source(path=f"artefacts/{name}", origin=folder / name, sha256=sha256, copies=(copies / name,))


def leaves(folder: Path, file: Path) -> str:
    """Why a file below a folder is not reached without a link; empty when it is."""
    inner = [parent for parent in file.parents if parent != folder and folder in parent.parents]
    links = [parent.name for parent in inner if parent.is_symlink()]
    return f"the folder {links[0]} is a link" if links else ""


def _flat(folder: Path, glob: str, found: Found) -> list[Path]:
    """Regular files that match, by name; others, and what is behind links, are noted."""
    if folder.is_symlink():
        found.skipped[str(folder)] = "a link"
        return []
    files = []
    for path in sorted(folder.glob(glob)):
        if path.name.startswith(".") or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
            found.skipped[str(path)] = "a link" if path.is_symlink() or path.parent.is_symlink() else "no regular file"
        else:
            files.append(path)
    return files


def _text(path: str, file: Path, copies: tuple[Path, ...] = ()) -> Source:
    judge = {".json": _json, ".yaml": _yaml, ".yml": _yaml}.get(file.suffix, _anything)
    return Source(path=path, origin=file, judge=judge, most_bytes=MOST_CONFIG_BYTES, copies=copies)


# ---- whether they are sound -----------------------------------------------------------------------------------------


def kernel_snapshot(data: bytes) -> Verdict:
    """The snapshot of a kernel carries its own checksum."""
    try:
        snapshots.decode(data)
    except ValueError as error:
        return Verdict(0, str(error))
    return Verdict(len(data))


def _event_segment(file: Path, *, is_open: bool) -> Judge:
    def judge(data: bytes) -> Verdict:
        found = decode_segment(int(file.stem[7:]), data)
        if found.unreadable:
            return Verdict(0, f"{found.unreadable} events cannot be read")
        if found.torn_bytes and not is_open:
            return Verdict(0, f"{found.torn_bytes} bytes of an incomplete line")
        return Verdict(len(data) - found.torn_bytes)

    return judge


def _audit_segment(file: Path, seal: segment.Segment | None, *, is_open: bool) -> Judge:
    """The chain within a segment, and its seal."""

    def judge(data: bytes) -> Verdict:
        plain = segment.unpacked(data, is_packed=file.name.endswith(segment.PACKED))
        found, walk = segment.examine(file, plain)
        if not is_open and (seal is None or not segment.matches(seal, plain)):
            return Verdict(0, walk.problem or "the seal is missing or does not match")
        if walk.problem and not (is_open and walk.torn and found.size):
            return Verdict(0, walk.problem)
        return Verdict(found.size if is_open else len(data))

    return judge


def _manifest(data: bytes) -> Verdict:
    try:
        manifest.parse(data.decode("utf-8", errors="replace"), manifest.NAME)
    except GraceError as error:
        return Verdict(0, error.message)
    return Verdict(len(data))


def _yaml(data: bytes) -> Verdict:
    """The syntax only: nothing is built, so nothing can be made to grow."""
    try:
        for _ in yaml.parse(data, Loader=_LOADER):
            pass
    except (yaml.YAMLError, UnicodeError) as error:
        return Verdict(0, f"no YAML: {' '.join(str(error).split())[:200]}")
    return Verdict(len(data))


def _json(data: bytes) -> Verdict:
    try:
        json.loads(data)
    except (ValueError, RecursionError) as error:
        return Verdict(0, f"no JSON: {error}")
    return Verdict(len(data))


def _anything(data: bytes) -> Verdict:
    return Verdict(len(data))
