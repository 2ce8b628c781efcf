"""The file `home/config/overrides.yaml`: changes of settings and thresholds, relative to the tree file.

An entry names a child, a setting and a change: `with.KEY` is a key of its configuration, the others are thresholds of
its supervision. Whoever starts an actor asks `configured` or `supervised` here. It must not decide anything.
Invariant: the file is replaced as a whole, keeps every earlier entry, and one that cannot be read is never
overwritten; an entry that means nothing changes nothing and is named with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from grace_actors.errors import Refused
from grace_actors.kernel import Data
from grace_actors.stores.files import failed
from grace_actors.stores.files import replace as replace_file
from supervisors.spec import ChildSpec, SupervisorSpec
from supervisors.yaml_source import FileError, Node, read_yaml

FILE = "config/overrides.yaml"
WITH = "with."
CHANGES = ("to", "times", "plus")
ALLOWED = "allowed: with.KEY, heartbeat.misses, backoff.min, start_timeout"
_HEAD = (
    "# Approved changes of settings and thresholds, newest last. Written by meta_loop and the action set_setting;\n"
    "# an entry may be deleted by hand. It counts from the next start of the child or of its supervisor.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One change: `how` is `to` (the value itself), `times` or `plus` (of the number before)."""

    child: str
    setting: str
    how: str
    value: Any
    place: str

    def applied(self, before: Any) -> Any:
        """What the setting is afterwards. Raises ValueError when there is nothing to calculate with."""
        if self.how == "to":
            return self.value
        if not _is_number(before) or not _is_number(self.value):
            raise ValueError(f"{self.setting} of {self.child} is {before!r:.60}: `{self.how}` needs a number")
        after = before * self.value if self.how == "times" else before + self.value
        return int(after) if isinstance(before, int) and float(after).is_integer() else after


# ---- using ----------------------------------------------------------------------------------------------------------


def configured(home: Path, name: str, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The configuration an actor starts with, and what was ignored. Never raises."""
    found, problems = read(home / FILE)
    after = dict(config)
    for one in found:
        if one.child == name and one.setting.startswith(WITH):
            key = one.setting.removeprefix(WITH)
            try:
                after[key] = one.applied(after.get(key))
            except ValueError as error:
                problems.append(f"{one.place}: {error}")
    return after, problems


def supervised(home: Path, spec: SupervisorSpec) -> tuple[SupervisorSpec, list[str]]:
    """The spec a supervisor starts with, with the thresholds of its children changed, and what was ignored."""
    found, problems = read(home / FILE)
    children = {child.id: child for child in spec.children}
    for one in found:
        if one.child in children and not one.setting.startswith(WITH):
            try:
                children[one.child] = _changed(children[one.child], one)
            except ValueError as error:
                problems.append(f"{one.place}: {error}")
    if all(children[child.id] is child for child in spec.children):
        return spec, problems
    return replace(spec, children=tuple(children.values())), problems


def _changed(child: ChildSpec, one: Override) -> ChildSpec:
    """Raises ValueError for a threshold that there is not, or that would be none."""
    match one.setting:
        case "heartbeat.misses" if child.heartbeat:
            misses = _positive(one, child.heartbeat.misses)
            return replace(child, heartbeat=replace(child.heartbeat, misses=int(misses)))
        case "backoff.min" if child.backoff:
            least = _positive(one, child.backoff.min_s)
            most = max(least, child.backoff.max_s)
            return replace(child, backoff=replace(child.backoff, min_s=least, max_s=most))
        case "start_timeout" if child.start_timeout_s is not None:
            return replace(child, start_timeout_s=_positive(one, child.start_timeout_s))
        case "heartbeat.misses" | "backoff.min" | "start_timeout":
            raise ValueError(f"the tree file gives {one.child} no {one.setting} to change")
        case other:
            raise ValueError(f"unknown setting {other!r:.60}; {ALLOWED}")


def _positive(one: Override, before: float) -> float:
    after = one.applied(before)
    if not _is_number(after) or not 0 < after < 1e7:
        raise ValueError(f"{one.setting} of {one.child} would be {after!r:.60}; allowed: a number above 0")
    return float(after)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# ---- reading and writing --------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[list[Override], list[str]]:
    """Every entry that can be used, oldest first, and with its place what is wrong with the others. Never raises."""
    if not path.exists():
        return [], []
    try:
        root = read_yaml(path)
    except FileError as error:
        return [], [str(fault) for fault in error.faults]
    entries = root.value.get("overrides") if isinstance(root.value, Mapping) else None
    if entries is None or not isinstance(entries.value, tuple):
        return [], [f"{root.place}: there is no list `overrides`"]
    found, problems = [], []
    for node in entries.value:
        try:
            found.append(_override(node))
        except ValueError as error:
            problems.append(f"{node.place}: {error}")
    return found, problems


def _override(node: Node) -> Override:
    entry = node.plain()
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("child", "setting")):
        raise ValueError("an override names a `child` and a `setting`")
    change = entry.get("change")
    if not isinstance(change, dict) or len(change) != 1 or next(iter(change)) not in CHANGES:
        raise ValueError(
            f"`change` of {entry['child']} {entry['setting']} is {change!r:.60}; allowed: one of {CHANGES}"
        )
    ((how, value),) = change.items()
    return Override(child=entry["child"], setting=entry["setting"], how=how, value=value, place=str(node.place))


def read_overrides(path: Path) -> list[Data]:
    """The entries of the file as they are; none if it is absent. Raises Refused when it cannot be read."""
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
    _write(path, [*kept, entry])


def set_override(path: Path, entry: Data) -> None:
    """Add an entry that gives a setting its value; earlier ones of the same setting mean nothing any more and go.
    Raises Refused, StoreFailed."""
    same = (entry["child"], entry["setting"])
    kept = [known for known in read_overrides(path) if (known.get("child"), known.get("setting")) != same]
    _write(path, [*kept, entry])


def _write(path: Path, entries: list[Data]) -> None:
    text = _HEAD + yaml.safe_dump({"version": 1, "overrides": entries}, sort_keys=False, allow_unicode=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failed(path.parent, error) from error
    replace_file(path, text.encode())
