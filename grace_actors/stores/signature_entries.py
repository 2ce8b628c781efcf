"""Reads the JSON form of the knowledge base: entries keyed by signature id, as files hold them.

Pure: plain data in, checked values out; `signature_json` is the way back. Must not know a database. Invariants: nothing
of an import is used unless all of it is sound, and what is imported obeys the rules of `confidence`.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from grace_actors.errors import Refused
from grace_actors.kernel import Data
from grace_actors.kernels.rows import MAX_JSON_CHARS
from grace_actors.stores.confidence import SUCCESSES_FOR_AUTO, THRESHOLD, Standing
from grace_actors.stores.signature_schema import canonical

MOST_FAULTS = 20
MOST_COUNT = 1_000_000_000
MOST_NAMES = 1_000
NAME_CHARS = 300

REPAIR_FIELDS = (
    "playbook_name", "params", "success_count", "failure_count", "confidence", "last_used", "auto_apply",
    "auto_apply_held",
)  # fmt: skip
ENTRY_FIELDS = (
    "signature_id", *REPAIR_FIELDS, "kernel", "aliases", "hints", "first_seen", "last_seen", "seen", "components",
    "repairs",
)  # fmt: skip
NEEDED = ("playbook_name", "success_count", "failure_count", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRepair:
    """`last_used` 0.0 is never."""

    playbook: str
    params: str
    standing: Standing
    last_used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a file says of one signature."""

    signature: str
    kernel: str
    aliases: tuple[str, ...]
    hints: tuple[str, ...]
    first_seen: float | None
    last_seen: float | None
    seen: int
    components: tuple[Data, ...]
    repairs: tuple[ImportedRepair, ...]


@dataclass(slots=True)
class _Faults:
    """Every mistake of a file, and notes on what was taken otherwise than written."""

    found: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, where: str, seen: Any, allowed: str) -> None:
        self.found.append(f"{where} is {seen!r:.80}; allowed: {allowed}")


def parse_entries(given: Mapping[Any, Any]) -> tuple[list[Entry], list[str]]:
    """The entries of an import, and notes on what was taken otherwise than written. Raises Refused with every
    mistake."""
    faults = _Faults()
    entries = [entry for key, value in given.items() if (entry := _entry(key, value, faults)) is not None]
    _no_name_twice(entries, faults)
    if faults.found:
        more = len(faults.found) - MOST_FAULTS
        text = "\n".join(faults.found[:MOST_FAULTS]) + (f"\nand {more} more" if more > 0 else "")
        raise Refused(f"import: nothing was imported:\n{text}", hint="docs/signatures.md describes the form")
    return entries, faults.notes


def _entry(key: Any, value: Any, faults: _Faults) -> Entry | None:
    if not isinstance(key, str) or not key.strip() or len(key) > NAME_CHARS:
        faults.add("a key", key, f"a signature id of 1 to {NAME_CHARS} characters")
        return None
    fields = _Fields(repr(key), value, ENTRY_FIELDS, faults)
    if not fields.is_mapping:
        return None
    if fields.values.get("signature_id", key) != key:
        faults.add(f"{key!r}: signature_id", fields.values["signature_id"], f"{key!r}, its key")
    has_repair = fields.values.get("playbook_name") is not None
    repairs = [fields.repair()] if has_repair else []
    if not has_repair and any(fields.values.get(name) for name in REPAIR_FIELDS[1:]):
        faults.add(f"{key!r}: playbook_name", None, "a playbook's name, where there are outcomes of one")
    for number, more in enumerate(fields.list_of("repairs", dict, "a list of repairs")):
        repairs.append(_Fields(f"{key!r}: repairs[{number}]", more, REPAIR_FIELDS, faults).repair())
    if len({(repair.playbook, repair.params) for repair in repairs}) < len(repairs):
        faults.add(f"{key!r}: repairs", "the same playbook and params twice", "each once")
    outcomes = sum(repair.standing.successes + repair.standing.failures for repair in repairs)
    return Entry(
        signature=key,
        kernel=fields.text("kernel"),
        aliases=tuple(fields.names("aliases")),
        hints=tuple(fields.names("hints")),
        first_seen=fields.moment("first_seen"),
        last_seen=fields.moment("last_seen"),
        seen=fields.count("seen", outcomes),
        components=tuple(fields.components()),
        repairs=tuple(repairs),
    )


