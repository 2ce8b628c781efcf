"""Reads `home/config/governance.yaml` into a policy table, with every mistake and its place.

Rules of the file come on top of those given: a pattern named in both means what the file says. It must not decide
anything. Invariant: a file with a single mistake gives faults and no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from grace_actors.kernels.policy import Condition, Environment, Outcome, PolicyTable, Risk, Rule
from supervisors.yaml_source import FileError, FileFault, Node, read_yaml

Word = TypeVar("Word", bound=StrEnum)

FILE_KEYS = ("version", "environment", "require_all_approvals", "rules")
RULE_KEYS = ("action", "risk", "decision", "actors", "auto_when", "reason")


def load_policy(path: Path, base: PolicyTable) -> PolicyTable:
    """The table of a file over `base`. Raises FileError with every fault."""
    reader = _Reader(base)
    table = reader.table(read_yaml(path))
    if reader.faults:
        raise FileError(reader.faults)
    return table


class _Reader:
    """Collects faults while it reads, so that one look shows all of them."""

    def __init__(self, base: PolicyTable) -> None:
        self.base = base
        self.faults: list[FileFault] = []

    def table(self, root: Node) -> PolicyTable:
        entries = self._mapping(root, FILE_KEYS)
        table = self.base
        if "version" in entries and entries["version"].value != 1:
            self._fault(entries["version"], f"version {entries['version'].kind}", "1")
        if "environment" in entries:
            where = self._word(entries["environment"], Environment)
            table = replace(table, environment=where or Environment.PRODUCTION)
        if "require_all_approvals" in entries:
            table = replace(table, require_all=self._flag(entries["require_all_approvals"]))
        rules = [self._rule(node) for node in self._items(entries.get("rules"))]
        own = {rule.action: rule for rule in rules if rule is not None}
        kept = [rule for rule in table.rules if rule.action not in own]
        return replace(table, rules=(*own.values(), *kept))

    def _rule(self, node: Node) -> Rule | None:
        entries = self._mapping(node, RULE_KEYS)
        if not entries:
            return None
        for key in ("action", "risk"):
            if key not in entries:
                self._fault(node, f"a rule without {key}", f"{key} is needed")
        if "action" not in entries or "risk" not in entries:
            return None
        action, risk = self._text(entries["action"]), self._word(entries["risk"], Risk)
        outcome = self._word(entries["decision"], Outcome) if "decision" in entries else None
        conditions = [self._condition(item) for item in self._items(entries.get("auto_when"))]
        return Rule(
            action=action,
            risk=risk or Risk.RED,
            outcome=outcome,
            actors=tuple(self._text(item) for item in self._items(entries.get("actors"))),
            auto_when=tuple(conditions),
            reason=self._text(entries["reason"]) if "reason" in entries else "",
        )

    def _condition(self, node: Node) -> Condition:
        if not isinstance(node.value, Mapping) or not node.value:
            self._fault(node, f"{node.kind} as a condition", "a mapping of context keys to the values that satisfy it")
            return {}
        found = {}
        for key, value in node.value.items():
            items = value.value if isinstance(value.value, tuple) else (value,)
            found[key] = tuple(item.plain() for item in items)
        return found

    def _mapping(self, node: Node, allowed: tuple[str, ...]) -> Mapping[str, Node]:
        if not isinstance(node.value, Mapping):
            self._fault(node, node.kind, f"a mapping with {', '.join(allowed)}")
            return {}
        for key, place in node.keys.items():
            if key not in allowed:
                near = get_close_matches(key, allowed, 1)
                fault = FileFault(
                    place=place,
                    message=f"the key {key!r}",
                    allowed=", ".join(allowed),
                    nearest=near[0] if near else None,
                )
                self.faults.append(fault)
        return node.value

    def _items(self, node: Node | None) -> tuple[Node, ...]:
        if node is None:
            return ()
        if isinstance(node.value, tuple):
            return node.value
        self._fault(node, node.kind, "a list")
        return ()

    def _text(self, node: Node) -> str:
        if isinstance(node.value, str) and node.value.strip():
            return node.value.strip()
        self._fault(node, node.kind, "a text")
        return ""

    def _flag(self, node: Node) -> bool:
        if isinstance(node.value, bool):
            return node.value
        self._fault(node, node.kind, "true or false")
        return True

    def _word(self, node: Node, kind: type[Word]) -> Word | None:
        words = [member.value for member in kind]
        if isinstance(node.value, str) and node.value in words:
            return kind(node.value)
        near = get_close_matches(str(node.value), words, 1)
        fault = FileFault(
            place=node.place, message=node.kind, allowed=", ".join(words), nearest=near[0] if near else None
        )
        self.faults.append(fault)
        return None

    def _fault(self, node: Node, message: str, allowed: str) -> None:
        self.faults.append(FileFault(place=node.place, message=message, allowed=allowed))
