"""Compiles the expressions and templates of a playbook file and tells their mistakes at their own column.

It knows which text stands where, not what it is for. Invariant: a mistake inside a value is placed exactly when
the value stands on one line as it is, and at the start of the value when it is folded or escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.conditions import ConditionError, Expression, Names, compile_expression
from playbooks.file.sections import Section
from playbooks.spec import Condition, Tolerance
from playbooks.templates import compile_template
from playbooks.tolerance import pattern_problem
from supervisors.tree_file.fields import Faults
from supervisors.yaml_source import Node, Place


@dataclass(frozen=True, slots=True)
class Compiler:
    """The lines of one file and its faults."""

    lines: tuple[str, ...]
    faults: Faults

    def expression(self, node: Node, what: str, names: Names) -> Expression | None:
        """One expression; a bare number or `true` is one too."""
        if isinstance(node.value, Mapping | tuple | None):
            self.faults.wrong(node, what, "an expression such as issue.age_s > 30")
            return None
        try:
            return compile_expression(node.text, names)
        except ConditionError as error:
            self._tell(node, error)
            return None

    def conditions(self, section: Section, names: Names) -> tuple[Condition, ...]:
        """What stands under `when`: an expression or a list of them."""
        if "when" not in section:
            return ()
        node = section.at("when")
        found = []
        for item in node.value if isinstance(node.value, tuple) else (node,):
            test = self.expression(item, "when", names)
            if test is not None:
                found.append(Condition(test=test, place=item.place))
        return tuple(found)

    def value(self, node: Node, names: Names) -> Any:
        """Plain data with its templates compiled."""
        match node.value:
            case Mapping() as entries:
                return {key: self.value(each, names) for key, each in entries.items()}
            case tuple() as items:
                return [self.value(each, names) for each in items]
            case str() as text:
                try:
                    return compile_template(text, names)
                except ConditionError as error:
                    self._tell(node, error)
                    return text
            case scalar:
                return scalar

    def tolerance(self, section: Section) -> Tolerance | None:
        """A value, a list of them, or a mapping of `min`, `max` or `pattern`."""
        if "tolerance" not in section:
            return None
        node = section.at("tolerance")
        match node.value:
            case Mapping():
                return self._range(Section(node, "tolerance", self.faults, "tolerance"))
            case tuple() as items:
                return Tolerance(values=tuple(item.plain() for item in items))
            case scalar:
                return Tolerance(values=(scalar,))

    def _range(self, section: Section) -> Tolerance | None:
        bounds = {key: self._bound(section, key) for key in ("min", "max") if key in section}
        pattern = section["pattern"]
        if ("pattern" in section) is bool(bounds):
            place = section.node.place
            self.faults.add(place, f"tolerance with {', '.join(section.fields.entries) or 'nothing'}", _RANGES)
            return None
        if pattern is not None and (problem := pattern_problem(pattern)):
            self.faults.add(section.place("pattern"), f"pattern is not a regular expression: {problem}", _PATTERN)
        return Tolerance(least=bounds.get("min"), most=bounds.get("max"), pattern=pattern)

    def _bound(self, section: Section, key: str) -> float | None:
        value = section[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.faults.wrong(section.at(key), key, "a number")
            return None
        return value

    def _tell(self, node: Node, error: ConditionError) -> None:
        self.faults.add(self._place(node, error.offset), str(error), error.allowed, error.nearest)

    def _place(self, node: Node, offset: int) -> Place:
        place = node.place
        line = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        start = place.column - 1
        start += line[start : start + 1] in ("'", '"')
        if not line.startswith(node.text, start):
            return place
        return Place(place.file, place.line, start + 1 + offset)


_RANGES = "min or max or both, or pattern alone"
_PATTERN = "a Python regular expression"
