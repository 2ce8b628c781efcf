"""Builds the steps and checks of a playbook: actions and their parameters, variables in the order they come to be.

It knows actions by their declarations only. Invariant: a variable may be used only after the step that registers it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playbooks.file.expressions import Compiler
from playbooks.file.sections import Section
from playbooks.params import problem_of
from playbooks.spec import (
    RESULT_FIELDS,
    RUN_FIELDS,
    ActionKind,
    Actions,
    ActionSpec,
    Check,
    OnFailure,
    Retry,
    Step,
)
from playbooks.templates import Template
from supervisors.durations import nearest_match
from supervisors.tree_file.fields import Faults
from supervisors.yaml_source import Place

OWN = ("inputs", "issue", "run", "true", "false", "null")
"""Variables that a step cannot register."""


@dataclass(slots=True)
class Blocks:
    """What the blocks of one playbook share: the actions there are, names taken, variables known so far."""

    compiler: Compiler
    actions: Actions
    inputs: tuple[str, ...]
    ids: dict[str, Place] = field(default_factory=dict)
    registers: dict[str, Place] = field(default_factory=dict)

    @property
    def faults(self) -> Faults:
        return self.compiler.faults

    @property
    def names(self) -> dict[str, tuple[str, ...] | None]:
        """The variables that may be used from here on."""
        known: dict[str, tuple[str, ...] | None] = {"inputs": self.inputs, "issue": None, "run": RUN_FIELDS}
        return known | dict.fromkeys(self.registers, RESULT_FIELDS)

    def steps(self, sections: tuple[Section, ...], *, may_rescue: bool) -> tuple[Step, ...]:
        """The steps of one block. `may_rescue`: whether a step may ask for the rescue block."""
        found = (self._step(section, may_rescue) for section in sections)
        return tuple(step for step in found if step is not None)

    def checks(self, sections: tuple[Section, ...]) -> tuple[Check, ...]:
        """The entries of `verify`."""
        found = (self._check(number, section) for number, section in enumerate(sections, 1))
        return tuple(check for check in found if check is not None)

    def _step(self, section: Section, may_rescue: bool) -> Step | None:
        when = self.compiler.conditions(section, self.names)
        action = self._action(section)
        id = self._id(section)
        params = self._params(section, action)
        if section["on_failure"] is OnFailure.RESCUE and not may_rescue:
            allowed = "continue or fail here, or a rescue block after steps"
            self.faults.add(section.place("on_failure"), "on_failure is 'rescue' where no rescue can follow", allowed)
        register = self._register(section)
        if id is None or action is None:
            return None
        retry = section["retry"]
        return Step(
            id=id,
            action=action.name,
            params=params,
            register=register,
            when=when,
            retry=Retry(count=retry["count"] or 0, delay_s=retry["delay"]) if retry else Retry(),
            timeout_s=section["timeout"] or action.timeout_s,
            on_failure=section["on_failure"],
        )

    def _check(self, number: int, section: Section) -> Check | None:
        action = self._action(section)
        params = self._params(section, action)
        tolerance = self.compiler.tolerance(section)
        if action is None:
            return None
        if action.kind is not ActionKind.READS:
            reads = [name for name, spec in self.actions.items() if spec.kind is ActionKind.READS]
            message = f"verify with the action {action.name!r}, which acts"
            self.faults.add(section.place("action"), message, ", ".join(reads) or "an action that reads")
        return Check(
            id=f"verify_{number}",
            action=action.name,
            params=params,
            tolerance=tolerance,
            timeout_s=action.timeout_s,
        )

    def _action(self, section: Section) -> ActionSpec | None:
        name = section["action"]
        if name is not None and name not in self.actions:
            allowed = ", ".join(self.actions) or "no action is known"
            message = f"unknown action {name[:60]!r}"
            self.faults.add(section.place("action"), message, allowed, nearest_match(name, self.actions))
        return self.actions.get(name) if name is not None else None

    def _id(self, section: Section) -> str | None:
        """The name of a step: that of its action when it has none of its own."""
        key = "id" if "id" in section else "action"
        id: str | None = section[key]
        if id in self.ids:
            first = self.ids[id].line
            self.faults.add(section.place(key), f"the step {id!r} for the second time, first at line {first}", _ONCE)
        elif id is not None:
            self.ids[id] = section.place(key)
        return id

    def _register(self, section: Section) -> str | None:
        name: str | None = section["register"]
        if name is None:
            return None
        if name in OWN or name in self.registers:
            taken = f", first at line {self.registers[name].line}" if name in self.registers else ""
            self.faults.add(section.place("register"), f"the variable {name!r} is taken{taken}", "another name")
        if name not in OWN:
            self.registers.setdefault(name, section.place("register"))
        return name

    def _params(self, section: Section, action: ActionSpec | None) -> dict[str, Any]:
        node = section["with"]
        values: dict[str, Any] = self.compiler.value(node, self.names) if node is not None else {}
        if action is None:
            return values
        for name, value in values.items():
            param = action.params.get(name)
            if param is None:
                allowed = ", ".join(action.params) or "none"
                message = f"unknown parameter {name[:60]!r} of {action.name}"
                self.faults.add(node.keys[name], message, allowed, nearest_match(name, action.params))
            elif value is not None and not isinstance(value, Template) and (allowed := problem_of(param, value) or ""):
                self.faults.wrong(node.value[name], name, allowed)
        for name, param in action.params.items():
            if param.required and values.get(name) is None:
                message = f"{action.name} without its parameter {name}"
                self.faults.add(section.place("action"), message, f"with: {{{name}: ...}}")
        return values


_ONCE = "each name once, given by id"
