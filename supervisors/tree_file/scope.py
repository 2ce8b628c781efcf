"""What is shared while one tree file is read: its faults, names, places and the defaults in force.

`Scope` travels down the tree; `Names` belongs to the whole file. They decide only whether a name may be used.
Invariant: names are flat, one name stands for one child of the whole tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from supervisors.tree_file.fields import Faults, Fields
from supervisors.tree_file.keys import ACTORS, DEFAULTS, INHERITED_BY_SUPERVISORS, RESERVED_NAMES, SECTIONS
from supervisors.yaml_source import Node, Place

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
NAME_FORM = "a letter, then letters, digits, _ or -, at most 63 in all"


@dataclass(slots=True)
class Names:
    """Every name of the file with its place, the places of its keys, the classes of its kernels and those of its
    built-in actors."""

    taken: dict[str, Place] = field(default_factory=dict)
    places: dict[tuple[str, ...], Place] = field(default_factory=dict)
    classes: dict[str, Place] = field(default_factory=dict)
    actors: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The surroundings of one entry."""

    faults: Faults
    names: Names
    folder: Path
    defaults: Mapping[str, Node] = field(default_factory=dict)

    def within(self, defaults: Node | None) -> Scope:
        """The scope of the children of a supervisor: its defaults go before those it stands in."""
        if defaults is None or not isinstance(defaults.value, Mapping):
            return self
        return replace(self, defaults={**self.defaults, **defaults.value})

    def filled(self, fields: Fields, section: str, name: str) -> Fields:
        """The fields with the defaults put in that may stand in this section and are not given."""
        heirs = INHERITED_BY_SUPERVISORS if section == "supervisor" else DEFAULTS
        given = {key: node for key, node in self.defaults.items() if key in heirs and key in SECTIONS[section]}
        for key, node in given.items():
            self.names.places.setdefault((name, key), node.place)
        filled = Fields(fields.node, fields.what, self.faults)
        filled.entries = {**given, **fields.entries}
        return filled

    def claim(self, fields: Fields, key: str, *, actor: bool = False) -> str:
        """The name under `key`, claimed for this entry. If it cannot be had that is a fault, and the entry gets a
        stand-in, so that everything below and around it is still checked."""
        name = fields.needs(key, fields.text(key))
        if name is None or not self._is_free(name, fields[key].place, actor=actor):
            name = f"?{fields.node.place.line}:{fields.node.place.column}"
        else:
            self.names.taken[name] = fields[key].place
        self.names.places[(name,)] = fields[key].place if key in fields else fields.node.place
        for other, node in fields.entries.items():
            self.names.places[(name, other)] = node.place
            for item in node.value if isinstance(node.value, tuple) else ():
                self.names.places.setdefault((name, other, item.text), item.place)
        return name

    def _is_free(self, name: str, place: Place, *, actor: bool) -> bool:
        if not _NAME.fullmatch(name):
            self.faults.add(place, f"the name {name[:80]!r}", NAME_FORM)
            return False
        if name in RESERVED_NAMES or (name in ACTORS and not actor):
            self.faults.add(place, f"the name {name!r}, which the runtime keeps for itself", "another name")
            return False
        if name in self.names.taken:
            first = self.names.taken[name]
            message = f"the name {name!r} for the second time, first at line {first.line}"
            self.faults.add(place, message, "each name once in the whole tree")
            return False
        return True