def _no_name_twice(entries: Iterable[Entry], faults: _Faults) -> None:
    owner = {entry.signature: entry.signature for entry in entries}
    for entry in entries:
        for alias in entry.aliases:
            first = owner.setdefault(alias, entry.signature)
            if first != entry.signature:
                faults.add(f"{entry.signature!r}: aliases", alias, f"names of no other entry; {first!r} has it, too")


class _Fields:
    """One mapping of the file. Each reader notes a mistake and answers a default."""

    def __init__(self, where: str, value: Any, allowed: tuple[str, ...], faults: _Faults) -> None:
        self.where, self.faults = where, faults
        self.is_mapping = isinstance(value, Mapping)
        self.values: Mapping[Any, Any] = value if self.is_mapping else {}
        if not self.is_mapping:
            faults.add(where, value, f"an object with {', '.join(NEEDED)}")
        for name in self.values:
            if name not in allowed:
                near = difflib.get_close_matches(str(name), allowed, n=1)
                mean = f"; did you mean {near[0]}?" if near else ""
                faults.found.append(f"{where}: unknown field {name!r}{mean}; allowed: {', '.join(allowed)}")

    def bad(self, name: str, allowed: str) -> None:
        if name in self.values:
            self.faults.add(f"{self.where}: {name}", self.values[name], allowed)
        else:
            self.faults.found.append(f"{self.where}: {name} is missing; allowed: {allowed}")

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > NAME_CHARS:
            self.bad(name, f"a text of up to {NAME_CHARS} characters")
            return ""
        return value.strip()

    def names(self, name: str) -> list[str]:
        found = self.list_of(name, str, "a list of texts")
        if len(found) > MOST_NAMES or any(not item.strip() or len(item) > NAME_CHARS for item in found):
            self.bad(name, f"at most {MOST_NAMES} texts of 1 to {NAME_CHARS} characters")
        return [item.strip() for item in found]

    def list_of(self, name: str, kind: type, allowed: str) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple) or not all(isinstance(item, kind) for item in value):
            self.bad(name, allowed)
            return []
        return list(value)

    def count(self, name: str, default: int | None = None) -> int:
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_COUNT:
            self.bad(name, f"a whole number from 0 to {MOST_COUNT}")
            return 0
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            self.bad(name, "true or false")
        return value is True

    def moment(self, name: str) -> float | None:
        value = self.values.get(name)
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (TypeError, ValueError, OverflowError):
            self.bad(name, "a time such as 2025-11-15T08:00:00Z, or null")
        return None

    def components(self) -> list[Data]:
        found = self.list_of("components", dict, "a list of objects")
        if found and self._is_too_long(found):
            self.bad("components", f"plain data of at most {MAX_JSON_CHARS} characters")
        return found

    def _is_too_long(self, value: Any) -> bool:
        try:
            return len(json.dumps(value, allow_nan=False)) > MAX_JSON_CHARS
        except (TypeError, ValueError):
            return True

    def repair(self) -> ImportedRepair:
        playbook = self.text("playbook_name")
        if not playbook:
            self.bad("playbook_name", "a playbook's name")
        params, text = self.values.get("params"), "{}"
        try:
            if not isinstance(params, Mapping | None):
                raise TypeError
            text = canonical(dict(params or {}))
            if len(text) > MAX_JSON_CHARS:
                raise ValueError
        except (TypeError, ValueError):
            self.bad("params", f"an object of plain data, of at most {MAX_JSON_CHARS} characters")
        return ImportedRepair(
            playbook=playbook, params=text, standing=self._standing(), last_used=self.moment("last_used") or 0.0
        )

    def _standing(self) -> Standing:
        successes, failures = self.count("success_count"), self.count("failure_count")
        given = self.values.get("confidence")
        is_number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
        if not is_number or not 0 <= given <= 1:  # type: ignore[operator]
            self.bad("confidence", "a number from 0.0 to 1.0")
            return Standing(successes, failures)
        confidence = round(given * 100)  # type: ignore[operator]
        if confidence and not successes:
            self.faults.notes.append(f"{self.where}: confidence {given} without a success is imported as 0.0")
            confidence = 0
        auto, held = self.flag("auto_apply"), self.flag("auto_apply_held")
        least = THRESHOLD if held else THRESHOLD + 1
        if auto and (confidence < least or successes < SUCCESSES_FOR_AUTO):
            self.faults.notes.append(
                f"{self.where}: auto_apply is imported as off with success_count {successes} and confidence"
                f" {confidence / 100:.2f}: it needs {SUCCESSES_FOR_AUTO} and more than {THRESHOLD / 100:.2f}"
            )
            auto = False
        return Standing(successes, failures, confidence, auto)
